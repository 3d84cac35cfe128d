/**
 * What an export is: layers of a snapshot of the city, asked for through the one door, on their way into a file.
 *
 *   request ─▶ plan (what of which layer) ─▶ rows (a cursor in the database) ─▶ format (chunks of a file) ─▶ socket, file or zip
 */
import type { City } from '../../core/city.js'
import type { GeoJsonGeometry } from '../../core/filter/ast.js'
import type { Column, Layer } from '../../layers/layer.js'
import type { ItemsPage } from '../ogc/features/formats.js'
import type { ItemsQuery } from '../ogc/features/query.js'

/** One layer as asked for, with the columns that the reader may see. */
export interface LayerPlan {
  readonly layer: Layer
  readonly query: ItemsQuery
  readonly columns: readonly Column[]
  /** EPSG code of the coordinates in the file; always x, y (longitude, latitude), whatever the authority's axis order is. */
  readonly srid: number
  /** Where not all that the query finds is wanted: a window of its order. */
  readonly page?: Pick<ItemsPage, 'window' | 'limit'>
  /** Geometry is cut at the edge of this area; what stands up from its footprint stays whole. */
  readonly cutAt?: GeoJsonGeometry
}

/** How rows bring their geometry: as bytes, or as text that PostGIS has written. */
export type GeometryEncoding = 'wkb' | 'envelope' | 'wkt' | 'lonlat' | 'geojson' | 'kml'

export interface ExportRow {
  readonly id: number
  /** ISO WKB as bytes, or the text asked for; null where the row has none. For `geojson` the whole feature. */
  readonly geometry: Buffer | string | null
  /** Where asked for with `solids`: faces as WKB, ground level and height above it in metres. */
  readonly solid: Buffer | null
  readonly groundZ: number | null
  readonly height: number | null
  /** By column, in the plan's order: text, number, boolean; dates, times (RFC 3339, UTC) and JSON as text. */
  readonly values: readonly (string | number | boolean | null)[]
}

export interface RowOptions {
  readonly geometry: GeometryEncoding
  readonly solids?: boolean
  /** Near things stand together: for formats with an index. Otherwise rows come in the order of their ids. */
  readonly clustered?: boolean
}

/** The snapshot that a format writes. */
export interface ExportSource {
  readonly plans: readonly LayerPlan[]
  readonly city: City
  readonly options: FormatOptions
  /** Batches of a few megabytes at most. */
  rows(plan: LayerPlan, options: RowOptions): AsyncIterable<readonly ExportRow[]>
  /** Definition of a CRS as WKT 1. */
  wkt(srid: number): Promise<string>
}

/** What some formats let people choose. */
export interface FormatOptions {
  /** CSV: how the geometry is told; default `wkt`. */
  readonly geometry?: 'wkt' | 'lonlat' | 'none'
  /** CSV: a byte order mark, by which Excel knows UTF-8. */
  readonly bom?: boolean
  /** GML: address of the schema of the layer's features. */
  readonly schema?: string
}

export interface ExportFormat {
  readonly id: FormatId
  readonly title: string
  readonly mediaType: string
  /** With the dot. */
  readonly extension: string
  /** Several layers stand in one file; otherwise each gets a file of its own in a zip. */
  readonly severalLayers: boolean
  /** Longitude and latitude only. */
  readonly onlyCrs84?: boolean
  /** The city's own CRS, where no other is asked for. */
  readonly inMetres?: boolean
  /** What of this layer the format cannot hold, one thing a sentence without its full stop; ASCII. */
  losses(plan: LayerPlan): readonly string[]
  /** The file in chunks, made as they are taken. */
  write(source: ExportSource): AsyncIterable<Uint8Array | string>
}

export const FORMAT_IDS = ['geojson', 'geojsonseq', 'gpkg', 'flatgeobuf', 'geoparquet', 'csv', 'cityjson', 'cityjsonseq', 'kml', 'kmz', 'gml', 'dxf'] as const
export type FormatId = (typeof FORMAT_IDS)[number]

/** Solids and what stands for them in formats that know outlines only. */
export function solidLoss({ layer }: LayerPlan): readonly string[] {
  return layer.threeD?.form === 'extrude' ? ['solids become their footprint with ground_z and height'] : []
}

/** Has the layer a column of this type among those exported? */
export const hasType = ({ columns }: LayerPlan, ...types: readonly Column['type'][]) => columns.some(({ type }) => types.includes(type))

/** Whether `cutAt` changes the geometry of a layer at all. */
export const isCut = ({ geometry, threeD }: Layer) => (geometry === 'line' || geometry === 'polygon') && threeD?.form !== 'extrude'
