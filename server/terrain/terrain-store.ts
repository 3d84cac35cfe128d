/**
 * The city's ground: rasters stored as pyramids of height tiles, read back as grids, points and tiles.
 *
 * Sources overlap. At each place the first source with a height wins, in this order: higher priority,
 * finer resolution, later revision. Places without data in one fall through to the next.
 * Heights are orthometric metres above the city's vertical datum; NaN is "no source knows".
 */
import { setImmediate as breathe } from 'node:timers/promises'
import proj4 from 'proj4'
import { sql, type Kysely, type Transaction } from 'kysely'
import type { BBox } from '../../core/bbox.js'
import { grow, union } from '../../core/bbox.js'
import { CELL_ZOOM, cellOf, lonLatAt, tileAt, tileFraction, type Tile } from '../../core/tile-matrix.js'
import { VN2000_PROJ4 } from '../../core/vn2000.js'
import { Problem, notFound } from '../errors.js'
import type { Database } from '../store/database.js'
import type { AsOf, Branch, RevisionWriter, Store } from '../store/store.js'
import { TILE_SIZE, averageInto, bilinear, decodeHeights, encodeHeights, heightRange, pixelSizeM, zoomOfResolution, type Heights } from './height-tile.js'

/** A raster to store. */
export interface TerrainRaster {
  /** CRS84 degrees. */
  readonly bounds: BBox
  /** Ground size of its cells, metres: decides how deep the pyramid goes. */
  readonly resolutionM: number
  /** Orthometric metres at a CRS84 position, NaN where the raster has none. */
  height(lon: number, lat: number): number
  /** The same where each of the longitudes meets each of the latitudes, row by row, where that is quicker. */
  heights?(lons: Float64Array, lats: Float64Array): Float32Array
}

export interface StoreTerrainOptions {
  /** Storing again under a name replaces what it held. */
  readonly name: string
  readonly actor: string
  readonly branch?: Branch
  readonly reason?: string
  /** Higher lies on top whatever its resolution; default 0. */
  readonly priority?: number
  readonly onProgress?: (share: number) => void
  readonly signal?: AbortSignal
}

/** One stored raster. `name` is unique among the live ones of a branch. */
export interface TerrainSource {
  readonly id: number
  readonly name: string
  readonly bounds: BBox
  readonly minzoom: number
  readonly maxzoom: number
  readonly resolutionM: number
  readonly revision: number
  readonly created: Date
}

/** Which ground: the present one unless said otherwise. */
export interface TerrainAt { readonly branch?: Branch; readonly asOf?: AsOf }

/** A grid in a projected CRS; `origin` is its north-west corner, `cell` its cell size, CRS units. */
export interface TerrainGridArgs extends TerrainAt {
  readonly srid: number
  readonly origin: readonly [easting: number, northing: number]
  readonly cell: number
  readonly rows: number
  readonly cols: number
}

/**
 * Stores a raster as height tiles from zoom 0 to the one its resolution deserves, in one revision.
 * Parents are the mean of their children. Throws a Problem when the raster holds no height at all.
 */
export async function storeTerrain(store: Store, raster: TerrainRaster, options: StoreTerrainOptions): Promise<TerrainSource> {
  const { name, actor, branch = 'main', priority = 0 } = options
  const maxzoom = zoomOfResolution(raster.resolutionM, (raster.bounds[1] + raster.bounds[3]) / 2)
  let id = 0
  const write = async (tx: Transaction<Database>) => {
    id = await nextSourceId(tx)
    const stored = await writePyramid(tx, id, raster, maxzoom, options)
    if (stored === 0) throw new Problem(400, 'invalid-body', `The terrain “${name}” holds no height between ${raster.bounds.join(', ')} (degrees). Check its CRS and its no-data value.`)
  }
  const { revision } = await store.withRevision({ actor, reason: options.reason ?? `terrain ${name}`, branch }, async writer => {
    const retired = await retire(writer, name, branch)
    await sql`
      insert into dothi.terrain_sources (id, name, branch, actor, bounds, minzoom, maxzoom, resolution_m, priority, revision)
      overriding system value
      values (${id}, ${name}, ${branch}, ${actor}, ${raster.bounds}::float8[], 0, ${maxzoom}, ${raster.resolutionM}, ${priority}, ${writer.revision})
    `.execute(writer.tx)
    await recordChange(writer, branch, union(raster.bounds, retired)!)
  }, write)
  return { id, name, bounds: raster.bounds, minzoom: 0, maxzoom, resolutionM: raster.resolutionM, revision: revision.revision, created: revision.at }
}

