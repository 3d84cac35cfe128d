/** Height tiles as pictures. PNG is written here because it is nothing but deflated rows. */
import { deflate } from 'node:zlib'
import { promisify } from 'node:util'
import { TILE_SIZE, type Heights } from './height-tile.js'

const deflateAsync = promisify<Uint8Array, { level: number }, Buffer>(deflate)

/** Heights in the three bytes of a pixel. */
export type HeightEncoding = 'mapbox' | 'terrarium'

const CODES: Readonly<Record<HeightEncoding, (metres: number) => number>> = {
  // Mapbox Terrain-RGB: metres = −10000 + (R · 65536 + G · 256 + B) / 10.
  mapbox: metres => Math.round((metres + 10_000) * 10),
  // Terrarium: metres = R · 256 + G + B / 256 − 32768.
  terrarium: metres => Math.round((metres + 32_768) * 256),
}

/**
 * A height tile as an 8-bit RGB PNG.
 * Places without terrain are at sea level, so that clients draw a flat ground there.
 */
export function heightsPng(heights: Heights, encoding: HeightEncoding): Promise<Buffer> {
  const codeOf = CODES[encoding]
  const pixels = new Uint8Array(3 * heights.length)
  for (let i = 0; i < heights.length; i++) {
    const h = heights[i]!
    const code = Math.max(0, Math.min(0xffffff, codeOf(h === h ? h : 0)))
    pixels[3 * i] = code >> 16
    pixels[3 * i + 1] = code >> 8
    pixels[3 * i + 2] = code
  }
  return encodePng(pixels, TILE_SIZE, 'rgb')
}

const COLOUR_TYPES = { rgb: { type: 2, channels: 3 }, greyAlpha: { type: 4, channels: 2 } } as const

/** Pixels row by row, one byte a channel, as a square PNG. */
export async function encodePng(pixels: Uint8Array, size: number, colour: keyof typeof COLOUR_TYPES): Promise<Buffer> {
  const { type, channels } = COLOUR_TYPES[colour]
  const stride = channels * size
  const scanlines = new Uint8Array((1 + stride) * size)
  for (let row = 0; row < size; row++) {
    const out = row * (1 + stride)
    // Filter 1 (Sub): each byte less the same one of the western pixel; neighbours differ little.
    scanlines[out] = 1
    for (let i = 0; i < stride; i++) scanlines[out + 1 + i] = pixels[row * stride + i]! - (i < channels ? 0 : pixels[row * stride + i - channels]!)
  }
  const header = Buffer.alloc(13)
  header.writeUInt32BE(size, 0)
  header.writeUInt32BE(size, 4)
  header.set([8, type, 0, 0, 0], 8)
  return Buffer.concat([SIGNATURE, chunk('IHDR', header), chunk('IDAT', await deflateAsync(scanlines, { level: 6 })), chunk('IEND', Buffer.alloc(0))])
}

const SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data])
  const framed = Buffer.alloc(body.length + 8)
  framed.writeUInt32BE(data.length, 0)
  framed.set(body, 4)
  framed.writeUInt32BE(crc32(body), 4 + body.length)
  return framed
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let k = 0; k < 8; k++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1
  return n
})

/** Source: PNG specification, annex D. */
function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff
  for (const byte of bytes) crc = CRC_TABLE[(crc ^ byte) & 255]! ^ (crc >>> 8)
  return (crc ^ 0xffffffff) >>> 0
}
