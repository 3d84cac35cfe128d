/** CRSs of requests and answers, by name and by code. */
import proj4 from 'proj4'
import { sql } from 'kysely'
import { CRS84, CRSS, crsOfSrid, epsgUri, findCrs, type Crs } from '../../core/crs.js'
import { badParameter } from '../errors.js'
import type { Store } from '../store/store.js'
import type { Places } from './coverage.js'

/** The CRS of an EPSG code, of any city. Throws an Error for one that the database does not know. */
export async function crsOf(store: Store, srid: number): Promise<Crs> {
  const known = crsOfSrid(srid)
  if (known) return known
  const { rows } = await sql<{ proj4text: string }>`select proj4text from spatial_ref_sys where srid = ${srid}`.execute(store.pool('open'))
  if (!rows[0]) throw new Error(`EPSG:${srid} is not a coordinate reference system that this store knows.`)
  return { uri: epsgUri(srid), srid, title: `EPSG:${srid}`, axes: 'east,north', digits: 3, proj4: rows[0].proj4text.trim() }
}

/** Those that a coverage is served in: CRS84, its own, and latitude before longitude, and the web's. */
export function crssOf(own: Crs): readonly Crs[] {
  return [CRS84, ...(own.srid === 4326 ? [] : [own]), CRSS[1]!, CRSS[2]!].filter((crs, i, all) => all.indexOf(crs) === i)
}

/** The CRS that a client names by URI, CURIE or as EDR's examples do (`CRS84`). Throws a Problem that lists what there is. */
export function wantedCrs(name: string | undefined, own: Crs, parameter = 'crs'): Crs | undefined {
  if (name === undefined) return undefined
  const offered = crssOf(own)
  const found = /^(OGC:|CRS:)?(CRS)?:?84$|^WGS84$/i.test(name) ? CRS84 : findCrs(name) ?? (name === own.uri || name === `EPSG:${own.srid}` ? own : undefined)
  const crs = found && offered.find(({ uri }) => uri === found.uri)
  if (crs) return crs
  throw badParameter(parameter, `“${name.slice(0, 80)}” is not a CRS of this collection. It has ${offered.map(({ uri }) => uri).join(', ')}.`)
}

export type Transform = (x: number, y: number) => readonly [x: number, y: number]

/** From one CRS to another, easting (longitude) before northing on both sides. */
export function transform(from: Crs, to: Crs): Transform {
  if (from.srid === to.srid) return (x, y) => [x, y]
  const { forward } = proj4(from.proj4, to.proj4)
  return (x, y) => forward([x, y]) as [number, number]
}

/** The same places in another CRS. */
export function placesIn(crs: Crs, places: Places): Places {
  if (places.crs.srid === crs.srid) return places
  const project = transform(places.crs, crs)
  const x = new Float64Array(places.x.length)
  const y = new Float64Array(places.x.length)
  for (let i = 0; i < x.length; i++) [x[i], y[i]] = project(places.x[i]!, places.y[i]!) as [number, number]
  return { ...places, crs, x, y }
}
