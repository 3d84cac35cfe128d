import type { Feature } from '../../core/feature.js'
import { badFile } from './fault.js'
import { findPlacement, type Cell, type Placement } from './coordinates.js'
import { columnTitles } from './csv.js'
import type { SourceFile, SourceLayer } from './source.js'
import { zipEntries, zipMember } from './unpack.js'
import { childrenOf, textOf, xmlItems, type XmlNode } from './xml.js'

/*
 * Read with the zip and XML parsers that are here anyway: the kept libraries hold the whole workbook in memory,
 * and a sheet of a land office has a million cells.
 */

const WHAT = 'XLSX file'
export const isWorkbook = (entries: readonly string[]) => entries.includes('xl/workbook.xml')

/** Rows above the header: titles, the name of the office. */
const MAX_TITLE_ROWS = 25
const SAMPLED_ROWS = 200
const MAX_COLUMNS = 16_384
const MAX_SHARED_CHARACTERS = 512 << 20

interface Workbook {
  readonly file: string
  readonly strings: readonly string[]
  /** By style number: whether it shows a number as a date. */
  readonly dates: readonly boolean[]
  readonly date1904: boolean
}

/**
 * Excel workbooks (ECMA-376): each sheet with coordinates is a layer, its header the first row that names them. Of formulas the
 * values that Excel saved are taken; dates become ISO dates. Formats, pictures and comments are left out.
 */
export async function openXlsx(file: string): Promise<SourceFile> {
  const entries = await zipEntries(file)
  const { sheets, date1904 } = await sheetsOf(file, entries)
  const book: Workbook = { file, date1904, strings: entries.includes('xl/sharedStrings.xml') ? await sharedStrings(file) : [], dates: entries.includes('xl/styles.xml') ? await dateStyles(file) : [] }
  const layers: SourceLayer[] = []
  const notes: string[] = []
  let fault: unknown
  for (const { name, entry } of sheets) {
    try {
      const { layer, note } = await sheetLayer(book, name, entry)
      layers.push(layer)
      notes.push(`${name}: ${note}`)
    } catch (error) {
      fault ??= error
      notes.push(`${name}: ${(error as Error).message}`)
    }
  }
  if (layers.length === 0) throw fault ?? badFile('The workbook holds no sheets.')
  return { format: 'xlsx', layers, notes: () => notes, close: async () => {} }
}

async function sheetsOf(file: string, entries: readonly string[]): Promise<{ sheets: { name: string; entry: string }[]; date1904: boolean }> {
  const targets = new Map<string, string>()
  for await (const { node } of xmlItems(zipMember(file, 'xl/_rels/workbook.xml.rels', WHAT), WHAT, name => name === 'Relationship'))
    targets.set(node.attributes.Id ?? '', (node.attributes.Target ?? '').replace(/^\/?(xl\/)?/, 'xl/'))
  const sheets: { name: string; entry: string }[] = []
  let date1904 = false
  for await (const { node } of xmlItems(zipMember(file, 'xl/workbook.xml', WHAT), WHAT, name => name === 'sheet' || name === 'workbookPr')) {
    if (node.name === 'workbookPr') { date1904 = /^(1|true)$/.test(node.attributes.date1904 ?? ''); continue }
    const entry = targets.get(node.attributes['r:id'] ?? node.attributes.id ?? '')
    if (entry && entries.includes(entry)) sheets.push({ name: node.attributes.name ?? entry, entry })
  }
  return { sheets, date1904 }
}

async function sharedStrings(file: string): Promise<string[]> {
  const strings: string[] = []
  let characters = 0
  for await (const { node } of xmlItems(zipMember(file, 'xl/sharedStrings.xml', WHAT), WHAT, name => name === 'si')) {
    const text = plainText(node)
    characters += text.length
    if (characters > MAX_SHARED_CHARACTERS) throw badFile('The workbook has more than 512 million characters of text. Save its sheets as CSV files.')
    strings.push(text)
  }
  return strings
}

/** Runs of a rich text as one; phonetic guides apart. */
function plainText(node: XmlNode): string {
  return node.children.map(inner => (inner.name === 't' ? inner.text : inner.name === 'r' ? childrenOf(inner, 't').map(t => t.text).join('') : '')).join('')
    .replace(/_x([0-9A-Fa-f]{4})_/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)))
}

