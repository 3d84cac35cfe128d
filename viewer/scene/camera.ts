/**
 * The eye over the city: a target on the ground, a distance, a heading and a pitch.
 *
 * Drag moves the ground under the finger, right drag (or Ctrl) turns, the wheel zooms to the cursor;
 * two fingers pinch, twist and tilt; arrow keys move, with Shift they turn, + and − zoom.
 */
import { PerspectiveCamera, Plane, Raycaster, Vector2, Vector3 } from 'three'

export interface Pose { readonly x: number; readonly y: number; readonly distance: number; readonly heading: number; readonly pitch: number }

export interface CameraRig {
  readonly camera: PerspectiveCamera
  readonly pose: Pose
  readonly target: Vector3
  /** Jumps; `fly` goes there in an arc. */
  set(pose: Pose): void
  fly(to: Partial<Pose>, milliseconds?: number): void
  /** Advances flights; true while the eye moves. */
  update(now: number): boolean
  resize(width: number, height: number): void
  dispose(): void
}

export interface CameraOptions {
  readonly element: HTMLElement
  /** Local z of the ground, for the target to rest on. */
  readonly groundZ: (x: number, y: number) => number
  /** First hit of a ray with ground or building, or null. */
  readonly hit: (pointer: Vector2) => Vector3 | null
  /** The pose changed: draw. `settled` once fingers are off and flights are over. */
  readonly onChange: (settled: boolean) => void
  readonly onClick: (pointer: Vector2, event: PointerEvent) => void
  readonly onHover: (pointer: Vector2 | null) => void
}

const MIN_DISTANCE = 40
const MAX_DISTANCE = 90_000
const CLICK_SLACK_PX = 5
const DEG = Math.PI / 180

const ndc = new Vector2()
const raycaster = new Raycaster()
const plane = new Plane(new Vector3(0, 0, 1))
const point = new Vector3()

