/** Putting together what the faces of one solid look like. */
import type { DraftAppearance, FaceAppearance, TextureUse } from '../../core/appearance.js'

export interface FaceTexture {
  readonly file: string
  readonly wrap: TextureUse['wrap']
  /** A ring each, s and t of each vertex, the closing one too; 0, 0 is the lower left corner of the image. */
  readonly uv: readonly (readonly number[])[]
}

/** Faces are added in the order of the solid. */
export class DraftBuilder {
  readonly #images: { readonly file: string; readonly wrap: TextureUse['wrap'] }[] = []
  readonly #faces: (FaceAppearance | null)[] = []

  add(texture: FaceTexture | undefined, colour: FaceAppearance['colour']): void {
    this.#faces.push(texture || colour ? { ...(texture && { image: this.#image(texture), uv: texture.uv.map(upsideDown) }), ...(colour && { colour }) } : null)
  }

  /** Undefined where nothing is known of any face. */
  finish(): DraftAppearance | undefined {
    return this.#faces.some(face => face !== null) ? { images: this.#images, faces: this.#faces } : undefined
  }

  #image({ file, wrap }: FaceTexture): number {
    const known = this.#images.findIndex(image => image.file === file && image.wrap === wrap)
    return known >= 0 ? known : this.#images.push({ file, wrap }) - 1
  }
}

/** City models count t from the bottom of the image, glTF v from its top. */
const upsideDown = (pairs: readonly number[]) => Float32Array.from(pairs, (value, i) => (i % 2 ? 1 - value : value))

/** Red, green, blue as shares of 1, as sRGB bytes. */
export function rgbOf(shares: readonly number[] | undefined): FaceAppearance['colour'] {
  if (!Array.isArray(shares) || shares.length < 3 || !shares.slice(0, 3).every(share => typeof share === 'number' && Number.isFinite(share))) return undefined
  const byte = (share: number) => Math.round(255 * Math.max(0, Math.min(1, share)))
  return [byte(shares[0]!), byte(shares[1]!), byte(shares[2]!)]
}

/** Wrap modes of CityGML and CityJSON; what is beside the image without a mode, or has a border, is clamped. */
export function wrapOf(mode: string | undefined): TextureUse['wrap'] {
  return mode === 'wrap' ? 'repeat' : mode === 'mirror' ? 'mirror' : 'clamp'
}