async function dateStyles(file: string): Promise<boolean[]> {
  const formats = new Map<number, string>()
  const dates: boolean[] = []
  for await (const { node } of xmlItems(zipMember(file, 'xl/styles.xml', WHAT), WHAT, name => name === 'numFmts' || name === 'cellXfs')) {
    if (node.name === 'numFmts') for (const format of node.children) formats.set(Number(format.attributes.numFmtId), format.attributes.formatCode ?? '')
    else for (const style of node.children) {
      const id = Number(style.attributes.numFmtId ?? 0)
      const own = formats.get(id)
      // Quoted text and colours in brackets are no parts of a date.
      dates.push(own === undefined ? (id >= 14 && id <= 22) || (id >= 27 && id <= 36) || (id >= 45 && id <= 47) : /[dmyhs]/i.test(own.replace(/"[^"]*"|\[[^\]]*\]|\\./g, '')) && !/^general$/i.test(own))
    }
  }
  return dates
}

async function sheetLayer(book: Workbook, name: string, entry: string): Promise<{ layer: SourceLayer; note: string }> {
  const sample: Cell[][] = []
  for await (const row of rowsOf(book, entry)) if (sample.push(row) >= MAX_TITLE_ROWS + SAMPLED_ROWS) break
  const { at, header, placement } = headerOf(sample)
  return {
    note: placement.note,
    layer: {
      name, srid: placement.srid,
      async *features() {
        let row = -1 - at
        for await (const cells of rowsOf(book, entry)) if (++row > 0) yield toFeature(cells, row, header, placement)
      },
    },
  }
}

/** The header is the first row under which coordinates are found. */
function headerOf(rows: readonly Cell[][]): { at: number; header: string[]; placement: Placement } {
  let fault: unknown
  for (const [at, cells] of rows.slice(0, MAX_TITLE_ROWS).entries()) {
    if (cells.filter(cell => typeof cell === 'string').length < 1) continue
    const header = columnTitles(cells.map(cell => String(cell ?? '')))
    try {
      return { at, header, placement: findPlacement(header, rows.slice(at + 1), 'sheet') }
    } catch (error) {
      fault ??= error
    }
  }
  throw fault ?? badFile('The sheet has no header.')
}

function toFeature(cells: readonly Cell[], row: number, header: readonly string[], placement: Placement): Feature {
  const properties: Record<string, unknown> = {}
  header.forEach((title, i) => { if (!placement.used.has(i)) properties[title] = cells[i] ?? null })
  return { ...placement.place(cells), properties, row }
}

/** Rows that have any value, as cells by their columns. */
async function* rowsOf(book: Workbook, entry: string): AsyncGenerator<Cell[]> {
  for await (const { node } of xmlItems(zipMember(book.file, entry, WHAT), WHAT, name => name === 'row')) {
    const cells: Cell[] = []
    for (const cell of childrenOf(node, 'c')) {
      const column = columnOf(cell.attributes.r) ?? cells.length
      if (column >= MAX_COLUMNS) throw badFile(`A sheet has a cell “${cell.attributes.r}”, beyond the ${MAX_COLUMNS} columns that a sheet can have.`)
      while (cells.length < column) cells.push(null)
      cells[column] = valueOf(cell, book)
    }
    if (cells.some(cell => cell !== null && cell !== '')) yield cells
  }
}

/** `AB12` → 27 */
function columnOf(reference: string | undefined): number | undefined {
  const letters = /^[A-Z]{1,3}/.exec(reference ?? '')?.[0]
  return letters === undefined ? undefined : [...letters].reduce((sum, letter) => sum * 26 + letter.charCodeAt(0) - 64, 0) - 1
}

function valueOf(cell: XmlNode, { strings, dates, date1904 }: Workbook): Cell {
  const text = textOf(cell.children.find(inner => inner.name === 'v'))
  switch (cell.attributes.t) {
    case 's': return strings[Number(text)]?.trim() ?? null
    case 'inlineStr': return cell.children.filter(inner => inner.name === 'is').map(plainText).join('').trim()
    case 'str': case 'd': return text ?? null
    case 'b': return text === '1'
    case 'e': return null
  }
  if (text === undefined || text === '') return null
  const number = Number(text)
  if (!Number.isFinite(number)) return text
  return dates[Number(cell.attributes.s ?? 0)] ? dateOf(number, date1904) : number
}

/** Serial days since 1900 (with the leap day that 1900 did not have) or 1904 → ISO date, with its time where it has one. */
function dateOf(serial: number, date1904: boolean): Cell {
  const days = date1904 ? serial + 1462 : serial < 60 ? serial + 1 : serial
  const date = new Date(Math.round((days - 25_569) * 86_400) * 1000)
  if (Number.isNaN(date.getTime()) || serial < 0) return serial
  const iso = date.toISOString()
  return iso.endsWith('T00:00:00.000Z') ? iso.slice(0, 10) : iso.slice(0, 19)
}
