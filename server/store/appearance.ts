/**
 * What solids look like: textures and colours of their faces, kept by the solid's content.
 *
 * Faces, rings and vertices are those of the stored PolyhedralSurface in its own order; rings close as they do there,
 * so texture coordinates lie parallel to the vertices of the WKB.
 */
import { sql, type RawBuilder } from 'kysely'
import type { Appearance, FaceAppearance, TextureImage, TextureUse } from '../../core/appearance.js'
import type { Classification } from '../../layers/layer.js'
import type { Store } from './store.js'

/** The key of a solid's appearance, as hex, of an expression: md5 of its little-endian ISO WKB. */
export const solidKeySql = (solid: RawBuilder<unknown>): RawBuilder<string> => sql<string>`md5(st_asbinary(${solid}, 'NDR'))`

/** Appearances by key; solids without one are not in it. */
export async function appearancesOf(store: Store, keys: readonly string[], clearance: Classification): Promise<ReadonlyMap<string, Appearance>> {
  if (keys.length === 0) return new Map()
  const { rows } = await sql<{ key: string; images: TextureUse[]; faces: Buffer }>`
    select replace(solid::text, '-', '') as key, images, faces from dothi.appearances_of(${[...new Set(keys)]}::uuid[])`.execute(store.pool(clearance))
  return new Map(rows.map(({ key, images, faces }) => [key, { images, faces: decodeFaces(faces) }]))
}

/** Whether any solid of this city has an appearance: where none has, keys need not be worked out. */
export async function hasAppearances(store: Store, clearance: Classification): Promise<boolean> {
  const { rows } = await sql<{ some: boolean }>`select dothi.has_appearances() as some`.execute(store.pool(clearance))
  return rows[0]!.some
}

/** Images by their sha256, as hex. */
export async function textureImages(store: Store, ids: readonly string[], clearance: Classification): Promise<ReadonlyMap<string, TextureImage>> {
  if (ids.length === 0) return new Map()
  const wanted = [...new Set(ids)].map(id => Buffer.from(id, 'hex'))
  const { rows } = await sql<{ id: string; media_type: TextureImage['mediaType']; width: number; height: number; bytes: Buffer }>`
    select encode(sha256, 'hex') as id, media_type, width, height, bytes from dothi.texture_images_of(${wanted}::bytea[])`.execute(store.pool(clearance))
  return new Map(rows.map(({ id, media_type, width, height, bytes }) => [id, { mediaType: media_type, width, height, bytes }]))
}

/** Faces as stored: for each u16 image + 1 (0: none), u8 whether coloured, 3 × u8 colour, u16 rings; for each ring u16 vertices and their u, v as f32. Little-endian. */
export function encodeFaces(all: readonly (FaceAppearance | null)[]): Buffer {
  const faces = all.map(writable)
  const size = faces.reduce((sum, face) => sum + 8 + (face?.uv ?? []).reduce((sum, ring) => sum + 2 + 4 * ring.length, 0), 0)
  const bytes = Buffer.alloc(size)
  let at = 0
  for (const face of faces) {
    const uv = face?.image === undefined ? [] : face.uv ?? []
    at = bytes.writeUInt16LE(face?.image === undefined ? 0 : face.image + 1, at)
    at = bytes.writeUInt8(face?.colour ? 1 : 0, at)
    for (const channel of face?.colour ?? [0, 0, 0]) at = bytes.writeUInt8(channel, at)
    at = bytes.writeUInt16LE(uv.length, at)
    for (const ring of uv) {
      at = bytes.writeUInt16LE(ring.length / 2, at)
      for (const value of ring) at = bytes.writeFloatLE(value, at)
    }
  }
  return bytes.subarray(0, at)
}

const MOST = 0xffff

/** A face as it can be written: of absurd ones the colour is kept. */
function writable(face: FaceAppearance | null): FaceAppearance | null {
  if (face?.image === undefined || (face.image < MOST && (face.uv ?? []).length <= MOST && (face.uv ?? []).every(ring => ring.length <= 2 * MOST))) return face
  return face.colour ? { colour: face.colour } : null
}

/** The inverse of `encodeFaces`. */
export function decodeFaces(bytes: Buffer): (FaceAppearance | null)[] {
  const faces: (FaceAppearance | null)[] = []
  for (let at = 0; at < bytes.length;) {
    const image = bytes.readUInt16LE(at) - 1
    const isColoured = bytes[at + 2] === 1
    const colour = [bytes[at + 3]!, bytes[at + 4]!, bytes[at + 5]!] as const
    const rings = bytes.readUInt16LE(at + 6)
    at += 8
    const uv: Float32Array[] = []
    for (let ring = 0; ring < rings; ring++) {
      const count = bytes.readUInt16LE(at) * 2
      at += 2
      uv.push(Float32Array.from({ length: count }, (_, i) => bytes.readFloatLE(at + 4 * i)))
      at += 4 * count
    }
    faces.push(image < 0 && !isColoured ? null : { ...(image >= 0 ? { image, uv } : {}), ...(isColoured ? { colour } : {}) })
  }
  return faces
}