/** Takes a raster away from the present ground; `asOf` still shows it. Throws a 404 Problem for an unknown name. */
export async function removeTerrain(store: Store, name: string, { actor = 'steward', branch = 'main' }: { actor?: string; branch?: Branch } = {}): Promise<void> {
  await store.withRevision({ actor, reason: `terrain ${name} removed`, branch }, async writer => {
    const bounds = await retire(writer, name, branch)
    if (!bounds) throw notFound(`There is no terrain named “${name}”. \`GET /terrain\` lists what there is.`)
    await recordChange(writer, branch, bounds)
  })
}

/** What the ground is made of, top first; `null` while the city has none. */
export async function terrainSummary(store: Store, at: TerrainAt = {}): Promise<{
  readonly minzoom: number; readonly maxzoom: number; readonly bounds: BBox; readonly revision: number; readonly sources: readonly TerrainSource[]
} | null> {
  const sources = await terrainSources(store, at)
  if (sources.length === 0) return null
  return {
    minzoom: Math.min(...sources.map(s => s.minzoom)),
    maxzoom: Math.max(...sources.map(s => s.maxzoom)),
    bounds: sources.reduce<BBox | null>((box, s) => union(box, s.bounds), null)!,
    revision: await terrainRevision(store, at),
    sources,
  }
}

/** The last revision that stored or removed terrain: 0 if none. */
export async function terrainRevision(store: Store, { branch = 'main', asOf = 'now' }: TerrainAt = {}): Promise<number> {
  const until = await revisionOf(store, asOf)
  const { rows } = await sql<{ revision: string | null }>`
    select max(greatest(revision, case when retired_revision <= ${until} then retired_revision end)) as revision
    from dothi.terrain_sources where branch in ('main', ${branch}) and revision <= ${until}
  `.execute(store.pool('open'))
  return Number(rows[0]?.revision ?? 0)
}

/**
 * Heights at the cell centres of a grid: Float32Array(rows × cols), row-major, north first.
 * A grid coarser than the terrain reads the level whose pixels are just smaller, which are means of the finer ones.
 */
export async function terrainGrid(store: Store, grid: TerrainGridArgs): Promise<Float32Array> {
  return terrainAtCells(store, grid, await gridPositions(store, grid))
}

/** The same where the cells' positions are at hand. */
export async function terrainAtCells(store: Store, grid: TerrainGridArgs, { x, y, latitude }: GridPositions): Promise<Float32Array> {
  const level = Math.max(0, Math.ceil(Math.log2(pixelSizeM(0, latitude) / grid.cell)))
  return sampleMercator(store, await terrainSources(store, grid), level, x, y)
}

/** Cell centres as shares of the world's width, 0…1 from the west and from the north; the latitude of the grid's middle. */
export interface GridPositions { readonly x: Float64Array; readonly y: Float64Array; readonly latitude: number }

/** Where the cells of a grid are. */
export async function gridPositions(store: Store, { srid, origin, cell, rows, cols }: TerrainGridArgs): Promise<GridPositions> {
  const toLonLat = await inverseProjection(store, srid)
  const x = new Float64Array(rows * cols)
  const y = new Float64Array(rows * cols)
  for (let row = 0, i = 0; row < rows; row++) {
    for (let col = 0; col < cols; col++, i++) {
      const [lon, lat] = toLonLat(origin[0] + (col + 0.5) * cell, origin[1] - (row + 0.5) * cell)
      ;[x[i], y[i]] = tileFraction(lon, lat, 0)
    }
  }
  return { x, y, latitude: toLonLat(origin[0] + cols * cell / 2, origin[1] - rows * cell / 2)[1] }
}

/** Height at a CRS84 position, NaN where no source knows. */
export async function heightAt(store: Store, lon: number, lat: number, at: TerrainAt = {}): Promise<number> {
  return (await heightsAt(store, [[lon, lat]], at))[0]!
}

