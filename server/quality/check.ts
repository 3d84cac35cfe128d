/**
 * Checks the city against its rules and brings the report up to date.
 *
 *   snapshot (repeatable read)   each rule's statement → temporary table `found`
 *   short transaction            found ↔ report: new findings come, mended ones go, those that stay keep id, first sight and waiver
 *
 * The long part reads one snapshot and takes no lock that a writer would wait for. One check at a time, over all processes.
 */
import { sql, type Kysely, type RawBuilder } from 'kysely'
import type { BBox } from '../../core/bbox.js'
import type { Layer } from '../../layers/layer.js'
import { badParameter } from '../errors.js'
import type { Database } from '../store/database.js'
import { CLASSES, classOf, covers } from '../store/rights.js'
import type { Reader, Store } from '../store/store.js'
import { components } from './components.js'
import { reconcile, type Outcome } from './reconcile.js'
import { classOfRule, type Look, type QualityRule } from './rule.js'
import { rulesOf } from './rules/index.js'
import { findTouched, fillScope, type Touched } from './touched.js'

export interface CheckOptions {
  /** Only rules about the features of these layers. */
  readonly layers?: readonly string[]
  /** Only these rules. */
  readonly rules?: readonly string[]
  /** Only features that meet this box; west, south, east, north in degrees. */
  readonly bbox?: BBox
  readonly signal?: AbortSignal
  readonly onProgress?: (share: number, rule: string) => void
}

export interface CheckReport extends Outcome {
  /** The revision of the city that was looked at. */
  readonly revision: number
  readonly rules: number
  /** How long each rule took, slowest first. */
  readonly slowest: readonly { readonly rule: string; readonly ms: number }[]
}

/** More changed rows than this are cheaper looked at as a whole layer. */
export const MOST_TOUCHED = 20_000

/** Checks all, or the part that is asked for. Throws a 400 Problem for a rule or layer that there is none of. */
export async function check(store: Store, options: CheckOptions = {}): Promise<CheckReport> {
  const all = rulesOf(store.catalogue.all())
  const rules = chosen(store, all, options)
  return alone(store, options.signal, async db => {
    const session = new Session(store, db, rules)
    const revision = await session.snapshot(async () => {
      for (const [i, rule] of rules.entries()) {
        options.signal?.throwIfAborted()
        options.onProgress?.(i / rules.length, rule.id)
        if (options.bbox && !isWhole(rule)) await session.scopeToBox(rule, options.bbox)
        await session.run(rule, options.bbox !== undefined && !isWhole(rule))
      }
    })
    const complete = !options.layers && !options.rules && !options.bbox
    return session.finish(revision, { complete, forget: complete ? all.map(rule => rule.id) : undefined })
  })
}

/**
 * Looks again at what changed since the last check, and at its neighbours. Null where the city was never checked whole,
 * or somebody else is checking. The report is then what a whole check would make it.
 */
export async function checkChanges(store: Store, signal?: AbortSignal): Promise<(CheckReport & { readonly touched: number }) | null> {
  return alone(store, signal, async db => {
    const { rows: [state] } = await sql<{ revision: number; stale: boolean }>`
      select revision, checked::date < current_date as stale from dothi.quality_state`.execute(db)
    if (!state) return null
    const session = new Session(store, db, rulesOf(store.catalogue.all()))
    let touched: Touched | undefined
    const revision = await session.snapshot(async () => {
      touched = await findTouched(db, store, state.revision, MOST_TOUCHED)
      for (const rule of session.rules) {
        signal?.throwIfAborted()
        const reach = touched.reach(rule, isWhole(rule), state.stale)
        if (reach === 'none') continue
        if (reach === 'some' && !(await fillScope(db, await session.look(rule, true), rule, touched, state.revision))) continue
        await session.run(rule, reach === 'some')
      }
    })
    return { ...await session.finish(revision, { complete: false, moveTo: revision, wardsMoved: touched!.layers.has('wards') }), touched: touched!.count }
  }, true)
}

const isWhole = (rule: QualityRule) => rule.whole === true

function chosen(store: Store, all: readonly QualityRule[], { layers, rules }: CheckOptions): readonly QualityRule[] {
  for (const id of layers ?? []) store.catalogue.get(id)
  for (const id of rules ?? []) if (!all.some(rule => rule.id === id || rule.id.endsWith(`.${id}`))) throw badParameter('rule', `There is no rule “${id.slice(0, 80)}”. GET /quality/rules lists them.`)
  return all.filter(rule => (!layers || layers.includes(rule.layers[0])) && (!rules || rules.some(id => rule.id === id || rule.id.endsWith(`.${id}`))))
}

