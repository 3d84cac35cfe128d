/**
 * The coordinate reference systems that the city is served in: addresses, axis order, digits, proj4 definitions.
 *
 * VN-2000 → WGS 84 is pinned to EPSG:6960 ("VN-2000 to WGS 84 (2)"), written here as proj4 wants it
 * (position vector, so the rotations have the opposite sign of EPSG's coordinate frame). The older EPSG:5194
 * differs by 0.73 m at Đà Nẵng, and no shift at all is 225 m wrong.
 */
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

const VN2000 = '+ellps=WGS84 +towgs84=-191.90441429,-39.30318279,-111.45032835,0.00928836,-0.01975479,0.00427372,0.252906278'

export const CRS84_URI = 'http://www.opengis.net/def/crs/OGC/1.3/CRS84'

const epsg = (srid: number, title: string, proj4: string): Crs =>
  ({ uri: epsgUri(srid), srid, title, axes: 'east,north', digits: 3, proj4: `${proj4} +units=m +no_defs` })

export const CRS84: Crs = { uri: CRS84_URI, srid: 4326, title: 'WGS 84 longitude, latitude', axes: 'lon,lat', digits: 7, proj4: '+proj=longlat +datum=WGS84 +no_defs' }

export const CRSS: readonly Crs[] = [
  CRS84,
  { ...CRS84, uri: epsgUri(4326), title: 'WGS 84 latitude, longitude', axes: 'lat,lon' },
  epsg(3857, 'WGS 84 / Pseudo-Mercator', '+proj=merc +a=6378137 +b=6378137 +lat_ts=0 +lon_0=0 +x_0=0 +y_0=0 +k=1 +nadgrids=@null +wktext'),
  epsg(5899, 'VN-2000 / TM-3 107-45', `+proj=tmerc +lat_0=0 +lon_0=107.75 +k=0.9999 +x_0=500000 +y_0=0 ${VN2000}`),
  epsg(3405, 'VN-2000 / UTM zone 48N', `+proj=utm +zone=48 ${VN2000}`),
  epsg(3406, 'VN-2000 / UTM zone 49N', `+proj=utm +zone=49 ${VN2000}`),
  epsg(32648, 'WGS 84 / UTM zone 48N', '+proj=utm +zone=48 +datum=WGS84'),
  epsg(32649, 'WGS 84 / UTM zone 49N', '+proj=utm +zone=49 +datum=WGS84'),
]

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
  return CRSS.find((crs) => crs.uri === epsgUri(Number(match[4])))
}

/** The same box with its axes swapped: between authority order and x, y order. */
export function flipBox([a, b, c, d]: readonly [number, number, number, number]): [number, number, number, number] {
  return [b, a, d, c]
}
