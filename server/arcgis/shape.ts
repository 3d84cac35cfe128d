/** Geometries as Esri has them: JSON with rings and paths, or whole numbers on a grid, each told by its distance from the one before. */
import type { GeoJsonGeometry } from '../../core/filter/ast.js'
import { fromWkb } from '../../core/geometry/wkb.js'
import { badParameter } from '../errors.js'
import type { EsriGeometryType } from './esri-layer.js'

type Position = readonly number[]
/** Points: one part with one position. Multipoints: one part. Lines and areas: a part a path or ring, rings closed, outlines clockwise. */
export type Parts = readonly (readonly Position[])[]

/** The parts of a WKB geometry; none where it is empty. */
export function partsOf(wkb: Uint8Array): Parts {
  const { type, coordinates } = fromWkb(wkb) as GeoJsonGeometry & { coordinates: never }
  switch (type) {
    case 'Point': return (coordinates as Position).length ? [[coordinates]] : []
    case 'MultiPoint': case 'LineString': return (coordinates as unknown[]).length ? [coordinates] : []
    case 'MultiLineString': case 'Polygon': return coordinates
    case 'MultiPolygon': return (coordinates as Parts[]).flat()
    default: return []
  }
}

/** Parts as Esri JSON in one CRS, which the answer names once. `digits`: decimals that are worth writing. */
export function esriJson(type: EsriGeometryType, parts: Parts, digits: number): unknown {
  const factor = 10 ** digits
  const round = (value: number) => Math.round(value * factor) / factor
  const rounded = parts.map(part => part.map(([x, y]) => [round(x!), round(y!)]))
  if (type !== 'esriGeometryPoint') return inMembers(type, rounded)
  const [x, y] = rounded[0]?.[0] ?? []
  return x === undefined ? null : { x, y }
}

function inMembers(type: EsriGeometryType, parts: Parts) {
  if (type === 'esriGeometryPolyline') return { paths: parts }
  return type === 'esriGeometryPolygon' ? { rings: parts } : { points: parts[0] ?? [] }
}

/** A grid of whole numbers: `x = translate[0] + column × scale`; rows count downwards from an upper left origin, upwards from a lower left one. */
export interface Grid {
  readonly originPosition: 'upperLeft' | 'lowerLeft'
  readonly scale: number
  readonly translate: readonly [x: number, y: number]
  /** Vertices that fall on the one before are left out, and rings that so become nothing: for drawing, not for editing. */
  readonly thin: boolean
}

export const gridJson = ({ originPosition, scale, translate }: Grid) => ({ originPosition, scale: [scale, scale, 0, 0], translate: [...translate, 0, 0] })

/** Parts on the grid, as absolute cells. */
export function onGrid({ originPosition, scale, translate: [x0, y0], thin }: Grid, type: EsriGeometryType, parts: Parts): Parts {
  const up = originPosition === 'lowerLeft' ? 1 : -1
  const cells = parts.map(part => part.map(([x, y]) => [Math.round((x! - x0) / scale), Math.round(up * (y! - y0) / scale)]))
  if (!thin || type === 'esriGeometryPoint' || type === 'esriGeometryMultipoint') return cells
  const least = type === 'esriGeometryPolygon' ? 4 : 2
  return cells.map(thinned).filter(part => part.length >= least)
}

const thinned = (part: readonly Position[]) => part.filter(([x, y], i) => i === 0 || x !== part[i - 1]![0] || y !== part[i - 1]![1])

/** Each position from the one before, within its part. */
export function gridEsriJson(type: EsriGeometryType, cells: Parts): unknown {
  if (type === 'esriGeometryPoint') return cells[0]?.[0] ? { x: cells[0][0][0], y: cells[0][0][1] } : null
  return inMembers(type, cells.map(part => part.map(([x, y], i) => i === 0 ? [x!, y!] : [x! - part[i - 1]![0]!, y! - part[i - 1]![1]!])))
}

/** What `quantizationParameters` ask for. Throws a 400 Problem. */
export function gridOf(given: unknown): Grid {
  const { extent, tolerance = 1, originPosition = 'upperLeft', mode = 'view' } = (given ?? {}) as { extent?: Readonly<Record<string, unknown>>; tolerance?: unknown; originPosition?: unknown; mode?: unknown }
  const [xmin, ymin, ymax] = [extent?.xmin, extent?.ymin, extent?.ymax].map(Number) as [number, number, number]
  if (typeof tolerance !== 'number' || !(tolerance > 0) || ![xmin, ymin, ymax].every(Number.isFinite) || (originPosition !== 'upperLeft' && originPosition !== 'lowerLeft'))
    throw badParameter('quantizationParameters', 'quantizationParameters are {"mode":"view","originPosition":"upperLeft","tolerance":number above 0,"extent":{"xmin","ymin","xmax","ymax","spatialReference"}}.')
  return { originPosition, scale: tolerance, translate: [xmin, originPosition === 'upperLeft' ? ymax : ymin], thin: mode !== 'edit' }
}
