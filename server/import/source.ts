import type { Feature } from '../../core/feature.js'

/** A file as its reader sees it: layers with features, in the file's own CRS. */
export interface SourceFile {
  readonly format: Format
  readonly layers: readonly SourceLayer[]
  /** Closes handles and removes what was unpacked. */
  close(): Promise<void>
}

export interface SourceLayer {
  readonly name: string
  /** EPSG code of the coordinates; null where the file does not say. */
  readonly srid: number | null
  /** Number of features where it is known beforehand. */
  readonly count?: number
  /** Each call reads from the start. */
  features(): AsyncIterable<Feature>
}

export type Format = 'geojson' | 'geojsonseq' | 'gpkg' | 'shapefile' | 'osm-xml' | 'osm-pbf' | 'cityjson'
  | 'csv' | 'xlsx' | 'kml' | 'gml' | 'citygml' | 'dxf' | 'spatialite' | 'gdal'
  | 'flatgeobuf' | 'geoparquet' | 'epanet' | 'swmm'
export type TerrainFormat = 'geotiff' | 'hgt' | 'asc' | 'las'
