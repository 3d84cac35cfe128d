/**
 * The city from afar, for vector tiles of zoom 13 and above: what is prominent enough is itself, with its id;
 * the rest of a crowded layer stands there merged.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'kysely'
import { grow } from '../../core/bbox.js'
import { GENERALISED_TO, PIXELS, type Cell, type LineCell, type PointCell, type PolygonCell } from '../../core/generalise/cell.js'
import { Coverage } from '../../core/generalise/coverage.js'
import { paste, patches, type Category } from '../../core/generalise/patches.js'
import { largeAt } from '../../core/generalise/prominent.js'
import { beyondEdge } from '../../core/generalise/strokes.js'
import { boxOf, clip, readShape, rounded, type Box, type Shape } from '../../core/generalise/shape.js'
import { EXTENT, type TileFeature, type TileValue } from '../../core/mvt/feature.js'
import { isTile, tileBounds3857, type Tile } from '../../core/tile-matrix.js'
import type { Layer } from '../../layers/layer.js'
import { Problem } from '../errors.js'
import { recipeFor, type Recipe } from './cell-recipe.js'
import { keptCellsOf, sceneOf } from './kept-cells.js'
import { extentSql, hasExtent } from './prominence.js'
import type { AsOf, Branch, Reader, Store } from './store.js'
import { attributesAmong, importanceSql, tileColumns, tileValueSql } from './tile-columns.js'
import { TILE_MARGIN } from './tile-revisions.js'

export interface GeneralisedRequest {
  readonly layer: Layer
  readonly branch: Branch
  readonly asOf: AsOf
  readonly reader: Reader
  readonly tile: Tile
  /** Attributes wanted, of those that travel in tiles; undefined: all of them. */
  readonly properties?: readonly string[]
}

export interface GeneralisedTile {
  /** From the ground up: what is merged before what is itself. */
  readonly features: readonly TileFeature[]
  /** There were more prominent features than a tile takes: only the most important are there as themselves. */
  readonly truncated: boolean
}

/** The deepest zoom with merged features; below it every feature is itself. */
export { GENERALISED_TO }
/** Layers with fewer features are drawn from their rows at every zoom. */
export const CROWDED = 5000
/** Features of a layer that are themselves in one of these tiles, at most. */
const CAP = 4000
/** Units between a line and what is left of it: an eighth of a pixel of a 256-pixel tile. */
const TOLERANCE = 2
const MARGIN = TILE_MARGIN * EXTENT

/** Whether tiles of a layer with so many features are made by generalisedFeatures at this zoom, and not from its rows. */
export function generalises(layer: Layer, count: number, z: number): boolean {
  return layer.kind === 'city' && layer.geometry !== 'any' && z <= GENERALISED_TO && count > CROWDED
}

/** The features of one layer in a tile, in tile units, as the reader may see them. Throws the door's Problems. */
export async function generalisedFeatures(store: Store, request: GeneralisedRequest): Promise<GeneralisedTile> {
  const recipe = recipeFor(request.layer, request.reader.clearance)
  const [around, prominent] = await Promise.all([cellsAround(store, request, recipe), hasExtent(request.layer) ? prominentFeatures(store, request, recipe) : NONE])
  // Where too much differs from what is kept, what is prominent stands alone.
  if (!around) return { features: prominent.features, truncated: true }
  const merged = recipe.kind === 'polygon' ? mergedPolygons(request, recipe, around, prominent.shown)
    : recipe.kind === 'line' ? mergedLines(request, recipe, around[0]!.cell as LineCell)
    : await mergedPoints(store, request, recipe, around)
  return { features: [...merged, ...prominent.features], truncated: prominent.truncated }
}

/** A cell beside the tile's own, or this itself: so many tiles to the east and to the south. */
interface Beside { readonly cell: Cell; readonly dx: number; readonly dy: number }

/** What one reader may have made for a tile of the past or of a branch, in smallest cells: some seconds of work. */
const MOST_DIFFERING = 192

/**
 * The cells of a tile and, but for lines, of its neighbours, whose edges lie in its margin; its own first. Where too much would have
 * to be made the neighbours are left out, or all is: then null.
 */
async function cellsAround(store: Store, { layer, branch, asOf, tile }: GeneralisedRequest, recipe: Recipe): Promise<Beside[] | null> {
  const keeper = keptCellsOf(store)
  const scene = await sceneOf(store, layer, recipe, branch, asOf, tile)
  const places = (reach: readonly number[]) => reach.flatMap(dy => reach.map(dx => ({ dx, dy, tile: { z: tile.z, x: tile.x + dx, y: tile.y + dy } }))).filter(({ tile }) => isTile(tile))
  for (const reach of recipe.kind === 'line' ? [[0]] : [[0, -1, 1], [0]]) {
    const around = places(reach)
    if (await keeper.differing(scene, around.map(({ tile }) => tile), MOST_DIFFERING) > MOST_DIFFERING) continue
    const making = (async () => {
      const cells: Beside[] = []
      for (const { dx, dy, tile } of around) cells.push({ dx, dy, cell: await keeper.cell(scene, tile) })
      return cells
    })()
    return withinPatience(making, layer)
  }
  return null
}

