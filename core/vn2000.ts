/**
 * VN-2000 (EPSG:4756) with one pinned way to WGS 84: EPSG:6960 “VN-2000 to WGS 84 (2)”, the official parameters.
 * Left to itself PROJ may take EPSG:5194 instead, 0.73 m apart at Đà Nẵng; without any shift positions are 225 m wrong.
 *
 * EPSG gives 6960 as a coordinate frame rotation (method 9607: rX −0.00928836″, rY 0.01975479″, rZ −0.00427372″).
 * PROJ's `+towgs84` is a position vector transformation, so the three rotations change sign here.
 */
export const VN2000_TO_WGS84 = '-191.90441429,-39.30318279,-111.45032835,0.00928836,-0.01975479,0.00427372,0.252906278'

export interface Vn2000Zone {
  readonly srid: number
  readonly name: string
  /** Degrees east. */
  readonly centralMeridian: number
  /** Scale on the central meridian: 0.9999 for TM-3, 0.9996 for UTM. */
  readonly scale: number
}

const tm3 = (srid: number, name: string, centralMeridian: number): Vn2000Zone =>
  ({ srid, name: `VN-2000 / TM-3 ${name}`, centralMeridian, scale: 0.9999 })

/** Every VN-2000 projection in metres with easting, northing order; false easting 500 km, latitude of origin 0°. */
export const VN2000_ZONES: readonly Vn2000Zone[] = [
  { srid: 3405, name: 'VN-2000 / UTM zone 48N', centralMeridian: 105, scale: 0.9996 },
  { srid: 3406, name: 'VN-2000 / UTM zone 49N', centralMeridian: 111, scale: 0.9996 },
  tm3(5896, 'zone 481', 102), tm3(5897, 'zone 482', 105), tm3(5898, 'zone 491', 108), tm3(5899, '107-45', 107.75),
  tm3(9205, '103-00', 103), tm3(9206, '104-00', 104), tm3(9207, '104-30', 104.5), tm3(9208, '104-45', 104.75),
  tm3(9209, '105-30', 105.5), tm3(9210, '105-45', 105.75), tm3(9211, '106-00', 106), tm3(9212, '106-15', 106.25),
  tm3(9213, '106-30', 106.5), tm3(9214, '107-00', 107), tm3(9215, '107-15', 107.25), tm3(9216, '107-30', 107.5),
  tm3(9217, '108-15', 108.25), tm3(9218, '108-30', 108.5),
]

/** proj4 definition of geographic VN-2000. */
export const VN2000_GEOGRAPHIC = `+proj=longlat +ellps=WGS84 +towgs84=${VN2000_TO_WGS84} +no_defs`

/** proj4 definition of a zone, for proj4js and for PostGIS. */
export function vn2000Proj4({ centralMeridian, scale }: Vn2000Zone): string {
  return `+proj=tmerc +lat_0=0 +lon_0=${centralMeridian} +k=${scale} +x_0=500000 +y_0=0 +ellps=WGS84 +towgs84=${VN2000_TO_WGS84} +units=m +no_defs`
}

/** EPSG code → proj4 definition of every VN-2000 CRS. */
export const VN2000_PROJ4: Readonly<Record<number, string>> = Object.fromEntries(
  [[4756, VN2000_GEOGRAPHIC], ...VN2000_ZONES.map(zone => [zone.srid, vn2000Proj4(zone)])])

/** WKT 1 of a zone with its pinned shift, for files that tell their CRS in words; undefined for what is no zone. */
export function vn2000Wkt(srid: number): string | undefined {
  const zone = VN2000_ZONES.find(each => each.srid === srid)
  if (!zone) return undefined
  const authority = (code: number) => `AUTHORITY["EPSG","${code}"]`
  const geographic = `GEOGCS["VN-2000",DATUM["Vietnam_2000",SPHEROID["WGS 84",6378137,298.257223563,${authority(7030)}],TOWGS84[${VN2000_TO_WGS84}],${authority(6756)}],PRIMEM["Greenwich",0,${authority(8901)}],UNIT["degree",0.0174532925199433,${authority(9122)}],${authority(4756)}]`
  const parameters = Object.entries({ latitude_of_origin: 0, central_meridian: zone.centralMeridian, scale_factor: zone.scale, false_easting: 500_000, false_northing: 0 })
  return `PROJCS["${zone.name}",${geographic},PROJECTION["Transverse_Mercator"],${parameters.map(([name, value]) => `PARAMETER["${name}",${value}]`).join(',')},UNIT["metre",1,${authority(9001)}],${authority(srid)}]`
}