/** Heights at CRS84 positions, in their order; from the finest level, or from the one of `zoom`. */
export async function heightsAt(store: Store, positions: readonly (readonly [lon: number, lat: number])[], at: TerrainAt & { readonly zoom?: number } = {}): Promise<Float32Array> {
  const x = new Float64Array(positions.length)
  const y = new Float64Array(positions.length)
  positions.forEach(([lon, lat], i) => { [x[i], y[i]] = tileFraction(lon, lat, 0) })
  return sampleMercator(store, await terrainSources(store, at), at.zoom ?? 24, x, y)
}

/**
 * Heights of a WebMercatorQuad tile at its pixel centres: 256 × 256, row-major, north first.
 * Beyond a source's own zooms its deepest level is interpolated, so that every zoom answers.
 */
export async function terrainTile(store: Store, tile: Tile, at: TerrainAt = {}): Promise<Heights> {
  return terrainPixels(store, { z: tile.z, x: tile.x * TILE_SIZE, y: tile.y * TILE_SIZE, cols: TILE_SIZE, rows: TILE_SIZE }, at)
}

/** A rectangle of the pixels of one zoom, counted from the west and from the north of the world. */
export interface PixelWindow { readonly z: number; readonly x: number; readonly y: number; readonly cols: number; readonly rows: number }

/** Heights at the centres of a window's pixels, row-major, north first; `terrainTile` for any rectangle. */
export async function terrainPixels(store: Store, window: PixelWindow, at: TerrainAt = {}): Promise<Heights> {
  const { z, cols, rows } = window
  const heights: Heights = new Float32Array(cols * rows).fill(NaN)
  let holes = heights.length
  for (const source of await terrainSources(store, at)) {
    if (holes === 0) break
    if (!meetsSource(window, source)) continue
    if (z <= source.maxzoom) await copyPixels(store, source, window, heights)
    else await interpolatePixels(store, source, window, heights)
    holes = countHoles(heights)
  }
  return heights
}

/** The rasters in force, top first. */
export async function terrainSources(store: Store, { branch = 'main', asOf = 'now' }: TerrainAt = {}): Promise<readonly TerrainSource[]> {
  const until = await revisionOf(store, asOf)
  const { rows } = await sql<Record<string, any>>`
    select id, name, bounds, minzoom, maxzoom, resolution_m, revision, created
    from dothi.terrain_sources
    where branch in ('main', ${branch}) and revision <= ${until} and (retired_revision is null or retired_revision > ${until})
    order by priority desc, resolution_m, revision desc, id desc
  `.execute(store.pool('open'))
  return rows.map(row => ({
    id: Number(row.id), name: row.name, bounds: row.bounds, minzoom: row.minzoom, maxzoom: row.maxzoom,
    resolutionM: row.resolution_m, revision: Number(row.revision), created: row.created,
  }))
}

// ── Writing ──────────────────────────────────────────────────────────────────────────────────────

/** Tiles of the batch that one statement inserts. */
const INSERT_BATCH = 24

/** Depth first, so that only one branch of the pyramid is in memory. Returns the number of tiles stored. */
async function writePyramid(tx: Transaction<Database>, source: number, raster: TerrainRaster, maxzoom: number, { onProgress, signal }: StoreTerrainOptions): Promise<number> {
  const [west, south, east, north] = raster.bounds
  const first = tileAt(west, north, maxzoom)
  const last = tileAt(east, south, maxzoom)
  const leaves = (last.x - first.x + 1) * (last.y - first.y + 1)
  let sampled = 0
  let stored = 0
  let batch: { tile: Tile; heights: Promise<Buffer>; min: number; max: number }[] = []

  const flush = async () => {
    const rows = await Promise.all(batch.map(async ({ tile, heights, min, max }) => sql`(${source}, ${tile.z}, ${tile.x}, ${tile.y}, ${await heights}, ${min}, ${max})`))
    batch = []
    if (rows.length) await sql`insert into dothi.terrain_tiles (source, z, x, y, heights, min, max) values ${sql.join(rows)}`.execute(tx)
  }
  const keep = async (tile: Tile, heights: Heights) => {
    const range = heightRange(heights)
    if (!range) return null
    stored++
    batch.push({ tile, heights: encodeHeights(heights), ...range })
    if (batch.length >= INSERT_BATCH) await flush()
    return heights
  }
  const build = async (tile: Tile): Promise<Heights | null> => {
    signal?.throwIfAborted()
    if (tile.z === maxzoom) {
      const heights = sampleTile(raster, tile)
      onProgress?.(++sampled / leaves)
      await breathe()
      return keep(tile, heights)
    }
    const parent = new Float32Array(TILE_SIZE * TILE_SIZE).fill(NaN)
    const deeper = maxzoom - tile.z - 1
    for (const qy of [0, 1] as const) {
      for (const qx of [0, 1] as const) {
        const child = { z: tile.z + 1, x: tile.x * 2 + qx, y: tile.y * 2 + qy }
        const meets = (first.x >> deeper) <= child.x && child.x <= (last.x >> deeper) && (first.y >> deeper) <= child.y && child.y <= (last.y >> deeper)
        const heights = meets ? await build(child) : null
        if (heights) averageInto(parent, heights, { x: qx, y: qy })
      }
    }
    return keep(tile, parent)
  }
  await build({ z: 0, x: 0, y: 0 })
  await flush()
  return stored
}