/** A city that was just loaded has no cells yet; they come to be whether or not somebody waits. */
const PATIENCE_MS = 10_000

async function withinPatience<T>(making: Promise<T>, { id }: Layer): Promise<T> {
  const waiting = new AbortController()
  const patience = sleep(PATIENCE_MS, undefined, { signal: waiting.signal, ref: false })
    .then(() => { throw new Problem(503, 'unavailable', `What ${id} look like from afar is being made. Ask again in a few seconds.`, {}, { 'Retry-After': '5' }) })
  try {
    return await Promise.race([making, patience])
  } finally {
    waiting.abort()
    patience.catch(() => {})
    making.catch(() => {})
  }
}

/** What is drawn itself, before it is cut to the tile. */
interface Shown { readonly category: Category; readonly shape: Shape }

interface Prominent { readonly features: readonly TileFeature[]; readonly shown: readonly Shown[]; readonly truncated: boolean }
const NONE: Prominent = { features: [], shown: [], truncated: false }

async function prominentFeatures(store: Store, { layer, branch, asOf, reader, tile, properties }: GeneralisedRequest, recipe: Recipe): Promise<Prominent> {
  const box = tileBounds3857(tile)
  const size = box[2] - box[0]
  const columns = tileColumns(layer, reader, properties)
  const importance = importanceSql(layer, reader, 'v')
  const rows = await store.view({
    layer, branch, asOf, reader, bbox: { box: grow(box, size * TILE_MARGIN), srid: 3857 },
    columns: attributesAmong(layer, reader, [...columns.map(({ name }) => name), layer.importance ?? '', recipe.category ?? '']),
  })
  // Names in capitals are ours: no column has one.
  const found = await sql<{ ID: number; SHAPE: Buffer | null; CATEGORY: unknown } & Record<string, TileValue>>`
    select v.id as "ID", st_asbinary(st_simplify(v.geom_3857, ${sql.lit((size / EXTENT) * TOLERANCE)}, true), 'NDR') as "SHAPE",
      ${recipe.category === null ? sql`null` : sql.ref(`v.${recipe.category}`)} as "CATEGORY"${sql.join(columns.map(column => sql`, ${tileValueSql(column, 'v')} as ${sql.ref(column.name)}`), sql``)}
    from ${rows} as v where ${extentSql('v')} >= ${sql.lit(largeAt(tile.z))}
    order by ${importance ? sql`${importance} desc nulls last, ` : sql``}v.id limit ${sql.lit(CAP + 1)}`.execute(store.pool(reader.clearance))
  const square = { west: box[0], north: box[3], unitsPerMetre: EXTENT / size }
  const shown: Shown[] = []
  const features: TileFeature[] = []
  for (const row of found.rows.slice(0, CAP)) {
    if (!row.SHAPE) continue
    const shape = readShape(row.SHAPE, square)
    const parts = partsWithin(shape)
    if (parts.length === 0) continue
    shown.push({ category: recipe.categoryOf(row.CATEGORY), shape })
    features.push({ id: row.ID, kind: shape.kind, parts, properties: Object.fromEntries(columns.map(({ name }) => [name, row[name]!])) })
  }
  return { features, shown, truncated: found.rows.length > CAP }
}

function partsWithin(shape: Shape): Int32Array[] {
  return clip(shape, -MARGIN, EXTENT + MARGIN).parts.flatMap(part => rounded(shape.kind, part) ?? [])
}

/** Pixels of the margin, and units of a pixel. */
const UNITS_PER_PIXEL = EXTENT / PIXELS
const MARGIN_PIXELS = MARGIN / UNITS_PER_PIXEL
/** Patches, and holes in them, of fewer pixels are not drawn. */
const LEAST_PIXELS = 4

/** What is drawn itself is cut out of the patches where it is as large as this, width and height in units: smaller holes would only fray a block of houses. */
const LEAST_CUT_OUT = 4 * UNITS_PER_PIXEL

