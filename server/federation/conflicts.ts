/** Conflicts as people see them, and what they decide. */
import { sql } from 'kysely'
import { same } from '../../core/merge.js'
import type { Layer } from '../../layers/layer.js'
import { conflict as conflictProblem, notFound } from '../errors.js'
import { recordColumns, recordOf, type Version } from '../store/changes.js'
import { applyEdits, type Edit, type FeatureEdit } from '../store/edits.js'
import { covers, visibleColumns } from '../store/rights.js'
import { STEWARD, type Reader, type Store } from '../store/store.js'
import { valuesOf } from './apply.js'
import type { Stamp } from './stamps.js'

export interface Conflict {
  readonly id: number
  readonly peer: string
  readonly layer: string
  readonly feature: number
  /** A column, `geom`, `source`, `ground_z`, `height`; `-` where one side removed what the other changed. */
  readonly field: string
  /** Geometry as GeoJSON; of a removal against an edit the feature's fields, null on the side that removed it. */
  readonly mine: unknown
  readonly theirs: unknown
  readonly mineAt: Date
  readonly theirsAt: Date
  readonly theirInstance: number
  /** Whose value stands, on both sides, until somebody decides otherwise. */
  readonly winner: 'mine' | 'theirs'
  readonly detected: Date
  readonly resolved: Date | null
  readonly resolvedBy: string | null
  readonly resolution: string | null
}

interface Stored extends Omit<Conflict, 'mineAt' | 'theirsAt' | 'theirInstance'> {
  readonly mineStamp: Stamp
  readonly theirsStamp: Stamp
}

const COLUMNS = sql`id, peer, layer, feature, field, mine, theirs, mine_stamp as "mineStamp", theirs_stamp as "theirsStamp", winner, detected, resolved, resolved_by as "resolvedBy", resolution`

export interface ConflictQuery { readonly all?: boolean; readonly layer?: string; readonly limit?: number }

/** Newest first; without what the reader may not see. */
export async function listConflicts(store: Store, reader: Reader, { all = false, layer, limit = 100 }: ConflictQuery = {}): Promise<readonly Conflict[]> {
  const layers = store.catalogue.for(reader).map(({ id }) => id).filter(id => layer === undefined || id === layer)
  const { rows } = await sql<Stored>`
    select ${COLUMNS} from dothi.federation_conflicts
    where layer = any(${layers}::text[]) and (${all} or resolved is null) order by id desc limit ${limit}`.execute(store.db)
  const seen = rows.filter(row => mayRead(store.catalogue.get(row.layer), reader, row.field))
  return Promise.all(seen.map(row => shown(store, reader, row)))
}

export async function countOpen(store: Store): Promise<number> {
  return (await sql<{ n: number }>`select count(*) as n from dothi.federation_conflicts where resolved is null`.execute(store.db)).rows[0]!.n
}

/** Fields of the store's own, or columns of the reader's clearance. */
function mayRead(layer: Layer, reader: Reader, field: string): boolean {
  return !layer.columns.some(({ name }) => name === field) || visibleColumns(layer, reader.clearance).some(({ name }) => name === field)
}

async function shown(store: Store, reader: Reader, { mineStamp, theirsStamp, ...row }: Stored): Promise<Conflict> {
  const layer = store.catalogue.get(row.layer)
  const value = async (side: unknown) => {
    if (row.field === 'geom') return geoJson(store, (side as { geom: string | null } | null)?.geom ?? null)
    if (row.field !== '-' || side === null) return side
    const { geom, ...fields } = side as Record<string, unknown> & { geom: { geom: string | null } }
    return { ...Object.fromEntries(Object.entries(fields).filter(([name]) => mayRead(layer, reader, name))), geom: await geoJson(store, geom?.geom ?? null) }
  }
  return {
    ...row, mine: await value(row.mine), theirs: await value(row.theirs),
    mineAt: new Date(mineStamp[0]), theirsAt: new Date(theirsStamp[0]), theirInstance: theirsStamp[1],
  }
}

async function geoJson(store: Store, hex: string | null): Promise<unknown> {
  if (hex === null) return null
  return (await sql<{ json: unknown }>`select st_asgeojson(${hex}::geometry, 7)::json as json`.execute(store.db)).rows[0]!.json
}

/**
 * Decides a conflict: the value of one side is written, where it does not stand already, as an edit like any other, which
 * settles it at the peer too. Throws 404, 409 where it was decided before, and what the edit throws.
 */
export async function resolveConflict(store: Store, reader: Reader, id: number, take: 'mine' | 'theirs', reason: string): Promise<{ revision: number | null }> {
  const { rows: [found] } = await sql<Stored>`select ${COLUMNS} from dothi.federation_conflicts where id = ${id}::int8`.execute(store.db)
  const layer = found && store.catalogue.find(found.layer)
  if (!found || !layer || !covers(reader.clearance, layer.classification) || !mayRead(layer, reader, found.field)) throw notFound(`There is no conflict ${id}: GET /federation/conflicts lists them.`)
  if (found.resolved) throw conflictProblem(`Conflict ${id} was decided already (${found.resolution}, by ${found.resolvedBy}).`)
  const edit = await editFor(store, layer, found, found[take])
  const { revision } = edit ? await applyEdits(store, { actor: reader.subject, reason }, [edit]) : { revision: null }
  await sql`
    update dothi.federation_conflicts set resolved = now(), resolved_by = ${reader.subject}, resolution = ${take}
    where id = ${id}::int8 and resolved is null`.execute(store.db)
  return { revision: revision?.revision ?? null }
}

/** The edit that makes a side's value stand; none where the feature is as that side wants it, or is gone. */
async function editFor(store: Store, layer: Layer, { feature: id, field }: Stored, value: unknown): Promise<Edit | undefined> {
  const { rows: [row] } = await sql<Version>`select ${recordColumns(layer, STEWARD)} from ${sql.table(`city.${layer.id}`)} as v where v.id = ${id}::int8`.execute(store.db)
  if (field !== '-') {
    if (!row || same(valuesOf(layer, recordOf(layer, row))[field], value)) return undefined
    return { action: 'update', layer, id, feature: featureOf(layer, { [field]: value }) }
  }
  if (value === null) return row && { action: 'delete', layer, id }
  return row ? undefined : { action: 'create', layer, id, feature: featureOf(layer, value as Record<string, unknown>) }
}

/** Fields as an edit has them. */
function featureOf(layer: Layer, { geom, source, ground_z, height, ...values }: Record<string, any>): FeatureEdit {
  return {
    ...(geom !== undefined && { stored: { geom: geom?.geom ?? null, ...(layer.surveyed && { geomNative: geom?.geomNative ?? null }), ...(layer.threeD && { solid: geom?.solid ?? null }) } }),
    ...(source !== undefined && { source: source?.source ?? null, sourceId: source?.sourceId ?? null }),
    ...(ground_z !== undefined && { groundZ: ground_z }),
    ...(height !== undefined && { height }),
    properties: values,
  }
}
