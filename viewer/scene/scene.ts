/**
 * The city on the canvas: joins frame, light, ground, buildings, networks, points and flood, and draws when something changed.
 * Knows nothing of panels; speaks in layers, ids and degrees.
 */
import { NoToneMapping, PCFShadowMap, Raycaster, Scene, SRGBColorSpace, Vector2, Vector3, WebGLRenderer } from 'three'
import type { RunManifest } from '../../simulation/manifest.js'
import type { CityInfo, ClientLayer } from '../core/api.js'
import { createFrame, type Frame } from '../core/frame.js'
import type { Projection } from '../core/projection.js'
import { source } from '../core/source.js'
import type { CameraState } from '../core/state.js'
import { createBuildings, type Buildings } from '../tiles/buildings.js'
import { groundUniforms } from '../tiles/ground-material.js'
import { TERRAIN, type Change } from '../tiles/change.js'
import { createNetwork } from '../tiles/networks.js'
import { createPointLayers } from '../tiles/points.js'
import type { PaintLayer, PickedFeature } from '../tiles/protocol.js'
import { createTerrain } from '../tiles/terrain.js'
import type { Tileset } from '../tiles/tileset.js'
import { createWorkerPool } from '../tiles/worker-pool.js'
import { createFlood, type Flood } from '../water/flood.js'
import { createCameraRig } from './camera.js'
import { createGovernor } from './governor.js'
import { createLighting } from './light.js'
import { createOutline } from './outline.js'

export interface SceneEvents {
  onCamera(camera: CameraState): void
  onPick(features: readonly PickedFeature[], at: readonly [lon: number, lat: number]): void
  onCursor(position: CursorPosition | null): void
  /** Before each frame while `keepRunning`; seconds since the last. */
  onTick(seconds: number): void
  onBusy(pending: number): void
  /** Once: all that the first view needs is there and drawn. */
  onFirstView(slow: boolean): void
  /** A frame of the run has arrived: the shown time may be ready now. */
  onFloodFrame(): void
  /** A place too far away for this scene's flat frame is wanted: it takes a scene of its own. */
  onFar(camera: CameraState): void
}

/** Metres from the origin up to which the tangent frame serves; data may be anywhere in the world. */
const FRAME_REACH = 150_000

export interface CursorPosition { readonly lon: number; readonly lat: number; readonly height: number; readonly depth: number | null }

export interface CityScene {
  readonly frame: Frame
  readonly buildings: Buildings
  camera(): CameraState
  setCamera(camera: CameraState): void
  flyTo(lon: number, lat: number, options?: { distance?: number; heading?: number; pitch?: number }, milliseconds?: number): void
  setLayers(shown: readonly string[]): void
  /** The layers' list, their data or the reach of the terrain changed. */
  configure(city: Pick<CityInfo, 'layers' | 'terrain'>, shown: readonly string[]): void
  /** These places changed, and the layers are now as given: only what shows them is asked for and drawn again. */
  touch(layers: readonly ClientLayer[], changes: readonly Change[]): void
  setUnderground(on: boolean): void
  showFlood(manifest: RunManifest | null, projection: Projection | null): Flood | null
  /** While true the scene calls `onTick` and draws each frame. */
  setRunning(on: boolean): void
  outline(parts: readonly (readonly (readonly [number, number])[])[] | null): void
  /** Lines around what a filter found on the ground. */
  matches(parts: readonly (readonly (readonly [number, number])[])[] | null): void
  /** Where a position is on the canvas, CSS pixels; null behind the eye. */
  project(lon: number, lat: number, above?: number): [x: number, y: number] | null
  invalidate(): void
  /** Nothing is loading and the last frame is drawn. */
  readonly settled: boolean
  readonly stats: { readonly frames: number; readonly tiles: number; readonly calls: number; readonly triangles: number }
}

const WEAK_GPU = /swiftshader|llvmpipe|software/i
/** After so long without a move the eye is at rest. */
const REST_MS = 300
/** The first picture waits so long for ground under all of it. */
const PATIENCE_MS = 8000
/** The clock never leaps further than this between two pictures, as after a sleep. */
const MOST_SECONDS = 4

