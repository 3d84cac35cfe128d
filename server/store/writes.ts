/**
 * Edits of single features, on main and on a branch, inside withRevision. Bulk loads go through server/import/load.ts.
 *
 * A branch holds whole rows: an edit copies what the branch saw before (its own overlay, or the row of main),
 * changed; a removal is such a copy marked `deleted`. A replaced overlay stays, with `retired_revision`.
 */
import { sql, type RawBuilder, type Transaction } from 'kysely'
import type { GeoJsonGeometry } from '../../core/filter/ast.js'
import { facesToEwkb, toEwkb, toHex, type Faces } from '../../core/geometry/wkb.js'
import type { Column, ColumnType, Layer } from '../../layers/layer.js'
import { badBody, notFound, Problem } from '../errors.js'
import type { Database } from './database.js'
import type { Branch, RevisionWriter } from './store.js'
import { storeColumnNames } from './tables.js'

/** A feature as a person or a tool gives it. Properties that are left out become null (replace) or stay (update). */
export interface FeatureEdit {
  /** CRS84; heights are left out, `solid` and `groundZ` carry them. */
  readonly geometry?: GeoJsonGeometry | null
  readonly properties?: Readonly<Record<string, unknown>>
  readonly source?: string | null
  readonly sourceId?: string | null
  readonly solid?: Faces | null
  readonly groundZ?: number | null
  readonly height?: number | null
}

/** Adds features; their ids in order. */
export async function insertFeatures(writer: RevisionWriter, layer: Layer, branch: Branch, features: readonly FeatureEdit[]): Promise<readonly number[]> {
  if (features.length === 0) return []
  cityOnly(layer)
  const first = await writer.allocateIds(features.length)
  const table = tableOf(layer, branch)
  for (const [i, feature] of features.entries()) {
    const values = await valuesOf(writer.tx, layer, feature)
    values.set('id', sql`${first + i}::int8`)
    if (branch !== 'main') values.set('branch', sql`${branch}::uuid`).set('objectid', nextObjectId(layer))
    await sql`insert into ${table} (${refs(values.keys())}) values (${sql.join([...values.values()])})`.execute(writer.tx)
  }
  return features.map((_, i) => first + i)
}

/** Sets what the edit names. `ifMatch` is the revision the editor saw; a newer one is a 412 Problem that carries it. */
export async function updateFeature(writer: RevisionWriter, layer: Layer, branch: Branch, id: number, edit: FeatureEdit, ifMatch?: number): Promise<void> {
  await change(writer, layer, branch, id, await valuesOf(writer.tx, layer, edit), ifMatch)
}

/** Like update, but attributes that the feature does not name become null. */
export async function replaceFeature(writer: RevisionWriter, layer: Layer, branch: Branch, id: number, feature: FeatureEdit, ifMatch?: number): Promise<void> {
  const nothing = Object.fromEntries(layer.columns.map(column => [column.name, null]))
  await updateFeature(writer, layer, branch, id, { ...feature, properties: { ...nothing, ...feature.properties } }, ifMatch)
}

/** Removes a feature: from main into history, from a branch by an overlay that says so. */
export async function deleteFeature(writer: RevisionWriter, layer: Layer, branch: Branch, id: number, ifMatch?: number): Promise<void> {
  if (branch === 'main') {
    await current(writer.tx, layer, branch, id, ifMatch)
    await sql`delete from ${tableOf(layer, branch)} where id = ${id}::int8`.execute(writer.tx)
    return
  }
  await change(writer, layer, branch, id, new Map([['deleted', sql`true`]]), ifMatch)
}

/** Takes a branch's edit of a feature back, so that main shows through again. */
export async function revertFeature(writer: RevisionWriter, layer: Layer, branch: string, id: number): Promise<void> {
  const { rows: [overlay] } = await sql<{ deleted: boolean; in_main: boolean }>`
    update ${tableOf(layer, branch)} as o set retired_revision = ${writer.revision}::int8
    where branch = ${branch}::uuid and id = ${id}::int8 and retired_revision is null
    returning deleted, exists (select from ${tableOf(layer, 'main')} as c where c.id = o.id) as in_main`.execute(writer.tx)
  if (!overlay) throw notFound(`The scenario has no edit of ${layer.id} ${id}.`)
  // The trigger logged where; what it means for the branch is known here: back again, gone again, or as in main again.
  const [inserted, updated, deleted] = overlay.deleted && overlay.in_main ? [1, 0, 0] : !overlay.deleted && !overlay.in_main ? [0, 0, 1] : [0, 1, 0]
  await sql`select dothi.log_change(${layer.id}, ${branch}, ${inserted}, ${updated}, ${deleted}, null, null)`.execute(writer.tx)
}

