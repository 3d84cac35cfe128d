/**
 * Edits, checked and written set by set: what every editor of city rows goes through (HTTP, undo, restore, split and merge,
 * federation). Bulk loads of files go through server/import/load.ts.
 *
 * A branch holds whole rows: an edit copies what the branch saw before (its own overlay, or the row of main), changed;
 * a removal is such a copy marked `deleted`. A replaced overlay stays, with `retired_revision`.
 */
import { sql, type RawBuilder, type Transaction } from 'kysely'
import type { GeoJsonGeometry } from '../../core/filter/ast.js'
import { facesToEwkb, toEwkb, toHex, type Faces } from '../../core/geometry/wkb.js'
import type { Column, Layer } from '../../layers/layer.js'
import { notFound, Problem, conflict } from '../errors.js'
import { editChecker, type RowFault } from './check.js'
import type { Database } from './database.js'
import type { Branch, Revision, RevisionMeta, RevisionWriter, Store } from './store.js'
import { storeColumnNames } from './tables.js'

/** A feature as a person or a tool gives it. Properties that are left out become null (create, replace) or stay (update). */
export interface FeatureEdit {
  /** x, y in `srid`; heights are left out, `solid` and `groundZ` carry them. */
  readonly geometry?: GeoJsonGeometry | null
  /** EPSG code of `geometry`; default 4326. In a surveyed layer's own CRS it is kept as delivered. */
  readonly srid?: number
  /** Geometries just as a store had them, hex EWKB; they win over `geometry` and are taken unchecked. */
  readonly stored?: StoredGeometry
  readonly properties?: Readonly<Record<string, unknown>>
  readonly source?: string | null
  readonly sourceId?: string | null
  readonly solid?: Faces | null
  readonly groundZ?: number | null
  readonly height?: number | null
}
export interface StoredGeometry { readonly geom: string | null; readonly geomNative?: string | null; readonly solid?: string | null }

export type Edit =
  /** `id` brings back or copies a feature under its own id; it takes its `objectid` along where that is free. */
  | { readonly action: 'create'; readonly layer: Layer; readonly feature: FeatureEdit; readonly id?: number; readonly objectid?: number }
  | { readonly action: 'replace' | 'update'; readonly layer: Layer; readonly id: number; readonly feature: FeatureEdit } & Lock
  | { readonly action: 'delete'; readonly layer: Layer; readonly id: number } & Lock

/** What the editor saw. A feature that is newer is a 412 Problem that carries its revision. */
export interface Lock {
  readonly ifMatch?: number
  readonly ifUnmodifiedSince?: Date
}

export interface Applied {
  /** Of each edit, in order. */
  readonly ids: number[]
  /** How many rows came to differ; 0 where every edit said what was so already. */
  readonly changed: number
}

/**
 * Applies edits in one transaction as one revision, or none of them. Where nothing changes there is no revision.
 * Throws a Problem: of one edit its own (404, 409 for an id that is taken, 412, 422 with every fault and its path),
 * of several a 422 with `faults`, each with the index of its edit.
 */
export async function applyEdits(store: Store, meta: RevisionMeta, edits: readonly Edit[]): Promise<{ revision: Revision | null; ids: number[] }> {
  const unchanged: { ids?: number[] } = {}
  try {
    const { revision, result } = await store.withRevision(meta, async writer => {
      const applied = await applyEditsIn(writer, meta.branch ?? 'main', edits)
      if (applied.changed > 0) return applied.ids
      unchanged.ids = applied.ids
      throw unchanged
    })
    return { revision, ids: result }
  } catch (error) {
    if (error === unchanged) return { revision: null, ids: unchanged.ids! }
    throw error
  }
}

