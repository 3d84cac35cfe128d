/**
 * The ground as a quadtree of tiles: split where a tile grows large on the screen, drawn while its children load,
 * dropped when long unseen. Geometry and picture come from the workers, a few at a time: first a coarse cover that
 * already shows rivers and main roads, then the right tiles from the middle of the view outwards.
 */
import {
  Box3, BufferAttribute, BufferGeometry, DataTexture, Frustum, Group, LinearFilter, LinearMipmapLinearFilter, Matrix4, Mesh,
  RGBAFormat, SRGBColorSpace, UnsignedByteType, Vector3, type MeshLambertMaterial, type PerspectiveCamera,
} from 'three'
import { intersects } from '../../core/bbox.js'
import { lonLatAt, tileFraction, type Tile } from '../../core/tile-matrix.js'
import type { Frame } from '../core/frame.js'
import { createGroundMaterial } from './ground-material.js'
import { grownBounds, TERRAIN, type Change } from './change.js'
import type { PointSet, TileMesh, TileResult } from './protocol.js'
import type { TileJob, WorkerPool } from './worker-pool.js'

export interface Terrain {
  readonly group: Group
  /** Chooses what to draw for this eye; asks for what is missing. */
  update(camera: PerspectiveCamera, heightPx: number): void
  /** Local z of the ground at a local position, from the finest tile loaded. */
  groundZ(x: number, y: number): number
  /** The finest tile drawn at a position: where to look for features. */
  tileAt(lon: number, lat: number): Tile
  /** Draws pictures anew where the layers differ (or the data, with `force`); the old ones stay until then. */
  repaint(shown: readonly string[], force?: boolean): void
  /** Draws anew, when they are next seen, the tiles that show anything of these places; the old ones stay until then. */
  touch(changes: readonly Change[]): void
  setGlass(on: boolean): void
  /** Tiles wanted and not yet there. */
  readonly pending: number
  /** Every part of the view has some ground. */
  readonly covered: boolean
  readonly drawn: number
  dispose(): void
}

export interface TerrainOptions {
  readonly frame: Frame
  readonly pool: WorkerPool
  readonly shown: readonly string[]
  readonly anisotropy: number
  /** A tile is split when it would cover more pixels than this. */
  readonly splitPx: number
  readonly onChange: () => void
  readonly onPoints: (key: string, center: Vector3, sets: readonly PointSet[]) => void
  readonly onPointsVisible: (key: string, visible: boolean) => void
  readonly onPointsGone: (key: string) => void
}

interface Node {
  readonly tile: Tile
  readonly key: string
  readonly box: Box3
  readonly sizeM: number
  children: Node[] | null
  mesh: Mesh<BufferGeometry, MeshLambertMaterial> | null
  source: TileMesh | null
  job: TileJob | null
  /** Version of the picture that is shown, and of the one asked for; see `due`. */
  painted: number
  asked: number
  /** How often something changed here. */
  touched: number
  /** The ground itself changed: the mesh is made anew with the picture. */
  reshape: boolean
  failed: number
  seen: number
  /** Lower goes first; set at each look. */
  rank: number
}

const ROOT_ZOOM = 8
const MAX_ZOOM = 18
/** How far beyond its edge a feature still shows in a tile's picture: strokes, the soft shade at the foot of walls. */
const REACH = 1 / 16
/** Tiles up to so many times the right size stand in for finer ones: fine enough to show a river. */
const STAND_IN = 4
const KEEP = 260

const frustum = new Frustum()
const matrix = new Matrix4()
const scratch = new Vector3()

