/** Edits → what is to be written: the rows as they are now, locks, checks, and the columns that come to differ. */
import { sql, type Transaction } from 'kysely'
import type { GeoJsonGeometry } from '../../core/filter/ast.js'
import { facesToEwkb, toEwkb, toHex, type Faces } from '../../core/geometry/wkb.js'
import { coordinatesFault } from '../../core/geometry/coordinates-fault.js'
import { mergePatch } from '../../core/merge-patch.js'
import type { Layer } from '../../layers/layer.js'
import { conflict, notFound, Problem } from '../errors.js'
import { editChecker, type RowFault } from './check.js'
import type { Database } from './database.js'
import { allocateIds } from './revisions.js'
import type { Branch } from './store.js'

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
  /** `merge`: JSON attributes are merged (RFC 7396), not replaced. */
  | { readonly action: 'replace' | 'update'; readonly layer: Layer; readonly id: number; readonly feature: FeatureEdit; readonly merge?: boolean } & Lock
  | { readonly action: 'delete'; readonly layer: Layer; readonly id: number } & Lock

/** What the editor saw. A feature that is newer is a 412 Problem that carries its revision. */
export interface Lock {
  /** The revision of the feature; of several, any. */
  readonly ifMatch?: number | readonly number[]
  readonly ifUnmodifiedSince?: Date
}

/** An edit with its place in the request and the id of its feature; 0 until one is given to a new one. */
export interface Item { readonly edit: Edit; readonly index: number; id: number }

/** Throws a 405 Problem for layers that hold results. */
export function itemsOf(edits: readonly Edit[]): Item[] {
  return edits.map((edit, index) => {
    if (edit.layer.kind !== 'city') throw new Problem(405, 'method-not-allowed', `“${edit.layer.id}” holds results, which nobody edits.`)
    return { edit, index, id: edit.id ?? 0 }
  })
}

/** Edits of one feature must follow each other; all that stand between two of them can go together. */
export function wavesOf(items: readonly Item[]): Item[][] {
  const waves: Item[][] = []
  let touched = new Set<string>()
  for (const item of items) {
    const key = featureKey(item)
    if (waves.length === 0 || (key !== undefined && touched.has(key))) {
      waves.push([])
      touched = new Set()
    }
    if (key !== undefined) touched.add(key)
    waves.at(-1)!.push(item)
  }
  return waves
}

/** New features get their ids. */
export async function giveIds(tx: Transaction<Database>, items: readonly Item[]): Promise<void> {
  const fresh = items.filter(({ id }) => id === 0)
  if (fresh.length === 0) return
  let next = await allocateIds(tx, fresh.length)
  for (const item of fresh) item.id = next++
}

/** Names the feature that an edit is about; undefined for a new one. */
export const featureKey = ({ edit, id }: Item) => (edit.id === undefined ? undefined : `${edit.layer.id}/${id}`)

/** The plans of a request of so many edits, where all can be made; else throws what keeps it from being made, each with its index. */
export function refuseFaults(planned: readonly (Plan | Problem)[], items: readonly Item[], edits: number): readonly Plan[] {
  const faults = planned.flatMap((plan, i) => (plan instanceof Problem ? [{ index: items[i]!.index, problem: plan }] : []))
  if (faults.length === 0) return planned as readonly Plan[]
  if (edits === 1) throw faults[0]!.problem
  const told = faults.slice(0, MOST_FAULTS).map(({ index, problem: { status, type, detail, more } }) => ({ index, status, type, detail, ...more }))
  const statuses = new Set(faults.map(({ problem }) => problem.status))
  const status = statuses.size === 1 ? faults[0]!.problem.status : 422
  throw new Problem(status, statuses.size === 1 ? faults[0]!.problem.type : 'invalid-feature',
    `${faults.length} of ${edits} edits cannot be made, so none was. The first: edit ${told[0]!.index}: ${told[0]!.detail}`, { faults: told })
}
const MOST_FAULTS = 1000