/** The same inside an open revision: together with other work of its transaction. */
export async function applyEditsIn(writer: RevisionWriter, branch: Branch, edits: readonly Edit[]): Promise<Applied> {
  const items = edits.map((edit, index): Item => ({ index, edit, id: edit.id ?? 0 }))
  await giveIds(writer, items)
  let changed = 0
  for (const wave of waves(items)) {
    const plans: Plan[] = []
    const faults: EditFault[] = []
    for (const [layer, own] of groupBy(wave, ({ edit }) => edit.layer)) {
      const befores = await rowsBefore(writer.tx, layer, branch, own, faults)
      for (const item of own) {
        if (faults.some(({ index }) => index === item.index)) continue
        try {
          plans.push(planOf(layer, item, befores.get(item.index)))
        } catch (error) {
          if (!(error instanceof Problem)) throw error
          faults.push({ index: item.index, problem: error })
        }
      }
    }
    if (faults.length) throw refusal(faults, edits.length)
    for (const [layer, own] of groupBy(plans, plan => plan.layer)) changed += await write(writer, layer, branch, own)
  }
  return { ids: items.map(({ id }) => id), changed }
}

interface Item { readonly index: number; readonly edit: Edit; id: number }
interface EditFault { readonly index: number; readonly problem: Problem }

function refusal(faults: readonly EditFault[], edits: number): Problem {
  if (edits === 1) return faults[0]!.problem
  const told = [...faults].sort((a, b) => a.index - b.index).slice(0, MOST_FAULTS).map(({ index, problem: { status, type, detail, more } }) => ({ index, status, type, detail, ...more }))
  const statuses = new Set(faults.map(({ problem }) => problem.status))
  const status = statuses.size === 1 ? [...statuses][0]! : 422
  return new Problem(status, status === 422 ? 'invalid-feature' : faults[0]!.problem.type,
    `${faults.length} of ${edits} edits cannot be made, so none was. The first: edit ${told[0]!.index}: ${told[0]!.detail}`, { faults: told })
}
const MOST_FAULTS = 1000

/** Edits of one feature must follow each other; all that stand between two of them can go together. */
function waves(items: readonly Item[]): Item[][] {
  const found: Item[][] = []
  let [wave, touched] = [[] as Item[], new Set<string>()]
  for (const item of items) {
    const key = `${item.edit.layer.id}/${item.id}`
    if (touched.has(key)) {
      found.push(wave)
      ;[wave, touched] = [[], new Set()]
    }
    touched.add(key)
    wave.push(item)
  }
  return wave.length ? [...found, wave] : found
}

async function giveIds(writer: RevisionWriter, items: readonly Item[]): Promise<void> {
  for (const { edit: { layer } } of items) if (layer.kind !== 'city') throw new Problem(405, 'method-not-allowed', `“${layer.id}” holds results, which nobody edits.`)
  const fresh = items.filter(({ edit }) => edit.action === 'create' && edit.id === undefined)
  if (fresh.length === 0) return
  let next = await writer.allocateIds(fresh.length)
  for (const item of fresh) item.id = next++
}

// ---- reading what is there ---------------------------------------------------------------------------------------

/** A row as the edit finds it. */
interface Before {
  readonly id: number | null
  readonly revision: number
  readonly at: Date
  /** The branch's own copy, rather than main's row. */
  readonly overlay: boolean
  readonly deleted: boolean
  readonly row: Readonly<Record<string, unknown>>
  readonly given: { readonly geom: string | null; readonly geomNative: string | null; readonly same: boolean; readonly fault: string | null }
}

const STATE = ['revision', 'valid_from', 'source', 'source_id'] as const
const levelsOf = (layer: Layer) => (layer.threeD ? ['ground_z', 'height'] : [])
const shapesOf = (layer: Layer) => ['geom', ...(layer.surveyed ? ['geom_native'] : []), ...(layer.threeD ? ['solid'] : [])]

