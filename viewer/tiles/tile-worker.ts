/** Off the main thread: fetches, decodes and draws the tiles of the ground, and answers what lies under a click. */
import { intersects } from '../../core/bbox.js'
import { lonLatAt, tileBounds, tileFraction, type Tile } from '../../core/tile-matrix.js'
import { createFrame, type Frame } from '../core/frame.js'
import { useSource } from '../core/source.js'
import { TERRAIN } from './change.js'
import { createHeightSource, type HeightSampler, type HeightSource } from './height-source.js'
import { buildGroundMesh } from './ground-mesh.js'
import { createMvtSource, featureLonLat, placement, sourceTileOf, type SourceTile } from './mvt.js'
import { eachFeature, paintContactShadow, paintLayer, paintRank, paintRoadCut, paintWaterMask, type PaintJob } from './paint.js'
import type { PaintLayer, PickedFeature, PointSet, Settings, TileResult, WorkerReply, WorkerRequest } from './protocol.js'
import { colourOf, rgb } from './style.js'

const vectors = createMvtSource()
const cancelled = new Set<number>()
let settings: Settings
let frame: Frame
let heights: HeightSource | null = null

self.onmessage = ({ data }: MessageEvent<WorkerRequest>) => {
  switch (data.kind) {
    case 'settings':
      settings = data.settings
      useSource(settings.source)
      frame = createFrame(settings.origin)
      // Finer terrain, or the first of all, is another source; the same range keeps what it has decoded.
      if (JSON.stringify(settings.terrain) !== JSON.stringify(heights?.range ?? null)) heights = settings.terrain && createHeightSource(settings.terrain, decodeImage)
      return
    case 'forget':
      vectors.forget(data.changes)
      heights?.forget(data.changes.filter(({ layer }) => layer === TERRAIN))
      return
    case 'cancel':
      cancelled.add(data.job)
      return
    case 'tile':
      return void answer(data.job, async () => {
        const tile = await makeTile(data.job, data.tile, data.shown, data.mesh)
        const transfer: Transferable[] = [tile.texture.buffer as ArrayBuffer]
        if (tile.mesh) transfer.push(...[tile.mesh.positions, tile.mesh.normals, tile.mesh.uvs, tile.mesh.index].map((a) => a.buffer as ArrayBuffer))
        return [{ job: data.job, ok: true, tile }, transfer]
      })
    case 'pick':
      return void answer(data.job, async () => [{ job: data.job, ok: true, picked: await pick(data) }, []])
  }
}

async function answer(job: number, work: () => Promise<[WorkerReply, Transferable[]]>): Promise<void> {
  try {
    const [reply, transfer] = await work()
    self.postMessage(reply, { transfer })
  } catch (error) {
    self.postMessage({ job, ok: false, error: (error as Error).message } satisfies WorkerReply)
  }
  cancelled.delete(job)
}

function checkCancelled(job: number): void {
  if (cancelled.has(job)) throw new Error('cancelled')
}

async function makeTile(job: number, tile: Tile, shown: readonly string[], wantMesh: boolean): Promise<TileResult> {
  const layers = settings.layers.filter((layer) => shown.includes(layer.id) && tile.z >= layer.zoom.min)
  const [sampler, sources] = await Promise.all([heights ? heights.sampler(tile).catch(() => null) : null, sourcesOf(layers, tile)])
  const drawn = layers.flatMap((layer) => { const source = sources.get(layer.id); return source ? [{ layer, source }] : [] })
  const shade = sources.get('buildings') ?? null
  checkCancelled(job)
  const size = settings.textureSize
  const lat = lonLatAt(tile.x + 0.5, tile.y + 0.5, tile.z)[1]
  const paint: PaintJob = { tile, size, metresPerPixel: (40075016.686 * Math.cos((lat * Math.PI) / 180)) / 2 ** tile.z / size }
  const mask = paintMask(drawn.find(({ layer }) => layer.id === 'water_bodies')?.source ?? null, settings.seaIsFlat ? sampler : null, paint)
  const height = waterLevelled(sampler, mask, size)
  const texture = paintGround(drawn, shade, mask && { water: mask, dry: cutRoads(drawn, paint) }, sampler, paint)
  const mesh = wantMesh ? buildGroundMesh(tile, segmentsOf(tile), height, frame) : null
  const points = drawn.filter(({ layer }) => layer.geometry === 'point' || layer.geometry === 'any')
    .map(({ layer, source }) => pointsOf(layer, source, tile, height)).filter((set) => set.ids.length)
  return { mesh, texture, points }
}

