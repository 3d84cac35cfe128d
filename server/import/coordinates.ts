import type { Feature } from '../../core/feature.js'
import { GeometryFault } from '../../core/geometry/wkb-bytes.js'
import { fold } from '../../core/text.js'
import { badFile } from './fault.js'
import { looksLikeWkt, parseWkt } from './wkt.js'
import { WkbGeometry } from './wkb-geometry.js'

export type Cell = string | number | boolean | null
export type Row = readonly Cell[]

/** How the rows of a table become geometries. */
export interface Placement {
  /** EPSG code; null where only the user can tell. */
  readonly srid: number | null
  /** Columns that make the geometry; the others are attributes. */
  readonly used: ReadonlySet<number>
  /** What was decided, for people. */
  readonly note: string
  place(row: Row): Pick<Feature, 'geometry' | 'fault'>
}

const bare = (name: string) => fold(name).replace(/[^a-z0-9]/g, '')
const LON = /^(lon|lng|long|longitude|kinhdo|kd|xlon|pointx|gpslon\w*|longitudewgs84)$/
const LAT = /^(lat|latitude|vido|vd|ylat|pointy|gpslat\w*|latitudewgs84)$/
const EAST = /^(e|east|easting|dong|toadodong|ydong|dongy)$/
const NORTH = /^(n|north|northing|bac|toadobac|xbac|bacx)$/
const X = /^(x|xm|toadox|tdx|xcoord|coordx|xvn2000|xvn|xmet)$/
const Y = /^(y|ym|toadoy|tdy|ycoord|coordy|yvn2000|yvn|ymet)$/
const Z = /^(z|zm|h|caodo|docao|elevation|elev|altitude|toadoz)$/
const SHAPE = /^(wkt|ewkt|wkb|geom|geometry|thegeom|shape|hinhhoc|wktgeom|geomwkt|geometrywkt)$/
const PAIR = /^(toado|toadogps|gps|latlon|latlong|latlng|location|vitri|coordinates|coords)$/

/**
 * Finds the coordinates of a table by the names of its columns, in Vietnamese and English, and by what stands in them.
 * In VN-2000 the surveyors' X points north and their Y east: which of the two a table means is told by the size of the numbers,
 * since in Vietnam a northing is between 900 and 2,600 km and an easting between 100 and 900. Throws a Problem that names the columns there are.
 */
export function findPlacement(header: readonly string[], sample: readonly Row[], what: string): Placement {
  const names = header.map(bare)
  const find = (pattern: RegExp) => names.findIndex(name => pattern.test(name))
  const shape = names.findIndex((name, i) => (SHAPE.test(name) || header.length === 1) && sample.some(row => isShape(row[i])))
  if (shape >= 0) return byShape(shape, header, sample)
  const z = find(Z)
  const [lon, lat] = [find(LON), find(LAT)]
  if (lon >= 0 && lat >= 0) return byNumbers(header, lon, lat, z, isDegrees(sample, lon, lat) ? 4326 : null, `${header[lon]} is the longitude, ${header[lat]} the latitude`)
  const [east, north] = [find(EAST), find(NORTH)]
  if (east >= 0 && north >= 0) return byNumbers(header, east, north, z, null, `${header[east]} is the easting, ${header[north]} the northing`)
  const [x, y] = [find(X), find(Y)]
  if (x >= 0 && y >= 0) return byXY(header, sample, x, y, z)
  const pair = names.findIndex((name, i) => PAIR.test(name) && sample.some(row => pairOf(row[i]) !== null))
  if (pair >= 0) return byPair(pair, header)
  throw badFile(`The ${what} has no columns of coordinates. Wanted lon and lat (kinh độ, vĩ độ), x and y, easting and northing, or a column of WKT; it has ${header.slice(0, 30).join(', ').slice(0, 300)}.`)
}

function byXY(header: readonly string[], sample: readonly Row[], x: number, y: number, z: number): Placement {
  const isNorthing = (value: number) => value >= 800_000 && value <= 2_700_000
  const isEasting = (value: number) => value >= 100_000 && value <= 900_000
  const pairs = sample.map(row => [numberOf(row[x]), numberOf(row[y])] as const).filter(([a, b]) => Number.isFinite(a) && Number.isFinite(b))
  const northFirst = pairs.filter(([a, b]) => isNorthing(a) && isEasting(b) && a > b).length
  if (northFirst > pairs.length / 2) return byNumbers(header, y, x, z, null, `${header[x]} is the northing and ${header[y]} the easting, as in VN-2000`)
  if (isDegrees(sample, x, y)) return byNumbers(header, x, y, z, 4326, `${header[x]} is the longitude, ${header[y]} the latitude`)
  return byNumbers(header, x, y, z, null, `${header[x]} points east, ${header[y]} north`)
}

