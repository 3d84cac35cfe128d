import { extname } from 'node:path'
import type { Format, SourceFile, TerrainFormat } from './source.js'
import type { HeightGrid } from './terrain/grid.js'

export type Opened =
  | { readonly kind: 'features'; readonly source: SourceFile }
  | { readonly kind: 'terrain'; readonly format: TerrainFormat; readonly grid: HeightGrid; close(): Promise<void> }

/** What the user knows better than the file. */
export interface OpenOptions {
  /** What people call the file, where its path is something else. */
  readonly name: string
  /** EPSG code given with --crs. Only readers that must know the axes need it; everybody else reports what the file says. */
  readonly srid?: number
  /** Encoding of the texts given with --encoding. */
  readonly encoding?: string
  /** Point clouds: metres a cell of the grid (default by the density), and whether only what is classified as ground counts. */
  readonly resolution?: number
  readonly ground?: boolean
  readonly signal?: AbortSignal
}

/** One format that can be imported: a row of the table in open-source.ts. */
export interface Reader {
  readonly format: Format | TerrainFormat
  /** As a list of formats names it to people. */
  readonly title: string
  /** Endings of its files, lower case with the dot; the name tells only what the content cannot. */
  readonly extensions: readonly string[]
  /** Endings of the files that stand beside it under the same name. */
  readonly companions?: readonly string[]
  /** Read at random positions: a gzipped file is unpacked first. */
  readonly seeks?: true
  /** Its texts may be in one of the Vietnamese encodings before Unicode. */
  readonly legacyText?: true
  detect(head: Head): boolean
  /** Formats that are zip files themselves: told by the names of the entries. */
  detectZip?(entries: readonly string[]): boolean
  /** Throws a Problem in one sentence for a file that cannot be read. What it opened is closed by its user. */
  open(file: string, options: OpenOptions): Promise<Opened>
}

/** How a file begins, gunzipped. */
export class Head {
  /** Lower case with the dot, `.gz` apart; empty where the name has none. */
  readonly extension: string
  #text: string | undefined

  constructor(readonly bytes: Buffer, readonly name: string) {
    this.extension = extname(name.replace(/\.gz$/i, '')).toLowerCase()
  }
  /** As UTF-8, without byte order mark and leading space. */
  get text(): string {
    return this.#text ??= this.bytes.toString('utf8').replace(/^\ufeff/, '').trimStart()
  }
  startsWith(latin1: string): boolean {
    return this.bytes.subarray(0, latin1.length).toString('latin1') === latin1
  }
}

export const features = (open: (file: string, options: OpenOptions) => Promise<SourceFile>): Reader['open'] =>
  async (file, options) => ({ kind: 'features', source: await open(file, options) })

export const terrain = (format: TerrainFormat, read: (file: string, options: OpenOptions) => Promise<HeightGrid>): Reader['open'] =>
  async (file, options) => {
    const grid = await read(file, options)
    return { kind: 'terrain', format, grid, close: async () => grid.heights.close() }
  }
