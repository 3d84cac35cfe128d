/**
 * Keeps the city from afar in step with its rows, by the change log and nothing else: a kept cell holds while its tile has the
 * revision that it was made at. Who asks for one that does not hold has it made, and all that it consists of where these do not
 * hold either; so after an edit that is one smallest cell and its ancestors.
 *
 * A branch and the past see main's cells wherever they are the same there. What differs is made for them from their own rows,
 * and stays in memory for a while.
 */
import { setImmediate as immediately } from 'node:timers/promises'
import { sql } from 'kysely'
import { BASE_SCALE, BASE_ZOOM, cellFromRows, cellFromWithin, emptyCell, GENERALISED_TO, UNITS, type Cell, type CellRow, type Within } from '../../core/generalise/cell.js'
import { mergedTo } from '../../core/generalise/prominent.js'
import { boxOf, readShape, type Box, type Shape } from '../../core/generalise/shape.js'
import { grow, intersects, type BBox } from '../../core/bbox.js'
import { tileBounds3857, type Tile } from '../../core/tile-matrix.js'
import type { Layer } from '../../layers/layer.js'
import { decodeCell, encodeCell, sizeOf } from './cell-codec.js'
import { readerOf, type Recipe } from './cell-recipe.js'
import { extentSql, hasExtent } from './prominence.js'
import type { AsOf, Branch, Store } from './store.js'
import { attributesAmong, importanceSql } from './tile-columns.js'
import { tileRevisions } from './tile-revisions.js'
import { revisionAsOf } from './view.js'

/** Whose city it is: main's present one is kept, all others are told apart from it. */
export interface Scene {
  readonly layer: Layer
  readonly recipe: Recipe
  readonly branch: Branch
  readonly asOf: AsOf
  /** Undefined for main's present: everything is as it is there. */
  readonly differs?: (tile: Tile, mainRevision: number) => boolean
  /** Ends the making. */
  readonly signal?: AbortSignal
}

/** The scene of a reader who asks for `tile`. Throws the door's Problems. */
export async function sceneOf(store: Store, layer: Layer, recipe: Recipe, branch: Branch, asOf: AsOf, tile: Tile): Promise<Scene> {
  if (branch === 'main' && asOf === 'now') return { layer, recipe, branch, asOf }
  const revision = await revisionAsOf(store.db, asOf)
  const own = branch === 'main' ? [] : await overlaid(store, layer, branch, tile, revision !== null)
  const differs = (tile: Tile, mainRevision: number) => {
    if (revision !== null && mainRevision > revision) return true
    const box = tileBounds3857(tile)
    return own === 'everything' || own.some(each => intersects(each, box))
  }
  return { layer, recipe, branch, asOf: revision ?? 'now', differs }
}

/** More boxes than this are not told apart. */
const MOST_BOXES = 20_000

/** Where a branch's reading can differ from main's, in and around a tile: its own rows, and wherever main has, or had, what they overlay. */
async function overlaid(store: Store, layer: Layer, branch: string, tile: Tile, past: boolean): Promise<readonly BBox[] | 'everything'> {
  const box = tileBounds3857(tile)
  const [west, south, east, north] = grow(box, box[2] - box[0])
  const near = (alias: string) => sql`${sql.ref(`${alias}.geom_3857`)} && st_makeenvelope(${sql.lit(west)}, ${sql.lit(south)}, ${sql.lit(east)}, ${sql.lit(north)}, 3857)`
  const mains = past ? ['city', 'history'] : ['city']
  const { rows } = await sql<{ w: number; s: number; e: number; n: number }>`
    select distinct st_xmin(g) as w, st_ymin(g) as s, st_xmax(g) as e, st_ymax(g) as n from (
      select o.geom_3857 as g from ${sql.table(`branch.${layer.id}`)} as o where o.branch = ${branch}::uuid and ${near('o')}
      ${sql.join(mains.map(schema => sql`union all select c.geom_3857 from ${sql.table(`${schema}.${layer.id}`)} as c
        where c.id in (select id from ${sql.table(`branch.${layer.id}`)} where branch = ${branch}::uuid) and ${near('c')}`), sql` `)}
    ) as boxes limit ${sql.lit(MOST_BOXES + 1)}`.execute(store.db)
  return rows.length > MOST_BOXES ? 'everything' : rows.map(({ w, s, e, n }) => [w, s, e, n])
}

const MEMORY_BYTES = 48 << 20
/** How often a cell is begun anew where edits come while it is being made; then it is given out, but not kept. */
const TRIES = 3