function isDegrees(sample: readonly Row[], x: number, y: number): boolean {
  const pairs = sample.map(row => [numberOf(row[x]), numberOf(row[y])] as const).filter(([a, b]) => Number.isFinite(a) && Number.isFinite(b))
  return pairs.every(([a, b]) => Math.abs(a) <= 180 && Math.abs(b) <= 180)
}

function byNumbers(header: readonly string[], x: number, y: number, z: number, srid: number | null, note: string): Placement {
  return {
    srid, used: new Set([x, y]), note,
    place(row) {
      if (isBlank(row[x]) && isBlank(row[y])) return { geometry: null }
      const position = [numberOf(row[x]), numberOf(row[y])]
      if (!position.every(Number.isFinite)) return { geometry: null, fault: `coordinates that are no numbers: ${header[x]} “${String(row[x] ?? '').slice(0, 30)}”, ${header[y]} “${String(row[y] ?? '').slice(0, 30)}”` }
      const height = z < 0 ? NaN : numberOf(row[z])
      return { geometry: { type: 'Point', coordinates: Number.isFinite(height) ? [...position, height] : position } }
    },
  }
}

function byShape(column: number, header: readonly string[], sample: readonly Row[]): Placement {
  const text = String(sample.map(row => row[column]).find(isShape))
  const srid = looksLikeWkt(text) ? /^\s*SRID=(\d+)/i.exec(text)?.[1] : undefined
  return {
    srid: srid === undefined ? null : Number(srid), used: new Set([column]), note: `${header[column]} is the geometry`,
    place(row) {
      const value = row[column]
      if (isBlank(value)) return { geometry: null }
      try {
        return { geometry: shapeOf(String(value)) }
      } catch (error) {
        if (error instanceof GeometryFault) return { geometry: null, fault: error.message }
        throw error
      }
    },
  }
}

const isHexWkb = (text: string) => /^0[01][0-9a-f]{8,}$/i.test(text)
const isShape = (value: Cell | undefined) => typeof value === 'string' && (looksLikeWkt(value) || isHexWkb(value))

function shapeOf(text: string) {
  if (!isHexWkb(text)) return parseWkt(text).geometry
  if (text.length % 2) throw new GeometryFault('WKB of an odd number of digits')
  return new WkbGeometry(Buffer.from(text, 'hex'), 0)
}

/** “16.06, 108.22”: latitude first, as maps on the web copy it, unless it can only be the longitude. */
function byPair(column: number, header: readonly string[]): Placement {
  return {
    srid: 4326, used: new Set([column]), note: `${header[column]} holds latitude and longitude`,
    place(row) {
      if (isBlank(row[column])) return { geometry: null }
      const pair = pairOf(row[column])
      if (!pair) return { geometry: null, fault: `“${String(row[column]).slice(0, 40)}” is no pair of coordinates` }
      const [a, b] = pair
      return { geometry: { type: 'Point', coordinates: Math.abs(a) > 90 ? [a, b] : [b, a] } }
    },
  }
}

function pairOf(value: Cell | undefined): readonly [number, number] | null {
  const parts = typeof value === 'string' ? value.trim().replace(/^\(|\)$/g, '').split(/\s*[;,]\s*|\s+/) : []
  if (parts.length !== 2) return null
  const [a, b] = parts.map(numberOf) as [number, number]
  return Number.isFinite(a) && Number.isFinite(b) && Math.abs(a) <= 180 && Math.abs(b) <= 180 ? [a, b] : null
}

const isBlank = (value: Cell | undefined) => value === null || value === undefined || value === ''

/** A number as tables write coordinates: with a decimal comma, with spaces between thousands, or in degrees, minutes, seconds. NaN for what is none. */
export function numberOf(value: Cell | undefined): number {
  if (typeof value === 'number') return value
  if (typeof value !== 'string') return NaN
  const text = value.trim().replace(/[\u00a0\u202f ](?=\d{3}(\D|$))/g, '')
  if (/^[-+]?\d+(\.\d+)?([eE][-+]?\d+)?$/.test(text)) return Number(text)
  if (/^[-+]?\d{1,3}(\.\d{3})*,\d+$/.test(text) || /^[-+]?\d+,\d+$/.test(text)) return Number(text.replaceAll('.', '').replace(',', '.'))
  if (/^[-+]?\d{1,3}(,\d{3})+(\.\d+)?$/.test(text)) return Number(text.replaceAll(',', ''))
  const dms = /^([-+]?)(\d{1,3})\s*[°ºd:\s]\s*(\d{1,2}(?:[.,]\d+)?)\s*(?:['’′m:\s]\s*(?:(\d{1,2}(?:[.,]\d+)?)\s*(?:["”″s]|''|′′)?)?)?\s*([NSEWBĐTn-s]?)$/i.exec(text)
  if (!dms) return NaN
  const degrees = Number(dms[2]) + Number(dms[3]!.replace(',', '.')) / 60 + Number((dms[4] ?? '0').replace(',', '.')) / 3600
  return dms[1] === '-' || /[SWT]/i.test(dms[5] ?? '') ? -degrees : degrees
}
