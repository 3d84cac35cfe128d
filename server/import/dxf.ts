import type { Feature } from '../../core/feature.js'
import { GeometryFault } from '../../core/geometry/wkb-bytes.js'
import { DxfRecord, dxfRecords } from './dxf-records.js'
import { parcelLabel, TextIndex, type DrawnText } from './dxf-labels.js'
import { axesOf, DRAWN, plainText, shapeOf, type Position, type Shape } from './dxf-shapes.js'
import { encodingOfBytes, readsAs, transportOf } from './encoding.js'
import { badFile } from './fault.js'
import type { OpenOptions } from './reader.js'
import { signedArea } from './shapefile.js'
import type { SourceFile } from './source.js'
import { contentHead } from './unpack.js'
import { decodeLegacy, type LegacyEncoding } from './vietnamese.js'

/** A centimetre where the unit is a metre, as in drawings of land and networks it is. */
const TOLERANCE = 0.01
const MAX_DEPTH = 8
const MAX_BLOCK_RECORDS = 2_000_000
const MAX_COPIES = 100_000
const MAX_DRAWN = 5_000_000
const MAX_TEXTS = 3_000_000

interface Entity { readonly record: DxfRecord; readonly parts: readonly DxfRecord[] }
interface Block { readonly base: Position; readonly entities: Entity[] }

/** What one entity, or one within a block, draws. */
interface Drawn {
  readonly shape: Shape | null
  readonly fault?: string
  readonly layer: string
  readonly record: DxfRecord
  readonly handle: string
  readonly block?: string
  readonly attributes?: Readonly<Record<string, string>>
}
type Kind = 'areas' | 'lines' | 'points' | 'texts'
const kindOf = ({ shape, record }: Drawn): Kind => (shape ? ({ area: 'areas', line: 'lines', point: 'points', text: 'texts' } as const)[shape.kind] : record.type === 'POINT' || record.type === 'INSERT' ? 'points' : 'lines')

/**
 * DXF in text form, R12 to 2018, streamed; the blocks and texts of a drawing are kept. Each layer of the drawing is one source layer
 * for each kind of thing on it. Arcs, bulges, ellipses and splines become lines; blocks are taken apart, and stand as a point
 * with their attributes besides. Texts within closed lines become their `label`, with what a parcel's label says.
 * Hatches, dimensions and the paper space are left out. A drawing says no CRS.
 */
export async function openDxf(file: string, options: OpenOptions): Promise<SourceFile> {
  const start = await contentHead(file, 1 << 20)
  if (start.subarray(0, 18).toString('latin1').startsWith('AutoCAD Binary DXF')) throw badFile('The file is a binary DXF. Save it as an ASCII DXF and import that.')
  const { encoding, undeclared } = encodingOf(start, options.encoding)
  const survey = new Survey()
  for await (const each of drawn(file, encoding, survey)) survey.see(each)
  const decode = decoderOf(survey, options.encoding)
  const texts = new TextIndex(survey.texts.map(({ at, text, layer, style }) => ({ at, text: decode(text, style), layer })))
  if (survey.texts.length > 0) for await (const each of drawn(file, encoding)) if (each.shape?.kind === 'area') texts.claim(each.layer, each.shape.line)
  if (survey.layers.size === 0) throw badFile('The DXF file draws nothing that can be imported (its model space has no lines, polylines, points, texts or blocks).')
  const layers = [...survey.layers].flatMap(([layer, kinds]) => [...kinds].map(([kind, count]) => ({
    name: kinds.size === 1 ? layer : `${layer}:${kind}`, srid: null, count, ...(undeclared ? { undeclared } : {}),
    async *features() {
      let row = 0
      for await (const each of drawn(file, encoding)) if (each.layer === layer && kindOf(each) === kind) yield toFeature(each, ++row, texts, decode)
    },
  })))
  return { format: 'dxf', layers, close: async () => {}, notes: () => survey.notes }
}

type Decode = (text: string, style: string) => string

