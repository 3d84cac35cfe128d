/** What the solids of a tile look like, within what a tile may weigh. */
import type { Appearance, FaceAppearance, TextureImage } from '../../core/appearance.js'
import type { Classification } from '../../layers/layer.js'
import { appearancesOf, textureImages } from '../store/appearance.js'
import type { Store } from '../store/store.js'
import type { Looks } from './encode.js'
import type { Texture } from './glb.js'

/** A feature's solid: its key (`null` without one) and how large it is, whatever the unit. */
export interface Dressed { readonly key: string | null; readonly size: number }

/** What a tile may carry: each image is a draw call, and all of them are downloaded before anything is seen. */
export interface LookLimits { readonly images: number; readonly bytes: number }
const LIMITS: LookLimits = { images: 256, bytes: 24 * 2 ** 20 }
/** Images read at once, so that one step past the limit is a small one. */
const BATCH = 16

/**
 * Textures and colours of solids, the largest solids' first; where a tile would get too heavy the smallest keep their faces' colours alone,
 * and `leftOut` says how many. Undefined where no solid has an appearance.
 */
export async function looksOf(store: Store, solids: readonly Dressed[], clearance: Classification, limits: LookLimits = LIMITS): Promise<Looks | undefined> {
  const known = await appearancesOf(store, solids.flatMap(({ key }) => key ?? []), clearance)
  if (known.size === 0) return undefined
  const ranked = solids
    .flatMap(({ key, size }, feature) => { const look = key === null ? undefined : known.get(key); return look ? [{ feature, size, look }] : [] })
    .sort((a, b) => b.size - a.size || a.feature - b.feature)
  const images = await imagesWithin(store, ranked.flatMap(({ look }) => look.images.map(use => use.sha256)), clearance, limits)

  const textures: Texture[] = []
  const byUse = new Map<string, number>()
  const faces = new Map<number, readonly (FaceAppearance | null)[]>()
  let leftOut = 0
  for (const { feature, look } of ranked) {
    const places = placesOf(look, images, textures, byUse)
    if (places.includes(undefined)) leftOut++
    faces.set(feature, look.faces.map(face => face && { ...face, image: face.image === undefined ? undefined : places[face.image] }))
  }
  return { textures, faces, leftOut }
}

/** The texture of each of an appearance's images; undefined for one that is left out. */
function placesOf(look: Appearance, images: ReadonlyMap<string, TextureImage>, textures: Texture[], byUse: Map<string, number>): (number | undefined)[] {
  return look.images.map(({ sha256, wrap }) => {
    const image = images.get(sha256)
    const use = `${sha256} ${wrap}`
    if (image && !byUse.has(use)) byUse.set(use, textures.push({ mediaType: image.mediaType, bytes: image.bytes, wrap }) - 1)
    return byUse.get(use)
  })
}

/** The first of these images that a tile may carry. */
async function imagesWithin(store: Store, ids: readonly string[], clearance: Classification, limits: LookLimits): Promise<ReadonlyMap<string, TextureImage>> {
  const wanted = [...new Set(ids)].slice(0, limits.images)
  const kept = new Map<string, TextureImage>()
  let bytes = 0
  for (let at = 0; at < wanted.length; at += BATCH) {
    const batch = wanted.slice(at, at + BATCH)
    const read = await textureImages(store, batch, clearance)
    for (const id of batch) {
      const image = read.get(id)
      bytes += image?.bytes.length ?? 0
      if (bytes > limits.bytes) return kept
      if (image) kept.set(id, image)
    }
  }
  return kept
}