export function createCameraRig(options: CameraOptions): CameraRig {
  const { element } = options
  const camera = new PerspectiveCamera(42, 1, 1, 200_000)
  camera.up.set(0, 0, 1)
  const target = new Vector3()
  let pose: Pose = { x: 0, y: 0, distance: 4000, heading: 0, pitch: 40 }
  let flight: { from: Pose; to: Pose; start: number; duration: number } | null = null

  function place(): void {
    const ground = options.groundZ(pose.x, pose.y)
    target.set(pose.x, pose.y, ground)
    const [h, p] = [pose.heading * DEG, pose.pitch * DEG]
    camera.position.set(
      target.x - Math.sin(h) * Math.cos(p) * pose.distance,
      target.y - Math.cos(h) * Math.cos(p) * pose.distance,
      target.z + Math.sin(p) * pose.distance,
    )
    camera.position.z = Math.max(camera.position.z, options.groundZ(camera.position.x, camera.position.y) + 3)
    if (pose.pitch > 89.5) camera.up.set(Math.sin(h), Math.cos(h), 0)
    else camera.up.set(0, 0, 1)
    camera.lookAt(target)
    camera.near = Math.max(1, Math.min(pose.distance * 0.02, (camera.position.z - ground) * 0.2))
    camera.far = Math.max(60_000, pose.distance * 6)
    camera.updateProjectionMatrix()
    camera.updateMatrixWorld()
  }

  function set(next: Pose, settled = false): void {
    pose = {
      x: clamp(next.x, -400_000, 400_000), y: clamp(next.y, -400_000, 400_000),
      distance: clamp(next.distance, MIN_DISTANCE, MAX_DISTANCE),
      heading: ((next.heading % 360) + 360) % 360,
      pitch: clamp(next.pitch, 8, 90),
    }
    place()
    options.onChange(settled)
  }

  function toNdc(event: { clientX: number; clientY: number }, out: Vector2): Vector2 {
    const box = element.getBoundingClientRect()
    return out.set(((event.clientX - box.left) / box.width) * 2 - 1, 1 - ((event.clientY - box.top) / box.height) * 2)
  }

  /** Where the pointer's ray meets the level of `z`; null near or above the horizon. */
  function onLevel(pointer: Vector2, z: number): Vector3 | null {
    raycaster.setFromCamera(pointer, camera)
    plane.constant = -z
    const met = raycaster.ray.intersectPlane(plane, point)
    return met && met.distanceTo(camera.position) < pose.distance * 12 ? met.clone() : null
  }

  const fingers = new Map<number, { x: number; y: number }>()
  let grabbed: Vector3 | null = null
  let turning = false
  let moved = 0
  let pinch: { span: number; angle: number; y: number; pose: Pose } | null = null

  function onDown(event: PointerEvent): void {
    if (event.pointerType === 'mouse' && event.button === 1) event.preventDefault()
    element.focus({ preventScroll: true })
    element.setPointerCapture(event.pointerId)
    fingers.set(event.pointerId, { x: event.clientX, y: event.clientY })
    flight = null
    if (fingers.size === 2) return startPinch()
    moved = 0
    turning = event.button !== 0 || event.ctrlKey || event.shiftKey
    toNdc(event, ndc)
    const hit = options.hit(ndc)
    grabbed = onLevel(ndc, hit?.z ?? target.z)
  }

  function startPinch(): void {
    const [a, b] = [...fingers.values()] as [{ x: number; y: number }, { x: number; y: number }]
    moved = CLICK_SLACK_PX + 1
    pinch = { span: Math.hypot(a.x - b.x, a.y - b.y), angle: Math.atan2(b.y - a.y, b.x - a.x), y: (a.y + b.y) / 2, pose }
  }

  function onMove(event: PointerEvent): void {
    const finger = fingers.get(event.pointerId)
    if (!finger) return options.onHover(toNdc(event, ndc))
    const [dx, dy] = [event.clientX - finger.x, event.clientY - finger.y]
    fingers.set(event.pointerId, { x: event.clientX, y: event.clientY })
    moved += Math.abs(dx) + Math.abs(dy)
    if (moved <= CLICK_SLACK_PX) return
    if (pinch && fingers.size === 2) {
      const [a, b] = [...fingers.values()] as [{ x: number; y: number }, { x: number; y: number }]
      const turn = (Math.atan2(b.y - a.y, b.x - a.x) - pinch.angle) / DEG
      set({
        ...pinch.pose,
        distance: pinch.pose.distance * (pinch.span / Math.max(20, Math.hypot(a.x - b.x, a.y - b.y))),
        heading: pinch.pose.heading - turn,
        pitch: pinch.pose.pitch + (pinch.y - (a.y + b.y) / 2) * 0.15,
      })
    } else if (turning) {
      set({ ...pose, heading: pose.heading + dx * 0.25, pitch: pose.pitch + dy * 0.2 })
    } else if (grabbed) {
      const now = onLevel(toNdc(event, ndc), grabbed.z)
      if (now) set({ ...pose, x: pose.x + grabbed.x - now.x, y: pose.y + grabbed.y - now.y })
    }
  }

  function onUp(event: PointerEvent): void {
    const known = fingers.delete(event.pointerId)
    if (fingers.size < 2) pinch = null
    if (fingers.size || !known) return
    grabbed = null
    if (moved <= CLICK_SLACK_PX && event.type === 'pointerup' && event.button === 0) options.onClick(toNdc(event, new Vector2()), event)
    else options.onChange(true)
  }

  let wheelRest: ReturnType<typeof setTimeout> | undefined
  function onWheel(event: WheelEvent): void {
    event.preventDefault()
    flight = null
    const pixels = event.deltaY * (event.deltaMode === 1 ? 16 : 1)
    zoomAt(toNdc(event, ndc), Math.exp(clamp(pixels, -240, 240) * 0.0016))
    clearTimeout(wheelRest)
    wheelRest = setTimeout(() => options.onChange(true), 180)
  }

  function zoomAt(pointer: Vector2, factor: number): void {
    const to = options.hit(pointer) ?? onLevel(pointer, target.z) ?? target
    const distance = clamp(pose.distance * factor, MIN_DISTANCE, MAX_DISTANCE)
    const share = 1 - distance / pose.distance
    set({ ...pose, distance, x: pose.x + (to.x - pose.x) * share, y: pose.y + (to.y - pose.y) * share })
  }

  function onKey(event: KeyboardEvent): void {
    const step = pose.distance * 0.08
    const h = pose.heading * DEG
    const move = (right: number, ahead: number) =>
      set({ ...pose, x: pose.x + (Math.cos(h) * right + Math.sin(h) * ahead) * step, y: pose.y + (-Math.sin(h) * right + Math.cos(h) * ahead) * step }, true)
    const turn = (heading: number, pitch: number) => set({ ...pose, heading: pose.heading + heading, pitch: pose.pitch + pitch }, true)
    const keys: Record<string, () => void> = {
      ArrowLeft: () => (event.shiftKey ? turn(-6, 0) : move(-1, 0)),
      ArrowRight: () => (event.shiftKey ? turn(6, 0) : move(1, 0)),
      ArrowUp: () => (event.shiftKey ? turn(0, 4) : move(0, 1)),
      ArrowDown: () => (event.shiftKey ? turn(0, -4) : move(0, -1)),
      '+': () => zoomAt(ndc.set(0, 0), 0.8), '=': () => zoomAt(ndc.set(0, 0), 0.8), '-': () => zoomAt(ndc.set(0, 0), 1.25),
      n: () => fly({ heading: 0 }),
    }
    const act = keys[event.key]
    if (!act || event.altKey || event.metaKey) return
    event.preventDefault()
    flight = null
    act()
  }

  function fly(to: Partial<Pose>, milliseconds = 1100): void {
    const goal = { ...pose, ...to }
    goal.distance = clamp(goal.distance, MIN_DISTANCE, MAX_DISTANCE)
    const turn = ((goal.heading - pose.heading + 540) % 360) - 180
    if (matchMedia('(prefers-reduced-motion: reduce)').matches) return set(goal, true)
    flight = { from: pose, to: { ...goal, heading: pose.heading + turn }, start: performance.now(), duration: milliseconds }
    options.onChange(false)
  }

  /** Distances are interpolated by ratio, with a rise where the way is long against the height: an arc. */
  function update(now: number): boolean {
    if (!flight) return false
    const { from, to, start, duration } = flight
    const s = Math.min(1, (now - start) / duration)
    const e = s < 0.5 ? 4 * s ** 3 : 1 - (2 - 2 * s) ** 3 / 2
    const way = Math.hypot(to.x - from.x, to.y - from.y)
    const rise = Math.max(0, Math.log(way / Math.max(from.distance, to.distance) + 1e-9)) * 0.8
    const mix = (a: number, b: number) => a + (b - a) * e
    if (s === 1) flight = null
    set({
      x: mix(from.x, to.x), y: mix(from.y, to.y),
      distance: Math.exp(mix(Math.log(from.distance), Math.log(to.distance)) + rise * Math.sin(Math.PI * e)),
      heading: mix(from.heading, to.heading), pitch: mix(from.pitch, to.pitch),
    }, s === 1)
    return s < 1
  }

  const leave = () => options.onHover(null)
  const noMenu = (event: Event) => event.preventDefault()
  element.addEventListener('pointerdown', onDown)
  element.addEventListener('pointermove', onMove)
  element.addEventListener('pointerup', onUp)
  element.addEventListener('pointercancel', onUp)
  element.addEventListener('pointerleave', leave)
  element.addEventListener('wheel', onWheel, { passive: false })
  element.addEventListener('contextmenu', noMenu)
  element.addEventListener('keydown', onKey)
  return {
    camera,
    target,
    get pose() { return pose },
    set: (next) => { flight = null; set(next, true) },
    fly,
    update,
    resize(width, height) {
      camera.aspect = width / height
      // A phone held upright sees as wide a city as a screen does.
      camera.fov = camera.aspect < 1 ? 58 : 42
      place()
    },
    dispose() {
      element.removeEventListener('pointerdown', onDown)
      element.removeEventListener('pointermove', onMove)
      element.removeEventListener('pointerup', onUp)
      element.removeEventListener('pointercancel', onUp)
      element.removeEventListener('pointerleave', leave)
      element.removeEventListener('wheel', onWheel)
      element.removeEventListener('contextmenu', noMenu)
      element.removeEventListener('keydown', onKey)
    },
  }
}

const clamp = (v: number, low: number, high: number) => Math.max(low, Math.min(high, v))
