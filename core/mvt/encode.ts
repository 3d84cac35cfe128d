import { EXTENT, type TileFeature } from './feature.js'
import { LayerWriter, utf8 } from './layer-writer.js'
import { ProtoWriter } from './proto-writer.js'

export interface TileLayer {
  readonly name: string
  /** Default 4096. */
  readonly extent?: number
  readonly features: Iterable<TileFeature>
}

/**
 * A Mapbox Vector Tile 2.1; layers without features are left out, so that an empty tile has no bytes. Ids are exact to 2^53 − 1,
 * whole numbers travel as integers. Lines of fewer than two positions and rings of fewer than three are left out;
 * rings are written as they are wound (see TileFeature).
 */
export function encodeMvt(layers: Iterable<TileLayer>): Uint8Array {
  const tile = new ProtoWriter(1 << 14)
  for (const { name, extent = EXTENT, features } of layers) {
    const writer = LayerWriter.take(name, extent)
    for (const feature of features) writeFeature(writer, feature)
    writer.writeTo(tile)
    writer.release()
  }
  return tile.written()
}

const LEAST_POSITIONS = { line: 2, polygon: 3 } as const

export function writeFeature(writer: LayerWriter, { id, kind, parts, properties }: TileFeature): void {
  writer.begin(id)
  for (const name in properties) {
    const value = properties[name]
    if (typeof value === 'string') writer.text(writer.key(name), utf8(value))
    else if (typeof value === 'number') writer.number(writer.key(name), value)
    else if (typeof value === 'boolean') writer.boolean(writer.key(name), value)
  }
  for (const xy of parts) {
    const count = xy.length >> 1
    if (kind === 'point') for (let i = 0; i < count; i++) writer.point(xy[2 * i]!, xy[2 * i + 1]!)
    else if (count >= LEAST_POSITIONS[kind]) writer.path(xy, count, kind === 'polygon')
  }
  writer.end(kind)
}
