import type { Feature } from '../../core/feature.js'

/** A file as its reader sees it: layers with features, in the file's own CRS. */
export interface SourceFile {
  readonly format: Format
  readonly layers: readonly SourceLayer[]
  /** What people should know about how it was read: what the format lost, what was left out. */
  readonly notes?: () => readonly string[]
  /** Closes handles and removes what was unpacked. */
  close(): Promise<void>
}

export interface SourceLayer {
  readonly name: string
  /** EPSG code of the coordinates; null where the file does not say. */
  readonly srid: number | null
  /** Number of features where it is known beforehand. */
  readonly count?: number
  /** Its bytes say of no encoding and are not UTF-8: texts are as windows-1252 shows them. */
  readonly undeclared?: true
  /** How its texts are encoded, where that was looked at. */
  readonly texts?: EncodingReport
  /** Each call reads from the start. Where the encoding of its texts is in doubt, it throws the question. */
  features(): AsyncIterable<Feature>
  /** The same with its texts as they are, where `features` would ask. */
  asTheyAre?(): AsyncIterable<Feature>
}

/** What was found out about the encoding of a layer's texts. */
export interface EncodingReport {
  /** `unicode`: they are as they should be. */
  readonly encoding: string
  readonly by: 'user' | 'content'
  /** 0–1, where it was recognised. */
  readonly confidence?: number
  /** False where it was too uncertain: the texts were left as they are. */
  readonly applied?: false
  readonly samples: readonly { readonly before: string; readonly after: string }[]
}

export type Format = 'geojson' | 'geojsonseq' | 'gpkg' | 'shapefile' | 'osm-xml' | 'osm-pbf' | 'cityjson'
  | 'csv' | 'xlsx' | 'kml' | 'gml' | 'citygml' | 'dxf' | 'spatialite' | 'gdal'
  | 'flatgeobuf' | 'geoparquet' | 'epanet' | 'swmm'
export type TerrainFormat = 'geotiff' | 'hgt' | 'asc' | 'las'