/** Features by layer: one request for all layers whose zooms reach equally deep, none for those that lie elsewhere. */
async function sourcesOf(layers: readonly PaintLayer[], tile: Tile): Promise<Map<string, SourceTile>> {
  const bounds = tileBounds(tile)
  const groups = new Map<number, { tile: Tile; layers: PaintLayer[] }>()
  for (const layer of layers) {
    if (layer.bbox && !intersects(layer.bbox, bounds)) continue
    const source = sourceTileOf(tile, layer.zoom.max)
    const group = groups.get(source.z) ?? { tile: source, layers: [] }
    group.layers.push(layer)
    groups.set(source.z, group)
  }
  const found = new Map<string, SourceTile>()
  await Promise.all([...groups.values()].map(async (group) => {
    const sources = await vectors.get(group.layers, group.tile)
    sources.forEach((source, i) => { if (source) found.set(group.layers[i]!.id, source) })
  }))
  return found
}

/** Vertices follow the stored heights: more of them would add nothing. */
function segmentsOf(tile: Tile): number {
  const beyond = settings.terrain ? tile.z - settings.terrain.maxzoom : 0
  return beyond <= 0 ? settings.segments : Math.max(16, settings.segments >> beyond)
}

/** Beds lie below the water that people see: where the mask says water, nothing is lower than mean sea level. */
function waterLevelled(sampler: HeightSampler | null, mask: Uint8ClampedArray | null, size: number): (u: number, v: number) => number {
  if (!sampler) return () => 0
  if (!mask) return sampler
  return (u, v) => {
    const h = sampler(u, v)
    if (h >= 0) return h
    const at = Math.min(size - 1, Math.floor(v * size)) * size + Math.min(size - 1, Math.floor(u * size))
    return mask[at * 4 + 3]! > 100 && mask[at * 4]! > 100 ? 0 : h
  }
}

const canvasOf = (size: number) => new OffscreenCanvas(size, size)
/** Pixels along a side of the ground's own colour, stretched over the tile. */
const BASE = 128
const scratch = { ground: canvasOf(1), mask: canvasOf(1), shade: canvasOf(1), base: canvasOf(BASE) }

function contextOf(canvas: OffscreenCanvas, size: number) {
  if (canvas.width !== size) canvas.width = canvas.height = size
  return canvas.getContext('2d', { willReadFrequently: true })!
}

function paintMask(source: SourceTile | null, sampler: HeightSampler | null, job: PaintJob): Uint8ClampedArray | null {
  if (!source && !sampler) return null
  const context = contextOf(scratch.mask, job.size)
  context.clearRect(0, 0, job.size, job.size)
  if (sampler) paintFlatSea(context, sampler, job)
  if (source) paintWaterMask(context, source, job)
  return context.getImageData(0, 0, job.size, job.size).data
}

/** Elevation models of the world hold the sea as exactly 0: where no file names the sea, that is how it is known. */
function paintFlatSea(context: OffscreenCanvasRenderingContext2D, sampler: HeightSampler, job: PaintJob): void {
  const n = BASE
  const small = scratch.base.getContext('2d')!
  const image = small.createImageData(n, n)
  const e = 1 / n
  for (let j = 0; j < n; j++) {
    for (let i = 0; i < n; i++) {
      const [u, v] = [(i + 0.5) * e, (j + 0.5) * e]
      if (Math.abs(sampler(u, v)) > 0.06 || Math.abs(sampler(u + e, v)) + Math.abs(sampler(u, v + e)) + Math.abs(sampler(u - e, v)) + Math.abs(sampler(u, v - e)) > 0.25) continue
      image.data.set([255, 0, 0, 255], (j * n + i) * 4)
    }
  }
  small.putImageData(image, 0, 0)
  context.imageSmoothingEnabled = true
  context.imageSmoothingQuality = 'high'
  context.drawImage(scratch.base, 0, 0, job.size, job.size)
}

/** Bridges stay dry: a road over water is cut out of the mask. */
function cutRoads(drawn: readonly { layer: PaintLayer; source: SourceTile }[], job: PaintJob): Uint8ClampedArray {
  const context = scratch.mask.getContext('2d')!
  for (const { layer, source } of drawn) {
    if (layer.id === 'roads' || layer.id === 'bridges') paintRoadCut(context, source, job)
  }
  return context.getImageData(0, 0, job.size, job.size).data
}

