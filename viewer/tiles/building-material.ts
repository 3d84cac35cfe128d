/**
 * Buildings as an architect's model: off-white, roofs a shade lighter, darker at the foot, faint floor lines when near.
 * What the user asked about comes from a small texture of states, one texel a feature.
 */
import { Color, DataTexture, MeshLambertMaterial, NearestFilter, RGBAFormat, UnsignedByteType, type Mesh, type MeshStandardMaterial } from 'three'
import { FLOOD_GLSL, groundUniforms } from './ground-material.js'

/** Texels in a row of the state texture. */
const WIDTH = 256

export const buildingUniforms = {
  /** Share by which features without a state fade, while others are in the light. */
  uFade: { value: 0 },
  /** 1 when buildings are ghosts over the glass ground. */
  uGhost: { value: 0 },
}

/** RGBA a feature: sRGB colour and how much of it (0 none). */
export interface FeatureStates {
  readonly texture: DataTexture
  set(feature: number, colour: Color | null, strength: number): void
  clear(): void
}

export function createFeatureStates(count: number): FeatureStates {
  const rows = Math.max(1, Math.ceil(count / WIDTH))
  const data = new Uint8Array(WIDTH * rows * 4)
  const texture = new DataTexture(data, WIDTH, rows, RGBAFormat, UnsignedByteType)
  texture.magFilter = texture.minFilter = NearestFilter
  texture.needsUpdate = true
  return {
    texture,
    set(feature, colour, strength) {
      const at = feature * 4
      data[at] = (colour?.r ?? 0) * 255
      data[at + 1] = (colour?.g ?? 0) * 255
      data[at + 2] = (colour?.b ?? 0) * 255
      data[at + 3] = colour ? Math.max(1, strength * 255) : 0
      texture.needsUpdate = true
    },
    clear() {
      data.fill(0)
      texture.needsUpdate = true
    },
  }
}

export function dressBuilding(mesh: Mesh, states: FeatureStates): MeshLambertMaterial {
  const map = (mesh.material as MeshStandardMaterial).map ?? null
  const material = new MeshLambertMaterial({ color: '#fffdf8', flatShading: true, map })
  const featureName = mesh.geometry.getAttribute('_feature_id_0') ? '_feature_id_0' : '_FEATURE_ID_0'
  material.onBeforeCompile = (shader) => {
    Object.assign(shader.uniforms, groundUniforms, buildingUniforms, { uStates: { value: states.texture } })
    shader.vertexShader = shader.vertexShader
      .replace('#include <common>', `#include <common>
        attribute float aAbove;
        attribute float ${featureName};
        uniform sampler2D uStates;
        varying float vAbove, vShade;
        varying vec3 vLocal;
        varying vec4 vState;`)
      .replace('#include <begin_vertex>', `#include <begin_vertex>
        vAbove = aAbove;
        vLocal = (modelMatrix * vec4(position, 1.0)).xyz;
        int feature = int(${featureName} + 0.5);
        vState = texelFetch(uStates, ivec2(feature % ${WIDTH}, feature / ${WIDTH}), 0);
        vShade = fract(sin(float(feature) * 12.9898) * 43758.5453);`)
    shader.fragmentShader = shader.fragmentShader
      .replace('#include <common>', `#include <common>
        ${FLOOD_GLSL}
        uniform float uFade, uGhost;
        varying float vAbove, vShade;
        varying vec3 vLocal;
        varying vec4 vState;`)
      .replace('#include <map_fragment>', `#include <map_fragment>
        vec3 worldNormal = normalize(cross(dFdx(vLocal), dFdy(vLocal)));
        float roof = smoothstep(0.55, 0.9, abs(worldNormal.z));
        float away = length(vViewPosition);
        float storey = vAbove / 3.4;
        #ifndef USE_MAP // a photograph has its own shades
        // Each house a little its own: plaster is never one colour.
        diffuseColor.rgb *= mix(vec3(0.95, 0.935, 0.91), vec3(1.0, 0.995, 0.985), vShade);
        diffuseColor.rgb *= mix(0.965, 1.035, roof);
        diffuseColor.rgb *= mix(mix(0.70, 1.0, smoothstep(-1.0, 11.0, vAbove)), 1.0, roof * 0.7);
        float line = 1.0 - smoothstep(0.0, 0.07 + fwidth(storey), min(fract(storey), 1.0 - fract(storey)));
        diffuseColor.rgb *= 1.0 - 0.075 * line * (1.0 - roof) * (1.0 - smoothstep(500.0, 1900.0, away)) * step(0.6, storey);
        #endif
        diffuseColor.rgb = mix(diffuseColor.rgb, vec3(0.93, 0.915, 0.885), vState.a > 0.0 ? 0.0 : uFade * 0.55);
        vec3 stateColour = pow(vState.rgb, vec3(2.2));
        // An impact is strongest where the water is; a tower is not wholly under it. Selection and filter take the whole building.
        float strength = vState.a > 0.83 ? vState.a : vState.a * mix(1.1, 0.85, smoothstep(3.0, 18.0, vAbove));
        // The warm light would turn pale blues grey.
        if (vState.a <= 0.83) stateColour = max(vec3(0.0), mix(vec3(dot(stateColour, vec3(0.33))), stateColour, 1.5));
        diffuseColor.rgb = mix(diffuseColor.rgb, stateColour * mix(0.86, 1.0, roof), strength);
        if (uFlood > 0.0) {
          vec2 d = depthAt(gridAt(vLocal.xy + normalize(worldNormal.xy + 1e-5) * 6.0));
          float under = (1.0 - smoothstep(d.x - 0.06, d.x + 0.06, vAbove)) * step(0.03, d.x) * (1.0 - roof);
          diffuseColor.rgb = mix(diffuseColor.rgb, depthColour(d.x) * 0.9, under * 0.85 * uFlood);
        }
        diffuseColor.a = mix(1.0, vState.a > 0.83 ? 0.75 : 0.05, uGhost);`)
  }
  material.customProgramCacheKey = () => `dothi-building-${featureName}-${map !== null}`
  mesh.material = material
  mesh.castShadow = true
  mesh.receiveShadow = true
  return material
}
