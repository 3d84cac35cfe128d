/**
 * The trees of layers, kept in step with the city by its change log: only the keys that changes touched are summed up again.
 * The past is the present with later changes taken back, a scenario is the city with its overlays on top, each in the same way.
 */
import { sql, type Kysely } from 'kysely'
import { schemaVersion } from '../ogc/features/validator.js'
import { Gate } from '../ogc/tiles/gate.js'
import type { Database } from '../store/database.js'
import type { Branch, Store, View } from '../store/store.js'
import { changedIds, lastChange, leftOnMain, ofKeys, touchedOnBranch, touchedOnMain, type TouchedKeys } from '../store/tile-keys.js'
import { terrainRevision } from '../terrain/terrain-store.js'
import { SingleFlightCache } from './cache.js'
import { onGround, sumByKey, type KeySums } from './key-stats.js'
import { levelColumns, type TilesOf } from './layer-tiles.js'
import { emptySince, sizeOf, statsAt, withKeys, type KeyStats, type TreeNode } from './tree.js'

/** Which state of the city a tree shows. */
interface TreeState {
  /** Of the rows, on the tree's branch and main. */
  readonly revision: number
  /** Of the terrain that some of them stand on. */
  readonly terrain: number
  /** The table they were read from: a layer that is published again has another. */
  readonly table: number
}
export interface LayerTree extends TreeState { readonly root: TreeNode | null }

/** The revision from which on a tree is what it is. */
export const revisionOf = ({ revision, terrain }: LayerTree): number => Math.max(revision, terrain)

const TREES_BYTES = 128 * 2 ** 20
/** Measured: a node with what stands there and below, some of it shared with other trees. */
const BYTES_A_NODE = 500
/** Layers, as far as different readers see different levels, of which the present tree is kept. */
const PRESENT_TREES = 200
/** Touched keys beyond which the whole layer is summed up anew. */
const MOST_KEYS = 4000
/** A million rows are summed up in seconds; what serves tiles is otherwise cut off sooner. */
const PATIENCE_MS = 120_000

/** What the database said about a step from one tree to another: sums of the touched keys, or of all where `touched` is null. */
interface Step {
  readonly sums: readonly KeySums[]
  readonly touched: TouchedKeys | null
  /** Further dates of keys, from what is gone from there. */
  readonly left: readonly TouchedKeys[]
  /** The touched keys keep the date they had, where it is later. */
  readonly goesOn: boolean
  readonly to: TreeState
}
/** What many may wait for is not called off when one of them leaves. */
const UNASKED = new AbortController().signal

export class Trees {
  readonly #store: Store
  readonly #trees = new SingleFlightCache<LayerTree>(TREES_BYTES, tree => 1000 + sizeOf(tree.root) * BYTES_A_NODE)
  /** The latest tree of the present city by family. */
  readonly #present = new Map<string, LayerTree>()

  /** Who sums up a layer holds a connection for as long: others must go on meanwhile. */
  readonly #gate = new Gate({ atOnce: 2, mostWaiting: 100, longestWaitMs: 30_000 })

  constructor(store: Store) { this.#store = store }

  /** The tree of these rows at `revision`, or, of the present, at a later one. */
  async get(of: TilesOf, revision: number): Promise<LayerTree> {
    const tree = await this.#trees.get(nameOf(of, revision), () => of.layer.kind === 'city' ? this.#build(of, revision) : this.#whole(of, revision))
    // Who has the present tree asks later what has changed since.
    if (of.asOf === 'now') await this.#trees.get(nameOf({ ...of, asOf: revisionOf(tree) }, revisionOf(tree)), async () => tree)
    return tree
  }

  /** The tree that `tree` was at an earlier revision; undefined where too much has changed since for it to be worth while. */
  async before(of: TilesOf, tree: LayerTree, revision: number): Promise<LayerTree | undefined> {
    if (of.asOf !== 'now' || of.layer.kind !== 'city' || revision > revisionOf(tree)) return undefined
    const changed = await changedIds(this.#store.pool(of.reader.clearance), of.layer, { from: revision, to: tree.revision })
    return changed ? this.get({ ...of, asOf: revision }, revision) : undefined
  }

  /** The present tree of the city as it is known, perhaps behind; undefined where nobody has asked for one yet. */
  known(of: TilesOf): LayerTree | undefined {
    return of.branch === 'main' && of.layer.kind === 'city' ? this.#present.get(familyOf(of)) : undefined
  }

  /** Rows that have no history: of a run, of a report. */
  async #whole(of: TilesOf, revision: number): Promise<LayerTree> {
    const view = await this.#view(of)
    const terrain = await terrainRevision(this.#store, of)
    const sums = await this.#reading(of, db => sumByKey(db, of, view, terrain > 0))
    const stats = [...await onGround(this.#store, of, sums)].map(([key, each]) => [key, { ...each, since: revision }] as const)
    return { root: withKeys(null, new Map(stats)), revision, terrain, table: 0 }
  }

  async #build(of: TilesOf, revision: number): Promise<LayerTree> {
    const ofCity = { ...of, branch: 'main' }
    const city = { of: ofCity, view: await this.#view(ofCity), terrain: await terrainRevision(this.#store, ofCity) }
    const own = of.branch === 'main' ? city : { of, view: await this.#view(of), terrain: await terrainRevision(this.#store, of) }
    const known = this.#present.get(familyOf(of))
    // All that a tree is made of is read from one state of the database; the terrain follows when its connection is free again.
    const { base, overlay } = await this.#reading(of, async db => {
      const table = await tableOf(db, of)
      const at = async (branch: Branch) => (of.asOf === 'now' ? await lastChange(db, of.layer, branch) : revision)
      const base = await this.#stepOfCity(db, city, known, { revision: await at('main'), terrain: city.terrain, table })
      return { base, overlay: own === city ? undefined : await this.#stepOfBranch(db, own, base, { revision: await at(of.branch), terrain: own.terrain, table }) }
    })
    const tree = await this.#taken(ofCity, known?.root ?? null, base)
    if (of.asOf === 'now') this.#keep(familyOf(of), tree)
    return overlay ? this.#taken(of, tree.root, overlay) : tree
  }

  #view(of: TilesOf): Promise<View> {
    return this.#store.view({ ...of, columns: levelColumns(of.layer, of.reader).map(column => column.name) })
  }

  #reading<T>(of: TilesOf, work: (db: Kysely<Database>) => Promise<T>): Promise<T> {
    const reading = () => this.#store.pool(of.reader.clearance).transaction().setIsolationLevel('repeatable read').execute(async db => {
      await sql.raw(`set local statement_timeout = ${PATIENCE_MS}`).execute(db)
      return work(db)
    })
    return this.#gate.run(reading, UNASKED)
  }