function paintGround(
  drawn: readonly { layer: PaintLayer; source: SourceTile }[], shade: SourceTile | null,
  mask: { readonly water: Uint8ClampedArray; readonly dry: Uint8ClampedArray } | null, sampler: HeightSampler | null, job: PaintJob,
): Uint8Array {
  const { size } = job
  const context = contextOf(scratch.ground, size)
  paintBase(context, sampler, job)
  const ordered = drawn.filter(({ layer }) => layer.id !== 'water_bodies').sort((a, b) => paintRank(a.layer.id) - paintRank(b.layer.id))
  let shaded = !shade
  for (const { layer, source } of ordered) {
    if (!shaded && paintRank(layer.id) > 5) {
      contextOf(scratch.shade, size)
      paintContactShadow(context, scratch.shade, shade!, job)
      shaded = true
    }
    paintLayer(context, layer, source, job)
  }
  if (!shaded) {
    contextOf(scratch.shade, size)
    paintContactShadow(context, scratch.shade, shade!, job)
  }
  const pixels = context.getImageData(0, 0, size, size).data
  const texture = new Uint8Array(size * size * 4)
  const row = size * 4
  for (let y = 0; y < size; y++) texture.set(pixels.subarray(y * row, (y + 1) * row), (size - 1 - y) * row)
  if (mask) {
    for (let y = 0; y < size; y++) {
      for (let x = 0; x < size; x++) {
        const at = (y * size + x) * 4 + 3
        const wet = mask.dry[at]!
        const deck = mask.water[at]! - wet
        texture[((size - 1 - y) * size + x) * 4 + 3] = 255 - (wet >> 1) - (deck > 128 && wet < 64 ? 25 : 0)
      }
    }
  }
  return texture
}

/** Sand plain to quiet green hills, with a soft hillshade baked in: light from the north-west, as maps have it. */
function paintBase(context: OffscreenCanvasRenderingContext2D, sampler: HeightSampler | null, job: PaintJob): void {
  if (!sampler) {
    context.fillStyle = '#e9e3d6'
    context.fillRect(0, 0, job.size, job.size)
    return
  }
  const n = BASE
  const small = scratch.base.getContext('2d')!
  const image = small.createImageData(n, n)
  const cell = (job.metresPerPixel * job.size) / n
  const eps = 1 / n
  for (let j = 0; j < n; j++) {
    for (let i = 0; i < n; i++) {
      const [u, v] = [(i + 0.5) / n, (j + 0.5) / n]
      const h = sampler(u, v)
      const dx = (sampler(u + eps, v) - sampler(u - eps, v)) / (2 * cell)
      const dy = (sampler(u, v - eps) - sampler(u, v + eps)) / (2 * cell)
      const slope = Math.hypot(dx, dy)
      const green = smooth(6, 60, h + slope * 90)
      const forest = smooth(80, 420, h + slope * 160)
      const light = 1 + Math.max(-0.2, Math.min(0.14, (dx * 0.62 - dy * 0.62) * 0.34))
      const k = (j * n + i) * 4
      for (let c = 0; c < 3; c++) {
        const flat = SAND[c]! + (HILL[c]! - SAND[c]!) * green
        image.data[k + c] = (flat + (FOREST[c]! - flat) * forest) * light
      }
      image.data[k + 3] = 255
    }
  }
  small.putImageData(image, 0, 0)
  context.imageSmoothingEnabled = true
  context.imageSmoothingQuality = 'high'
  context.drawImage(scratch.base, 0, 0, job.size, job.size)
}

const SAND = [231, 225, 213]
const HILL = [203, 209, 188]
const FOREST = [174, 189, 163]
const smooth = (a: number, b: number, x: number) => { const t = Math.max(0, Math.min(1, (x - a) / (b - a))); return t * t * (3 - 2 * t) }

function pointsOf(layer: PaintLayer, source: SourceTile, tile: Tile, height: (u: number, v: number) => number): PointSet {
  const place = placement(source, tile, 1)
  const [clon, clat] = lonLatAt(tile.x + 0.5, tile.y + 0.5, tile.z)
  const center = frame.toLocal(clon, clat, 0)
  const positions: number[] = []
  const ids: number[] = []
  const colours: number[] = []
  const heights: number[] = []
  eachFeature(source, (feature) => {
    if (feature.type !== 1) return
    const colour = rgb(colourOf(layer.style.circle ?? layer.style.fill ?? layer.style.line, feature.properties) ?? '#0e6e73')
    for (const [p] of feature.loadGeometry()) {
      if (!p) continue
      const [u, v] = [p.x * place.scale + place.dx, p.y * place.scale + place.dy]
      if (u < 0 || u >= 1 || v < 0 || v >= 1) continue
      const [lon, lat] = lonLatAt(tile.x + u, tile.y + v, tile.z)
      const local = frame.toLocal(lon, lat, height(u, v))
      positions.push(local[0] - center[0], local[1] - center[1], local[2] - center[2])
      ids.push(feature.id ?? 0)
      colours.push(...colour)
      heights.push(Number(feature.properties.height ?? feature.properties.height_m) || 0)
    }
  })
  return { layer: layer.id, positions: new Float32Array(positions), ids: new Float64Array(ids), colours: new Float32Array(colours), heights: new Float32Array(heights) }
}

