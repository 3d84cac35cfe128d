import { badFile, reading } from './fault.js'
import type { Feature } from '../../core/feature.js'
import { unguardCell } from '../../core/spreadsheet.js'
import { findPlacement, type Cell, type Placement } from './coordinates.js'
import { encodingOfBytes } from './encoding.js'
import { layerName } from './geojson.js'
import type { OpenOptions } from './reader.js'
import type { SourceFile } from './source.js'
import { westernOf } from './vietnamese.js'
import { bytesOf, contentHead } from './unpack.js'

const WHAT = 'CSV file'
const SAMPLED_BYTES = 1 << 20
const SAMPLED_ROWS = 1000
const MAX_RECORD = 16 << 20
const MAX_COLUMNS = 4096

/**
 * CSV and TSV (RFC 4180, and as Excel writes them: `;` and decimal commas, `sep=` line, UTF-16), streamed, gzipped or not.
 * Coordinates are found by the names of their columns (coordinates.ts), types by what stands in the columns.
 */
export async function openCsv(file: string, options: OpenOptions): Promise<SourceFile> {
  const { encoding, undeclared } = encodingOfBytes(await contentHead(file, SAMPLED_BYTES), options.encoding)
  const text = new TextDecoder(encoding).decode(await contentHead(file, SAMPLED_BYTES))
  const delimiter = delimiterOf(text, options.name)
  const source = () => records(decodedText(file, encoding), delimiter)
  const sample: string[][] = []
  for await (const record of source()) if (sample.push(record) > SAMPLED_ROWS) break
  const [first] = sample
  if (!first) throw badFile('The CSV file holds no rows.')
  if (first.length > MAX_COLUMNS) throw badFile(`The CSV file has ${first.length} columns; more than ${MAX_COLUMNS} are not read.`)
  const headed = !first.every(cell => cell === '' || isNumber(cell))
  const header = columnTitles(headed ? first : first.map(() => ''))
  const rows = headed ? sample.slice(1) : sample
  const columns = header.map((_, i) => columnType(rows.map(row => row[i] ?? '')))
  const placement = findPlacement(header, rows, WHAT)
  return {
    format: 'csv', close: async () => {}, notes: () => [`${layerName(options.name)}: ${placement.note}`],
    layers: [{
      name: layerName(options.name), srid: placement.srid, ...(undeclared ? { undeclared } : {}),
      async *features() {
        let row = headed ? -1 : 0
        for await (const record of source()) {
          row++
          if (row === 0 && headed) continue
          yield toFeature(record, row, header, columns, placement)
        }
      },
    }],
  }
}

function toFeature(record: readonly string[], row: number, header: readonly string[], columns: readonly ColumnReader[], placement: Placement): Feature {
  const properties: Record<string, unknown> = {}
  for (let i = 0; i < header.length; i++) if (!placement.used.has(i)) properties[header[i]!] = columns[i]!(record[i] ?? '')
  const extra = record.length > header.length && record.slice(header.length).some(cell => cell !== '')
  return { ...(extra ? { geometry: null, fault: `${record.length} cells, where the header has ${header.length}` } : placement.place(record)), properties, row }
}

/** Titles of columns, none empty, none twice. */
export function columnTitles(cells: readonly string[]): string[] {
  const taken = new Set<string>()
  return cells.map((cell, i) => {
    const base = cell.trim().slice(0, 200) || `column_${i + 1}`
    let title = base
    for (let n = 2; taken.has(title); n++) title = `${base}_${n}`
    taken.add(title)
    return title
  })
}

const DELIMITERS = [',', ';', '\t', '|'] as const
/** The delimiter that parts most records of the sample into the same number of cells. */
function delimiterOf(text: string, name: string): string {
  const said = /^\ufeff?sep=(.)\r?\n/i.exec(text)?.[1]
  if (said) return said
  let best = /\.tsv$/i.test(name) ? '\t' : ','
  let bestScore = 0
  for (const delimiter of DELIMITERS) {
    const counts = new Map<number, number>()
    const records = new RecordParser(delimiter)
    const lines = records.push(text.slice(0, 1 << 16)).slice(0, 100)
    for (const { length } of lines) if (length > 1) counts.set(length, (counts.get(length) ?? 0) + 1)
    for (const [length, times] of counts) {
      const score = times / Math.max(1, lines.length) + Math.min(length, 20) / 1000
      if (score > bestScore) { best = delimiter; bestScore = score }
    }
  }
  return best
}

async function* decodedText(file: string, encoding: string): AsyncGenerator<string> {
  const decoder = new TextDecoder(encoding, { fatal: encoding === 'utf-8' })
  try {
    for await (const chunk of bytesOf(file, WHAT)) { const text = decoder.decode(chunk, { stream: true }); yield encoding === 'windows-1252' ? westernOf(text) : text }
    yield decoder.decode()
  } catch (error) {
    if (error instanceof TypeError) throw badFile('The CSV file begins as UTF-8 but has other bytes further on. Give its encoding with --encoding, for example --encoding windows-1252 or --encoding tcvn3.')
    throw error
  }
}

