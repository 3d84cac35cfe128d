/** Single things on the ground: trees as little solids, everything else as discs that keep their size on the screen. */
import {
  BufferAttribute, BufferGeometry, Color, Group, IcosahedronGeometry, InstancedMesh, Matrix4, MeshLambertMaterial, OctahedronGeometry, Points,
  ShaderMaterial, Vector3, type Object3D,
} from 'three'
import type { PointSet } from './protocol.js'

export interface PointLayers {
  readonly group: Group
  show(key: string, center: Vector3, sets: readonly PointSet[]): void
  setVisible(key: string, visible: boolean): void
  remove(key: string): void
  setPixelRatio(ratio: number): void
  setTrees(on: boolean): void
}

const discs = new ShaderMaterial({
  transparent: true,
  depthWrite: false,
  uniforms: { uSize: { value: 12 } },
  vertexShader: `
    attribute vec3 colour;
    uniform float uSize;
    varying vec3 vColour;
    void main() {
      vColour = colour;
      vec4 view = modelViewMatrix * vec4(position, 1.0);
      // Raised and pulled to the eye a little, so that the ground does not cut the disc.
      view.z += min(-view.z * 0.02, 30.0);
      gl_Position = projectionMatrix * view;
      gl_PointSize = uSize * clamp(2600.0 / max(1.0, -view.z), 0.62, 1.25);
    }`,
  fragmentShader: `
    varying vec3 vColour;
    void main() {
      float r = length(gl_PointCoord - 0.5) * 2.0;
      float soft = fwidth(r);
      float ring = smoothstep(0.70 - soft, 0.70 + soft, r);
      gl_FragColor = vec4(mix(pow(vColour, vec3(2.2)), vec3(0.97, 0.96, 0.93), ring), 1.0 - smoothstep(1.0 - soft * 2.0, 1.0, r));
      if (gl_FragColor.a < 0.02) discard;
      #include <colorspace_fragment>
    }`,
})

const fullCrown = new IcosahedronGeometry(1, 0)
const plainCrown = new OctahedronGeometry(1, 0)
const leaf = new MeshLambertMaterial({ color: '#ffffff', flatShading: true })

/** `plain`: for slow machines, trees of eight faces without shadow, and every other one in the distance. */
export function createPointLayers(plain: boolean): PointLayers {
  const group = new Group()
  const tiles = new Map<string, Group>()
  const drop = (key: string) => {
    const tile = tiles.get(key)
    if (!tile) return
    tile.traverse((object: Object3D) => { if (object instanceof Points) object.geometry.dispose(); if (object instanceof InstancedMesh) object.dispose() })
    group.remove(tile)
    tiles.delete(key)
  }
  return {
    group,
    show(key, center, sets) {
      const wasVisible = tiles.get(key)?.visible ?? false
      drop(key)
      if (!sets.length) return
      const tile = new Group()
      tile.position.copy(center)
      tile.visible = wasVisible
      for (const set of sets) tile.add(set.layer === 'trees' ? plant(set, plain, plain && Number(key.split('/')[0]) < 16 ? 2 : 1) : discsOf(set))
      group.add(tile)
      tiles.set(key, tile)
    },
    setVisible(key, visible) {
      const tile = tiles.get(key)
      if (tile) tile.visible = visible
    },
    remove: drop,
    setTrees(on) { leaf.visible = on },
    setPixelRatio(ratio) { discs.uniforms.uSize!.value = 13 * ratio },
  }
}

function discsOf(set: PointSet): Points {
  const geometry = new BufferGeometry()
  geometry.setAttribute('position', new BufferAttribute(set.positions, 3))
  geometry.setAttribute('colour', new BufferAttribute(set.colours, 3))
  const points = new Points(geometry, discs)
  points.frustumCulled = false
  points.renderOrder = 20
  return points
}

const place = new Matrix4()
const tint = new Color()

/** Every `step`th tree of the set. */
function plant(set: PointSet, plain: boolean, step: number): InstancedMesh {
  const mesh = new InstancedMesh(plain ? plainCrown : fullCrown, leaf, Math.ceil(set.ids.length / step))
  for (let k = 0; k < mesh.count; k++) {
    const i = k * step
    const id = set.ids[i]!
    const noise = (id * 0.61803) % 1
    const height = set.heights[i] || 5 + noise * 4
    const radius = Math.max(1.2, height * (0.3 + noise * 0.1))
    place.makeScale(radius, radius, height * 0.42)
    place.setPosition(set.positions[i * 3]!, set.positions[i * 3 + 1]!, set.positions[i * 3 + 2]! + height * 0.6)
    mesh.setMatrixAt(k, place)
    mesh.setColorAt(k, tint.setHSL(0.24 + noise * 0.05, 0.19, 0.5 + noise * 0.1))
  }
  mesh.castShadow = !plain
  mesh.frustumCulled = false
  return mesh
}