type Values = Map<string, RawBuilder<unknown>>

async function change(writer: RevisionWriter, layer: Layer, branch: Branch, id: number, values: Values, ifMatch?: number): Promise<void> {
  cityOnly(layer)
  const { tx, revision } = writer
  const seen = await current(tx, layer, branch, id, ifMatch)
  const table = tableOf(layer, branch)
  if (branch === 'main') {
    if (values.size === 0) return
    const sets = [...values].map(([name, value]) => sql`${sql.ref(name)} = ${value}`)
    await sql`update ${table} set ${sql.join(sets)} where id = ${id}::int8`.execute(tx)
    return
  }
  if (seen.overlay) await sql`
    update ${table} set retired_revision = ${revision}::int8 where branch = ${branch}::uuid and id = ${id}::int8 and retired_revision is null`.execute(tx)
  const from = seen.overlay
    ? sql`${table} where branch = ${branch}::uuid and id = ${id}::int8 and revision = ${seen.revision}::int8 and retired_revision = ${revision}::int8`
    : sql`${tableOf(layer, 'main')} where id = ${id}::int8`
  const names = [...copied(layer), 'branch', ...(values.has('deleted') ? ['deleted'] : [])]
  const row = names.map(name => name === 'branch' ? sql`${branch}::uuid` : values.get(name) ?? sql.ref(name))
  await sql`insert into ${table} (${refs(names)}) select ${sql.join(row)} from ${from}`.execute(tx)
  // What this very revision made and replaced was never seen by anybody.
  if (seen.overlay && seen.revision === revision) await sql`
    delete from ${table} where branch = ${branch}::uuid and id = ${id}::int8 and revision = ${revision}::int8 and retired_revision = ${revision}::int8`.execute(tx)
}

/** The version a branch sees now. Throws 404 where there is none, 412 where it is newer than the editor's. */
async function current(tx: Transaction<Database>, layer: Layer, branch: Branch, id: number, ifMatch?: number): Promise<{ revision: number; overlay: boolean }> {
  const overlay = branch === 'main' ? [] : (await sql<{ revision: number; deleted: boolean }>`
    select revision, deleted from ${tableOf(layer, branch)} where branch = ${branch}::uuid and id = ${id}::int8 and retired_revision is null`.execute(tx)).rows
  const main = overlay.length ? [] : (await sql<{ revision: number }>`select revision from ${tableOf(layer, 'main')} where id = ${id}::int8`.execute(tx)).rows
  const found = overlay[0] ?? main[0]
  if (!found || overlay[0]?.deleted) throw notFound(`There is no feature ${id} in “${layer.id}”.`)
  if (ifMatch !== undefined && ifMatch !== found.revision) throw new Problem(412, 'precondition-failed',
    `Feature ${id} was changed since you read it: you saw revision ${ifMatch}, it is at ${found.revision}. Read it again and repeat the edit.`, { revision: found.revision })
  return { revision: found.revision, overlay: overlay.length > 0 }
}

/** Columns that a copy of a row takes over; the rest the table makes itself. */
function copied(layer: Layer): readonly string[] {
  const made = new Set(['revision', 'valid_from', 'geom_3857', 'cell'])
  return [...storeColumnNames(layer).filter(name => !made.has(name)), ...layer.columns.map(column => column.name)]
}