/** One connection, under the lock of checks; the signal cancels what it is doing. With `orNull`, null where another checks. */
async function alone<T>(store: Store, signal: AbortSignal | undefined, work: (db: Kysely<Database>) => Promise<T>): Promise<T>
async function alone<T>(store: Store, signal: AbortSignal | undefined, work: (db: Kysely<Database>) => Promise<T>, orNull: true): Promise<T | null>
async function alone<T>(store: Store, signal: AbortSignal | undefined, work: (db: Kysely<Database>) => Promise<T>, orNull = false): Promise<T | null> {
  signal?.throwIfAborted()
  return store.db.connection().execute(async db => {
    const { rows: [own] } = await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(db)
    const cancel = () => void sql`select pg_cancel_backend(${own!.pid})`.execute(store.db).catch(() => {})
    signal?.addEventListener('abort', cancel, { once: true })
    try {
      if (orNull) {
        const { rows: [lock] } = await sql<{ mine: boolean }>`select pg_try_advisory_lock(hashtext('dothi.quality')) as mine`.execute(db)
        if (!lock!.mine) return null
      } else await sql`select pg_advisory_lock(hashtext('dothi.quality'))`.execute(db)
      try {
        return await work(db)
      } catch (error) {
        signal?.throwIfAborted()
        throw error
      } finally {
        await sql`discard temp`.execute(db).catch(() => {})
        await sql`select pg_advisory_unlock(hashtext('dothi.quality'))`.execute(db)
      }
    } finally {
      signal?.removeEventListener('abort', cancel)
    }
  })
}

/** Rows a batch for the rules that are asked row by row. */
const BATCH = 10_000

/** One check: its temporary tables and what was looked at. */
class Session {
  readonly #ran: { rule: QualityRule; scoped: boolean; ms: number }[] = []
  readonly #layers: ReadonlyMap<string, Layer>
  #srid = 0
  #empty: ReadonlySet<string> = new Set()
  readonly #views = new Map<string, RawBuilder<unknown>>()
  readonly #reader: Reader = { subject: 'quality check', roles: [], clearance: 'restricted', access: { operation: 'check', purpose: 'data quality' } }

  constructor(readonly store: Store, readonly db: Kysely<Database>, readonly rules: readonly QualityRule[]) {
    this.#layers = new Map(store.catalogue.all().map(layer => [layer.id, layer]))
  }

  /** Runs `work` in one snapshot of the city; the revision that it shows. */
  async snapshot(work: () => Promise<void>): Promise<number> {
    this.#srid = (await this.store.city()).srid
    await sql`begin isolation level repeatable read`.execute(this.db)
    try {
      const { rows: [now] } = await sql<{ revision: number }>`select coalesce(max(revision), 0) as revision from dothi.revisions`.execute(this.db)
      await sql`set local work_mem = '64MB'`.execute(this.db)
      await sql`set local jit = off`.execute(this.db)
      await sql.raw(TEMPORARY).execute(this.db)
      const { rows: empty } = await sql<{ layer: string }>`select layer from unnest(${[...this.#layers.keys()]}::text[]) as layer where not exists (select from dothi.layer_summaries as s where s.layer = layer.layer and s.branch = 'main' and s.count > 0)`.execute(this.db)
      this.#empty = new Set(empty.map(row => row.layer))
      await work()
      await sql`commit`.execute(this.db)
      return now!.revision
    } catch (error) {
      await sql`rollback`.execute(this.db).catch(() => {})
      throw error
    }
  }