export class KeptCells {
  readonly #memory = new Map<string, { readonly stamp: string; readonly cell: Cell; readonly size: number }>()
  readonly #underWay = new Map<string, Promise<Cell>>()
  #bytes = 0

  constructor(private readonly store: Store) {}

  /** How many smallest cells of these tiles are not main's present ones, and are made from rows for this scene; counted up to a little more than `most`. */
  async differing(scene: Scene, tiles: readonly Tile[], most: number): Promise<number> {
    let count = 0
    const open = scene.differs ? [...tiles] : []
    while (open.length > 0 && count <= most) {
      const tile = open.pop()!
      if (!scene.differs!(tile, await this.#mainRevision(scene.layer, tile))) continue
      if (tile.z === BASE_ZOOM) count++
      else open.push(...tilesWithin(tile, tile.z === GENERALISED_TO ? BASE_ZOOM - GENERALISED_TO : 1))
    }
    return count
  }

  /** The cell of a tile of zoom 13 or above. */
  async cell(scene: Scene, tile: Tile): Promise<Cell> {
    const { layer, recipe } = scene
    const revision = await this.#mainRevision(layer, tile)
    if (!scene.differs?.(tile, revision)) return revision === 0 ? emptyCell(recipe.kind) : this.#kept(mainOf(scene), tile, revision)
    const stamp = `${scene.asOf === 'now' ? await this.store.tileRevision(layer, scene.branch, tile) : scene.asOf}`
    return this.#once(keyOf(scene, tile), stamp, () => this.#make(scene, tile))
  }

  async #kept(scene: Scene, tile: Tile, revision: number): Promise<Cell> {
    return this.#once(keyOf(scene, tile), String(revision), async () => {
      const row = (await this.#read(scene, [tile])).find(row => row.revision === revision)
      if (row) return decodeCell(row.body)
      for (let tries = 1, at = revision; ; tries++) {
        const cell = await this.#make(scene, tile)
        const now = await this.#committedRevision(scene.layer, tile)
        if (now === at) await this.#keep(scene, [{ tile, cell, revision: now }])
        if (now === at || tries === TRIES) return cell
        at = now
      }
    })
  }

  async #make(scene: Scene, tile: Tile): Promise<Cell> {
    scene.signal?.throwIfAborted()
    if (tile.z === GENERALISED_TO) return cellFromWithin(scene.recipe.kind, tile.z, await this.#smallest(scene, tile))
    const children = tilesWithin(tile, 1)
    const cells: Cell[] = []
    // Two at a time where rows are read: the database has work while the rows of the one before are put together.
    const abreast = tile.z === GENERALISED_TO - 1 ? 2 : 1
    for (let i = 0; i < children.length; i += abreast) cells.push(...await Promise.all(children.slice(i, i + abreast).map(child => this.cell(scene, child))))
    return cellFromWithin(scene.recipe.kind, tile.z, children.map(({ x, y }, i) => ({ cell: cells[i]!, column: x % 2, row: y % 2 })))
  }

