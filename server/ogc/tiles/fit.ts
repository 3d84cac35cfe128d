/** Keeps tiles small enough for a phone: of layers with too many features the most important ones stay. */
import type { LayerWriter } from '../../../core/mvt/layer-writer.js'
import { ProtoWriter } from '../../../core/mvt/proto-writer.js'
import { compressTile } from './compress.js'

/** Some layers of a tile, and how to draw them once more. */
export interface Drawing {
  readonly writers: readonly LayerWriter[]
  /** With only some of their features, by their numbers as they were drawn first; undefined: all of them. */
  redraw(kept: readonly (Uint32Array | undefined)[]): readonly LayerWriter[]
  /** Layers of which there is more than was drawn. */
  readonly truncated: readonly string[]
  /** Its buffers are used again; it is not. */
  release(): void
}

export interface FittedTile {
  readonly mvt: Uint8Array
  /** Layers of which there is more than is in the tile. */
  readonly truncated: ReadonlySet<string>
}

/** Features of a layer in a tile at most: more than a screen can tell apart. */
export const CAP = 20_000
/** Bytes of a tile at most, as it travels. */
export const MOST_GZIPPED = 500_000

/** What is left out may have been what compressed well. */
const CAREFUL = 0.95

/** The layers in the order of `names`. A single feature of a layer is left in whatever it weighs. */
export async function fit(drawings: readonly Drawing[], names: readonly string[]): Promise<FittedTile> {
  const whole = drawings.flatMap(({ writers }) => writers)
  const truncated = new Set(drawings.flatMap((drawing) => drawing.truncated))
  let counts = whole.map(({ features }) => Math.min(features, CAP))
  for (;;) {
    const writers = drawn(drawings, counts)
    const mvt = assemble(writers, names)
    const weight = mvt.length <= MOST_GZIPPED ? 0 : (await compressTile(mvt)).length
    const fewer = weight <= MOST_GZIPPED ? counts : lightened(writers, CAREFUL * MOST_GZIPPED / weight)
    if (fewer.every((count, i) => count === counts[i])) {
      for (const [i, { name, features }] of whole.entries()) if (counts[i]! < features) truncated.add(name)
      return { mvt, truncated }
    }
    counts = fewer
  }
}

function drawn(drawings: readonly Drawing[], counts: readonly number[]): LayerWriter[] {
  let at = 0
  return drawings.flatMap(({ writers, redraw }) => {
    const kept = writers.map((writer) => {
      const count = counts[at++]!
      return count < writer.features ? writer.order().slice(0, count) : undefined
    })
    return kept.some(Boolean) ? redraw(kept) : writers
  })
}

function assemble(writers: readonly LayerWriter[], names: readonly string[]): Uint8Array {
  const tile = new ProtoWriter(writers.reduce((sum, { size }) => sum + size + 1000, 0))
  for (const name of names) writers.find((writer) => writer.name === name)?.writeTo(tile)
  return tile.written()
}

/** How many features of each layer stay when the tile shrinks to a part of its size: the large layers give, the small ones stay whole. */
function lightened(writers: readonly LayerWriter[], part: number): number[] {
  const share = fairShare(writers.map(({ size }) => size), part)
  return writers.map(({ size, features }) => size <= share ? features : Math.max(1, Math.floor((features * share) / size)))
}

/** The most that each may have, so that all together have a part of what they have now. */
function fairShare(sizes: readonly number[], part: number): number {
  let left = part * sizes.reduce((sum, size) => sum + size, 0)
  const ascending = [...sizes].sort((a, b) => a - b)
  for (const [i, size] of ascending.entries()) {
    const share = left / (ascending.length - i)
    if (size > share) return share
    left -= size
  }
  return Infinity
}