/** The rows that a branch sees now, by index of their edit, with the geometry given brought to the store's form. */
async function rowsBefore(tx: Transaction<Database>, layer: Layer, branch: Branch, items: readonly Item[], faults: EditFault[]): Promise<Map<number, Before>> {
  const shapes = items.map(item => {
    try {
      return givenShape(layer, item.edit)
    } catch (error) {
      if (!(error instanceof Problem)) throw error
      faults.push({ index: item.index, problem: error })
      return null
    }
  })
  const exact = items.some(({ edit }) => edit.action !== 'delete' && edit.feature.stored !== undefined)
  const attributes = [...STATE, ...levelsOf(layer), ...layer.columns.map(({ name }) => name)]
  const own = [...attributes, ...shapesOf(layer)]
  const current = branch === 'main'
    ? sql`select id, ${refs(own)}, false as overlay, false as deleted from ${tableOf(layer, 'main')} where id = e.id`
    : sql`select id, ${refs(own)}, true as overlay, deleted from ${tableOf(layer, branch)} where branch = ${branch}::uuid and id = e.id and retired_revision is null
        union all select id, ${refs(own)}, false, false from ${tableOf(layer, 'main')} as m where id = e.id
          and not exists (select from ${tableOf(layer, branch)} where branch = ${branch}::uuid and id = m.id and retired_revision is null)`
  const digits = sql`case when st_srid(e.shape::geometry) = 4326 then 7 else 3 end`
  const hasShapes = shapes.some(shape => shape !== null)
  const { rows } = await sql<Record<string, unknown>>`
    select e.n, c.id as _id, c.overlay as _overlay, c.deleted as _deleted, ${refs(attributes, 'c')}
      ${exact ? sql`, ${sql.join(shapesOf(layer).map(name => sql`${sql.ref(`c.${name}`)}::text as ${sql.ref(name)}`))}` : sql``}
      ${hasShapes ? sql`, g.geom::text as _geom, g.geom_native::text as _native, g.same as _same, g.fault as _fault` : sql``}
    from unnest(${items.map(({ id }) => id)}::int8[], ${shapes}::text[]) with ordinality as e(id, shape, n)
    left join lateral (${current}) as c on true
    ${hasShapes ? sql`left join lateral dothi.edited_geometry(e.shape::geometry, ${isMulti(layer)}::boolean, ${layer.surveyed?.srid ?? null}::int, ${digits},
      c.geom, ${layer.surveyed ? sql`c.geom_native` : sql`null`}) as g on e.shape is not null` : sql``}`.execute(tx)
  return new Map(rows.map(({ n, _id, _overlay, _deleted, _geom, _native, _same, _fault, ...row }) => [items[Number(n) - 1]!.index, {
    id: _id, revision: row.revision, at: row.valid_from, overlay: _overlay, deleted: _deleted, row,
    given: { geom: _geom ?? null, geomNative: _native ?? null, same: _same ?? false, fault: _fault ?? null },
  } as Before]))
}

const isMulti = (layer: Layer) => layer.geometry === 'line' || layer.geometry === 'polygon'

const TYPES: Readonly<Record<Layer['geometry'], readonly string[]>> = {
  point: ['Point'], line: ['LineString', 'MultiLineString'], polygon: ['Polygon', 'MultiPolygon'],
  any: ['Point', 'MultiPoint', 'LineString', 'MultiLineString', 'Polygon', 'MultiPolygon', 'GeometryCollection'],
}

/** What an edit gives as geometry, as hex EWKB; null where it gives none. Throws a 422 Problem for what is no geometry of the layer. */
function givenShape(layer: Layer, edit: Edit): string | null {
  if (edit.action === 'delete' || edit.feature.stored || !edit.feature.geometry) return null
  const { geometry, srid = 4326 } = edit.feature
  if (!TYPES[layer.geometry].includes(geometry.type))
    throw invalid([{ path: '/geometry', detail: `“${layer.id}” takes ${TYPES[layer.geometry].join(' or ')}, not ${String(geometry.type).slice(0, 40)}` }])
  try {
    return toHex(toEwkb(geometry, srid, false))
  } catch {
    throw invalid([{ path: '/geometry', detail: 'not a GeoJSON geometry: positions are lists of finite numbers, and rings end where they start' }])
  }
}

// ---- planning ----------------------------------------------------------------------------------------------------

/** What is to be written of one feature. `values` holds the columns that come to differ. */
interface Plan {
  readonly layer: Layer
  readonly id: number
  readonly kind: 'insert' | 'update' | 'delete' | 'nothing'
  readonly objectid?: number
  /** A new row under an id that came from elsewhere. */
  readonly imported?: boolean
  readonly overlay: boolean
  /** The revision of the row that an update copies from, on a branch. */
  readonly seen: number
  readonly values: Readonly<Record<string, unknown>>
}

