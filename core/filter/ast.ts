import type { BBox } from '../bbox.js'

/**
 * The filter AST: what every reader may ask of a layer's rows. It is the whole of CQL2's model (OGC 21-065r2); cql2-text.ts and
 * cql2-json.ts read the two encodings into it, build.ts sees to it that operands are of the sort that an operator takes.
 */
export type Filter =
  | { readonly op: 'and' | 'or'; readonly args: readonly Filter[] }
  | { readonly op: 'not'; readonly arg: Filter }
  | { readonly op: Comparison; readonly left: Scalar; readonly right: Scalar }
  /** `folds`: what the pattern itself is folded with, outermost first. */
  | { readonly op: 'like'; readonly left: Scalar; readonly pattern: string; readonly folds?: readonly Fold[] }
  | { readonly op: 'between'; readonly left: Scalar; readonly low: Scalar; readonly high: Scalar }
  | { readonly op: 'in'; readonly left: Scalar; readonly values: readonly Scalar[] }
  | { readonly op: 'isNull'; readonly arg: Operand }
  | { readonly op: SpatialOp; readonly left: Geometry; readonly right: Geometry }
  | { readonly op: TemporalOp; readonly left: Temporal; readonly right: Temporal }
  | { readonly op: ArrayOp; readonly left: ArrayValue; readonly right: ArrayValue }
  | { readonly op: 'literal'; readonly value: boolean }
  /** A function that answers true or false. */
  | { readonly op: 'call'; readonly call: Call }

export const COMPARISONS = ['=', '<>', '<', '>', '<=', '>='] as const
export type Comparison = (typeof COMPARISONS)[number]

export const SPATIAL_OPS = ['s_intersects', 's_equals', 's_disjoint', 's_touches', 's_within', 's_overlaps', 's_crosses', 's_contains'] as const
export type SpatialOp = (typeof SPATIAL_OPS)[number]

/** Those of instants and intervals, then those of intervals alone. */
export const INSTANT_OPS = ['t_after', 't_before', 't_disjoint', 't_equals', 't_intersects'] as const
export const INTERVAL_OPS = ['t_contains', 't_during', 't_finishedBy', 't_finishes', 't_meets', 't_metBy', 't_overlappedBy', 't_overlaps', 't_startedBy', 't_starts'] as const
export type TemporalOp = (typeof INSTANT_OPS)[number] | (typeof INTERVAL_OPS)[number]

export const ARRAY_OPS = ['a_equals', 'a_contains', 'a_containedBy', 'a_overlaps'] as const
export type ArrayOp = (typeof ARRAY_OPS)[number]

export const ARITHMETIC = ['+', '-', '*', '/', '%', 'div', '^'] as const
export type Arithmetic = (typeof ARITHMETIC)[number]

/** `casei` folds case, `accenti` diacritics (Vietnamese ones too: đ → d). */
export const FOLDS = ['casei', 'accenti'] as const
export type Fold = (typeof FOLDS)[number]

export type Property = { readonly property: string }
/** A function of the server's, by its name; see functions.ts. */
export type Call = { readonly call: string; readonly args: readonly Operand[] }
export type Instant = { readonly date: string } | { readonly timestamp: string }

export type Scalar =
  | Property
  | { readonly literal: string | number | boolean }
  | Instant
  | { readonly fold: Fold; readonly arg: Scalar }
  | { readonly arithmetic: Arithmetic; readonly left: Scalar; readonly right: Scalar }
  | Call

/** CRS84 coordinates, once the reader of a request has seen to `filter-crs`. */
export type GeometryLiteral = { readonly bbox: BBox } | { readonly geojson: GeoJsonGeometry }
export type Geometry = Property | Call | GeometryLiteral

/** `'..'` is an open end. */
export type IntervalEnd = Property | Call | Instant | '..'
export type Temporal = Property | Call | Instant | { readonly interval: readonly [start: IntervalEnd, end: IntervalEnd] }

export type ArrayValue = Property | Call | { readonly array: readonly Operand[] }

export type Operand = Scalar | Geometry | Temporal | ArrayValue | { readonly filter: Filter }

export interface GeoJsonGeometry { readonly type: string; readonly coordinates?: unknown; readonly geometries?: readonly GeoJsonGeometry[] }