export function createTerrain(options: TerrainOptions): Terrain {
  const { frame, pool } = options
  const group = new Group()
  group.matrixAutoUpdate = false
  let shown = options.shown
  let version = 1
  let tick = 0
  let glass = false
  let drawn = 0
  let covered = false
  const { splitPx } = options
  const wanted = new Map<Node, number>()
  const nodes = new Set<Node>()
  const working = new Set<Node>()
  const roots = createRoots()

  function createRoots(): Node[] {
    const [fx, fy] = tileFraction(frame.origin.lon, frame.origin.lat, ROOT_ZOOM)
    const [x, y] = [Math.floor(fx), Math.floor(fy)]
    return [-1, 0, 1].flatMap((dy) => [-1, 0, 1].map((dx) => createNode({ z: ROOT_ZOOM, x: x + dx, y: y + dy })))
  }

  function createNode(tile: Tile): Node {
    const box = new Box3()
    for (const [u, v] of [[0, 0], [1, 0], [0, 1], [1, 1], [0.5, 0.5]] as const) {
      const [lon, lat] = lonLatAt(tile.x + u, tile.y + v, tile.z)
      box.expandByPoint(scratch.set(...frame.toLocal(lon, lat, 0)))
    }
    const sizeM = box.max.x - box.min.x
    box.expandByVector(scratch.set(0, 0, Math.min(1500, sizeM * 0.2) + 20))
    return { tile, key: `${tile.z}/${tile.x}/${tile.y}`, box, sizeM, children: null, mesh: null, source: null, job: null, painted: 0, asked: 0, touched: 0, reshape: false, failed: 0, seen: 0, rank: 0 }
  }

  /** The version of its picture that a node should show: rises with each change of all, and of its place. */
  const due = (node: Node) => version + node.touched

  /** Puts a node on the list of this look; `rank` says how soon. */
  function want(node: Node, rank: number): void {
    if (node.job || node.asked === due(node) || node.failed > 3) return
    wanted.set(node, Math.min(rank, wanted.get(node) ?? Infinity))
  }

  /** Gives the workers what they can take now: what matters most, and not more than can still be called off. */
  function dispatch(): void {
    const room = pool.room - working.size
    if (room <= 0 || !wanted.size) return
    for (const [node] of [...wanted].sort((a, b) => a[1] - b[1]).slice(0, room)) {
      wanted.delete(node)
      start(node)
    }
  }

  function start(node: Node): void {
    const asked = node.asked = due(node)
    const reshape = node.reshape
    node.reshape = false
    working.add(node)
    const job = node.job = pool.tile(node.tile, shown, !node.mesh || reshape)
    job.result.then(
      (result) => { node.failed = 0; node.painted = asked; show(node, result) },
      (error: Error) => { node.asked = 0; node.reshape ||= reshape; if (error.message !== 'cancelled') node.failed++ },
    ).finally(() => {
      working.delete(node)
      node.job = null
      dispatch()
      options.onChange()
    })
  }

  function show(node: Node, { mesh: source, texture, points }: TileResult): void {
    const side = Math.sqrt(texture.length / 4)
    if (source && !node.mesh) {
      const geometry = geometryOf(source)
      const picture = new DataTexture(texture, side, side, RGBAFormat, UnsignedByteType)
      picture.colorSpace = SRGBColorSpace
      picture.magFilter = LinearFilter
      picture.minFilter = LinearMipmapLinearFilter
      picture.generateMipmaps = true
      picture.anisotropy = options.anisotropy
      picture.needsUpdate = true
      const mesh = new Mesh(geometry, createGroundMaterial(picture))
      mesh.position.set(...source.center)
      mesh.updateMatrix()
      mesh.updateMatrixWorld()
      mesh.matrixAutoUpdate = false
      mesh.receiveShadow = true
      mesh.frustumCulled = false
      mesh.visible = false
      node.mesh = mesh
      shape(node, mesh, source)
      group.add(mesh)
      nodes.add(node)
    } else if (node.mesh) {
      if (source) {
        node.mesh.geometry.dispose()
        node.mesh.geometry = geometryOf(source)
        shape(node, node.mesh, source)
      }
      const picture = node.mesh.material.map as DataTexture
      picture.image = { data: texture, width: side, height: side }
      picture.needsUpdate = true
    }
    if (node.mesh) options.onPoints(node.key, node.mesh.position, points)
  }

  function geometryOf(source: TileMesh): BufferGeometry {
    const geometry = new BufferGeometry()
    geometry.setAttribute('position', new BufferAttribute(source.positions, 3))
    geometry.setAttribute('normal', new BufferAttribute(source.normals, 3))
    geometry.setAttribute('uv', new BufferAttribute(source.uvs, 2))
    geometry.setIndex(new BufferAttribute(source.index, 1))
    return geometry
  }

  /** What follows from the form of the ground. */
  function shape(node: Node, mesh: Mesh<BufferGeometry, MeshLambertMaterial>, source: TileMesh): void {
    node.source = source
    node.box.min.z = source.minZ - 1
    node.box.max.z = source.maxZ + 1
    mesh.userData.segments = source.segments
    glassify(mesh)
  }

  function glassify(mesh: Mesh<BufferGeometry, MeshLambertMaterial>): void {
    mesh.material.transparent = glass
    mesh.material.depthWrite = !glass
    mesh.renderOrder = glass ? 5 : 0
    // Skirts hide cracks in an opaque ground; through glass they would show as dark walls.
    mesh.geometry.setDrawRange(0, glass ? (mesh.userData.segments as number) ** 2 * 6 : Infinity)
  }

  const pixels = (node: Node, eye: Vector3, scale: number) =>
    (node.sizeM / Math.max(1, node.box.distanceToPoint(eye))) * scale

  /** 0 in the middle of the view, about 1 at its edges. */
  function offCentre(node: Node): number {
    node.box.getCenter(scratch).applyMatrix4(matrix)
    return Math.min(3, Math.hypot(scratch.x, scratch.y + 0.2))
  }

  /**
   * Puts on `out` what covers a node's part of the view; false where nothing loaded covers all of it yet.
   * Levels far above the wanted one are asked for last, for the next move: they would hide rivers and streets.
   */
  function visit(node: Node, eye: Vector3, scale: number, out: Node[]): boolean {
    if (!frustum.intersectsBox(node.box)) return true
    node.seen = tick
    const size = pixels(node, eye, scale)
    if (node.tile.z >= MAX_ZOOM || size <= splitPx) {
      want(node, 10 + offCentre(node))
      if (node.mesh) out.push(node)
      return node.mesh !== null
    }
    const { z, x, y } = node.tile
    node.children ??= [0, 1, 2, 3].map((q) => createNode({ z: z + 1, x: x * 2 + (q & 1), y: y * 2 + (q >> 1) }))
    const before = out.length
    let whole = true
    for (const child of node.children) whole = visit(child, eye, scale, out) && whole
    if (whole) return true
    if (!node.mesh && size > splitPx * (STAND_IN / 2) && size <= splitPx * STAND_IN) want(node, offCentre(node))
    if (!node.mesh) return false
    out.length = before
    out.push(node)
    return true
  }

  /** Work for tiles that have left the view is called off. */
  function callOff(): void {
    for (const node of working) if (node.seen < tick - 2 && node.tile.z > ROOT_ZOOM) node.job?.cancel()
  }

  /** Forgets what has not been seen for longest, children before parents. */
  function prune(): void {
    if (nodes.size <= KEEP) return
    const old = [...nodes].filter((node) => node.seen < tick && node.tile.z > ROOT_ZOOM).sort((a, b) => a.seen - b.seen || b.tile.z - a.tile.z)
    for (const node of old.slice(0, nodes.size - KEEP)) drop(node)
  }

  function drop(node: Node): void {
    node.children?.forEach((child) => { if (child.mesh) drop(child) })
    node.job?.cancel()
    if (node.mesh) {
      group.remove(node.mesh)
      node.mesh.geometry.dispose()
      node.mesh.material.map?.dispose()
      node.mesh.material.dispose()
      options.onPointsGone(node.key)
    }
    node.mesh = node.source = node.children = null
    node.asked = node.painted = 0
    nodes.delete(node)
  }

  function finest(lon: number, lat: number): Node | null {
    let best: Node | null = null
    let level: Node[] | null = roots
    while (level) {
      const [fx, fy]: [number, number] = tileFraction(lon, lat, level[0]!.tile.z)
      const next: Node | undefined = level.find(({ tile }) => tile.x === Math.floor(fx) && tile.y === Math.floor(fy))
      if (!next) break
      if (next.source) best = next
      level = next.children
    }
    return best
  }

  return {
    group,
    update(camera, heightPx) {
      tick++
      matrix.multiplyMatrices(camera.projectionMatrix, camera.matrixWorldInverse)
      frustum.setFromProjectionMatrix(matrix, camera.coordinateSystem, camera.reversedDepth)
      for (const node of nodes) if (node.mesh) node.mesh.visible = false
      const scale = heightPx / (2 * Math.tan((camera.fov * Math.PI) / 360))
      const out: Node[] = []
      wanted.clear()
      covered = true
      for (const root of roots) if (!visit(root, camera.position, scale, out)) covered = false
      for (const node of out) node.mesh!.visible = true
      drawn = out.length
      // What is on screen but painted for other layers is painted anew.
      for (const node of out) if (node.painted) want(node, 5 + offCentre(node))
      callOff()
      dispatch()
      for (const node of nodes) options.onPointsVisible(node.key, node.mesh?.visible ?? false)
      prune()
    },
    groundZ(x, y) {
      const [lon, lat] = frame.fromLocal(x, y, 0)
      const node = finest(lon, lat)
      if (!node?.source) return 0
      const { source } = node
      const [fx, fy] = tileFraction(lon, lat, node.tile.z)
      const n = source.segments
      const [u, v] = [clamp((fx - node.tile.x) * n, n), clamp((fy - node.tile.y) * n, n)]
      const [i, j] = [Math.min(n - 1, Math.floor(u)), Math.min(n - 1, Math.floor(v))]
      const z = (a: number, b: number) => source.positions[(b * (n + 1) + a) * 3 + 2]!
      const [p, q] = [u - i, v - j]
      return source.center[2] + (z(i, j) * (1 - p) + z(i + 1, j) * p) * (1 - q) + (z(i, j + 1) * (1 - p) + z(i + 1, j + 1) * p) * q
    },
    tileAt(lon, lat) {
      const node = finest(lon, lat)
      return node?.tile ?? roots[4]!.tile
    },
    repaint(next, force = false) {
      if (!force && next.join() === shown.join()) return
      shown = next
      version++
      options.onChange()
    },
    touch(changes) {
      if (!changes.length) return
      const walk = (node: Node): void => {
        const bounds = grownBounds(node.tile, REACH)
        const here = changes.filter(({ box }) => intersects(box, bounds))
        if (!here.length) return
        node.touched++
        node.failed = 0
        if (here.some(({ layer }) => layer === TERRAIN)) node.reshape = true
        node.children?.forEach(walk)
      }
      roots.forEach(walk)
      options.onChange()
    },
    setGlass(on) {
      glass = on
      for (const node of nodes) if (node.mesh) { glassify(node.mesh); node.mesh.material.needsUpdate = true }
      options.onChange()
    },
    get pending() { return working.size + wanted.size },
    get covered() { return covered },
    get drawn() { return drawn },
    dispose() { for (const root of roots) drop(root) },
  }
}

const clamp = (v: number, high: number) => Math.max(0, Math.min(high, v))
