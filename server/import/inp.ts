/** The text files of EPANET and SWMM: sections of rows, words apart by blanks, `;` before comments. */
import type { GeoJsonGeometry } from '../../core/filter/ast.js'
import type { Feature } from '../../core/feature.js'
import { badFile } from './fault.js'
import type { SourceLayer } from './source.js'
import { contentOf } from './unpack.js'

const MAX_BYTES = 400 * 2 ** 20
export const FOOT_M = 0.3048
export const INCH_MM = 25.4

export class InpFile {
  readonly #sections = new Map<string, string[][]>()

  static async read(file: string, what: string): Promise<InpFile> {
    return new InpFile(decode(await contentOf(file, what, MAX_BYTES)))
  }

  constructor(text: string) {
    let rows: string[][] | undefined
    for (const line of text.split(/\r\n|\r|\n/)) {
      const bare = line.split(';', 1)[0]!.trim()
      if (bare === '') continue
      const section = /^\[([^\]]+)\]?/.exec(bare)?.[1]
      if (section !== undefined) this.#sections.set(section.toUpperCase(), rows = this.#sections.get(section.toUpperCase()) ?? [])
      else rows?.push(wordsOf(bare))
    }
  }

  /** Rows of a section; none where it is not there. */
  rows(section: string): readonly (readonly string[])[] {
    return this.#sections.get(section) ?? []
  }

  /** Words by the first word of each row. */
  byId(section: string): Map<string, readonly string[]> {
    return new Map(this.rows(section).map(row => [row[0]!, row]))
  }

  /** Rows with the same first word. */
  grouped(section: string): Map<string, (readonly string[])[]> {
    const groups = new Map<string, (readonly string[])[]>()
    for (const row of this.rows(section)) {
      const known = groups.get(row[0]!)
      if (known) known.push(row)
      else groups.set(row[0]!, [row])
    }
    return groups
  }

  /** Of a section of names and values; upper case. */
  option(section: string, name: string): string | undefined {
    return this.rows(section).find(([first]) => first?.toUpperCase() === name)?.[1]?.toUpperCase()
  }
}

/** Words in quotes may hold blanks. */
function wordsOf(line: string): string[] {
  return line.includes('"') ? [...line.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, word]) => quoted ?? word!) : line.split(/\s+/)
}

/** Both programs write in the machine's own encoding; ids are mostly ASCII anyway. */
function decode(bytes: Buffer): string {
  try { return new TextDecoder('utf-8', { fatal: true }).decode(bytes) } catch { return bytes.toString('latin1') }
}

/** A word as a number; undefined where there is none (`*` and empty stand for a default). */
export function numberAt(row: readonly string[] | undefined, index: number, factor = 1): number | undefined {
  const word = row?.[index]
  const number = word === undefined || word === '' ? NaN : Number(word)
  return Number.isFinite(number) ? tidy(number * factor) : undefined
}

/** Ten significant digits: 99 inches are 2514.6 mm, not 2514.5999999999995. */
export const tidy = (value: number) => Number(value.toPrecision(10))

/** A value only where its column takes it; else it stays among the model's parameters. */
export const within = (value: number | undefined, min: number, max: number) => (value !== undefined && value >= min && value <= max ? value : undefined)

/** Without what is not known, and null where nothing is. */
export function known(values: Readonly<Record<string, unknown>>): Record<string, unknown> | null {
  const entries = Object.entries(values).filter(([, value]) => value !== undefined && value !== '')
  return entries.length ? Object.fromEntries(entries) : null
}

type Position = readonly [number, number]

/** Positions of a network: nodes by [COORDINATES], links through [VERTICES]. */
export class Places {
  readonly #nodes: Map<string, readonly string[]>
  readonly #vertices: Map<string, (readonly string[])[]>

  constructor(inp: InpFile, what: string) {
    this.#nodes = inp.byId('COORDINATES')
    this.#vertices = inp.grouped('VERTICES')
    if (this.#nodes.size === 0) throw badFile(`The ${what} has no coordinates: it holds a network without a place. Save it with its map.`)
  }

  node(id: string): Pick<Feature, 'geometry' | 'fault'> {
    const at = this.#at(id)
    return at ? { geometry: { type: 'Point', coordinates: at } } : { geometry: null, fault: `no coordinates of the node ${id}` }
  }

  link(id: string, from: string, to: string): Pick<Feature, 'geometry' | 'fault'> {
    const ends = [this.#at(from), this.#at(to)]
    if (!ends[0] || !ends[1]) return { geometry: null, fault: `no coordinates of the node ${ends[0] ? to : from}` }
    const between = (this.#vertices.get(id) ?? []).flatMap(row => positionOf(row))
    const line = [ends[0], ...between, ends[1]]
    return { geometry: { type: 'LineString', coordinates: line.every(at => same(at, ends[0]!)) ? [ends[0], aside(ends[0])] : line } satisfies GeoJsonGeometry }
  }

  #at(id: string): Position | undefined {
    return positionOf(this.#nodes.get(id))[0]
  }
}

const same = (a: Position, b: Position) => a[0] === b[0] && a[1] === b[1]
/** Pumps are often drawn without length. A centimetre or so, in degrees as in metres, keeps them in the network. */
const aside = ([x, y]: Position): Position => [x + (Math.abs(x) <= 180 && Math.abs(y) <= 90 ? 1e-7 : 0.01), y]

export function positionOf(row: readonly string[] | undefined): Position[] {
  const [x, y] = [Number(row?.[1]), Number(row?.[2])]
  return row && Number.isFinite(x) && Number.isFinite(y) ? [[x, y]] : []
}

/** A layer of what is in memory; ids name features. */
export function networkLayer(name: string, features: readonly Omit<Feature, 'row'>[]): SourceLayer {
  return {
    name, srid: null, count: features.length,
    async *features() {
      let row = 0
      for (const feature of features) yield { ...feature, row: ++row }
    },
  }
}
