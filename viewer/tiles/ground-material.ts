/**
 * The ground's surface: the drawn picture, real water where the mask says water, and the flood of a run on top.
 *
 * The flood lifts the ground's own vertices by the water depth, so that a flooded street lies at the water's level,
 * meets walls where it should, and needs no second sheet that would fight for depth.
 */
import { Color, DataTexture, HalfFloatType, MeshLambertMaterial, RGFormat, Vector2, Vector3, type Texture } from 'three'
import { DEPTH_STEPS } from '../../layers/depth.js'
import { SUN } from '../scene/light.js'

/** Shared by all ground tiles (and partly by buildings): change a value, draw a frame. */
export const groundUniforms = {
  /** 0 none · 1 shown. */
  uFlood: { value: 0 },
  /** R: depth in metres, G: 1 where computed; two frames and the share of the second. */
  uDepthA: { value: dryTexture() as Texture },
  uDepthB: { value: dryTexture() as Texture },
  uDepthMix: { value: 0 },
  /** Grid fractions of a local position in kilometres: (1, x, y, xy, x², y²) · coefficients. */
  uGridU: { value: new Float32Array(6) },
  uGridV: { value: new Float32Array(6) },
  uGridCells: { value: new Vector2(1, 1) },
  uDepthSteps: { value: DEPTH_STEPS.map(([from]) => from) },
  uDepthColours: { value: DEPTH_STEPS.map(([, , colour]) => new Color(colour)) },
  /** 0 daylight · 1 the ground is dark glass. */
  uGlass: { value: 0 },
  uTime: { value: 0 },
  uSunWorld: { value: SUN },
  uEye: { value: new Vector3() },
}

function dryTexture(): DataTexture {
  const texture = new DataTexture(new Uint16Array([0, 0]), 1, 1, RGFormat, HalfFloatType)
  texture.needsUpdate = true
  return texture
}

/** GLSL that ground and buildings share: where in the run's grid a position lies, and how deep the water is. */
export const FLOOD_GLSL = `
  uniform float uFlood, uDepthMix;
  uniform sampler2D uDepthA, uDepthB;
  uniform float uGridU[6], uGridV[6];
  uniform float uDepthSteps[6];
  uniform vec3 uDepthColours[6];
  vec2 gridAt(vec2 local) {
    vec2 k = local * 0.001;
    float u = uGridU[0] + uGridU[1] * k.x + uGridU[2] * k.y + uGridU[3] * k.x * k.y + uGridU[4] * k.x * k.x + uGridU[5] * k.y * k.y;
    float v = uGridV[0] + uGridV[1] * k.x + uGridV[2] * k.y + uGridV[3] * k.x * k.y + uGridV[4] * k.x * k.x + uGridV[5] * k.y * k.y;
    return vec2(u, v);
  }
  // x: depth in metres, y: 1 where the model computed
  vec2 depthAt(vec2 grid) {
    if (grid.x < 0.0 || grid.x > 1.0 || grid.y < 0.0 || grid.y > 1.0) return vec2(0.0);
    return mix(texture2D(uDepthA, grid).rg, texture2D(uDepthB, grid).rg, uDepthMix);
  }
  vec3 depthColour(float d) {
    vec3 c = mix(vec3(0.78, 0.88, 0.94), uDepthColours[0], smoothstep(0.03, 0.1, d));
    for (int i = 1; i < 6; i++) c = mix(c, uDepthColours[i], smoothstep(uDepthSteps[i] * 0.86, uDepthSteps[i] * 1.06, d));
    return c;
  }
`