function sampleTile(raster: TerrainRaster, tile: Tile): Heights {
  const [west, south, east, north] = raster.bounds
  const lons = Float64Array.from({ length: TILE_SIZE }, (_, col) => lonLatAt(tile.x + (col + 0.5) / TILE_SIZE, tile.y, tile.z)[0])
  const lats = Float64Array.from({ length: TILE_SIZE }, (_, row) => lonLatAt(tile.x, tile.y + (row + 0.5) / TILE_SIZE, tile.z)[1])
  if (raster.heights) return raster.heights(lons, lats)
  const heights = new Float32Array(TILE_SIZE * TILE_SIZE).fill(NaN)
  lats.forEach((lat, row) => {
    if (lat < south || lat > north) return
    lons.forEach((lon, col) => { if (lon >= west && lon <= east) heights[row * TILE_SIZE + col] = raster.height(lon, lat) })
  })
  return heights
}

async function nextSourceId(tx: Transaction<Database>): Promise<number> {
  const { rows } = await sql<{ id: string }>`select nextval(pg_get_serial_sequence('dothi.terrain_sources', 'id')) as id`.execute(tx)
  return Number(rows[0]!.id)
}

/** Ends the live source of that name; returns its bounds. */
async function retire({ tx, revision }: RevisionWriter, name: string, branch: Branch): Promise<BBox | null> {
  const { rows } = await sql<{ bounds: BBox }>`
    update dothi.terrain_sources set retired_revision = ${revision}
    where name = ${name} and branch = ${branch} and retired_revision is null returning bounds
  `.execute(tx)
  return rows[0]?.bounds ?? null
}

/** The change log's entry, so that viewers and caches learn of new ground as of any edit. */
async function recordChange({ tx }: RevisionWriter, branch: Branch, bounds: BBox): Promise<void> {
  const first = tileAt(bounds[0], bounds[3], CELL_ZOOM)
  const last = tileAt(bounds[2], bounds[1], CELL_ZOOM)
  const cells: number[] = []
  for (let x = first.x; x <= last.x; x++) for (let y = first.y; y <= last.y; y++) cells.push(cellOf({ z: CELL_ZOOM, x, y }))
  await sql`select dothi.log_change('terrain', ${branch}, 1, 0, 0, ${bounds}::float8[], ${cells}::int[])`.execute(tx)
}

// ── Reading ──────────────────────────────────────────────────────────────────────────────────────

/** Decoded tiles kept in memory: 128 × 256 kB. Tiles never change, so nothing is ever stale. */
const CACHED_TILES = 128
const tileCaches = new WeakMap<Store, Map<string, Promise<Heights | null>>>()

/** Tiles asked for in one statement. */
const READ_BATCH = 32

/**
 * Samples the sources at Mercator positions (0…1 from the west and from the north), each at zoom `z` or its deepest.
 * Points are worked tile by tile, so scattered ones cost no more memory than dense ones.
 */
async function sampleMercator(store: Store, sources: readonly TerrainSource[], z: number, x: Float64Array, y: Float64Array): Promise<Float32Array> {
  const heights = new Float32Array(x.length).fill(NaN)
  for (const source of sources) await sampleSource(store, source, z, x, y, heights)
  return heights
}