/** Column → SQL value, of what the edit names. Throws a 400 Problem for what does not fit the layer. */
async function valuesOf(tx: Transaction<Database>, layer: Layer, edit: FeatureEdit): Promise<Values> {
  const values: Values = new Map()
  if (edit.geometry !== undefined) await addGeometry(tx, values, layer, edit.geometry)
  if (edit.source !== undefined) values.set('source', sql`${edit.source}::text`)
  if (edit.sourceId !== undefined) values.set('source_id', sql`${edit.sourceId}::text`)
  if (layer.threeD) {
    if (edit.solid !== undefined) values.set('solid', edit.solid ? sql`${toHex(facesToEwkb(edit.solid, 4326))}::geometry` : sql`null`)
    if (edit.groundZ !== undefined) values.set('ground_z', sql`${edit.groundZ}::float8`)
    if (edit.height !== undefined) values.set('height', sql`${edit.height}::float8`)
  }
  const columns = new Map(layer.columns.map(column => [column.name, column]))
  for (const [name, value] of Object.entries(edit.properties ?? {})) {
    const column = columns.get(name)
    if (!column) throw badBody(`“${layer.id}” has no property “${name.slice(0, 60)}”.`)
    values.set(name, valueSql(column, value))
  }
  return values
}

const FITS: Readonly<Record<Layer['geometry'], readonly string[]>> = {
  point: ['Point'], line: ['LineString', 'MultiLineString'], polygon: ['Polygon', 'MultiPolygon'], any: [],
}

/** Geometry with all that follows from it: a surveyed twin, and no solid of the former shape. */
async function addGeometry(tx: Transaction<Database>, values: Values, layer: Layer, geometry: GeoJsonGeometry | null): Promise<void> {
  if (geometry && layer.geometry !== 'any' && !FITS[layer.geometry].includes(geometry.type))
    throw badBody(`“${layer.id}” takes ${FITS[layer.geometry].join(' or ')}, not ${String(geometry.type).slice(0, 40)}.`)
  const multi = layer.geometry === 'line' || layer.geometry === 'polygon'
  const geom = geometry ? sql`${multi ? sql`st_multi` : sql``}(${ewkb(geometry)}::geometry)` : sql`null::geometry`
  if (geometry) {
    const { rows: [check] } = await sql<{ reason: string }>`select st_isvalidreason(${geom}) as reason`.execute(tx)
    if (check!.reason !== 'Valid Geometry') throw badBody(`The geometry is not valid: ${check!.reason}.`)
  }
  values.set('geom', geom)
  if (layer.surveyed) values.set('geom_native', sql`st_transform(${geom}, ${layer.surveyed.srid}::int)`)
  if (layer.threeD) values.set('solid', sql`null`)
}

function ewkb(geometry: GeoJsonGeometry): string {
  try {
    return toHex(toEwkb(geometry, 4326, false))
  } catch {
    throw badBody('The geometry is not GeoJSON.')
  }
}

const CASTS: Readonly<Record<ColumnType, RawBuilder<unknown>>> = {
  text: sql`text`, integer: sql`int8`, number: sql`float8`, boolean: sql`boolean`, date: sql`date`, timestamp: sql`timestamptz`, json: sql`jsonb`,
}

const ACCEPTS: Readonly<Record<ColumnType, (value: unknown) => boolean>> = {
  text: value => typeof value === 'string',
  integer: value => Number.isSafeInteger(value),
  number: value => Number.isFinite(value),
  boolean: value => typeof value === 'boolean',
  date: value => typeof value === 'string' && /^\d{4}-\d{2}-\d{2}$/.test(value) && !Number.isNaN(Date.parse(value)),
  timestamp: value => value instanceof Date || (typeof value === 'string' && !Number.isNaN(Date.parse(value))),
  json: () => true,
}

function valueSql(column: Column, value: unknown): RawBuilder<unknown> {
  if (value === null || value === undefined) {
    if (column.required) throw badBody(`“${column.name}” is required.`)
    return sql`null`
  }
  if (!ACCEPTS[column.type](value)) throw badBody(`“${column.name}” takes ${column.type}, not ${JSON.stringify(value).slice(0, 60)}.`)
  return sql`${column.type === 'json' ? JSON.stringify(value) : typeof value === 'string' ? value.normalize('NFC') : value}::${CASTS[column.type]}`
}

const tableOf = (layer: Layer, branch: Branch) => sql.table(`${branch === 'main' ? 'city' : 'branch'}.${layer.id}`)
const refs = (names: Iterable<string>) => sql.join([...names].map(name => sql.ref(name)))
const nextObjectId = (layer: Layer) => sql`nextval(pg_get_serial_sequence(${`city.${layer.id}`}, 'objectid'))::int`

function cityOnly(layer: Layer): void {
  if (layer.kind !== 'city') throw badBody(`“${layer.id}” holds results, which nobody edits.`)
}