export function createGroundMaterial(map: Texture): MeshLambertMaterial {
  const material = new MeshLambertMaterial({ map })
  material.onBeforeCompile = (shader) => {
    Object.assign(shader.uniforms, groundUniforms)
    shader.vertexShader = shader.vertexShader
      .replace('#include <common>', `#include <common>
        ${FLOOD_GLSL}
        uniform sampler2D uPicture;
        varying vec3 vLocal;`)
      .replace('#include <begin_vertex>', `#include <begin_vertex>
        vec3 local = (modelMatrix * vec4(position, 1.0)).xyz;
        if (uFlood > 0.0) {
          vec2 d = depthAt(gridAt(local.xy));
          float land = step(0.95, textureLod(uPicture, uv, 1.0).a);
          transformed.z += d.x * step(0.03, d.x) * uFlood * land;
          local.z += d.x * uFlood * land;
        }
        vLocal = local;`)
    shader.uniforms.uPicture = { value: map }
    shader.fragmentShader = shader.fragmentShader
      .replace('#include <common>', `#include <common>
        ${FLOOD_GLSL}
        uniform float uGlass, uTime;
        uniform vec3 uSunWorld, uEye;
        varying vec3 vLocal;
        float wet = 0.0, flooded = 0.0, floodDepth = 0.0, foam = 0.0;
        vec3 ripple(vec2 p, float t) {
          vec2 n = vec2(0.0);
          n += vec2(cos(dot(p, vec2(0.11, 0.07)) + t), sin(dot(p, vec2(-0.06, 0.12)) - t * 0.8)) * 0.5;
          n += vec2(cos(dot(p, vec2(0.31, -0.17)) - t * 1.3), sin(dot(p, vec2(0.21, 0.29)) + t)) * 0.3;
          n += vec2(cos(dot(p, vec2(-0.63, 0.52)) + t * 1.7), sin(dot(p, vec2(0.72, -0.41)) - t * 1.5)) * 0.2;
          return vec3(n, 0.0);
        }`)
      .replace('#include <map_fragment>', `
        vec4 picture = texture2D(map, vMapUv);
        wet = smoothstep(0.86, 0.62, picture.a);
        foam = wet * (1.0 - smoothstep(0.0, 1.0, (0.74 - picture.a) / 0.22));
        vec3 ground = picture.rgb;
        if (uFlood > 0.0) {
          vec2 grid = gridAt(vLocal.xy);
          vec2 d = depthAt(grid);
          bool inside = grid.x >= 0.0 && grid.x <= 1.0 && grid.y >= 0.0 && grid.y <= 1.0;
          floodDepth = d.x;
          float edge = max(fwidth(d.x), 0.004);
          // Decks stand above the river: what flows below them is not a flood on the road.
          float deck = smoothstep(0.965, 0.93, picture.a);
          flooded = smoothstep(0.03 - edge * 0.5, 0.03 + edge * 0.5, d.x) * (1.0 - wet) * (1.0 - deck) * uFlood;
          vec3 water = depthColour(d.x);
          // Below ankle depth a street is wet rather than flooded: a sheen, no colour of the legend.
          float cover = mix(0.22, 0.84, smoothstep(0.06, 0.13, d.x)) + 0.08 * smoothstep(0.5, 1.5, d.x);
          ground = mix(ground, water, flooded * cover);
          float shore = flooded * (1.0 - smoothstep(0.03, 0.03 + max(edge * 1.6, 0.02), d.x));
          ground = mix(ground, vec3(0.93, 0.97, 1.0), shore * 0.3);
          if (inside && d.y < 0.5 && wet < 0.5) {
            float stripe = step(0.72, fract((gl_FragCoord.x + gl_FragCoord.y) / 9.0));
            ground = mix(mix(ground, vec3(dot(ground, vec3(0.33))), 0.55), vec3(0.5, 0.5, 0.49), stripe * 0.35);
          }
        }
        diffuseColor.rgb *= ground;
        if (uGlass > 0.0) {
          float lightness = dot(ground, vec3(0.33));
          // Roads and shores stay as a faint drawing on the glass.
          vec3 glass = mix(vec3(0.016, 0.026, 0.036), vec3(0.085, 0.115, 0.14), smoothstep(0.5, 0.95, lightness));
          glass = mix(glass, vec3(0.012, 0.045, 0.055), wet);
          diffuseColor.rgb = mix(diffuseColor.rgb, glass, uGlass);
          diffuseColor.a = mix(1.0, 0.58, uGlass);
        }`)
      .replace('#include <normal_fragment_maps>', `#include <normal_fragment_maps>
        float distanceToEye = length(vViewPosition);
        float calm = 1.0 - smoothstep(150.0, 2400.0, distanceToEye);
        vec3 wave = ripple(vLocal.xy * 0.55, uTime);
        float surface = max(wet, flooded * 0.8);
        vec3 waterUp = normalize((viewMatrix * vec4(normalize(vec3(wave.xy * 0.05 * calm, 1.0)), 0.0)).xyz);
        normal = normalize(mix(normal, waterUp, surface));`)
      .replace('#include <opaque_fragment>', `
        if (surface > 0.0 && uGlass < 0.5) {
          vec3 toEye = normalize(uEye - vLocal);
          vec3 up = normalize(vec3(wave.xy * 0.07 * calm, 1.0));
          float fresnel = 0.03 + 0.97 * pow(1.0 - max(0.0, dot(up, toEye)), 5.0);
          vec3 sky = mix(vec3(0.70, 0.77, 0.77), vec3(0.36, 0.52, 0.64), clamp(reflect(-toEye, up).z, 0.0, 1.0));
          float glint = pow(max(0.0, dot(reflect(-uSunWorld, up), toEye)), 120.0);
          vec3 deep = mix(vec3(0.026, 0.142, 0.156), vec3(0.075, 0.25, 0.25), foam);
          vec3 sea = mix(deep, sky, clamp(fresnel, 0.0, 0.85)) + vec3(1.0, 0.9, 0.75) * glint * 0.35;
          sea = mix(sea, vec3(0.52, 0.70, 0.68), smoothstep(0.5, 1.0, foam) * 0.45);
          outgoingLight = mix(outgoingLight, sea, wet);
          outgoingLight = mix(outgoingLight, sky, flooded * fresnel * 0.3);
        }
        #include <opaque_fragment>`)
  }
  material.customProgramCacheKey = () => 'dothi-ground'
  return material
}
