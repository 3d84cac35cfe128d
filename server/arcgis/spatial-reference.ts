/** Coordinate reference systems as Esri names them. Positions are always x, y. */
import proj4 from 'proj4'
import type { BBox } from '../../core/bbox.js'
import { CRS84, CRSS, crsOfSrid, type Crs } from '../../core/crs.js'
import type { Layer } from '../../layers/layer.js'
import { badParameter } from '../errors.js'

export interface SpatialReference { readonly wkid: number; readonly latestWkid: number }
export interface Extent { readonly xmin: number; readonly ymin: number; readonly xmax: number; readonly ymax: number; readonly spatialReference: SpatialReference }

/** Esri's own numbers of Web Mercator, old and new. */
const MERCATORS = [102100, 102113, 900913]

export const referenceOf = ({ srid }: Crs): SpatialReference => ({ wkid: srid === 3857 ? 102100 : srid, latestWkid: srid })

/** The CRS that a layer's geometry is kept in: as delivered where it was surveyed. Axes are x, y. */
export function nativeCrs({ surveyed }: Layer): Crs {
  return (surveyed && crsOfSrid(surveyed.srid)) ?? CRS84
}

/** A CRS by its number, or by a JSON spatial reference. Throws a 400 Problem that lists what there is. */
export function crsOfReference(given: unknown, parameter: string): Crs {
  const reference = typeof given === 'string' && given.trim().startsWith('{') ? readJson(given, parameter) : given
  const codes = typeof reference === 'object' && reference !== null ? [(reference as Partial<SpatialReference>).latestWkid, (reference as Partial<SpatialReference>).wkid] : [reference]
  for (const code of codes.map(Number)) {
    if (code === 4326) return CRS84
    const crs = crsOfSrid(MERCATORS.includes(code) ? 3857 : code)
    if (crs) return crs
  }
  throw badParameter(parameter, `“${JSON.stringify(given)?.slice(0, 80)}” is no spatial reference that this server has. There are ${[...new Set(CRSS.map(({ srid }) => srid))].join(', ')}, and 102100.`)
}

/** JSON of a parameter. Throws a 400 Problem. */
export function readJson(text: string, parameter: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw badParameter(parameter, `“${parameter}” is not JSON: ${(error as Error).message.slice(0, 200)}.`)
  }
}

/** Points along each side of a box, so that what bends outwards stays inside. */
const STEPS = 8

/** A box in degrees as an extent elsewhere. */
export function extentIn(box: BBox | null, crs: Crs): Extent | null {
  if (!box) return null
  const [west, south, east, north] = box
  const spatialReference = referenceOf(crs)
  if (crs.srid === 4326) return { xmin: west, ymin: south, xmax: east, ymax: north, spatialReference }
  const xs: number[] = [], ys: number[] = []
  for (let i = 0; i <= STEPS; i++) for (let j = 0; j <= STEPS; j++) {
    const [x, y] = proj4(CRS84.proj4, crs.proj4, [west + (east - west) * i / STEPS, clampLat(south + (north - south) * j / STEPS)]) as [number, number]
    if (Number.isFinite(x) && Number.isFinite(y)) xs.push(x), ys.push(y)
  }
  if (xs.length === 0) return null
  return { xmin: Math.min(...xs), ymin: Math.min(...ys), xmax: Math.max(...xs), ymax: Math.max(...ys), spatialReference }
}

/** Mercator has no poles. */
const clampLat = (lat: number) => Math.max(-85.05, Math.min(85.05, lat))
