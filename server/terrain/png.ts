import { deflate } from 'node:zlib'
import { promisify } from 'node:util'
import { TILE_SIZE, type Heights } from './height-tile.js'

const deflateAsync = promisify<Uint8Array, { level: number }, Buffer>(deflate)

/**
 * A height tile as Mapbox Terrain-RGB: metres = −10000 + (R · 65536 + G · 256 + B) / 10, 8-bit RGB PNG.
 * Places without terrain are at sea level, so that clients draw a flat ground there.
 */
export async function terrainRgbPng(heights: Heights): Promise<Buffer> {
  const stride = 1 + 3 * TILE_SIZE
  const scanlines = new Uint8Array(stride * TILE_SIZE)
  for (let row = 0, i = 0; row < TILE_SIZE; row++) {
    // Filter 1 (Sub): each byte less the same one of the western pixel; the two high ones then are mostly 0.
    scanlines[row * stride] = 1
    let [r0, g0, b0] = [0, 0, 0]
    for (let col = 0, at = row * stride + 1; col < TILE_SIZE; col++, i++) {
      const h = heights[i]!
      const code = Math.max(0, Math.min(0xffffff, Math.round(((h === h ? h : 0) + 10_000) * 10)))
      const [r, g, b] = [code >> 16, (code >> 8) & 255, code & 255]
      scanlines[at++] = r - r0
      scanlines[at++] = g - g0
      scanlines[at++] = b - b0
      ;[r0, g0, b0] = [r, g, b]
    }
  }
  const header = Buffer.alloc(13)
  header.writeUInt32BE(TILE_SIZE, 0)
  header.writeUInt32BE(TILE_SIZE, 4)
  header.set([8, 2, 0, 0, 0], 8)
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
