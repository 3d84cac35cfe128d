/** What the faces of a solid look like. */

export interface Appearance {
  /** Textures used; faces count from 0. */
  readonly images: readonly TextureUse[]
  /** One a face of the solid, in its order; null: nothing is known of it. */
  readonly faces: readonly (FaceAppearance | null)[]
}

export interface TextureUse {
  /** Hex of the image's bytes. */
  readonly sha256: string
  /** What lies outside the image. */
  readonly wrap: 'repeat' | 'mirror' | 'clamp'
}

export interface FaceAppearance {
  /** Index into `images`. */
  readonly image?: number
  /** One array a ring, u and v of each of its vertices, the closing one too; as glTF has them: 0, 0 is the upper left corner of the image. */
  readonly uv?: readonly Float32Array[]
  /** sRGB, 0…255; lies under the texture where there is one. */
  readonly colour?: readonly [red: number, green: number, blue: number]
}

/** Images as glTF takes them. */
export interface TextureImage {
  readonly mediaType: 'image/png' | 'image/jpeg'
  /** Pixels. */
  readonly width: number
  readonly height: number
  readonly bytes: Uint8Array
}

/** An appearance as a file has it: its images are not stored yet. */
export interface DraftAppearance {
  /** `file`: path of the image on this machine. */
  readonly images: readonly { readonly file: string; readonly wrap: TextureUse['wrap'] }[]
  readonly faces: readonly (FaceAppearance | null)[]
}