/** From R2007 on a DXF is UTF-8; before, its header names a code page, mostly the one of whoever saved it. */
function encodingOf(start: Buffer, asked: string | undefined): { encoding: string; undeclared?: true } {
  if (asked !== undefined) return { encoding: transportOf(asked) }
  const header = start.toString('latin1')
  const version = /\$ACADVER\s+1\s+AC(\d{4})/.exec(header)?.[1]
  const page = /\$DWGCODEPAGE\s+3\s+ANSI_(\d{3,4})/i.exec(header)?.[1]
  const guess = encodingOfBytes(start)
  if (guess.encoding === 'utf-8' || (version !== undefined && Number(version) >= 1021)) return guess
  const named: Readonly<Record<string, string>> = { 874: 'windows-874', 932: 'shift_jis', 936: 'gbk', 949: 'euc-kr', 950: 'big5' }
  // 1252 is what every Vietnamese drawing with TCVN3 or VNI fonts says: it says nothing.
  if (page === undefined || page === '1252') return { encoding: 'windows-1252', undeclared: true }
  return { encoding: named[page] ?? (/^125\d$/.test(page) ? `windows-${page}` : 'windows-1252') }
}

/** Fonts say how their texts are encoded, and a `H` at the end that they draw capitals. Believed where the texts then read as Vietnamese. */
function encodingOfFont(font: string): LegacyEncoding | undefined {
  const name = font.replace(/^.*[\\/]/, '').replace(/\.(ttf|shx|otf)$/i, '')
  if (/^vni/i.test(name)) return 'vni'
  if (/^vps/i.test(name)) return 'vps'
  if (/^\.?vn\w*h$/i.test(name) && !/^\.?vnarialh?\s*narrow$/i.test(name)) return 'tcvn3-caps'
  return /^\.?vn/i.test(name) ? 'tcvn3' : undefined
}

function decoderOf(survey: Survey, asked: string | undefined): Decode {
  if (asked !== undefined) return text => text
  const byStyle = new Map<string, LegacyEncoding>()
  for (const [style, font] of survey.fonts) {
    const encoding = encodingOfFont(font)
    const sample = survey.texts.filter(text => text.style === style).slice(0, 500).map(({ text }) => text)
    if (encoding && readsAs(sample, encoding) >= 0.6 && readsAs(sample, encoding) > readsAs(sample, 'unicode')) byStyle.set(style, encoding)
  }
  return (text, style) => { const encoding = byStyle.get(style); return encoding ? decodeLegacy(text, encoding) : text }
}

/** What a first pass finds out about a drawing. */
class Survey {
  readonly layers = new Map<string, Map<Kind, number>>()
  readonly texts: (DrawnText & { readonly style: string })[] = []
  readonly fonts = new Map<string, string>()
  readonly left = new Map<string, number>()
  unit = 0

  see(each: Drawn) {
    const kinds = this.layers.get(each.layer) ?? new Map<Kind, number>()
    this.layers.set(each.layer, kinds)
    kinds.set(kindOf(each), (kinds.get(kindOf(each)) ?? 0) + 1)
    if (each.shape?.kind === 'text' && each.shape.text) {
      if (this.texts.length >= MAX_TEXTS) throw badFile(`The DXF file has more than ${MAX_TEXTS} texts. Split it into smaller drawings.`)
      this.texts.push({ at: each.shape.at, text: textOf(each), layer: each.layer, style: each.record.text(7) ?? 'STANDARD' })
    }
  }
  leave(type: string) { this.left.set(type, (this.left.get(type) ?? 0) + 1) }

  get notes(): string[] {
    const units: Readonly<Record<number, string>> = { 1: 'inches', 2: 'feet', 4: 'millimetres', 5: 'centimetres', 7: 'kilometres' }
    return [
      ...(this.left.size ? [`left out: ${[...this.left].map(([type, count]) => `${count} ${type}`).join(', ')}`] : []),
      ...(units[this.unit] ? [`the drawing says that its unit is ${units[this.unit]}; coordinates were taken as they are, as metres of the CRS`] : []),
    ]
  }
}

const textOf = ({ shape, record }: Drawn) => (shape?.kind === 'text' ? plainText(shape.text ?? '', record.type === 'MTEXT') : '')