/** Fills what has no height yet from one source. */
async function sampleSource(store: Store, source: TerrainSource, z: number, x: Float64Array, y: Float64Array, heights: Float32Array): Promise<void> {
  const level = Math.min(z, source.maxzoom)
  const groups = [...groupByTile(source, level, x, y, heights)]
  for (let at = 0; at < groups.length; at += READ_BATCH) {
    const batch = groups.slice(at, at + READ_BATCH)
    const tiles = await loadTiles(store, source.id, level, batch.flatMap(([key]) => withNeighbours(key)))
    for (const [, points] of batch) sampleGroup(tiles, level, points, x, y, heights)
  }
}

function meetsSource({ z, x, y, cols, rows }: PixelWindow, { bounds }: TerrainSource): boolean {
  const [west, north] = tileFraction(bounds[0], bounds[3], z)
  const [east, south] = tileFraction(bounds[2], bounds[1], z)
  // A pixel on each side, because the edge of a raster reaches half a pixel beyond it.
  return x - 1 <= east * TILE_SIZE && x + cols + 1 >= west * TILE_SIZE && y - 1 <= south * TILE_SIZE && y + rows + 1 >= north * TILE_SIZE
}

/** Fills what has no height yet from stored tiles of the window's own zoom. */
async function copyPixels(store: Store, source: TerrainSource, { z, x, y, cols, rows }: PixelWindow, heights: Heights): Promise<void> {
  const last = 2 ** z - 1
  const [left, right] = [Math.max(0, x >> 8), Math.min(last, (x + cols - 1) >> 8)]
  for (let row = Math.max(0, y >> 8); row <= Math.min(last, (y + rows - 1) >> 8); row++) {
    const keys = Array.from({ length: Math.max(0, right - left + 1) }, (_, i) => tileKey(left + i, row))
    const tiles = await loadTiles(store, source.id, z, keys)
    for (const key of keys) {
      const tile = tiles.get(key)
      if (tile) copyTile(tile, keyX(key) * TILE_SIZE - x, row * TILE_SIZE - y, cols, rows, heights)
    }
  }
}

/** One tile whose north-west pixel is `dx`, `dy` in a window. */
function copyTile(tile: Heights, dx: number, dy: number, cols: number, rows: number, heights: Heights): void {
  for (let row = Math.max(0, dy); row < Math.min(rows, dy + TILE_SIZE); row++) {
    for (let col = Math.max(0, dx); col < Math.min(cols, dx + TILE_SIZE); col++) {
      const at = row * cols + col
      if (heights[at] !== heights[at]) heights[at] = tile[(row - dy) * TILE_SIZE + col - dx]!
    }
  }
}

/** Fills what has no height yet by interpolation between a source's deepest pixels. */
async function interpolatePixels(store: Store, source: TerrainSource, { z, x, y, cols, rows }: PixelWindow, heights: Heights): Promise<void> {
  const n = TILE_SIZE * 2 ** z
  const px = new Float64Array(cols * rows)
  const py = new Float64Array(cols * rows)
  for (let row = 0, i = 0; row < rows; row++) for (let col = 0; col < cols; col++, i++) { px[i] = (x + col + 0.5) / n; py[i] = (y + row + 0.5) / n }
  await sampleSource(store, source, z, px, py, heights)
}

function countHoles(heights: Heights): number {
  let holes = 0
  for (const h of heights) if (h !== h) holes++
  return holes
}

/** Column and row of a tile as one number: zooms stay below 24, so both fit. */
const tileKey = (x: number, y: number) => x * 2 ** 24 + y
const keyX = (key: number) => Math.floor(key / 2 ** 24)
const keyY = (key: number) => key % 2 ** 24

/** The pixels that surround a point reach at most one tile further east and south. */
const withNeighbours = (key: number) => [key, key + 1, key + 2 ** 24, key + 2 ** 24 + 1]

