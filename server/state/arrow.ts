/** A state table as bytes: Apache Arrow IPC. */
import { bool, columnFromArray, dictionary, float32, float64, int8, tableFromColumns, tableToIPC, utf8 } from '@uwdata/flechette'

/** What one column holds; `null` is “not known”, never “none”. */
export type StateColumn =
  | { readonly name: string; readonly type: 'float32'; readonly values: readonly (number | null)[] }
  | { readonly name: string; readonly type: 'boolean'; readonly values: readonly (boolean | null)[] }
  /** At most 127 different texts. */
  | { readonly name: string; readonly type: 'code'; readonly values: readonly (string | null)[] }

export interface StateTable {
  /** Store ids in the order of the tile's features. */
  readonly ids: readonly number[]
  readonly columns: readonly StateColumn[]
  /** What the columns mean and stand on, for people and programs; becomes the schema's metadata. */
  readonly about: Readonly<Record<string, string>>
}

const TYPES = { float32: float32(), boolean: bool(), code: dictionary(utf8(), int8()) } as const

/** An Arrow IPC file: `id` as float64, exact to 2^53, then the state. */
export function encodeArrow({ ids, columns, about }: StateTable): Buffer {
  const table = tableFromColumns([
    ['id', columnFromArray(Float64Array.from(ids), float64())],
    ...columns.map(({ name, type, values }): [string, ReturnType<typeof columnFromArray>] => [name, columnFromArray([...values], TYPES[type])]),
  ])
  table.schema.metadata = new Map(Object.entries(about))
  const bytes = tableToIPC(table, { format: 'file' })!
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
