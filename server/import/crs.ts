import { VN2000_ZONES } from '../../core/vn2000.js'
import { badParameter } from '../errors.js'

/**
 * EPSG code of a CRS as files and people write it: `EPSG:5899`, `5899`, `urn:ogc:def:crs:EPSG::5899`,
 * `http://www.opengis.net/def/crs/EPSG/0/5899`, `CRS84`. Null where it is something else.
 */
export function parseCrs(text: string): number | null {
  const trimmed = text.trim()
  if (/(^|[:/])CRS:?84h?$/i.test(trimmed)) return 4326
  const match = /^(?:urn:(?:x-)?ogc:def:crs(?:,crs)?:EPSG:[\d.]*:|https?:\/\/www\.opengis\.net\/def\/crs\/EPSG\/[\d.]+\/|EPSG:+)?(\d{4,6})$/i.exec(trimmed)
  return match ? Number(match[1]) : null
}

/** `--crs` and `crs=` of a user. */
export function userCrs(text: string): number {
  const srid = parseCrs(text)
  if (srid === null) throw badParameter('crs', `“${text}” is no CRS: write it as EPSG:n, for example EPSG:5899.`)
  return srid
}

/**
 * EPSG code in a .prj's WKT 1 or 2: its outermost authority, else by what the file says of its projection.
 * ESRI's .prj has no authority; names below are how ArcGIS spells the systems met in Vietnamese offices.
 */
export function sridOfWkt(wkt: string): number | null {
  const codes = [...wkt.matchAll(/(?:AUTHORITY|ID)\s*\[\s*"EPSG"\s*,\s*"?(\d+)"?\s*\]/gi)]
  const last = codes.at(-1)
  // Only the outermost authority names the whole system: nothing but its one closing bracket may follow; more are a unit's or a datum's.
  if (last && /^\s*[\])]\s*$/.test(wkt.slice(last.index + last[0].length))) return Number(last[1])
  const name = /^\s*(?:PROJCS|GEOGCS|PROJCRS|GEOGCRS|GEODCRS|COMPD_CS)\s*\[\s*"([^"]+)"/i.exec(wkt)?.[1]
  if (!name) return null
  const utm = /WGS_?\s?(?:19)?84_?\s?\/?_?\s?UTM_Zone_?\s?(\d{1,2})\s?_?([NS])/i.exec(name.replaceAll(' ', '_'))
  if (utm) return (utm[2]!.toUpperCase() === 'N' ? 32600 : 32700) + Number(utm[1])
  const key = name.toLowerCase().replace(/[^a-z0-9]/g, '')
  if (ESRI_NAMES[key]) return ESRI_NAMES[key]
  if (/vn[ _-]?2000/i.test(name)) return vn2000ByMeridian(wkt)
  return null
}

const ESRI_NAMES: Readonly<Record<string, number>> = {
  gcswgs1984: 4326, wgs84: 4326, wgs1984: 4326, wgs1984webmercatorauxiliarysphere: 3857, wgs84pseudomercator: 3857,
  gcsvn2000: 4756, vn2000: 4756, vn2000utmzone48n: 3405, vn2000utmzone49n: 3406, vn2000utm48n: 3405, vn2000utm49n: 3406,
  rgf1993cc46: 3946, rgf93cc46: 3946, amersfoortrdnew: 28992, rdnew: 28992, britishnationalgrid: 27700,
  gcsnorthamerican1983: 4269, nad1983: 4269, etrs1989utmzone32n: 25832, etrs1989utmzone33n: 25833,
}

function vn2000ByMeridian(wkt: string): number | null {
  const meridian = /"(?:central_meridian|longitude of natural origin)"\s*,\s*([\d.]+)/i.exec(wkt)?.[1]
  const scale = Number(/"(?:scale_factor|scale factor at natural origin)"\s*,\s*([\d.]+)/i.exec(wkt)?.[1])
  return VN2000_ZONES.find(zone => zone.centralMeridian === Number(meridian) && zone.scale === scale)?.srid ?? null
}
