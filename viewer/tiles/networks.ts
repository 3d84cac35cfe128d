/** Pipes and cables below the ground: tubes in the colours that utility crews use, lit from within so that they read in the dark. */
import { BufferAttribute, Color, MeshLambertMaterial } from 'three'
import type { Paint } from '../../layers/layer.js'
import { colourOf } from './style.js'
import { createTileset, featureAttribute, type Tileset, type TilesetOptions } from './tileset.js'

export function createNetwork(options: Omit<TilesetOptions, 'dress' | 'undress'> & { readonly paint: Paint | undefined }): Tileset {
  return createTileset({
    ...options,
    dress({ mesh, features }) {
      const ids = featureAttribute(mesh.geometry)
      const count = mesh.geometry.getAttribute('position').count
      const colours = new Float32Array(count * 3)
      const known = new Map<number, Color>()
      for (let i = 0; i < count; i++) {
        const feature = ids?.getX(i) ?? 0
        let colour = known.get(feature)
        if (!colour) known.set(feature, colour = new Color(colourOf(options.paint, features.row(feature)) ?? '#2f7fc1'))
        colours.set([colour.r, colour.g, colour.b], i * 3)
      }
      mesh.geometry.setAttribute('color', new BufferAttribute(colours, 3))
      if (!mesh.geometry.getAttribute('normal')) mesh.geometry.computeVertexNormals()
      // Drawn after the glass, which lies over them: what is below shall be seen.
      const material = new MeshLambertMaterial({ vertexColors: true, transparent: true })
      material.onBeforeCompile = (shader) => {
        // A pipe of 20 cm would vanish from the air: none is thinner than about three pixels. Positions are counted in the tile's own unit.
        shader.vertexShader = shader.vertexShader.replace('#include <begin_vertex>', `#include <begin_vertex>
          transformed += normal * length((modelViewMatrix * vec4(position, 1.0)).xyz) * 0.0014 / length(modelMatrix[0].xyz);`)
        shader.fragmentShader = shader.fragmentShader.replace('#include <opaque_fragment>', 'outgoingLight = outgoingLight * 0.7 + diffuseColor.rgb * 0.75;\n#include <opaque_fragment>')
      }
      material.customProgramCacheKey = () => 'dothi-network'
      mesh.material = material
      mesh.renderOrder = 6
    },
    undress() { /* geometry and material go with the tile */ },
  })
}
