/**
 * PMTiles version 3: one file of tiles that is read by ranges.
 * Source: the PMTiles specification, version 3 (github.com/protomaps/PMTiles/blob/main/spec/v3/spec.md).
 */
import { gunzipSync, gzipSync } from 'node:zlib'
import type { BBox } from '../../core/bbox.js'
import type { Tile } from '../../core/tile-matrix.js'

/** One or several tiles that follow each other: `run` of them, from `id` on, have the same bytes. 0 names a leaf directory. */
export interface Entry { readonly id: number; readonly offset: number; readonly length: number; readonly run: number }

export interface ArchiveHeader {
  readonly rootOffset: number; readonly rootLength: number
  readonly metadataOffset: number; readonly metadataLength: number
  readonly leavesOffset: number; readonly leavesLength: number
  readonly dataOffset: number; readonly dataLength: number
  /** Tiles that can be asked for, entries of the directories, different contents. */
  readonly addressed: number; readonly entries: number; readonly contents: number
  readonly tileCompression: 'none' | 'gzip'
  readonly tileType: 'mvt' | 'png'
  readonly minzoom: number; readonly maxzoom: number
  /** CRS84 degrees. */
  readonly bounds: BBox
  readonly center: readonly [lon: number, lat: number, zoom: number]
}

export const HEADER_BYTES = 127
/** Header and root directory stay within it, so that a reader's first request brings both. */
const FIRST_READ_BYTES = 16_384
const COMPRESSIONS = { none: 1, gzip: 2 } as const
const TYPES = { mvt: 1, png: 2 } as const
const PLACES = ['rootOffset', 'rootLength', 'metadataOffset', 'metadataLength', 'leavesOffset', 'leavesLength', 'dataOffset', 'dataLength', 'addressed', 'entries', 'contents'] as const

/** A tile's place on the Hilbert curves of all zooms, one after the other. Exact to zoom 26. */
export function tileId({ z, x, y }: Tile): number {
  let id = (4 ** z - 1) / 3
  for (let s = 2 ** (z - 1), [i, j] = [x, y]; s >= 1; s /= 2) {
    const rx = (i & s) > 0 ? 1 : 0
    const ry = (j & s) > 0 ? 1 : 0
    id += s * s * ((3 * rx) ^ ry)
    ;[i, j] = rotated(s, i, j, rx, ry)
  }
  return id
}

/** The tile at that place. */
export function tileOfId(id: number): Tile {
  let z = 0
  while ((4 ** (z + 1) - 1) / 3 <= id) z++
  let rest = id - (4 ** z - 1) / 3
  let [x, y] = [0, 0]
  for (let s = 1; s < 2 ** z; s *= 2) {
    const quarter = rest % 4
    const rx = quarter > 1 ? 1 : 0
    const ry = (quarter % 2) ^ rx
    ;[x, y] = rotated(s, x, y, rx, ry)
    x += s * rx
    y += s * ry
    rest = Math.floor(rest / 4)
  }
  return { z, x, y }
}

/** A quarter of the curve is turned where it lies in the west. */
function rotated(s: number, x: number, y: number, rx: number, ry: number): [number, number] {
  if (ry === 1) return [x, y]
  return rx === 1 ? [s - 1 - (y & (s - 1)), s - 1 - (x & (s - 1))] : [y & (s - 1), x & (s - 1)]
}

/** The root directory and the leaves of all entries: no leaves where the root has room for all. */
export function directories(entries: readonly Entry[]): { readonly root: Buffer; readonly leaves: Buffer } {
  const whole = gzipSync(encodeDirectory(entries))
  if (HEADER_BYTES + whole.length <= FIRST_READ_BYTES) return { root: whole, leaves: Buffer.alloc(0) }
  for (let size = 4096; ; size *= 2) {
    const split = withLeaves(entries, size)
    if (HEADER_BYTES + split.root.length <= FIRST_READ_BYTES) return split
  }
}

function withLeaves(entries: readonly Entry[], size: number): { root: Buffer; leaves: Buffer } {
  const leaves: Buffer[] = []
  const pointers: Entry[] = []
  let offset = 0
  for (let i = 0; i < entries.length; i += size) {
    const leaf = gzipSync(encodeDirectory(entries.slice(i, i + size)))
    pointers.push({ id: entries[i]!.id, offset, length: leaf.length, run: 0 })
    leaves.push(leaf)
    offset += leaf.length
  }
  return { root: gzipSync(encodeDirectory(pointers)), leaves: Buffer.concat(leaves) }
}

/** Column by column, ids as differences; an offset that continues the entry before it is 0, any other is one more than it is. */
function encodeDirectory(entries: readonly Entry[]): Buffer {
  const out = new Varints()
  out.put(entries.length)
  entries.forEach(({ id }, i) => out.put(id - (entries[i - 1]?.id ?? 0)))
  for (const { run } of entries) out.put(run)
  for (const { length } of entries) out.put(length)
  entries.forEach(({ offset }, i) => {
    const before = entries[i - 1]
    out.put(before && offset === before.offset + before.length ? 0 : offset + 1)
  })
  return out.bytes()
}

class Varints {
  #buffer = Buffer.alloc(4096)
  #length = 0

  /** A whole number below 2^53. */
  put(value: number): void {
    if (this.#length + 10 > this.#buffer.length) this.#buffer = Buffer.concat([this.#buffer, Buffer.alloc(this.#buffer.length)])
    while (value >= 128) {
      this.#buffer[this.#length++] = (value % 128) | 128
      value = Math.floor(value / 128)
    }
    this.#buffer[this.#length++] = value
  }

  bytes(): Buffer { return this.#buffer.subarray(0, this.#length) }
}

/** Always clustered: data in the order of ids; directories and metadata are gzipped. */
export function writeHeader(header: ArchiveHeader): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES)
  bytes.write('PMTiles', 0, 'latin1')
  bytes[7] = 3
  PLACES.forEach((name, i) => bytes.writeBigUInt64LE(BigInt(header[name]), 8 + i * 8))
  bytes[96] = 1
  bytes[97] = COMPRESSIONS.gzip
  bytes[98] = COMPRESSIONS[header.tileCompression]
  bytes[99] = TYPES[header.tileType]
  bytes[100] = header.minzoom
  bytes[101] = header.maxzoom
  header.bounds.forEach((degrees, i) => bytes.writeInt32LE(Math.round(degrees * 1e7), 102 + i * 4))
  const [lon, lat, zoom] = header.center
  bytes[118] = zoom
  bytes.writeInt32LE(Math.round(lon * 1e7), 119)
  bytes.writeInt32LE(Math.round(lat * 1e7), 123)
  return bytes
}

/** Where the metadata of an archive lie, read from its first bytes; undefined for another file. */
export function metadataPlace(header: Buffer): { readonly offset: number; readonly length: number } | undefined {
  if (header.length < HEADER_BYTES || header.toString('latin1', 0, 7) !== 'PMTiles' || header[7] !== 3) return undefined
  return { offset: Number(header.readBigUInt64LE(24)), length: Number(header.readBigUInt64LE(32)) }
}

export const encodeMetadata = (metadata: unknown): Buffer => gzipSync(JSON.stringify(metadata))
export const decodeMetadata = (bytes: Uint8Array): unknown => JSON.parse(gunzipSync(bytes).toString())
