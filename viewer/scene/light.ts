/** Morning: one low sun from over the sea, a bright sky, haze towards the horizon. */
import {
  BackSide, Color, DirectionalLight, FogExp2, HemisphereLight, Mesh, ShaderMaterial, SphereGeometry, Vector3,
  type PerspectiveCamera, type Scene,
} from 'three'

export const HORIZON = new Color('#e7ecea')
const DARK = new Color('#0d141a')
const ZENITH = new Color('#a9c5d8')
const GLOW = new Color('#fdeeda')
/** Towards the sun, east-south-east and 32° high. */
export const SUN = new Vector3(Math.cos(32 * Math.PI / 180) * Math.sin(112 * Math.PI / 180), Math.cos(32 * Math.PI / 180) * Math.cos(112 * Math.PI / 180), Math.sin(32 * Math.PI / 180))

export interface Lighting {
  /** Follows the eye: haze by distance, shadow around the target. */
  update(camera: PerspectiveCamera, target: Vector3, distance: number): void
  /** Below the ground there is no sky. */
  setDark(on: boolean): void
}

/** `shadowSize`: texels along a side of the shadow map. */
export function createLighting(scene: Scene, shadowSize: number): Lighting {
  const sun = new DirectionalLight('#fff4e4', 2.7)
  const sky = new HemisphereLight('#e4eef6', '#d5c8b2', 2.05)
  sun.castShadow = true
  sun.shadow.mapSize.set(shadowSize, shadowSize)
  sun.shadow.radius = 3
  const fog = new FogExp2(HORIZON.getHex(), 0.00003)
  scene.fog = fog
  scene.background = HORIZON
  const dome = createDome()
  scene.add(sun, sun.target, sky, dome)
  return {
    setDark(on) {
      scene.background = on ? DARK : HORIZON
      fog.color.copy(on ? DARK : HORIZON)
      dome.visible = !on
    },
    update(camera, target, distance) {
      fog.density = 1 / Math.max(15_500, distance * 3)
      dome.position.copy(camera.position)
      const reach = Math.min(3200, Math.max(150, distance * 0.95))
      sun.castShadow = distance < 7000
      // The shadow map moves in steps, so that its texels do not swim while the eye glides.
      const step = reach / 16
      sun.target.position.set(Math.round(target.x / step) * step, Math.round(target.y / step) * step, target.z)
      sun.position.copy(sun.target.position).addScaledVector(SUN, 4000)
      const box = sun.shadow.camera
      if (box.right !== reach) {
        box.left = box.bottom = -reach
        box.right = box.top = reach
        box.near = Math.max(10, 4000 - reach * 2.2 - 400)
        box.far = 4000 + reach * 2.2 + 400
        // Half a texel of slack in metres: enough against stripes, too little to lift shadows off their walls.
        sun.shadow.bias = -(reach / shadowSize + 0.15) / (box.far - box.near)
        box.updateProjectionMatrix()
      }
      sun.target.updateMatrixWorld()
    },
  }
}

function createDome(): Mesh {
  const material = new ShaderMaterial({
    side: BackSide, depthWrite: false, depthTest: false, fog: false,
    uniforms: { uHorizon: { value: HORIZON }, uZenith: { value: ZENITH }, uGlow: { value: GLOW }, uSun: { value: SUN } },
    vertexShader: `
      varying vec3 vDirection;
      void main() {
        vDirection = position;
        gl_Position = projectionMatrix * vec4(mat3(viewMatrix) * position, 1.0);
      }`,
    fragmentShader: `
      uniform vec3 uHorizon, uZenith, uGlow, uSun;
      varying vec3 vDirection;
      void main() {
        vec3 d = normalize(vDirection);
        float up = clamp(d.z, 0.0, 1.0);
        vec3 c = mix(uHorizon, uZenith, 1.0 - exp(-up * 3.2));
        float toSun = max(0.0, dot(d, uSun));
        c = mix(c, uGlow, 0.45 * pow(toSun, 6.0) + 0.18 * exp(-up * 8.0) * max(0.0, dot(normalize(d.xy), normalize(uSun.xy))));
        gl_FragColor = vec4(c, 1.0);
        #include <colorspace_fragment>
      }`,
  })
  const dome = new Mesh(new SphereGeometry(100, 24, 16), material)
  dome.frustumCulled = false
  dome.renderOrder = -100
  return dome
}