  /** From the tree that is kept to the city of then or now: what changed in between, either way, is summed up as of there. */
  async #stepOfCity(db: Kysely<Database>, { of, view, terrain }: Source, known: LayerTree | undefined, to: TreeState): Promise<Step> {
    const { layer, asOf } = of
    const isUsable = known && known.table === to.table && (known.terrain === terrain || !known.root?.all.draped)
    const touched = isUsable ? await touchedBetween(db, of, known.revision, to.revision) : null
    if (!touched) return { sums: await sumByKey(db, of, view, terrain > 0), touched, left: [await leftOnMain(db, layer, to.revision)], goesOn: false, to }
    const keys = [...touched.keys()]
    const goesOn = known!.revision <= to.revision
    const left = goesOn ? [] : [await leftOnMain(db, layer, to.revision, keys)]
    return { sums: await sumByKey(db, of, view, terrain > 0, ofKeys(layer, 'v', keys)), touched, left, goesOn, to }
  }

  /** From the city to a scenario: where its overlays touch the city they count instead of it. */
  async #stepOfBranch(db: Kysely<Database>, { of, view, terrain }: Source, city: Step, to: TreeState): Promise<Step> {
    const { layer, branch } = of
    const overlaid = await touchedOnBranch(db, layer, branch, { from: 0, to: to.revision })
    if (city.to.terrain === terrain && overlaid.size <= MOST_KEYS)
      return { sums: await sumByKey(db, of, view, terrain > 0, ofKeys(layer, 'v', [...overlaid.keys()])), touched: overlaid, left: [], goesOn: true, to }
    return { sums: await sumByKey(db, of, view, terrain > 0), touched: null, left: [await leftOnMain(db, layer, to.revision), overlaid], goesOn: false, to }
  }

  async #taken(of: TilesOf, from: TreeNode | null, { sums, touched, left, goesOn, to }: Step): Promise<LayerTree> {
    const stats = await onGround(this.#store, of, sums)
    if (!touched) return { root: withKeys(null, dated(stats, left)), ...to }
    const before = new Map(goesOn ? [...touched.keys()].map(key => [key, statsAt(from, key)?.since ?? 0]) : [])
    // What is gone leaves no sum: its key stays, with a date.
    const gone = new Map([...touched.keys()].map(key => [key, 0]))
    return { root: withKeys(from, dated(stats, [gone, before, ...(goesOn ? [touched] : []), ...left])), ...to }
  }

  #keep(family: string, tree: LayerTree): void {
    const kept = this.#present.get(family)
    if (kept && kept.revision > tree.revision && kept.table === tree.table) return
    this.#present.delete(family)
    this.#present.set(family, tree)
    if (this.#present.size > PRESENT_TREES) this.#present.delete(this.#present.keys().next().value!)
  }
}

interface Source { readonly of: TilesOf; readonly view: View; readonly terrain: number }

/** What changes between two revisions touched; null where going over the whole layer is quicker. */
async function touchedBetween(db: Kysely<Database>, { layer }: TilesOf, a: number, b: number): Promise<TouchedKeys | null> {
  const span = { from: Math.min(a, b), to: Math.max(a, b) }
  const ids = await changedIds(db, layer, span)
  const touched = ids && await touchedOnMain(db, layer, ids, span)
  return touched && touched.size <= MOST_KEYS ? touched : null
}

/** Stats with the latest of all dates that are known of their keys. */
function dated(stats: KeyStats, dates: readonly TouchedKeys[]): KeyStats {
  const all = new Map(stats)
  for (const each of dates) {
    for (const [key, at] of each) {
      const known = all.get(key) ?? emptySince(0)
      if (at > known.since || !all.has(key)) all.set(key, { ...known, since: Math.max(at, known.since) })
    }
  }
  return all
}

function nameOf(of: TilesOf, revision: number): string {
  return [familyOf(of), of.branch, of.run ?? '', of.asOf === 'now' ? 'now' : 'then', revision].join(' ')
}

/** Readers who see the same levels share their trees: boxes and numbers tell nothing else. */
function familyOf({ layer, reader }: TilesOf): string {
  return [layer.id, schemaVersion(layer), ...levelColumns(layer, reader).map(column => column.name)].join(' ')
}

async function tableOf(db: Kysely<Database>, { layer }: TilesOf): Promise<number> {
  const { rows } = await sql<{ oid: number }>`select ${`city."${layer.id}"`}::regclass::oid::int8 as oid`.execute(db)
  return rows[0]!.oid
}