/** Patches of all that is not drawn itself, a feature a category. */
function mergedPolygons(request: GeneralisedRequest, recipe: Recipe, around: readonly Beside[], shown: readonly Shown[]): TileFeature[] {
  const side = PIXELS + 2 * MARGIN_PIXELS
  const plates = new Map<Category, { count: number; readonly shares: Float64Array }>()
  for (const { cell, dx, dy } of around) {
    for (const { category, count, shares } of (cell as PolygonCell).plates) {
      const plate = plates.get(category) ?? { count: 0, shares: new Float64Array(side * side) }
      plates.set(category, plate)
      paste(plate.shares, side, shares, PIXELS, MARGIN_PIXELS + dx * PIXELS, MARGIN_PIXELS + dy * PIXELS)
      if (dx === 0 && dy === 0) plate.count = count
    }
  }
  for (const [category, plate] of plates) {
    const own = shown.filter(each => each.category === category).map(({ shape }) => ({ shape, box: boxOf(shape.parts)! }))
    plate.count -= own.filter(({ box }) => hasMiddleInTile(box)).length
    const large = own.filter(({ box: [w, n, e, s] }) => e - w + s - n >= LEAST_CUT_OUT)
    if (large.length === 0) continue
    const coverage = new Coverage(side, UNITS_PER_PIXEL, -MARGIN)
    for (const { shape } of large) coverage.add(shape.parts)
    coverage.shares().forEach((share, at) => { plate.shares[at]! -= Math.min(1, share) * 255 })
  }
  const list = [...plates].sort(([a], [b]) => (String(a) < String(b) ? -1 : 1))
  const rings = patches(list.map(([, plate]) => plate), { side, unitsPerPixel: UNITS_PER_PIXEL, origin: -MARGIN, tolerance: UNITS_PER_PIXEL * 0.6, leastArea: LEAST_PIXELS * UNITS_PER_PIXEL ** 2 })
  return list.flatMap(([category, { count }], i): TileFeature[] => {
    const parts = partsWithin({ kind: 'polygon', parts: rings[i]! })
    return parts.length === 0 ? [] : [{ id: null, kind: 'polygon', parts, properties: mergedProperties(request, recipe, category, count) }]
  })
}

function hasMiddleInTile([w, n, e, s]: Box): boolean {
  const [x, y] = [(w + e) / 2, (n + s) / 2]
  return x >= 0 && y >= 0 && x < EXTENT && y < EXTENT
}

/** Lines that look the same are one feature. */
function mergedLines(request: GeneralisedRequest, recipe: Recipe, cell: LineCell): TileFeature[] {
  const { layer, reader, tile, properties } = request
  const tiled = new Set(tileColumns(layer, reader, properties).map(({ name }) => name))
  return cell.groups.filter(({ mergedTo }) => mergedTo >= tile.z).flatMap(({ category, name, count, rank, lines }): TileFeature[] => {
    const parts = partsWithin({ kind: 'line', parts: lines.map(line => beyondEdge(line, EXTENT, MARGIN)) })
    return parts.length === 0 ? [] : [{
      id: null, kind: 'line', parts,
      properties: {
        ...mergedProperties(request, recipe, category, count),
        ...(recipe.name !== null && tiled.has(recipe.name) && { [recipe.name]: name }),
        ...(recipe.rank !== null && recipe.rank !== recipe.category && rank !== null && tiled.has(recipe.rank) && { [recipe.rank]: Math.round(rank * 10) / 10 }),
      },
    }]
  })
}

/** A point that stands for itself is a feature as always; one that stands for several says for how many. */
async function mergedPoints(store: Store, request: GeneralisedRequest, recipe: Recipe, around: readonly Beside[]): Promise<TileFeature[]> {
  const spots = around.flatMap(({ cell, dx, dy }) => (cell as PointCell).spots.map(spot => ({ ...spot, x: spot.x + dx * EXTENT, y: spot.y + dy * EXTENT })))
    .filter(({ x, y }) => x >= -MARGIN && y >= -MARGIN && x <= EXTENT + MARGIN && y <= EXTENT + MARGIN)
  const attributes = await attributesOf(store, request, spots.filter(({ count }) => count === 1).map(({ id }) => id))
  return spots.map(({ x, y, id, count, category }) => {
    const own = count === 1 ? attributes.get(id) : undefined
    return { id: own ? id : null, kind: 'point', parts: [Int32Array.of(x, y)], properties: own ?? mergedProperties(request, recipe, category, count) }
  })
}

async function attributesOf(store: Store, { layer, branch, asOf, reader, tile, properties }: GeneralisedRequest, ids: readonly number[]): Promise<Map<number, TileFeature['properties']>> {
  if (ids.length === 0) return new Map()
  const columns = tileColumns(layer, reader, properties)
  const box = tileBounds3857(tile)
  const rows = await store.view({
    layer, branch, asOf, reader, bbox: { box: grow(box, (box[2] - box[0]) * TILE_MARGIN), srid: 3857 }, columns: attributesAmong(layer, reader, columns.map(({ name }) => name)),
  })
  const found = await sql<{ ID: number } & Record<string, TileValue>>`
    select v.id as "ID"${sql.join(columns.map(column => sql`, ${tileValueSql(column, 'v')} as ${sql.ref(column.name)}`), sql``)}
    from ${rows} as v where v.id = any(${ids}::int8[])`.execute(store.pool(reader.clearance))
  return new Map(found.rows.map(({ ID, ...row }) => [ID, row]))
}

/** `merged` says how many features of the tile stand together there; there is no id. */
function mergedProperties({ layer, reader, properties }: GeneralisedRequest, recipe: Recipe, category: Category, count: number): TileFeature['properties'] {
  const told = recipe.category !== null && category !== null && tileColumns(layer, reader, properties).some(({ name }) => name === recipe.category)
  return { ...(told && { [recipe.category!]: category }), merged: Math.max(1, count) }
}
