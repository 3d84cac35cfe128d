/**
 * The binary side of a GLB under construction. Vertex, index and number data are compressed by meshopt and have their
 * uncompressed place in a second buffer that is never sent; images and texts lie in the file as they are.
 * Sources: glTF 2.0 §3.6 and §4.4, EXT_meshopt_compression.
 */
import { MeshoptEncoder } from 'meshoptimizer/encoder'

await MeshoptEncoder.ready

/** What is in a compressed view. */
export interface Stream {
  readonly data: ArrayBufferView
  readonly count: number
  /** Bytes of one element: 2 or 4 for `TRIANGLES`, else a multiple of 4. */
  readonly stride: number
  readonly mode: 'ATTRIBUTES' | 'TRIANGLES'
  /** `EXPONENTIAL`: the data are the filter's words, which decode to float32. */
  readonly filter?: 'EXPONENTIAL'
  /** Written where elements are padded, so that readers know their distance. */
  readonly isPadded?: boolean
  readonly target?: number
}

const EXTENSION = 'EXT_meshopt_compression'

export class GlbBuffers {
  readonly views: object[] = []
  readonly accessors: object[] = []
  readonly #parts: { readonly at: number; readonly bytes: Uint8Array }[] = []
  #length = 0
  #fallbackLength = 0

  /** A view of bytes as they are, at a multiple of 8. Returns its index. */
  plain(bytes: Uint8Array): number {
    return this.views.push({ buffer: 0, byteOffset: this.#append(bytes), byteLength: bytes.length }) - 1
  }

  /** A compressed view. Returns its index. */
  compressed({ data, count, stride, mode, filter, isPadded, target }: Stream): number {
    const source = new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
    const bytes = MeshoptEncoder.encodeGltfBuffer(source, count, stride, mode)
    const place = { buffer: 0, byteOffset: this.#append(bytes), byteLength: bytes.length }
    const byteOffset = this.#fallbackLength
    this.#fallbackLength = aligned(byteOffset + count * stride)
    return this.views.push({
      buffer: 1, byteOffset, byteLength: count * stride, ...(isPadded && { byteStride: stride }), ...(target && { target }),
      extensions: { [EXTENSION]: { ...place, byteStride: stride, count, mode, ...(filter && { filter }) } },
    }) - 1
  }

  accessor(bufferView: number, accessor: object): number {
    return this.accessors.push({ bufferView, ...accessor }) - 1
  }

  /** Header, JSON chunk padded by spaces, binary chunk (if any) padded by zeros; `json` gets accessors, views and buffers. */
  pack(json: object): Uint8Array {
    const text = Buffer.from(JSON.stringify({ ...json, ...this.#tables() }))
    // The binary chunk's data start at a multiple of 8 in the file, so that readers may map FLOAT64 without a copy.
    const textLength = aligned(20 + text.length + 8) - 28
    const binaryLength = aligned(this.#length)
    const glb = Buffer.alloc(20 + textLength + (binaryLength && 8 + binaryLength))
    glb.writeUInt32LE(0x46546c67, 0)
    glb.writeUInt32LE(2, 4)
    glb.writeUInt32LE(glb.length, 8)
    glb.writeUInt32LE(textLength, 12)
    glb.writeUInt32LE(0x4e4f534a, 16)
    text.copy(glb, 20)
    glb.fill(0x20, 20 + text.length, 20 + textLength)
    if (!binaryLength) return glb
    glb.writeUInt32LE(binaryLength, 20 + textLength)
    glb.writeUInt32LE(0x004e4942, 24 + textLength)
    for (const { at, bytes } of this.#parts) glb.set(bytes, 28 + textLength + at)
    return glb
  }

  #append(bytes: Uint8Array): number {
    const at = aligned(this.#length)
    this.#parts.push({ at, bytes })
    this.#length = at + bytes.length
    return at
  }

  #tables(): object {
    if (this.views.length === 0) return {}
    const fallback = { byteLength: this.#fallbackLength, extensions: { [EXTENSION]: { fallback: true } } }
    return {
      ...(this.accessors.length && { accessors: this.accessors }),
      bufferViews: this.views,
      buffers: [{ byteLength: aligned(this.#length) }, ...(this.#fallbackLength ? [fallback] : [])],
    }
  }
}

const aligned = (length: number) => (length + 7) & ~7