function planOf(layer: Layer, { edit, id }: Item, before: Before | undefined): Plan {
  const found = before !== undefined && before.id !== null
  const present = found && !before.deleted
  const common = { layer, id, overlay: found && before.overlay, seen: found ? before.revision : 0 }
  if (edit.action === 'create') {
    if (present) throw conflict(`“${layer.id}” has a feature ${id} already, at revision ${before.revision}.`, { revision: before.revision })
    const values = valuesOf(layer, edit.feature, undefined, before)
    // A branch that removed the feature has a row of it, which the new one replaces.
    if (found) return { ...common, kind: 'update', values: { ...blank(layer), ...values, deleted: false } }
    return { ...common, kind: 'insert', objectid: edit.objectid, imported: edit.id !== undefined, values }
  }
  if (!present) throw notFound(`There is no feature ${id} in “${layer.id}”.`)
  checkLock(edit, id, before)
  if (edit.action === 'delete') return { ...common, kind: 'delete', values: {} }
  const values = valuesOf(layer, edit.action === 'replace' ? completed(layer, edit.feature) : edit.feature, before.row, before)
  const different = Object.fromEntries(Object.entries(values).filter(([name, value]) => !(name in before.row) || !isSame(before.row[name], value)))
  return { ...common, kind: Object.keys(different).length ? 'update' : 'nothing', values: different }
}

function checkLock({ ifMatch, ifUnmodifiedSince }: Lock, id: number, { revision, at }: Before): void {
  const stale = (saw: string) => new Problem(412, 'precondition-failed',
    `Feature ${id} was changed since you read it: you saw ${saw}, it is at revision ${revision} of ${at.toISOString()}. Read it again and repeat the edit.`, { revision })
  if (ifMatch !== undefined && ifMatch !== revision) throw stale(`revision ${ifMatch}`)
  // HTTP dates are whole seconds.
  if (ifUnmodifiedSince && Math.floor(at.getTime() / 1000) > Math.floor(ifUnmodifiedSince.getTime() / 1000)) throw stale(`it as of ${ifUnmodifiedSince.toISOString()}`)
}

const blank = (layer: Layer) => Object.fromEntries([...['source', 'source_id'], ...levelsOf(layer), ...shapesOf(layer), ...layer.columns.map(({ name }) => name)].map(name => [name, null]))

/** A replacement names every attribute; geometry, source and heights that it leaves out stay. */
function completed(layer: Layer, feature: FeatureEdit): FeatureEdit {
  const nothing = Object.fromEntries(layer.columns.map(column => [column.name, null]))
  return { ...feature, properties: { ...nothing, ...feature.properties } }
}

/** Column → value, as JSON will carry it to the table. Throws a 422 Problem with every fault. */
function valuesOf(layer: Layer, feature: FeatureEdit, row: Readonly<Record<string, unknown>> | undefined, before: Before | undefined): Record<string, unknown> {
  const store: Record<string, unknown> = {}
  const faults: RowFault[] = []
  if (feature.source !== undefined) store.source = feature.source
  if (feature.sourceId !== undefined) store.source_id = feature.sourceId
  if (layer.threeD) {
    setLevel(store, faults, 'ground_z', feature.groundZ)
    setLevel(store, faults, 'height', feature.height)
  }
  setShape(store, faults, layer, feature, before)
  const checked = editChecker(layer)(feature.properties ?? {}, store, row ?? null)
  if (faults.length + checked.faults.length) throw invalid([...faults, ...checked.faults])
  return { ...store, ...checked.values }
}

function setLevel(store: Record<string, unknown>, faults: RowFault[], name: string, value: number | null | undefined): void {
  if (value === undefined) return
  if (value === null || Number.isFinite(value)) store[name] = value
  else faults.push({ path: `/properties/${name}`, detail: `wanted number, got ${JSON.stringify(value)}` })
}

