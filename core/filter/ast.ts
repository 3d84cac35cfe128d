import type { BBox } from '../bbox.js'

/**
 * The filter AST: what every reader may ask of a layer's rows.
 *
 * It is CQL2's model, so that the full text and JSON grammars parse to it later;
 * `core/filter/cql2-json.ts` reads and writes the JSON encoding today.
 */
export type Filter =
  | { readonly op: 'and' | 'or'; readonly args: readonly Filter[] }
  | { readonly op: 'not'; readonly arg: Filter }
  | { readonly op: '=' | '<>' | '<' | '>' | '<=' | '>='; readonly left: Scalar; readonly right: Scalar }
  | { readonly op: 'like'; readonly left: Scalar; readonly pattern: string }
  | { readonly op: 'between'; readonly left: Scalar; readonly low: Scalar; readonly high: Scalar }
  | { readonly op: 'in'; readonly left: Scalar; readonly values: readonly Scalar[] }
  | { readonly op: 'isNull'; readonly arg: Scalar }
  | { readonly op: 's_intersects'; readonly property: string; readonly geometry: GeometryLiteral }

export type Scalar =
  | { readonly property: string }
  | { readonly literal: string | number | boolean }
  | { readonly date: string }
  | { readonly timestamp: string }
  /** `casei` / `accenti` fold case and Vietnamese diacritics (đ → d) before comparing. */
  | { readonly fold: 'casei' | 'accenti'; readonly arg: Scalar }

/** CRS84 coordinates. */
export type GeometryLiteral = { readonly bbox: BBox } | { readonly geojson: GeoJsonGeometry }

export interface GeoJsonGeometry { readonly type: string; readonly coordinates?: unknown; readonly geometries?: readonly GeoJsonGeometry[] }