export function createScene(canvas: HTMLCanvasElement, info: CityInfo, layers: readonly ClientLayer[], shown: readonly string[], opening: CameraState, events: SceneEvents): CityScene {
  const software = WEAK_GPU.test(gpuName())
  const governor = createGovernor(software, devicePixelRatio)
  document.documentElement.classList.toggle('slow', software)
  const renderer = new WebGLRenderer({ canvas, antialias: true, powerPreference: 'high-performance', reversedDepthBuffer: true })
  renderer.outputColorSpace = SRGBColorSpace
  renderer.toneMapping = NoToneMapping
  renderer.shadowMap.enabled = true
  renderer.shadowMap.type = PCFShadowMap
  renderer.shadowMap.autoUpdate = false
  const scene = new Scene()
  const lighting = createLighting(scene, software ? 1024 : 2048)
  const { home, geoidOffset } = info.city
  const reaches = (origin: { lon: number; lat: number }, at: { lon: number; lat: number }) =>
    Math.hypot((at.lon - origin.lon) * Math.cos((origin.lat * Math.PI) / 180), at.lat - origin.lat) * 111_320 < FRAME_REACH
  const { lon, lat } = reaches(home, opening) ? home : opening
  const frame = createFrame({ lon, lat, geoidOffset })
  const pool = createWorkerPool()
  const points = createPointLayers(software)
  const outline = createOutline('#b3262e', 3)
  const found = createOutline('#0e6e73', 2)
  const raycaster = new Raycaster()
  const networks = new Map<string, Tileset>()
  let underground = false
  let shownLayers = shown
  let allLayers = layers
  let range = info.terrain
  /** By layer: the revision as of which all its tiles were asked for; what came later was told place by place. */
  const epochs = new Map(layers.map(({ id, revision }) => [id, revision ?? 0]))
  let flood: Flood | null = null
  let running = false
  let dirty = true
  let queued = false
  let waiting: ReturnType<typeof setTimeout> | undefined
  let resting: ReturnType<typeof setTimeout> | undefined
  let ratio = 0
  let moved = -Infinity
  let drawnAt = 0
  let placed = false
  let firstView = false
  const opened = performance.now()
  let shadowDirty = true
  let frames = 0
  let last = 0
  let hover: Vector2 | null = null
  const size = new Vector2()

  const invalidate = (shadow = false) => {
    dirty = true
    if (shadow) shadowDirty = true
    schedule()
  }

  function schedule(): void {
    if (queued) return
    const wait = waitBeforeDrawing()
    if (wait <= 0) {
      clearTimeout(waiting)
      waiting = undefined
      queued = true
      requestAnimationFrame(draw)
    } else {
      waiting ??= setTimeout(() => { waiting = undefined; schedule() }, wait)
    }
  }

  const moving = () => running || performance.now() - moved < REST_MS

  /** A hand on the map or a running clock is followed at once; arriving tiles are shown together. */
  function waitBeforeDrawing(): number {
    const now = performance.now()
    if (frames === 0) {
      // A first picture with holes tells less than none.
      if (placed) look()
      return terrain.covered || now - opened > PATIENCE_MS ? 0 : 60
    }
    return moving() || pending() === 0 ? 0 : drawnAt + governor.loadingInterval - now
  }

  // Tiles are taken in and the next ones asked for whether or not a picture is due.
  let arriving: ReturnType<typeof setTimeout> | undefined
  const loaded = () => {
    arriving ??= setTimeout(() => {
      arriving = undefined
      look()
      invalidate(true)
    }, 40)
  }

  /** Chooses what this eye should see and asks for what is missing. */
  function look(): void {
    terrain.update(rig.camera, size.y)
    buildings.tileset.update()
    for (const network of networks.values()) network.update()
    events.onBusy(pending())
  }

  configureWorkers()
  const terrain = createTerrain({
    frame, pool, shown: draped(), splitPx: software ? 680 : 560, anisotropy: software ? 2 : Math.min(8, renderer.capabilities.getMaxAnisotropy()),
    onChange: loaded,
    onPoints: points.show, onPointsVisible: points.setVisible, onPointsGone: points.remove,
  })
  scene.add(terrain.group, points.group, outline.group, found.group)

  const rig = createCameraRig({
    element: canvas,
    groundZ: terrain.groundZ,
    hit: (pointer) => hitGround(pointer)?.point ?? null,
    onChange: (settled) => {
      if (!settled) moved = performance.now()
      invalidate(true)
      if (settled) events.onCamera(camera())
    },
    onClick: (pointer) => void pick(pointer),
    onHover: (pointer) => { hover = pointer && pointer.clone(); scheduleHover() },
  })
  const common = { frame, scene, camera: rig.camera, renderer, onChange: loaded }
  const buildings = createBuildings({ ...common, layer: 'buildings', errorTarget: software ? 24 : 14 })

  function configureWorkers(): void {
    pool.configure({
      source: source().spec,
      origin: frame.origin,
      terrain: range && { minzoom: range.minzoom, maxzoom: range.maxzoom },
      layers: allLayers.map((layer) => paintLayerOf(layer, epochs.get(layer.id) ?? 0)),
      textureSize: 512,
      segments: software ? 32 : 64,
      seaIsFlat: !info.city.sample,
    })
  }

  /** Layers that the ground shows as picture or points; buildings only cast their contact shadow. */
  function draped(): string[] {
    return shownLayers.filter((id) => allLayers.some((layer) => layer.id === id && layer.kind === 'city' && layer.count !== 0))
  }

  function syncNetworks(): void {
    for (const layer of allLayers) {
      if (layer.threeD?.form !== 'tube') continue
      const wanted = underground && shownLayers.includes(layer.id)
      let network = networks.get(layer.id)
      if (wanted && !network) {
        network = createNetwork({ ...common, layer: layer.id, errorTarget: 8, paint: layer.style.line })
        networks.set(layer.id, network)
      }
      if (network && network.visible !== wanted) network.setVisible(wanted)
    }
    buildings.tileset.setVisible(shownLayers.includes('buildings'))
  }

  function resize(): void {
    const { clientWidth: width, clientHeight: height } = canvas
    renderer.setSize(width, height, false)
    renderer.getSize(size)
    outline.resize(size)
    found.resize(size)
    rig.resize(width, height)
    invalidate(true)
  }

  function useRatio(next: number): void {
    if (next === ratio) return
    ratio = next
    renderer.setPixelRatio(ratio)
    points.setPixelRatio(ratio)
  }

  function draw(now: number): void {
    queued = false
    const seconds = last ? Math.min(MOST_SECONDS, (now - last) / 1000) : 0
    if (last) governor.measured(now - last)
    last = now
    if (rig.update(now)) { dirty = true; moved = performance.now() }
    if (running) { dirty = true; events.onTick(seconds) }
    if (!dirty) { last = 0; return }
    dirty = false
    if (running) groundUniforms.uTime.value += Math.min(0.5, seconds) * 0.6
    const still = !moving()
    useRatio(still ? governor.restRatio : governor.movingRatio)
    lighting.update(rig.camera, rig.target, rig.pose.distance)
    groundUniforms.uEye.value.copy(rig.camera.position)
    look()
    if (shadowDirty && !underground && (still || !governor.slow)) { renderer.shadowMap.needsUpdate = true; shadowDirty = false }
    renderer.render(scene, rig.camera)
    frames++
    drawnAt = performance.now()
    if (!still) rest()
    if (!firstView && pending() === 0) { firstView = true; events.onFirstView(governor.slow) }
    if (dirty || running) invalidate()
    else last = 0
  }

  /** Once hand and water are still, one crisp picture with its shadow. */
  function rest(): void {
    clearTimeout(resting)
    resting = setTimeout(() => {
      resting = undefined
      if (moving()) rest()
      else if (ratio !== governor.restRatio || shadowDirty) invalidate()
    }, REST_MS)
  }

  const tilesets = () => [buildings.tileset, ...networks.values()]

  const pending = () => terrain.pending + Number(buildings.tileset.pending) + buildings.pending + [...networks.values()].filter((n) => n.pending).length

  function hitGround(pointer: Vector2): { point: Vector3 } | null {
    raycaster.setFromCamera(pointer, rig.camera)
    const meshes = terrain.group.children.filter((mesh) => mesh.visible)
    return raycaster.intersectObjects(meshes, false)[0] ?? null
  }

  async function pick(pointer: Vector2): Promise<void> {
    const ground = hitGround(pointer)
    raycaster.setFromCamera(pointer, rig.camera)
    const picked: PickedFeature[] = []
    let at = ground?.point
    if (!underground) {
      const building = buildings.tileset.pick(raycaster)
      if (building && (!ground || building.hit.distance < raycaster.ray.origin.distanceTo(ground.point) + 1)) {
        at = building.hit.point
        picked.push({ layer: 'buildings', id: building.id, properties: building.row, outline: [], type: 'polygon' })
      }
    }
    for (const network of networks.values()) {
      const found = network.pick(raycaster)
      if (found) picked.push({ layer: network.layer, id: found.id, properties: found.row, outline: [], type: 'line' })
    }
    if (!at) return
    const [lon, lat] = frame.fromLocal(at.x, at.y, at.z)
    if (ground && !picked.length) {
      const [glon, glat] = frame.fromLocal(ground.point.x, ground.point.y, ground.point.z)
      const metresPerPixel = (ground.point.distanceTo(rig.camera.position) * 2 * Math.tan((rig.camera.fov * Math.PI) / 360)) / size.y
      const shownNow = draped().filter((id) => id !== 'buildings')
      picked.push(...await pool.pick({ lon: glon, lat: glat, tile: terrain.tileAt(glon, glat), shown: shownNow, toleranceM: metresPerPixel * 7 }).catch(() => []))
    }
    events.onPick(picked, [lon, lat])
  }

  let hoverTimer: ReturnType<typeof setTimeout> | undefined
  function scheduleHover(): void {
    hoverTimer ??= setTimeout(() => {
      hoverTimer = undefined
      const hit = hover && hitGround(hover)
      if (!hit) return events.onCursor(null)
      const [lon, lat, height] = frame.fromLocal(hit.point.x, hit.point.y, hit.point.z)
      events.onCursor({ lon, lat, height, depth: flood?.depthAt(hit.point.x, hit.point.y) ?? null })
    }, 60)
  }

  function camera(): CameraState {
    const [lon, lat] = frame.fromLocal(rig.pose.x, rig.pose.y, 0)
    const { distance, heading, pitch } = rig.pose
    return { lon, lat, distance, heading, pitch }
  }

  /** Positions on the ground; a lone point becomes a small cross that a line can draw. */
  function drape(part: readonly (readonly [number, number])[]): [number, number, number][] {
    const local = part.map(([lon, lat]): [number, number, number] => {
      const [x, y] = frame.toLocal(lon, lat, 0)
      return [x, y, terrain.groundZ(x, y) + 0.5]
    })
    if (local.length !== 1) return local
    const [[x, y, z]] = local as [[number, number, number]]
    return Array.from({ length: 17 }, (_, i) => [x + 9 * Math.cos(i * Math.PI / 8), y + 9 * Math.sin(i * Math.PI / 8), z])
  }

  new ResizeObserver(resize).observe(canvas)
  resize()

  return {
    frame,
    buildings,
    camera,
    setCamera(to) {
      const { lon, lat, distance, heading, pitch } = to
      if (!reaches(frame.origin, to)) return events.onFar(to)
      const [x, y] = frame.toLocal(lon, lat, 0)
      placed = true
      rig.set({ x, y, distance, heading, pitch })
    },
    flyTo(lon, lat, to = {}, milliseconds) {
      if (!reaches(frame.origin, { lon, lat })) return events.onFar({ ...camera(), ...to, lon, lat })
      const [x, y] = frame.toLocal(lon, lat, 0)
      rig.fly({ x, y, ...to }, milliseconds)
    },
    setLayers(next) {
      shownLayers = next
      terrain.repaint(draped())
      syncNetworks()
    },
    configure({ layers: next, terrain: nextRange }, nextShown) {
      range = nextRange
      const known = new Map(allLayers.map(({ id, revision }) => [id, revision ?? 0]))
      const changed = next.filter(({ id, revision }) => (revision ?? 0) > (known.get(id) ?? -1))
      for (const { id, revision } of changed) epochs.set(id, revision ?? 0)
      allLayers = next
      shownLayers = nextShown
      configureWorkers()
      terrain.repaint(draped(), changed.length > 0)
      for (const tileset of tilesets()) if (changed.some(({ id }) => id === tileset.layer)) tileset.refresh()
      syncNetworks()
    },
    touch(next, changes) {
      const before = draped().join()
      allLayers = next
      // Before the workers draw again: they hear of all this in the order it is said.
      configureWorkers()
      pool.forget(changes)
      const now = draped()
      terrain.touch(changes.filter(({ layer }) => layer === TERRAIN || now.includes(layer)))
      if (now.join() !== before) terrain.repaint(now)
      const isTouched = (layer: string) => changes.some((change) => change.layer === layer || change.layer === TERRAIN)
      for (const tileset of tilesets()) if (isTouched(tileset.layer)) tileset.refresh()
    },
    setUnderground(on) {
      underground = on
      groundUniforms.uGlass.value = on ? 1 : 0
      lighting.setDark(on)
      points.setTrees(!on)
      terrain.setGlass(on)
      buildings.setGhost(on)
      syncNetworks()
    },
    showFlood(manifest, projection) {
      flood?.dispose()
      flood = manifest && createFlood(manifest, frame, projection, events.onFloodFrame)
      invalidate()
      return flood
    },
    setRunning(on) {
      if (running === on) return
      running = on
      moved = performance.now()
      invalidate()
    },
    outline(parts) {
      if (parts) outline.show(parts.map(drape))
      else outline.hide()
      invalidate()
    },
    matches(parts) {
      if (parts) found.show(parts.map(drape))
      else found.hide()
      invalidate()
    },
    project(lon, lat, above = 0) {
      const [x, y] = frame.toLocal(lon, lat, 0)
      const p = new Vector3(x, y, terrain.groundZ(x, y) + above).project(rig.camera)
      const behind = rig.camera.getWorldDirection(new Vector3()).dot(new Vector3(x, y, 0).sub(rig.camera.position)) <= 0
      return behind || Math.abs(p.x) > 1.2 || Math.abs(p.y) > 1.2 ? null : [((p.x + 1) / 2) * size.x, ((1 - p.y) / 2) * size.y]
    },
    invalidate: () => invalidate(),
    get settled() { return (running || (!queued && waiting === undefined && resting === undefined)) && arriving === undefined && pending() === 0 },
    get stats() { return { frames, tiles: terrain.drawn, calls: renderer.info.render.calls, triangles: renderer.info.render.triangles } },
  }
}

function paintLayerOf(layer: ClientLayer, epoch: number): PaintLayer {
  return { id: layer.id, geometry: layer.geometry, style: layer.style, zoom: layer.zoom, revision: epoch, bbox: layer.bbox }
}

/** Asked of a context of its own: how the real one is made depends on the answer. */
function gpuName(): string {
  const context = document.createElement('canvas').getContext('webgl2')
  const extension = context?.getExtension('WEBGL_debug_renderer_info')
  const name = extension ? String(context!.getParameter(extension.UNMASKED_RENDERER_WEBGL)) : ''
  context?.getExtension('WEBGL_lose_context')?.loseContext()
  return name
}
