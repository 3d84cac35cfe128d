import type { DraftAppearance } from './appearance.js'
import type { GeoJsonGeometry } from './filter/ast.js'

/**
 * One thing read from a file or made by a generator, on its way into the store:
 * file → reader → Feature → checks → staging → layer table.
 */
export interface Feature {
  /** Coordinates in the source's CRS, which travels beside the stream (`srid`), Z optional. */
  readonly geometry: GeoJsonGeometry | null
  readonly properties: Readonly<Record<string, unknown>>
  /** Identity in the source, kept as `source_id`. */
  readonly sourceId?: string
  /** Faces of a closed or open surface: per face its rings of [x, y, z], same CRS; heights orthometric metres. */
  readonly solid?: readonly (readonly (readonly (readonly number[])[])[])[]
  /** What the faces of the solid look like; kept where the feature has a source id. */
  readonly appearance?: DraftAppearance
  /** Ground level under a 3D feature and its height above it, metres. */
  readonly groundZ?: number
  readonly height?: number
  /** Row number in the source, for the rejects file. */
  readonly row?: number
  /** Why the reader could make no geometry of this row: it is rejected with this reason. */
  readonly fault?: string
}

/** Features of one layer with their CRS; `source` names where they come from. */
export interface FeatureStream {
  readonly layer: string
  readonly srid: number
  readonly source: string
  readonly features: AsyncIterable<Feature>
}
