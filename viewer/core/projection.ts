/** Projected coordinates for people and grids: the CRSs that the product knows, through proj4 with the pinned datum shift. */
import { CRSS } from '../../core/crs.js'
import { VN2000_PROJ4 } from '../../core/vn2000.js'

export interface Projection {
  readonly srid: number
  readonly name: string
  /** CRS84 → easting, northing. */
  forward(lonLat: readonly [number, number]): [number, number]
  inverse(eastNorth: readonly [number, number]): [number, number]
}

/** Loads proj4 only when somebody asks; `null` for a CRS that the product does not know. */
export async function loadProjection(srid: number): Promise<Projection | null> {
  const known = CRSS.find((crs) => crs.srid === srid)
  const definition = VN2000_PROJ4[srid] ?? known?.proj4 ?? utm(srid)
  if (!definition) return null
  const { default: proj4 } = await import('proj4')
  const converter = proj4('+proj=longlat +datum=WGS84 +no_defs', definition)
  return {
    srid,
    name: known?.title ?? (/^32[67]/.test(String(srid)) ? `WGS 84 / UTM ${srid % 100}${srid >= 32700 ? 'S' : 'N'}` : `EPSG:${srid}`),
    forward: (p) => converter.forward([p[0], p[1]]) as [number, number],
    inverse: (p) => converter.inverse([p[0], p[1]]) as [number, number],
  }
}

/** WGS 84 / UTM has a rule instead of a list. */
function utm(srid: number): string | undefined {
  const zone = srid % 100
  const hemisphere = Math.floor(srid / 100)
  if ((hemisphere !== 326 && hemisphere !== 327) || zone < 1 || zone > 60) return undefined
  return `+proj=utm +zone=${zone}${hemisphere === 327 ? ' +south' : ''} +datum=WGS84 +units=m +no_defs`
}
