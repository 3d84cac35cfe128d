/** Many byte strings as one, so that a worker gets one transfer instead of thousands of copies. */
export interface PackedBytes {
  readonly bytes: Uint8Array
  /** End of each string; it starts where the one before ends. */
  readonly ends: Uint32Array
}

/** Hexadecimal strings (geometry columns as PostgreSQL sends them); `null` becomes an empty string of bytes. */
export function packHex(strings: readonly (string | null)[]): PackedBytes {
  const ends = new Uint32Array(strings.length)
  let length = 0
  strings.forEach((text, i) => { ends[i] = length += (text?.length ?? 0) / 2 })
  const bytes = Buffer.alloc(length)
  strings.forEach((text, i) => { if (text) bytes.write(text, i ? ends[i - 1]! : 0, 'hex') })
  return { bytes, ends }
}

export function unpackBytes({ bytes, ends }: PackedBytes, i: number): Uint8Array {
  return bytes.subarray(i ? ends[i - 1]! : 0, ends[i]!)
}