  /** The smallest cells of a tile of zoom 13: kept ones, and the others made from rows. */
  async #smallest(scene: Scene, tile: Tile): Promise<Within[]> {
    const { layer, recipe } = scene
    const tiles = tilesWithin(tile, BASE_ZOOM - GENERALISED_TO)
    const before = await this.#mainRevision(layer, tile)
    const revisions = await Promise.all(tiles.map(each => this.#mainRevision(layer, each)))
    const revisionOf = new Map(tiles.map((each, i) => [each, revisions[i]!]))
    const isOwn = tiles.map((each, i) => scene.differs?.(each, revisions[i]!) ?? false)
    const kept = new Map((await this.#read(scene, tiles)).map(row => [`${row.x}/${row.y}`, row]))
    const cells: Within[] = []
    const missing: Tile[] = []
    const own: Tile[] = []
    tiles.forEach((each, i) => {
      const row = kept.get(`${each.x}/${each.y}`)
      if (isOwn[i]) own.push(each)
      else if (revisions[i] !== 0 && row?.revision === revisions[i]) cells.push(within(each, decodeCell(row!.body)))
      else if (revisions[i] !== 0) missing.push(each)
    })
    if (missing.length > 0) {
      const main = mainOf(scene)
      const made = await this.#fromRows(main, tile, missing)
      // Kept is what nothing has touched since it was begun: the tile around tells of all within.
      if (await this.#committedRevision(layer, tile) === before) await this.#keep(main, made.map(each => ({ ...each, revision: revisionOf.get(each.tile)! })))
      cells.push(...made.map(({ tile, cell }) => within(tile, cell)))
    }
    if (own.length > 0) {
      cells.push(...(await this.#fromRows(scene, tile, own)).map(({ tile, cell }) => within(tile, cell)))
    }
    // In the order of their places, so that what is joined from them is always joined alike.
    return cells.filter(({ cell }) => cell.kind === recipe.kind).sort((a, b) => a.row - b.row || a.column - b.column)
  }

  /** Few cells are read one by one, many with one statement; they come out the same. */
  async #fromRows(scene: Scene, around: Tile, tiles: readonly Tile[]): Promise<{ readonly tile: Tile; readonly cell: Cell }[]> {
    const regions = tiles.length > FEW ? [around] : tiles
    const rows = await Promise.all(regions.map(region => this.#rows(scene, around, region)))
    const made: { tile: Tile; cell: Cell }[] = []
    for (const [i, tile] of tiles.entries()) {
      // Others have their turn between two cells.
      await immediately()
      const [column, row] = [tile.x % BASE_SCALE, tile.y % BASE_SCALE]
      const [left, top] = [column * UNITS, row * UNITS]
      const inCell = rows[regions.length > 1 ? i : 0]!.filter(({ box: [w, n, e, s] }) => w <= left + UNITS && n <= top + UNITS && e >= left && s >= top)
      made.push({ tile, cell: cellFromRows(scene.recipe.kind, inCell.map(each => ({ ...each, shape: moved(each.shape, -left, -top), middle: [each.middle[0] - left, each.middle[1] - top] }))) })
    }
    return made
  }

  /** The rows that meet a region, in the units of the smallest cells, from the north-west corner of the tile around. */
  async #rows({ layer, recipe, branch, asOf }: Scene, around: Tile, region: Tile): Promise<(CellRow & { readonly box: Box })[]> {
    const reader = readerOf(recipe)
    const box = tileBounds3857(around)
    const square = { west: box[0], north: box[3], unitsPerMetre: (UNITS * BASE_SCALE) / (box[2] - box[0]) }
    const view = await this.store.view({
      layer, branch, asOf, reader, bbox: { box: tileBounds3857(region), srid: 3857 },
      columns: attributesAmong(layer, reader, [recipe.category, recipe.name, recipe.rank].filter(name => name !== null)),
    })
    const column = (name: string | null) => (name === null ? sql`null` : sql.ref(`v.${name}`))
    const shape = sql.ref('v.geom_3857')
    // What reaches far beyond the tile is cut to it first; a little more than it, so that no cut shows.
    const [west, south, east, north] = grow(box, (box[2] - box[0]) / 16)
    const { rows } = await sql<{ id: number; wkb: Buffer; category: unknown; name: string | null; rank: number | null; extent: number; x: number; y: number }>`
      select v.id as id, st_asbinary(case when st_npoints(${shape}) > ${sql.lit(LONG)} then st_clipbybox2d(${shape}, st_makeenvelope(${sql.lit(west)}, ${sql.lit(south)}, ${sql.lit(east)}, ${sql.lit(north)}, 3857)::box2d) else ${shape} end, 'NDR') as wkb,
        ${column(recipe.category)} as category, ${column(recipe.name)} as name, (${recipe.rank === null ? sql`null` : importanceSql(layer, reader, 'v') ?? sql`null`})::float8 as rank,
        ${hasExtent(layer) ? extentSql('v') : sql`0`} as extent,
        (st_xmin(${shape}) + st_xmax(${shape})) / 2 as x, (st_ymin(${shape}) + st_ymax(${shape})) / 2 as y
      from ${view} as v where v.geom_3857 is not null order by v.id`.execute(this.store.pool(reader.clearance))
    return rows.flatMap(({ id, wkb, category, name, rank, extent, x, y }) => {
      const shape = readShape(wkb, square)
      const box = boxOf(shape.parts)
      const to = mergedTo(extent)
      if (!box || shape.kind !== recipe.kind || (recipe.kind === 'line' && to < 0)) return []
      return [{ id, shape, box, name, rank, category: recipe.categoryOf(category), mergedTo: to, middle: [(x - square.west) * square.unitsPerMetre, (square.north - y) * square.unitsPerMetre] as const }]
    })
  }

  async #read({ layer, recipe }: Scene, tiles: readonly Tile[]): Promise<{ x: number; y: number; revision: number; body: Buffer }[]> {
    const { rows } = await sql<{ x: number; y: number; revision: number; body: Buffer }>`
      select k.x, k.y, k.revision, k.body from ${sql.table(`tiles.${recipe.rows}`)} as k join unnest(${tiles.map(({ x }) => x)}::int[], ${tiles.map(({ y }) => y)}::int[]) as t (x, y) on k.x = t.x and k.y = t.y
      where k.layer = ${layer.id} and k.z = ${tiles[0]!.z}::int2 and k.recipe = ${recipe.fingerprint}`.execute(this.store.pool(recipe.rows))
    return rows
  }

  async #keep({ layer, recipe }: Scene, cells: readonly { readonly tile: Tile; readonly cell: Cell; readonly revision: number }[]): Promise<void> {
    if (cells.length === 0) return
    const values = cells.map(({ tile: { z, x, y }, cell, revision }) => sql`(${layer.id}, ${z}::int2, ${x}::int4, ${y}::int4, ${recipe.fingerprint}, ${revision}::int8, ${encodeCell(cell)}::bytea)`)
    // Nobody waits for the disk: what a crash takes away is made again.
    await sql`with hasty as materialized (select set_config('synchronous_commit', 'off', true))
      insert into ${sql.table(`tiles.${recipe.rows}`)} as k (layer, z, x, y, recipe, revision, body) select v.* from (values ${sql.join(values)}) as v, hasty
      on conflict (layer, z, x, y) do update set recipe = excluded.recipe, revision = excluded.revision, body = excluded.body
      where k.revision < excluded.revision or k.recipe <> excluded.recipe`.execute(this.store.db)
  }

  /** From memory where it is known there. */
  async #mainRevision(layer: Layer, tile: Tile): Promise<number> {
    return this.store.tileRevisionsNow([layer], 'main', tile)?.[0] ?? this.store.tileRevision(layer, 'main', tile)
  }

  /** As the database has it at this moment: a cell is kept only where nothing came while it was made. */
  async #committedRevision(layer: Layer, tile: Tile): Promise<number> {
    return (await tileRevisions(this.store.db, [layer], 'main', tile))[0]!
  }

  /** From memory, from a making under way, or from a new one. */
  async #once(key: string, stamp: string, make: () => Promise<Cell>): Promise<Cell> {
    const held = this.#memory.get(key)
    if (held?.stamp === stamp) {
      this.#memory.delete(key)
      this.#memory.set(key, held)
      return held.cell
    }
    const flight = `${key} ${stamp}`
    const underWay = this.#underWay.get(flight)
    if (underWay) return underWay
    const making = make()
    this.#underWay.set(flight, making)
    try {
      const cell = await making
      this.#remember(key, stamp, cell)
      return cell
    } finally {
      this.#underWay.delete(flight)
    }
  }

  #remember(key: string, stamp: string, cell: Cell): void {
    const size = sizeOf(cell)
    this.#bytes += size - (this.#memory.get(key)?.size ?? 0)
    this.#memory.delete(key)
    this.#memory.set(key, { stamp, cell, size })
    for (const [oldest, held] of this.#memory) {
      if (this.#bytes <= MEMORY_BYTES) break
      this.#memory.delete(oldest)
      this.#bytes -= held.size
    }
  }
}

/** Smallest cells up to which each is read for itself. */
const FEW = 4
/** Positions from which a geometry is cut before it travels. */
const LONG = 1000

const mainOf = (scene: Scene): Scene => (scene.differs ? { ...scene, branch: 'main', asOf: 'now', differs: undefined } : scene)
const keyOf = ({ layer, recipe, branch, asOf }: Scene, { z, x, y }: Tile) => `${layer.id} ${recipe.fingerprint} ${branch} ${String(asOf)} ${z}/${x}/${y}`
const within = ({ x, y }: Tile, cell: Cell): Within => ({ cell, column: x % BASE_SCALE, row: y % BASE_SCALE })

function tilesWithin({ z, x, y }: Tile, deeper: number): Tile[] {
  const n = 2 ** deeper
  return Array.from({ length: n * n }, (_, i) => ({ z: z + deeper, x: x * n + (i % n), y: y * n + Math.floor(i / n) }))
}

function moved(shape: Shape, dx: number, dy: number): Shape {
  return { kind: shape.kind, parts: shape.parts.map(part => part.map((v, i) => v + (i % 2 === 0 ? dx : dy))) }
}

const kept = new WeakMap<Store, KeptCells>()

/** The one keeper of a store's cells. */
export function keptCellsOf(store: Store): KeptCells {
  const cells = kept.get(store) ?? new KeptCells(store)
  kept.set(store, cells)
  return cells
}
