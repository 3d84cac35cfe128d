/** What the scene and the tile workers say to each other. */
import type { Style } from '../../layers/layer.js'
import type { BBox } from '../../core/bbox.js'
import type { Tile } from '../../core/tile-matrix.js'
import type { FrameOrigin } from '../core/frame.js'
import type { SourceSpec } from '../core/source.js'
import type { Change } from './change.js'

/** What a worker needs to know of a layer to draw it. */
export interface PaintLayer {
  readonly id: string
  readonly geometry: 'point' | 'line' | 'polygon' | 'any'
  readonly style: Style
  readonly zoom: { readonly min: number; readonly max: number }
  /** Changes where all of the layer's tiles became stale at once; single places are told by `forget`. */
  readonly revision: number
  /** Where it has features, CRS84; nothing is asked outside. */
  readonly bbox?: BBox | null | undefined
}

export interface TerrainRange { readonly minzoom: number; readonly maxzoom: number }

export interface Settings {
  readonly source: SourceSpec
  readonly origin: FrameOrigin
  readonly terrain: TerrainRange | null
  /** All layers, in drawing order; `shown` says which of them. */
  readonly layers: readonly PaintLayer[]
  readonly textureSize: number
  /** Quads along a tile's side at most. */
  readonly segments: number
  /** No layer names the sea: ground at exactly 0 is taken for it. */
  readonly seaIsFlat: boolean
}

export type WorkerRequest =
  | { readonly kind: 'settings'; readonly settings: Settings }
  | { readonly kind: 'tile'; readonly job: number; readonly tile: Tile; readonly shown: readonly string[]; readonly mesh: boolean }
  | { readonly kind: 'pick'; readonly job: number; readonly lon: number; readonly lat: number; readonly tile: Tile; readonly shown: readonly string[]; readonly toleranceM: number }
  | { readonly kind: 'cancel'; readonly job: number }
  | { readonly kind: 'forget'; readonly changes: readonly Change[] }

export interface TileMesh {
  /** Local metres of the mesh's own origin. */
  readonly center: readonly [number, number, number]
  /** Quads along a side; vertices are row-major, north first, then the skirt. */
  readonly segments: number
  /** xyz relative to `center`. */
  readonly positions: Float32Array
  readonly normals: Float32Array
  readonly uvs: Float32Array
  readonly index: Uint16Array
  readonly minZ: number
  readonly maxZ: number
}

export interface PointSet {
  readonly layer: string
  /** xyz local metres relative to the tile mesh's `center`. */
  readonly positions: Float32Array
  readonly ids: Float64Array
  /** rgb 0…1 by the layer's style. */
  readonly colours: Float32Array
  /** Metres, where the tile carries them; else 0. */
  readonly heights: Float32Array
}

export interface TileResult {
  readonly mesh: TileMesh | null
  /** RGBA, row 0 in the south, not premultiplied; alpha 255 is land, 230 a deck over water, 128 is water. */
  readonly texture: Uint8Array
  readonly points: readonly PointSet[]
}

export interface PickedFeature {
  readonly layer: string
  readonly id: number
  readonly properties: Readonly<Record<string, unknown>>
  /** Rings or lines in CRS84, to draw the selection. */
  readonly outline: readonly (readonly (readonly [number, number])[])[]
  readonly type: 'point' | 'line' | 'polygon'
}

export type WorkerReply =
  | { readonly job: number; readonly ok: true; readonly tile: TileResult }
  | { readonly job: number; readonly ok: true; readonly picked: readonly PickedFeature[] }
  | { readonly job: number; readonly ok: false; readonly error: string }