/** What is to be written of one feature. `values` holds the columns that come to differ, as JSON will carry them. */
export interface Plan {
  readonly layer: Layer
  readonly id: number
  readonly kind: 'insert' | 'update' | 'delete' | 'nothing'
  readonly objectid?: number
  /** A new row under an id that came from elsewhere. */
  readonly imported?: boolean
  /** The branch has a row of its own of this feature. */
  readonly overlay: boolean
  /** The revision of the row that an update copies from, on a branch. */
  readonly seen: number
  readonly values: Readonly<Record<string, unknown>>
}

/** Plans edits of different features, a plan or the edit's own Problem for each, in order. Reads once a layer. */
export async function planEdits(tx: Transaction<Database>, branch: Branch, items: readonly Item[]): Promise<(Plan | Problem)[]> {
  const planned = new Map<Item, Plan | Problem>()
  if (!(await branchIsThere(tx, branch))) return items.map(() => notFound(`There is no scenario “${branch.slice(0, 60)}”.`))
  for (const [layer, own] of groupBy(items, ({ edit }) => edit.layer)) {
    const shapes = own.map(item => orProblem(() => givenShape(layer, item.edit)))
    const befores = await rowsBefore(tx, layer, branch, own, shapes.map(shape => (shape instanceof Problem ? null : shape)))
    own.forEach((item, i) => {
      const shape = shapes[i]
      planned.set(item, shape instanceof Problem ? shape : orProblem(() => planOf(layer, item, befores[i]!)))
    })
  }
  return items.map(item => planned.get(item)!)
}

/** Asked under the writers' lock: a scenario may have been discarded while the edit waited. */
async function branchIsThere(tx: Transaction<Database>, branch: Branch): Promise<boolean> {
  return branch === 'main' || (await sql`select from dothi.branches where id = ${branch}::uuid and removed is null`.execute(tx)).rows.length > 0
}