/** Points that still lack a height and may find one in this source, by the tile of their north-west pixel. */
function groupByTile(source: TerrainSource, level: number, x: Float64Array, y: Float64Array, heights: Float32Array): Map<number, number[]> {
  const groups = new Map<number, number[]>()
  const pixel = 1 / (TILE_SIZE * 2 ** level)
  const [west, north] = tileFraction(source.bounds[0], source.bounds[3], 0)
  const [east, south] = tileFraction(source.bounds[2], source.bounds[1], 0)
  const [left, top, right, bottom] = grow([west, north, east, south], pixel)
  const n = TILE_SIZE * 2 ** level
  for (let i = 0; i < x.length; i++) {
    if (heights[i] === heights[i]) continue
    if (x[i]! < left || x[i]! > right || y[i]! < top || y[i]! > bottom) continue
    const key = tileKey(Math.floor(x[i]! * n - 0.5) >> 8, Math.floor(y[i]! * n - 0.5) >> 8)
    const group = groups.get(key)
    if (group) group.push(i)
    else groups.set(key, [i])
  }
  return groups
}

function sampleGroup(tiles: ReadonlyMap<number, Heights | null>, level: number, points: readonly number[], x: Float64Array, y: Float64Array, heights: Float32Array): void {
  const n = TILE_SIZE * 2 ** level
  const heightOf = (column: number, row: number) => {
    const tile = tiles.get(tileKey(column >> 8, row >> 8))
    return tile ? tile[(row & 255) * TILE_SIZE + (column & 255)]! : NaN
  }
  for (const i of points) heights[i] = bilinear(x[i]! * n - 0.5, y[i]! * n - 0.5, heightOf)
}

async function loadTiles(store: Store, source: number, z: number, keys: readonly number[]): Promise<ReadonlyMap<number, Heights | null>> {
  const cache = tileCaches.get(store) ?? new Map<string, Promise<Heights | null>>()
  tileCaches.set(store, cache)
  const name = (key: number) => `${source}/${z}/${key}`
  const wanted = [...new Set(keys)]
  const missing = wanted.filter(key => !cache.has(name(key)))
  if (missing.length) {
    const read = readTiles(store.pool('open'), source, z, missing)
    for (const key of missing) {
      const tile = read.then(tiles => { const bytes = tiles.get(key); return bytes ? decodeHeights(bytes) : null })
      tile.catch(() => cache.delete(name(key)))
      cache.set(name(key), tile)
    }
  }
  const tiles = new Map(await Promise.all(wanted.map(async key => {
    const tile = cache.get(name(key))!
    cache.delete(name(key))
    cache.set(name(key), tile) // youngest last
    return [key, await tile] as const
  })))
  for (const old of cache.keys()) {
    if (cache.size <= CACHED_TILES) break
    cache.delete(old)
  }
  return tiles
}

async function readTiles(db: Kysely<Database>, source: number, z: number, keys: readonly number[]): Promise<Map<number, Buffer>> {
  const { rows } = await sql<{ x: number; y: number; heights: Buffer }>`
    select t.x, t.y, t.heights from unnest(${keys.map(keyX)}::int[], ${keys.map(keyY)}::int[]) as wanted (x, y)
    join dothi.terrain_tiles t on t.source = ${source} and t.z = ${z} and t.x = wanted.x and t.y = wanted.y
  `.execute(db)
  return new Map(rows.map(row => [tileKey(row.x, row.y), row.heights]))
}

/** The last revision that a moment includes. */
async function revisionOf(store: Store, asOf: AsOf): Promise<number> {
  if (asOf === 'now') return Number.MAX_SAFE_INTEGER
  if (typeof asOf === 'number') return asOf
  const { rows } = await sql<{ revision: string | null }>`select max(revision) as revision from dothi.revisions where at <= ${asOf}`.execute(store.pool('open'))
  return Number(rows[0]?.revision ?? 0)
}

const projections = new Map<number, string>()

/** Easting, northing → longitude, latitude, by the store's own definition of the CRS. Throws a Problem for an unknown one. */
async function inverseProjection(store: Store, srid: number): Promise<(easting: number, northing: number) => [lon: number, lat: number]> {
  let definition = VN2000_PROJ4[srid] ?? projections.get(srid)
  if (definition === undefined) {
    const { rows } = await sql<{ proj4text: string }>`select proj4text from spatial_ref_sys where srid = ${srid}`.execute(store.pool('open'))
    definition = rows[0]?.proj4text.trim()
    if (!definition) throw new Problem(400, 'invalid-parameter', `EPSG:${srid} is not a coordinate reference system this store knows.`)
    projections.set(srid, definition)
  }
  const transform = proj4(definition, 'WGS84')
  return (easting, northing) => transform.forward([easting, northing]) as [number, number]
}