async function* records(chunks: AsyncIterable<string>, delimiter: string): AsyncGenerator<string[]> {
  const parser = new RecordParser(delimiter)
  for await (const chunk of chunks) yield* parser.push(chunk)
  yield* await reading(WHAT, () => parser.end())
}

/** Cuts text into records, whatever falls on a seam between chunks. Lines without any text are left out. */
class RecordParser {
  #record: string[] = []
  #cell = ''
  #state: 'start' | 'plain' | 'quoted' | 'closed' = 'start'
  #size = 0
  #done = 0
  #begun = false
  constructor(readonly delimiter: string) {}

  push(text: string): string[][] {
    const out: string[][] = []
    let i = 0
    if (!this.#begun && text.length > 0) {
      this.#begun = true
      i = /^\ufeff?(?:sep=.\r?\n)?/i.exec(text)![0].length
    }
    for (; i < text.length; i++) {
      const c = text[i]!
      if (++this.#size > MAX_RECORD) throw badFile(`Row ${this.#done + 1} of the CSV file is longer than ${MAX_RECORD >> 20} MiB: a quotation mark is probably never closed.`)
      if (this.#state === 'quoted') {
        const end = text.indexOf('"', i)
        const to = end < 0 ? text.length : end
        this.#cell += text.slice(i, to)
        this.#size += to - i
        i = to
        if (end >= 0) this.#state = 'closed'
      } else if (c === '"' && this.#state === 'closed') { this.#cell += '"'; this.#state = 'quoted' }
      else if (c === '"' && this.#state === 'start') this.#state = 'quoted'
      else if (c === this.delimiter) { this.#record.push(this.#cell); this.#cell = ''; this.#state = 'start' }
      else if (c === '\n') this.#close(out)
      else if (c !== '\r') { this.#cell += c; this.#state = this.#state === 'closed' ? 'closed' : 'plain' }
    }
    return out
  }

  end(): string[][] {
    if (this.#state === 'quoted') throw badFile(`The CSV file ends inside a quotation that begins in row ${this.#done + 1}: it is truncated, or a quotation mark is never closed.`)
    const out: string[][] = []
    this.#close(out)
    return out
  }

  #close(out: string[][]) {
    this.#record.push(this.#cell)
    if (this.#record.length > 1 || this.#record[0] !== '') { out.push(this.#record); this.#done++ }
    this.#record = []
    this.#cell = ''
    this.#state = 'start'
    this.#size = 0
  }
}

type ColumnReader = (cell: string) => Cell

const isNumber = (text: string) => /^\s*[-+]?(\d+(\.\d+)?|\.\d+)([eE][-+]?\d+)?\s*$/.test(text)
const isCommaNumber = (text: string) => /^\s*[-+]?(\d{1,3}(\.\d{3})+|\d+)(,\d+)?\s*$/.test(text)
const DATE = /^(\d{1,2})[/.-](\d{1,2})[/.-](\d{4})$/

/** What a column's cells are, by a sample: numbers (decimal commas too), dates as day/month/year, else text. */
export function columnType(cells: readonly string[]): ColumnReader {
  const filled = cells.map(cell => cell.trim()).filter(cell => cell !== '')
  // The apostrophe that spreadsheets (and our own export) put before what looks like a formula is no part of the text.
  const text: ColumnReader = cell => (cell.trim() === '' ? null : unguardCell(cell.trim()))
  if (filled.length === 0) return text
  // Codes have leading zeros, and more digits than a number keeps.
  const isCode = (cell: string) => /^[-+]?0\d[\d.,]*$/.test(cell) || /^\d{16,}$/.test(cell)
  if (filled.some(isCode)) return text
  if (filled.every(isNumber)) return cell => (isNumber(cell) ? Number(cell) : text(cell))
  if (filled.every(isCommaNumber) && filled.some(cell => cell.includes(','))) return cell => (isCommaNumber(cell) ? Number(cell.trim().replaceAll('.', '').replace(',', '.')) : text(cell))
  if (filled.every(cell => DATE.test(cell))) {
    const monthFirst = filled.some(cell => Number(DATE.exec(cell)![2]) > 12) && !filled.some(cell => Number(DATE.exec(cell)![1]) > 12)
    return cell => isoDate(cell.trim(), monthFirst) ?? text(cell)
  }
  return text
}

function isoDate(cell: string, monthFirst: boolean): string | null {
  const parts = DATE.exec(cell)
  if (!parts) return null
  const [day, month] = monthFirst ? [parts[2]!, parts[1]!] : [parts[1]!, parts[2]!]
  const iso = `${parts[3]}-${month.padStart(2, '0')}-${day.padStart(2, '0')}`
  const date = new Date(`${iso}T00:00:00Z`)
  return !Number.isNaN(date.getTime()) && date.toISOString().startsWith(iso) ? iso : null
}