function orProblem<T>(work: () => T): T | Problem {
  try {
    return work()
  } catch (error) {
    if (error instanceof Problem) return error
    throw error
  }
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

/** The rows that a branch sees now, one an edit, with the geometry given brought to the store's form. */
async function rowsBefore(tx: Transaction<Database>, layer: Layer, branch: Branch, items: readonly Item[], shapes: readonly (string | null)[]): Promise<readonly Before[]> {
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
    select e.n as _n, c.id as _id, c.overlay as _overlay, c.deleted as _deleted, ${refs(attributes, 'c')}
      ${exact ? sql`, ${sql.join(shapesOf(layer).map(name => sql`${sql.ref(`c.${name}`)}::text as ${sql.ref(name)}`))}` : sql``}
      ${hasShapes ? sql`, g.geom::text as _geom, g.geom_native::text as _native, g.same as _same, g.fault as _fault` : sql``}
    from unnest(${items.map(({ id }) => id)}::int8[], ${shapes}::text[]) with ordinality as e(id, shape, n)
    left join lateral (${current}) as c on true
    ${hasShapes ? sql`left join lateral dothi.edited_geometry(e.shape::geometry, ${isMulti(layer)}::boolean, ${layer.surveyed?.srid ?? null}::int, ${digits},
      c.geom, ${layer.surveyed ? sql`c.geom_native` : sql`null`}) as g on e.shape is not null` : sql``}`.execute(tx)
  const found: Before[] = new Array(items.length)
  for (const { _n, _id, _overlay, _deleted, _geom, _native, _same, _fault, ...row } of rows) found[Number(_n) - 1] = {
    id: _id, revision: row.revision, at: row.valid_from, overlay: _overlay, deleted: _deleted, row,
    given: { geom: _geom ?? null, geomNative: _native ?? null, same: _same ?? false, fault: _fault ?? null },
  } as Before
  return found
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
  const fault = coordinatesFault(geometry)
  if (fault) throw invalid([{ path: `/geometry${fault.path}`, detail: fault.detail }])
  return toHex(toEwkb(geometry, srid, false))
}

// ---- planning ----------------------------------------------------------------------------------------------------

function planOf(layer: Layer, { edit, id }: Item, before: Before): Plan {
  const found = before.id !== null
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
  const feature = edit.action === 'replace' ? completed(layer, edit.feature) : edit.merge ? merged(layer, edit.feature, before.row) : edit.feature
  const values = valuesOf(layer, feature, before.row, before)
  const different = Object.fromEntries(Object.entries(values).filter(([name, value]) => !(name in before.row) || !isSame(before.row[name], value)))
  return { ...common, kind: Object.keys(different).length ? 'update' : 'nothing', values: different }
}

function checkLock({ ifMatch, ifUnmodifiedSince }: Lock, id: number, { revision, at }: Before): void {
  const stale = (saw: string) => new Problem(412, 'precondition-failed',
    `Feature ${id} was changed since you read it: you saw ${saw}, it is at revision ${revision} of ${at.toISOString()}. Read it again and repeat the edit.`, { revision })
  const seen = ifMatch === undefined || typeof ifMatch === 'number' ? ifMatch : ifMatch.join(' or ')
  if (seen !== undefined && seen !== revision && !(Array.isArray(ifMatch) && ifMatch.includes(revision))) throw stale(`revision ${seen}`)
  // HTTP dates are whole seconds.
  if (ifUnmodifiedSince && Math.floor(at.getTime() / 1000) > Math.floor(ifUnmodifiedSince.getTime() / 1000)) throw stale(`it as of ${ifUnmodifiedSince.toISOString()}`)
}

const blank = (layer: Layer) => Object.fromEntries([...['source', 'source_id'], ...levelsOf(layer), ...shapesOf(layer), ...layer.columns.map(({ name }) => name)].map(name => [name, null]))

/** A replacement names every attribute; geometry, source and heights that it leaves out stay. */
function completed(layer: Layer, feature: FeatureEdit): FeatureEdit {
  const nothing = Object.fromEntries(layer.columns.map(column => [column.name, null]))
  return { ...feature, properties: { ...nothing, ...feature.properties } }
}

/** Objects in JSON attributes are merged into what is there. */
function merged(layer: Layer, feature: FeatureEdit, row: Readonly<Record<string, unknown>>): FeatureEdit {
  const json = new Set(layer.columns.filter(({ type }) => type === 'json').map(({ name }) => name))
  const properties = Object.entries(feature.properties ?? {}).map(([name, value]) => [name, json.has(name) && value !== null ? mergePatch(row[name], value) : value])
  return { ...feature, properties: Object.fromEntries(properties) }
}

/** Column → value, as JSON will carry it to the table. Throws a 422 Problem with every fault. */
function valuesOf(layer: Layer, feature: FeatureEdit, row: Readonly<Record<string, unknown>> | undefined, before: Before): Record<string, unknown> {
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
function setShape(store: Record<string, unknown>, faults: RowFault[], layer: Layer, feature: FeatureEdit, { given }: Before): void {
  const { stored, geometry, solid } = feature
  if (stored) {
    store.geom = stored.geom
    if (layer.surveyed) store.geom_native = stored.geomNative ?? null
    if (layer.threeD) store.solid = stored.solid ?? null
    return
  }
  if (geometry === null) {
    store.geom = null
    if (layer.surveyed) store.geom_native = null
  } else if (geometry !== undefined && !given.same) {
    if (given.fault) faults.push({ path: '/geometry', detail: given.fault })
    store.geom = given.geom
    if (layer.surveyed) store.geom_native = given.geomNative
  }
  if (!layer.threeD) return
  if (solid !== undefined) store.solid = solid && toHex(facesToEwkb(solid, 4326))
  else if ('geom' in store) store.solid = null
}

const invalid = (faults: readonly RowFault[]) => new Problem(422, 'invalid-feature',
  faults.length === 1 ? `${faults[0]!.path}: ${faults[0]!.detail.replace(/([^?.])$/, '$1.')}` : `${faults.length} faults: ${faults.map(({ path, detail }) => `${path}: ${detail}`).join('; ').slice(0, 1000)}.`, { faults })

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


const tableOf = (layer: Layer, branch: Branch) => sql.table(`${branch === 'main' ? 'city' : 'branch'}.${layer.id}`)
const refs = (names: Iterable<string>, alias?: string) => sql.join([...names].map(name => sql.ref(alias ? `${alias}.${name}` : name)))

export function groupBy<T, K>(items: readonly T[], key: (item: T) => K): Map<K, T[]> {
  const groups = new Map<K, T[]>()
  for (const item of items) {
    const group = groups.get(key(item))
    if (group) group.push(item)
    else groups.set(key(item), [item])
  }
  return groups
}