function toFeature(each: Drawn, row: number, texts: TextIndex, decode: Decode): Feature {
  const { shape, record, layer, handle, block, attributes, fault } = each
  const style = record.text(7) ?? 'STANDARD'
  const properties: Record<string, unknown> = { layer, entity: record.type, ...(block === undefined ? {} : { block }), ...attributes }
  const base = { row, ...(handle ? { sourceId: handle } : {}) }
  if (!shape) return { ...base, properties, geometry: null, fault: fault ?? 'an entity that cannot be read' }
  switch (shape.kind) {
    case 'point': return { ...base, properties, geometry: { type: 'Point', coordinates: flat([shape.at])[0] } }
    case 'text': return { ...base, properties: { ...properties, text: decode(textOf(each), style), height: finite(record.number(40)), rotation: finite(record.number(50, 0)) }, geometry: { type: 'Point', coordinates: flat([shape.at])[0] } }
    case 'line': return { ...base, properties, geometry: { type: 'LineString', coordinates: flat(shape.line) } }
    case 'area': {
      const within = texts.textsOf(layer, shape.line)
      const label = within.length ? { label: within.join(' '), ...parcelLabel(within, Math.abs(signedArea(shape.line))) } : {}
      return { ...base, properties: { ...properties, ...label }, geometry: { type: 'Polygon', coordinates: [flat(shape.line)] } }
    }
  }
}

const finite = (number: number) => (Number.isFinite(number) ? number : null)
/** A drawing in the plane has no heights: zeros are none. */
const flat = (line: readonly Position[]) => (line.every(position => !position[2]) ? line.map(([x, y]) => [x!, y!]) : line)

/** All that the model space draws, blocks taken apart, in the order of the file. */
async function* drawn(file: string, encoding: string, survey?: Survey): AsyncGenerator<Drawn> {
  const blocks = new Map<string, Block>()
  const budget = { drawn: 0, records: 0 }
  let block: Block | null = null
  const entities = new Grouper()
  for await (const batch of dxfRecords(file, encoding)) {
    for (const record of batch) {
      if (record.type === '$INSUNITS' && survey) survey.unit = record.number(70, 0)
      else if (record.type === 'STYLE' && record.section === 'TABLES') survey?.fonts.set(record.text(2) ?? '', record.text(1000) ?? record.text(3) ?? '')
      else if (record.section === 'BLOCKS') {
        if (record.type === 'BLOCK') {
          block = { base: [record.number(10, 0), record.number(20, 0), record.number(30, 0)], entities: [] }
          blocks.set((record.text(2) ?? '').toUpperCase(), block)
        } else if (record.type === 'ENDBLK') {
          block?.entities.push(...entities.end())
          block = null
        } else if (block) {
          if (++budget.records > MAX_BLOCK_RECORDS) throw badFile(`The DXF file has more than ${MAX_BLOCK_RECORDS} entities in blocks; it was refused.`)
          block.entities.push(...entities.push(record))
        }
      } else if (record.section === 'ENTITIES') for (const entity of entities.push(record)) yield* draw(entity, blocks, budget, survey)
    }
  }
  for (const entity of entities.end()) yield* draw(entity, blocks, budget, survey)
}