/** Points win over lines, lines over areas, small areas over large: what a finger means. */
async function pick(ask: Extract<WorkerRequest, { kind: 'pick' }>): Promise<PickedFeature[]> {
  const layers = settings.layers.filter((layer) => ask.shown.includes(layer.id) && ask.tile.z >= layer.zoom.min)
  const found: { rank: number; feature: PickedFeature }[] = []
  const sources = await sourcesOf(layers, ask.tile)
  for (const layer of layers) {
    const source = sources.get(layer.id)
    if (!source) continue
    const extent = source.features.extent
    const [fx, fy] = tileFraction(ask.lon, ask.lat, source.tile.z)
    const [px, py] = [(fx - source.tile.x) * extent, (fy - source.tile.y) * extent]
    const metresPerUnit = (40075016.686 * Math.cos((ask.lat * Math.PI) / 180)) / 2 ** source.tile.z / extent
    const tolerance = ask.toleranceM / metresPerUnit
    eachFeature(source, (feature) => {
      if (feature.id === undefined) return
      const parts = feature.loadGeometry()
      const distance = feature.type === 3 ? (contains(parts, px, py) ? 0 : Infinity) : nearest(parts, px, py, feature.type === 2)
      if (distance > tolerance) return
      const size = feature.type === 3 ? Math.abs(area(parts)) : distance
      found.push({
        rank: (feature.type === 1 ? 0 : feature.type === 2 ? 1e9 : 2e9) + Math.min(size, 9e8),
        feature: {
          layer: layer.id, id: feature.id, properties: feature.properties, outline: featureLonLat(feature, source),
          type: feature.type === 1 ? 'point' : feature.type === 2 ? 'line' : 'polygon',
        },
      })
    })
  }
  return found.sort((a, b) => a.rank - b.rank).slice(0, 12).map(({ feature }) => feature)
}

interface Point { readonly x: number; readonly y: number }

function contains(rings: readonly (readonly Point[])[], x: number, y: number): boolean {
  let inside = false
  for (const ring of rings) {
    for (let i = 0, j = ring.length - 1; i < ring.length; j = i++) {
      const [a, b] = [ring[i]!, ring[j]!]
      if (a.y > y !== b.y > y && x < ((b.x - a.x) * (y - a.y)) / (b.y - a.y) + a.x) inside = !inside
    }
  }
  return inside
}

function nearest(parts: readonly (readonly Point[])[], x: number, y: number, line: boolean): number {
  let best = Infinity
  for (const part of parts) {
    part.forEach((p, i) => {
      const q = line && i ? part[i - 1]! : p
      const [dx, dy] = [p.x - q.x, p.y - q.y]
      const t = dx || dy ? Math.max(0, Math.min(1, ((x - q.x) * dx + (y - q.y) * dy) / (dx * dx + dy * dy))) : 0
      best = Math.min(best, Math.hypot(q.x + dx * t - x, q.y + dy * t - y))
    })
  }
  return best
}

function area(rings: readonly (readonly Point[])[]): number {
  let sum = 0
  for (const ring of rings) {
    for (let i = 0, j = ring.length - 1; i < ring.length; j = i++) sum += (ring[j]!.x - ring[i]!.x) * (ring[j]!.y + ring[i]!.y) / 2
  }
  return sum
}

async function decodeImage(blob: Blob): Promise<Uint8ClampedArray> {
  // Heights live in the exact bytes: no colour conversion, no premultiplication.
  const image = await createImageBitmap(blob, { colorSpaceConversion: 'none', premultiplyAlpha: 'none' })
  const canvas = new OffscreenCanvas(image.width, image.height)
  const context = canvas.getContext('2d', { willReadFrequently: true })!
  context.drawImage(image, 0, 0)
  image.close()
  return context.getImageData(0, 0, canvas.width, canvas.height).data
}