/** Geometry with all that follows from it: a surveyed twin, and no solid of the former shape. */
function setShape(store: Record<string, unknown>, faults: RowFault[], layer: Layer, feature: FeatureEdit, before: Before | undefined): void {
  const { stored, geometry, solid } = feature
  if (stored) {
    store.geom = stored.geom
    if (layer.surveyed) store.geom_native = stored.geomNative ?? null
    if (layer.threeD) store.solid = stored.solid ?? null
    return
  }
  const given = before?.given
  if (geometry === null) {
    store.geom = null
    if (layer.surveyed) store.geom_native = null
  } else if (geometry !== undefined && !given?.same) {
    if (given?.fault) faults.push({ path: '/geometry', detail: given.fault })
    store.geom = given?.geom ?? null
    if (layer.surveyed) store.geom_native = given?.geomNative ?? null
  }
  if (!layer.threeD) return
  if (solid !== undefined) store.solid = solid && toHex(facesToEwkb(solid, 4326))
  else if ('geom' in store) store.solid = null
}

const invalid = (faults: readonly RowFault[]) => new Problem(422, 'invalid-feature',
  faults.length === 1 ? `${faults[0]!.path}: ${faults[0]!.detail}.` : `${faults.length} faults: ${faults.map(({ path, detail }) => `${path}: ${detail}`).join('; ').slice(0, 1000)}.`, { faults })

/** Is a column's new value the one it has? Instants come as Date from the table and as text from the check. */
function isSame(was: unknown, value: unknown): boolean {
  if (was === value) return true
  if (was === null || value === null) return false
  if (was instanceof Date) return was.getTime() === new Date(value as string).getTime()
  if (typeof was === 'object') return canonical(was) === canonical(value)
  return false
}

/** JSON with its members in order, as jsonb compares them. */
const canonical = (value: unknown) => JSON.stringify(value, (_key, member) =>
  member && typeof member === 'object' && !Array.isArray(member) ? Object.fromEntries(Object.entries(member).sort(([a], [b]) => (a < b ? -1 : 1))) : member)

// ---- writing -----------------------------------------------------------------------------------------------------

/** One statement a kind of change and a set of columns; how many rows came to differ. */
async function write(writer: RevisionWriter, layer: Layer, branch: Branch, plans: readonly Plan[]): Promise<number> {
  const of = (kind: Plan['kind']) => plans.filter(plan => plan.kind === kind)
  const columnsOf = ({ values }: Plan) => Object.keys(values).sort().join()
  const deletes = of('delete')
  if (branch === 'main') {
    if (deletes.length) await sql`delete from ${tableOf(layer, branch)} where id = any(${ids(deletes)}::int8[])`.execute(writer.tx)
    for (const [, same] of groupBy(of('update'), columnsOf)) await updateRows(writer, layer, same)
  } else {
    const removals = deletes.map(plan => ({ ...plan, values: { deleted: true } }))
    for (const [, same] of groupBy([...removals, ...of('update')], plan => `${plan.overlay} ${columnsOf(plan)}`)) await overlayRows(writer, layer, branch, same)
  }
  for (const [, same] of groupBy(of('insert'), plan => `${plan.objectid === undefined} ${columnsOf(plan)}`)) await insertRows(writer, layer, branch, same)
  return plans.length - of('nothing').length
}

const ids = (plans: readonly Plan[]) => plans.map(({ id }) => id)

/** Rows of the table's own type from JSON, which carries every type exactly: geometry as hex EWKB, numbers by their shortest text. */
function records(layer: Layer, branch: Branch, plans: readonly Plan[]): RawBuilder<unknown> {
  const json = JSON.stringify(plans.map(({ id, objectid, seen, values }) => ({ id, objectid, revision: seen, ...values })))
  return sql`json_populate_recordset(null::${tableOf(layer, branch)}, ${json}::json)`
}

async function updateRows({ tx }: RevisionWriter, layer: Layer, plans: readonly Plan[]): Promise<void> {
  const sets = Object.keys(plans[0]!.values).map(name => sql`${sql.ref(name)} = ${sql.ref(`r.${name}`)}`)
  await sql`update ${tableOf(layer, 'main')} as t set ${sql.join(sets)} from ${records(layer, 'main', plans)} as r where t.id = r.id`.execute(tx)
}

