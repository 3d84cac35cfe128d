/** Addresses as EDR's locations: “depth over time at this address”. */
import { sql } from 'kysely'
import type { BBox } from '../../core/bbox.js'
import type { Layer } from '../../layers/layer.js'
import { notFound } from '../errors.js'
import type { Call } from '../operations/operation.js'
import { search } from '../search.js'
import { visibleColumns } from '../store/rights.js'

export interface Location { readonly id: number; readonly name: string; readonly lon: number; readonly lat: number }

/** The layer of addresses where there is one for this reader, with its names. */
export function addressLayer({ app, reader }: Pick<Call, 'app' | 'reader'>): Layer | undefined {
  const layer = app.store.catalogue.for(reader).find(({ id }) => id === 'addresses')
  return layer?.label && visibleColumns(layer, reader.clearance).some(({ name }) => name === layer.label) ? layer : undefined
}

/** Throws a 404 Problem for an address that is not there. */
export async function locationOf(call: Call, id: string): Promise<Location> {
  const number = /^\d{1,16}$/.test(id) ? Number(id) : NaN
  const [location] = Number.isSafeInteger(number) ? await locationsWhere(call, { id: number, limit: 1 }) : []
  if (!location) throw notFound(`There is no location “${id.slice(0, 60)}”: locations are addresses by their id; …/locations?q=… finds them by name.`)
  return location
}

/** A page of addresses, by id; with `bbox` (CRS84) those within. */
export async function locationsWhere(call: Call, { id, bbox, after = 0, limit }: { id?: number; bbox?: BBox; after?: number; limit: number }): Promise<readonly Location[]> {
  const { app: { store }, branch, reader } = call
  const layer = addressLayer(call)
  if (!layer) throw notFound('There are no addresses here.')
  const rows = await store.view({ layer, branch, asOf: 'now', reader, columns: [layer.label!], ...(bbox && { bbox: { box: bbox, srid: 4326 as const } }) })
  const found = await sql<Location>`
    select v.id, coalesce(nullif(${sql.ref(`v.${layer.label!}`)}::text, ''), v.id::text) as name, st_x(st_pointonsurface(v.geom)) as lon, st_y(st_pointonsurface(v.geom)) as lat
    from ${rows} as v where v.geom is not null and ${id === undefined ? sql`v.id > ${after}::int8` : sql`v.id = ${id}::int8`} order by v.id limit ${limit}`.execute(store.pool(reader.clearance))
  return found.rows.map(row => ({ ...row, id: Number(row.id) }))
}

/** Addresses by name, as people type it: the best first. */
export async function locationsNamed(call: Call, text: string, limit: number): Promise<readonly Location[]> {
  const layer = addressLayer(call)
  const found = layer ? await search({ app: call.app, reader: call.reader, branch: call.branch, layers: [layer], lang: 'vi' }, text, limit) : []
  return found.flatMap(({ id, label, center: [lon, lat] }) => (id === null ? [] : [{ id, name: label, lon, lat }]))
}
