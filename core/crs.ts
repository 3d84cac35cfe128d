import { VN2000_PROJ4, VN2000_ZONES } from './vn2000.js'

/** A coordinate reference system that the city is served in. */
export interface Crs {
  readonly uri: string
  /** EPSG code that PostGIS transforms to; CRS84 and 4326 share 4326 and differ by axis order. */
  readonly srid: number
  readonly title: string
  /** Order of the first two numbers of a position, as the authority has it. */
  readonly axes: 'lon,lat' | 'lat,lon' | 'east,north'
  /** Decimals worth writing: 7 of a degree and 3 of a metre are both finer than any survey here. */
  readonly digits: 7 | 3
  readonly proj4: string
}

export const CRS84_URI = 'http://www.opengis.net/def/crs/OGC/1.3/CRS84'

const epsg = (srid: number, title: string, proj4: string): Crs =>
  ({ uri: epsgUri(srid), srid, title, axes: 'east,north', digits: 3, proj4 })

const vn2000 = (srid: number): Crs => epsg(srid, VN2000_ZONES.find((zone) => zone.srid === srid)!.name, VN2000_PROJ4[srid]!)

export const CRS84: Crs = { uri: CRS84_URI, srid: 4326, title: 'WGS 84 longitude, latitude', axes: 'lon,lat', digits: 7, proj4: '+proj=longlat +datum=WGS84 +no_defs' }

/** In the order that collections list them. */
export const CRSS: readonly Crs[] = [
  CRS84,
  { ...CRS84, uri: epsgUri(4326), title: 'WGS 84 latitude, longitude', axes: 'lat,lon' },
  epsg(3857, 'WGS 84 / Pseudo-Mercator', '+proj=merc +a=6378137 +b=6378137 +lat_ts=0 +lon_0=0 +x_0=0 +y_0=0 +k=1 +units=m +nadgrids=@null +wktext +no_defs'),
  vn2000(5899), vn2000(3405), vn2000(3406),
  epsg(32648, 'WGS 84 / UTM zone 48N', '+proj=utm +zone=48 +datum=WGS84 +units=m +no_defs'),
  epsg(32649, 'WGS 84 / UTM zone 49N', '+proj=utm +zone=49 +datum=WGS84 +units=m +no_defs'),
]

/** Not listed, but served when asked for: the TM-3 zones of the neighbours. */
const OTHERS = VN2000_ZONES.map(({ srid }) => srid).filter((srid) => !CRSS.some((crs) => crs.srid === srid)).map(vn2000)

export function epsgUri(srid: number): string {
  return `http://www.opengis.net/def/crs/EPSG/0/${srid}`
}

/**
 * The CRS that a client names by URI (http or https, any version), CURIE (`[EPSG:5899]`, `EPSG:5899`) or URN;
 * undefined when it is none of ours.
 */
export function findCrs(name: string): Crs | undefined {
  const match = /^(?:https?:\/\/www\.opengis\.net\/def\/crs\/(OGC|EPSG)\/[\d.]+\/|urn:ogc:def:crs:(OGC|EPSG):[\d.]*:|\[?(OGC|EPSG):)(CRS84|\d{4,6})\]?$/.exec(name)
  if (!match) return undefined
  const authority = match[1] ?? match[2] ?? match[3]
  if (authority === 'OGC') return match[4] === 'CRS84' ? CRS84 : undefined
  return crsOfSrid(Number(match[4]))
}

/** The CRS of an EPSG code in its authority's axis order. */
export function crsOfSrid(srid: number): Crs | undefined {
  const uri = epsgUri(srid)
  return [...CRSS, ...OTHERS].find((crs) => crs.uri === uri)
}

/** The same box with its axes swapped: between authority order and x, y order. */
export function flipBox([a, b, c, d]: readonly [number, number, number, number]): [number, number, number, number] {
  return [b, a, d, c]
}