async function insertRows({ tx }: RevisionWriter, layer: Layer, branch: Branch, plans: readonly Plan[]): Promise<void> {
  const keepsObjectId = plans[0]!.objectid !== undefined
  const columns = Object.keys(plans[0]!.values)
  const next = sql`nextval(${sequenceOf(layer)})::int`
  const extra: [string, RawBuilder<unknown>][] = [
    ['id', sql`r.id`],
    ...(branch === 'main' ? [] : [['branch', sql`${branch}::uuid`] as [string, RawBuilder<unknown>]]),
    ['objectid', keepsObjectId ? sql`case when exists (select from ${tableOf(layer, 'main')} as c where c.objectid = r.objectid) then ${next} else r.objectid end` : next],
  ]
  await sql`insert into ${tableOf(layer, branch)} (${refs([...extra.map(([name]) => name), ...columns])})
    select ${sql.join([...extra.map(([, value]) => value), ...columns.map(name => sql.ref(`r.${name}`))])} from ${records(layer, branch, plans)} as r`.execute(tx)
  if (keepsObjectId) await sql`select setval(${sequenceOf(layer)}, n) from (select ${Math.max(...plans.map(({ objectid }) => objectid!))}::int8 as n) as most
    where n > coalesce(pg_sequence_last_value(${sequenceOf(layer)}::regclass), 0)`.execute(tx)
  if (plans.some(({ imported }) => imported)) await keepSequenceAhead(tx, ids(plans))
}

const sequenceOf = (layer: Layer) => sql`pg_get_serial_sequence(${`city."${layer.id}"`}, 'objectid')`

/** An id of this very instance that came from elsewhere (a copy of its feed) must not be given out again. */
async function keepSequenceAhead(tx: Transaction<Database>, given: readonly number[]): Promise<void> {
  await sql`select setval('dothi.feature_number', n) from (
      select max(id & ((1::int8 << 40) - 1)) as n from unnest(${given}::int8[]) as id where id >> 40 = (select number from dothi.instance)) as own
    where n > (select last_value from dothi.feature_number)`.execute(tx)
}

/** New copies of rows that a branch sees, changed: from its own overlays, which retire, or from main. */
async function overlayRows({ tx, revision }: RevisionWriter, layer: Layer, branch: string, plans: readonly Plan[]): Promise<void> {
  const table = tableOf(layer, branch)
  const { overlay, values } = plans[0]!
  const mine = sql`branch = ${branch}::uuid and id = any(${ids(plans)}::int8[])`
  if (overlay) await sql`update ${table} set retired_revision = ${revision}::int8 where ${mine} and retired_revision is null`.execute(tx)
  const from = overlay
    ? sql`${table} as f on f.branch = ${branch}::uuid and f.id = r.id and f.revision = r.revision and f.retired_revision = ${revision}::int8`
    : sql`${tableOf(layer, 'main')} as f on f.id = r.id`
  const names = [...copied(layer), 'branch', ...('deleted' in values ? ['deleted'] : [])]
  const row = names.map(name => name === 'branch' ? sql`${branch}::uuid` : sql.ref(`${name in values ? 'r' : 'f'}.${name}`))
  await sql`insert into ${table} (${refs(names)}) select ${sql.join(row)} from ${records(layer, branch, plans)} as r join ${from}`.execute(tx)
  // What this very revision made and replaced was never seen by anybody.
  if (plans.some(({ seen }) => seen === revision)) await sql`delete from ${table} where ${mine} and revision = ${revision}::int8 and retired_revision = ${revision}::int8`.execute(tx)
}

/** Columns that a copy of a row takes over; the rest the table makes itself. */
function copied(layer: Layer): readonly string[] {
  const made = new Set(['revision', 'valid_from', 'geom_3857', 'cell'])
  return [...storeColumnNames(layer).filter(name => !made.has(name)), ...layer.columns.map((column: Column) => column.name)]
}

const tableOf = (layer: Layer, branch: Branch) => sql.table(`${branch === 'main' ? 'city' : 'branch'}.${layer.id}`)
const refs = (names: Iterable<string>, alias?: string) => sql.join([...names].map(name => sql.ref(alias ? `${alias}.${name}` : name)))

function groupBy<T, K>(items: readonly T[], key: (item: T) => K): Map<K, T[]> {
  const groups = new Map<K, T[]>()
  for (const item of items) {
    const group = groups.get(key(item))
    if (group) group.push(item)
    else groups.set(key(item), [item])
  }
  return groups
}