/** Puts the vertices of a polyline and the attributes of a block reference to what they belong to. */
class Grouper {
  #open: { record: DxfRecord; parts: DxfRecord[] } | null = null
  push(record: DxfRecord): Entity[] {
    if (this.#open && (record.type === 'VERTEX' || record.type === 'ATTRIB')) { this.#open.parts.push(record); return [] }
    const done = this.end()
    if (record.type === 'POLYLINE' || (record.type === 'INSERT' && record.number(66, 0) === 1)) this.#open = { record, parts: [] }
    else if (record.type !== 'SEQEND' && record.type !== 'SECTION' && record.type !== 'ENDSEC') done.push({ record, parts: [] })
    return done
  }
  end(): Entity[] {
    const open = this.#open
    this.#open = null
    return open ? [open] : []
  }
}

interface Place { readonly move: (position: Position) => Position; readonly layer?: string; readonly block?: string; readonly handle: string; readonly within: readonly string[]; readonly tolerance: number }
const HERE: Place = { move: position => position, handle: '', within: [], tolerance: TOLERANCE }

function* draw({ record, parts }: Entity, blocks: ReadonlyMap<string, Block>, budget: { drawn: number }, survey: Survey | undefined, place = HERE): Generator<Drawn> {
  if (record.number(67, 0) === 1) { survey?.leave('in paper space'); return }
  if (!DRAWN.has(record.type)) { survey?.leave(record.type); return }
  if (++budget.drawn > MAX_DRAWN) throw badFile(`The DXF file draws more than ${MAX_DRAWN} things when its blocks are taken apart; it was refused.`)
  const own = record.text(8) ?? '0'
  const layer = own === '0' && place.layer !== undefined ? place.layer : own
  const handle = [place.handle, record.text(5) ?? ''].filter(Boolean).join('/')
  const base = { record, layer, handle, ...(place.block === undefined ? {} : { block: place.block }) }
  if (record.type === 'INSERT') { yield* insert({ record, parts }, { ...place, layer, handle }, blocks, budget, survey); return }
  try {
    const shape = shapeOf(record, parts, place.tolerance)
    if (shape) yield { ...base, shape: moved(shape, place.move) }
    else survey?.leave(`${record.type} that draws nothing`)
  } catch (error) {
    if (!(error instanceof GeometryFault)) throw error
    yield { ...base, shape: null, fault: error.message }
  }
}

function moved(shape: Shape, move: Place['move']): Shape {
  return 'line' in shape ? { ...shape, line: shape.line.map(move) } : { ...shape, at: move(shape.at) }
}

/** A block reference: a point with its attributes, then what the block draws, as often as its rows and columns say. */
function* insert({ record, parts }: Entity, place: Place, blocks: ReadonlyMap<string, Block>, budget: { drawn: number }, survey: Survey | undefined): Generator<Drawn> {
  const name = record.text(2) ?? ''
  const axes = axesOf(record)
  const at: Position = [record.number(10), record.number(20), record.number(30, 0)]
  const [sx, sy, sz, turn] = [record.number(41, 1), record.number(42, 1), record.number(43, 1), record.number(50, 0) * Math.PI / 180]
  const [columns, rows] = [Math.max(1, record.number(70, 1)), Math.max(1, record.number(71, 1))]
  const base = { record, layer: place.layer!, handle: place.handle, block: name }
  if (![...at, sx, sy, sz, turn].every(Number.isFinite)) { yield { ...base, shape: null, fault: 'a block reference whose place is no number' }; return }
  if (!(columns * rows <= MAX_COPIES)) throw badFile(`The DXF file repeats a block ${columns} × ${rows} times; it was refused.`)
  const attributes = Object.fromEntries(parts.filter(part => part.type === 'ATTRIB').map(part => [part.text(2) ?? 'attribute', plainText(part.text(1) ?? '', false)]))
  yield { ...base, attributes, shape: { kind: 'point', at: place.move(axes(at)) } }
  const block = blocks.get(name.toUpperCase())
  if (!block) return
  if (place.within.length >= MAX_DEPTH || place.within.includes(name)) { survey?.leave('blocks within themselves or nested too deep'); return }
  const [cos, sin] = [Math.cos(turn), Math.sin(turn)]
  for (let column = 0; column < columns; column++) {
    for (let row = 0; row < rows; row++) {
      const [dx, dy] = [column * record.number(44, 0), row * record.number(45, 0)]
      const move = ([x, y, z = 0]: Position) => {
        const [bx, by, bz] = [(x! - block.base[0]!) * sx + dx, (y! - block.base[1]!) * sy + dy, (z - (block.base[2] ?? 0)) * sz]
        return place.move(axes([at[0]! + bx * cos - by * sin, at[1]! + bx * sin + by * cos, at[2]! + bz]))
      }
      const copy = columns * rows > 1 ? `${place.handle}.${column}.${row}` : place.handle
      const scale = Math.max(Math.abs(sx), Math.abs(sy), 1e-9)
      for (const entity of block.entities) yield* draw(entity, blocks, budget, survey, { move, layer: place.layer!, block: name, handle: copy, within: [...place.within, name], tolerance: place.tolerance / scale })
    }
  }
}
