/** The city from afar in other grids than WebMercatorQuad: its tiles are kept for that one, and laid into others piece by piece. */
import { clip, rounded, type Path, type Shape } from '../../../core/generalise/shape.js'
import { EXTENT, type TileFeature } from '../../../core/mvt/feature.js'
import { boundsOf, mercatorCover, WEB_MERCATOR, type Position, type TileGrid } from '../../../core/tile-grid.js'
import type { Tile } from '../../../core/tile-matrix.js'
import type { Layer } from '../../../layers/layer.js'
import { generalisedFeatures, type GeneralisedTile } from '../../store/generalised.js'
import type { Store } from '../../store/store.js'
import { TILE_MARGIN } from '../../store/tile-revisions.js'
import type { TileRequest } from './mvt.js'

const MARGIN = TILE_MARGIN * EXTENT

/**
 * As generalisedFeatures, in tile units of the request's grid. A feature that reaches over several of the tiles it is taken from
 * comes in as many pieces, which meet without lying over one another.
 */
export async function regriddedFeatures(store: Store, request: TileRequest & { readonly layer: Layer }): Promise<GeneralisedTile> {
  const { grid, tile } = request
  const laid = await Promise.all(mercatorCover(grid, tile, TILE_MARGIN).map(async (source) => {
    const { features, truncated } = await generalisedFeatures(store, { ...request, tile: source })
    const place = placing(source, grid, tile)
    return { truncated, features: features.flatMap((feature) => lay(feature, place)) }
  }))
  return { features: laid.flatMap(({ features }) => features), truncated: laid.some(({ truncated }) => truncated) }
}

type Place = (position: Position) => Position

/** From units of a tile of WebMercatorQuad to those of a grid's tile. */
function placing(source: Tile, grid: TileGrid, tile: Tile): Place {
  const from = boundsOf(WEB_MERCATOR, source)
  const metres = (from[2] - from[0]) / EXTENT
  const to = boundsOf(grid, tile)
  const unit = (to[2] - to[0]) / EXTENT
  return ([x, y]) => {
    const [east, north] = grid.fromLonLat(WEB_MERCATOR.toLonLat([from[0] + x * metres, from[3] - y * metres]))
    return [(east - to[0]) / unit, (to[3] - north) / unit]
  }
}

function lay(feature: TileFeature, place: Place): TileFeature[] {
  const own = feature.kind === 'point' ? feature.parts.filter(([x, y]) => x! >= 0 && y! >= 0 && x! < EXTENT && y! < EXTENT).map((part) => Float64Array.from(part))
    : clip({ kind: feature.kind, parts: feature.parts.map((part) => Float64Array.from(part)) }, 0, EXTENT).parts
  const shape: Shape = { kind: feature.kind, parts: own.map((part) => placed(part, place)) }
  const parts = within(shape).flatMap((part) => rounded(shape.kind, part) ?? [])
  return parts.length === 0 ? [] : [{ ...feature, parts }]
}

function within(shape: Shape): readonly Path[] {
  if (shape.kind !== 'point') return clip(shape, -MARGIN, EXTENT + MARGIN).parts
  return shape.parts.filter(([x, y]) => x! >= -MARGIN && y! >= -MARGIN && x! <= EXTENT + MARGIN && y! <= EXTENT + MARGIN)
}

function placed(part: Path, place: Place): Path {
  const out = new Float64Array(part.length)
  for (let i = 0; i < part.length; i += 2) [out[i], out[i + 1]] = place([part[i]!, part[i + 1]!]) as [number, number]
  return out
}