  /** The one door, opened for the columns that a rule names; the statement is then read in our snapshot. */
  async #open(rule: QualityRule, id: string): Promise<void> {
    const key = `${rule.id} ${id}`
    if (this.#views.has(key)) return
    const layer = this.#layers.get(id)!
    const attributes = new Set(layer.columns.map(column => column.name))
    const view = await this.store.view({ layer, branch: 'main', asOf: 'now', reader: this.#reader, columns: (rule.columns[id] ?? []).filter(name => attributes.has(name)) })
    this.#views.set(key, sql`${view}`)
  }

  async look(rule: QualityRule, scoped: boolean): Promise<Look> {
    for (const id of rule.layers) await this.#open(rule, id)
    return {
      srid: this.#srid, everything: !scoped,
      rows: id => this.#views.get(`${rule.id} ${id}`)!,
      scope: alias => scoped ? sql`and ${sql.ref(`${alias}.id`)} in (select id from scope)` : sql``,
      metres: (id, alias) => this.#layers.get(id)!.surveyed?.srid === this.#srid ? sql.ref(`${alias}.geom_native`) : sql`st_transform(${sql.ref(`${alias}.geom`)}, ${this.#srid}::int)`,
      layer: id => this.#layers.get(id)!,
    }
  }

  async scopeToBox(rule: QualityRule, [west, south, east, north]: BBox): Promise<void> {
    await sql`truncate scope`.execute(this.db)
    await sql`insert into scope select s.id from ${(await this.look(rule, true)).rows(rule.layers[0])} as s where s.geom && st_makeenvelope(${west}::float8, ${south}::float8, ${east}::float8, ${north}::float8, 4326)`.execute(this.db)
  }

  /** Finds where a rule is broken; in `scope` alone, where it is scoped. */
  async run(rule: QualityRule, scoped: boolean): Promise<void> {
    const from = performance.now()
    if (scoped) {
      await sql`analyze scope`.execute(this.db)
      await sql`insert into scope_of select ${rule.id}, id from scope`.execute(this.db)
    }
    const idle = this.#empty.has(rule.layers[0]) || (rule.needs ?? []).some(id => this.#empty.has(id))
    if (!idle) await this.#find(rule, await this.look(rule, scoped))
    this.#ran.push({ rule, scoped, ms: performance.now() - from })
  }

  async #find(rule: QualityRule, look: Look): Promise<void> {
    const { find } = rule
    if ('holds' in find) return this.#askRows(rule, find.holds, look)
    if (find.links) await components(this.db, find.links(look))
    await sql`
      insert into found select distinct on (key) ${rule.id}, concat_ws(':', feature_id, coalesce(other_layer, ''), coalesce(other_id::text, ''), part) as key, feature_id, other_layer, other_id, geom, value, threshold, detail
      from (${find.statement(look)}) as q order by key`.execute(this.db)
  }

  async #askRows(rule: QualityRule, holds: (row: Readonly<Record<string, unknown>>) => boolean, look: Look): Promise<void> {
    const [layer] = rule.layers
    const names = rule.columns[layer] ?? []
    for (let last = 0; ;) {
      const { rows } = await sql<Record<string, unknown> & { id: number }>`
        select s.id${names.map(name => sql`, ${sql.ref(`s.${name}`)}`).reduce((all, next) => sql`${all}${next}`, sql``)} from ${look.rows(layer)} as s where s.id > ${last}::int8 ${look.scope('s')} order by s.id limit ${BATCH}`.execute(this.db)
      const broken = rows.filter(row => !holds(row))
      if (broken.length) await sql`
        insert into found select ${rule.id}, s.id || ':::', s.id, null, null, st_pointonsurface(s.geom), null, null, v.detail
        from unnest(${broken.map(row => row.id)}::int8[], ${broken.map(row => names.map(name => `${name} = ${String(row[name] ?? '∅')}`).join(', ').slice(0, 300))}::text[]) as v(id, detail) join ${look.rows(layer)} as s on s.id = v.id`.execute(this.db)
      if (rows.length < BATCH) return
      last = rows[rows.length - 1]!.id
    }
  }

  async finish(revision: number, { forget, ...more }: { complete: boolean; forget?: readonly string[]; moveTo?: number; wardsMoved?: boolean }): Promise<CheckReport> {
    const layerOf = (id: string) => this.#layers.get(id)
    const columnClass = (layer: Layer, name: string) => {
      const column = layer.columns.find(one => one.name === name)
      return column ? classOf(layer, column) : layer.classification
    }
    const outcome = await reconcile(this.store, this.db, {
      revision, ...more, known: forget,
      checked: this.#ran.map(({ rule, scoped }) => ({ rule, scoped, classification: classOfRule(rule, layerOf, columnClass, CLASSES) })),
    })
    const slowest = this.#ran.map(({ rule, ms }) => ({ rule: rule.id, ms: Math.round(ms) })).sort((a, b) => b.ms - a.ms).slice(0, 10)
    return { revision, rules: this.#ran.length, slowest, ...outcome }
  }
}

const TEMPORARY = /* sql */ `
create temp table found (rule text, key text, feature_id int8, other_layer text, other_id int8, geom geometry(Geometry, 4326), value float8, threshold float8, detail text);
create temp table scope (id int8);
create temp table scope_of (rule text, id int8);
create temp table component (id int8 primary key, component int8);
`

/** The rules that a reader may know of: not those about data that is closed to them. */
export function rulesFor(store: Store, reader: Reader): readonly QualityRule[] {
  return rulesOf(store.catalogue.all()).filter(rule => rule.layers.every(id => {
    const layer = store.catalogue.find(id)!
    return covers(reader.clearance, layer.classification)
      && (rule.columns[id] ?? []).every(name => { const column = layer.columns.find(one => one.name === name); return !column || covers(reader.clearance, classOf(layer, column)) })
  }))
}
