import { open, readFile, readdir, type FileHandle } from 'node:fs/promises'
import { TextDecoder } from 'node:util'
import { basename, dirname, extname, join } from 'node:path'
import type { Feature } from '../../core/feature.js'
import type { GeoJsonGeometry } from '../../core/filter/ast.js'
import { GeometryFault } from '../../core/geometry/wkb-bytes.js'
import { sridOfWkt } from './crs.js'
import { encodingOfBytes, transportOf } from './encoding.js'
import { badFile, reading } from './fault.js'
import { layerName } from './geojson.js'
import { meshShape } from './mesh-shape.js'
import type { SourceFile, SourceLayer } from './source.js'
import { westernOf } from './vietnamese.js'

/** ESRI Shapefile (.shp with .dbf, .prj, .cpg beside it); several .shp are several layers. Source: ESRI white paper J-7855. */
export async function openShapefiles(files: readonly string[], { encoding }: { readonly encoding?: string } = {}): Promise<SourceFile> {
  const layers: SourceLayer[] = []
  for (const file of files) layers.push(await sourceLayer(file, encoding))
  return { format: 'shapefile', layers, close: async () => {} }
}

async function sourceLayer(shp: string, asked: string | undefined): Promise<SourceLayer> {
  const side = await companions(shp)
  const prj = side.get('.prj')
  const cpg = side.get('.cpg')
  const dbf = side.get('.dbf')
  await reading(WHAT, async () => {
    const file = await Bytes.open(shp)
    try {
      const header = await file.exactly(100)
      if (header.readInt32BE(0) !== 9994) throw badFile('The file does not begin as a Shapefile does.')
    } finally {
      await file.close()
    }
  })
  const label = cpg ? (await readFile(cpg, 'latin1')).trim() : ''
  const declared = asked === undefined ? (label ? encodingOf(label) : undefined) : transportOf(asked)
  const table = dbf ? await reading('.dbf file', () => readTableHeader(dbf, declared)) : null
  return {
    name: layerName(shp), srid: prj ? sridOfWkt(await readFile(prj, 'utf8')) : null,
    ...(table ? { count: table.records, ...(table.undeclared ? { undeclared: table.undeclared } : {}) } : {}), features: () => features(shp, dbf, table),
  }
}

const WHAT = 'Shapefile'

/** Files with the same name and another extension, whatever its case. */
async function companions(shp: string): Promise<Map<string, string>> {
  const stem = basename(shp, extname(shp)).toLowerCase()
  const found = new Map<string, string>()
  for (const name of await readdir(dirname(shp)))
    if (basename(name, extname(name)).toLowerCase() === stem) found.set(extname(name).toLowerCase(), join(dirname(shp), name))
  return found
}

async function* features(shp: string, dbf: string | undefined, table: Table | null): AsyncGenerator<Feature> {
  const shapes = await Bytes.open(shp)
  const records = dbf && table ? await Bytes.open(dbf) : null
  try {
    await shapes.exactly(100)
    if (records) await records.exactly(table!.headerBytes)
    for (let row = 1; ; row++) {
      const header = await reading(WHAT, () => shapes.atMost(8))
      if (header.length === 0) return
      if (header.length < 8) throw badFile('The Shapefile ends in the middle of a record: it is truncated.')
      const content = await reading(WHAT, () => shapes.exactly(header.readInt32BE(4) * 2))
      const record = records && row <= table!.records ? await reading('.dbf file', () => records.exactly(table!.recordBytes)) : null
      if (record?.[0] === 0x2a) continue // a deleted row
      yield { ...shapeOf(content), properties: record ? attributes(record, table!) : {}, row }
    }
  } finally {
    await shapes.close()
    await records?.close()
  }
}

/** Shape types beyond 10 carry Z (and M), beyond 20 only M. */
function shapeOf(content: Buffer): Pick<Feature, 'geometry' | 'fault' | 'solid' | 'groundZ' | 'height'> {
  try {
    const code = content.readInt32LE(0)
    const hasZ = code > 10 && code < 20
    switch (code % 10) {
      case 0: return { geometry: null }
      case 1: return code === 31 ? multiPatch(content) : { geometry: { type: 'Point', coordinates: point(content, hasZ) } }
      case 3: return { geometry: lines(parts(content, hasZ)) }
      case 5: return { geometry: polygons(parts(content, hasZ)) }
      case 8: {
        const count = content.readInt32LE(36)
        return { geometry: { type: 'MultiPoint', coordinates: positions(content, 40, count, hasZ ? 40 + count * 16 + 16 : null) } }
      }
      default: return { geometry: null, fault: `unknown shape type ${code}` }
    }
  } catch (error) {
    if (error instanceof GeometryFault) return { geometry: null, fault: error.message }
    if (error instanceof RangeError) return { geometry: null, fault: 'a record that is cut short' }
    throw error
  }
}

function point(content: Buffer, hasZ: boolean): number[] {
  const position = [content.readDoubleLE(4), content.readDoubleLE(12)]
  if (hasZ) position.push(content.readDoubleLE(20))
  return position
}

function parts(content: Buffer, hasZ: boolean): number[][][] {
  const partCount = content.readInt32LE(36)
  const pointCount = content.readInt32LE(40)
  // The counts are claims: both must fit in the record before anything is allocated.
  if (partCount < 0 || pointCount < 0 || 44 + partCount * 4 + pointCount * 16 > content.length) throw new RangeError()
  const from = 44 + partCount * 4
  const all = positions(content, from, pointCount, hasZ ? from + pointCount * 16 + 16 : null)
  const starts = Array.from({ length: partCount }, (_, i) => content.readInt32LE(44 + i * 4))
  return starts.map((start, i) => all.slice(start, starts[i + 1] ?? pointCount))
}

/** Kinds of parts of a MultiPatch. */
const [STRIP, FAN, INNER, RING] = [0, 1, 3, 5]
/** A MultiPatch as the faces of a solid: strips and fans as triangles, inner rings as holes of the ring before them. */
function multiPatch(content: Buffer): Pick<Feature, 'geometry' | 'fault' | 'solid' | 'groundZ' | 'height'> {
  const partCount = content.readInt32LE(36)
  const pointCount = content.readInt32LE(40)
  const from = 44 + partCount * 8
  if (partCount < 0 || pointCount < 0 || from + pointCount * 24 + 16 > content.length) throw new RangeError()
  const all = positions(content, from, pointCount, from + pointCount * 16 + 16)
  const faces: number[][][][] = []
  for (let i = 0; i < partCount; i++) {
    const part = all.slice(content.readInt32LE(44 + i * 4), i + 1 < partCount ? content.readInt32LE(48 + i * 4) : pointCount)
    const kind = content.readInt32LE(44 + partCount * 4 + i * 4)
    if (kind === STRIP) for (let j = 2; j < part.length; j++) faces.push([j % 2 ? [part[j - 1]!, part[j - 2]!, part[j]!] : [part[j - 2]!, part[j - 1]!, part[j]!]])
    else if (kind === FAN) for (let j = 2; j < part.length; j++) faces.push([[part[0]!, part[j - 1]!, part[j]!]])
    else if (kind === INNER && faces.length) faces.at(-1)!.push(part)
    else if (kind <= RING!) faces.push([part])
    else throw new GeometryFault(`a MultiPatch with a part of the unknown kind ${kind}`)
  }
  return meshShape(faces, { closed: true, geographic: all.every(([x, y]) => Math.abs(x!) <= 180 && Math.abs(y!) <= 90) })
}

function positions(content: Buffer, from: number, count: number, zFrom: number | null): number[][] {
  if (count < 0 || from + count * 16 > content.length) throw new RangeError()
  return Array.from({ length: count }, (_, i) => {
    const position = [content.readDoubleLE(from + i * 16), content.readDoubleLE(from + i * 16 + 8)]
    if (zFrom !== null) position.push(content.readDoubleLE(zFrom + i * 8))
    return position
  })
}

function lines(parts: number[][][]): GeoJsonGeometry {
  return parts.length === 1 ? { type: 'LineString', coordinates: parts[0] } : { type: 'MultiLineString', coordinates: parts }
}

/** Outer rings run clockwise, holes the other way; a hole belongs to the outer ring around it. */
function polygons(rings: number[][][]): GeoJsonGeometry {
  const outers = rings.filter(ring => signedArea(ring) <= 0).map(ring => [ring])
  for (const hole of rings.filter(ring => signedArea(ring) > 0)) {
    const around = outers.length === 1 ? outers[0] : outers.find(([outer]) => hole.some(position => contains(outer!, position)))
    if (around) around.push(hole)
    else outers.push([hole])
  }
  return outers.length === 1 ? { type: 'Polygon', coordinates: outers[0] } : { type: 'MultiPolygon', coordinates: outers }
}

/** Positive where the ring runs counter-clockwise. */
export function signedArea(ring: readonly (readonly number[])[]): number {
  let sum = 0
  for (let i = 0, j = ring.length - 1; i < ring.length; j = i++) sum += ring[j]![0]! * ring[i]![1]! - ring[i]![0]! * ring[j]![1]!
  return sum / 2
}

/** Even-odd rule; a point on the edge may count either way. */
export function contains(ring: readonly (readonly number[])[], [x, y]: readonly number[]): boolean {
  let inside = false
  for (let i = 0, j = ring.length - 1; i < ring.length; j = i++) {
    const [xi, yi, xj, yj] = [ring[i]![0]!, ring[i]![1]!, ring[j]![0]!, ring[j]![1]!]
    if (yi > y! !== yj > y! && x! < ((xj - xi) * (y! - yi)) / (yj - yi) + xi) inside = !inside
  }
  return inside
}

interface Table {
  readonly records: number
  readonly headerBytes: number
  readonly recordBytes: number
  readonly fields: readonly { readonly name: string; readonly type: string; readonly from: number; readonly to: number }[]
  readonly decoder: TextDecoder
  readonly undeclared?: true
}

/** Of a table that does not say its encoding, so much is looked at. */
const SAMPLED_BYTES = 1 << 20

/** dBASE III/IV header: 32 bytes, then 32 a field. */
async function readTableHeader(dbf: string, declared: string | undefined): Promise<Table> {
  const file = await Bytes.open(dbf)
  try {
    const start = await file.exactly(32)
    const headerBytes = start.readUInt16LE(8)
    const recordBytes = start.readUInt16LE(10)
    if (headerBytes < 33 || recordBytes < 1) throw badFile('The .dbf file has no valid header.')
    const rest = await file.exactly(headerBytes - 32)
    const fields: Table['fields'][number][] = []
    let from = 1
    for (let at = 0; at + 32 <= rest.length && rest[at] !== 0x0d; at += 32) {
      const bytes = rest[at + 16]!
      fields.push({ name: rest.toString('latin1', at, at + 11).split('\0')[0]!.trim(), type: String.fromCharCode(rest[at + 11]!), from, to: from + bytes })
      from += bytes
    }
    const said = declared ?? LANGUAGE_DRIVERS[start[29]!]
    const { encoding, undeclared } = encodingOfBytes(said ? rest : textsOf(await file.atMost(SAMPLED_BYTES), recordBytes, fields), said)
    const decoder = new TextDecoder(encoding)
    const named = fields.map(field => ({ ...field, name: decoder.decode(Buffer.from(field.name, 'latin1')) }))
    return { records: start.readUInt32LE(4), headerBytes, recordBytes, fields: named, decoder, ...(undeclared ? { undeclared } : {}) }
  } finally {
    await file.close()
  }
}

/** The texts of some records, without the bytes of numbers. */
function textsOf(records: Buffer, recordBytes: number, fields: Table['fields']): Buffer {
  const texts: Buffer[] = []
  for (let at = 0; at + recordBytes <= records.length; at += recordBytes)
    for (const { type, from, to } of fields) if (type === 'C') texts.push(records.subarray(at + from, at + to), Buffer.from('\n'))
  return Buffer.concat(texts)
}

function attributes(record: Buffer, { fields, decoder }: Table): Record<string, unknown> {
  const properties: Record<string, unknown> = {}
  for (const { name, type, from, to } of fields) properties[name] = attribute(record.subarray(from, to), type, decoder)
  return properties
}

function attribute(bytes: Buffer, type: string, decoder: TextDecoder): unknown {
  if (type === 'I' && bytes.length === 4) return bytes.readInt32LE(0)
  if (type === 'O' && bytes.length === 8) return bytes.readDoubleLE(0)
  const decoded = decoder.decode(bytes).replaceAll('\0', '').trim()
  const text = decoder.encoding === 'windows-1252' ? westernOf(decoded) : decoded
  // Stars mark a number too wide for its field: unknown.
  if (text === '' || /^\*+$/.test(text)) return null
  switch (type) {
    case 'N': case 'F': return Number.isFinite(Number(text)) ? Number(text) : text
    case 'L': return /^[yt]$/i.test(text) ? true : /^[nf]$/i.test(text) ? false : null
    case 'D': return text === '00000000' ? null : `${text.slice(0, 4)}-${text.slice(4, 6)}-${text.slice(6, 8)}`
    default: return text
  }
}

/** Language driver byte of a .dbf → encoding; 0x57 “ANSI” and 0 are unknown and tried as UTF-8. */
const LANGUAGE_DRIVERS: Readonly<Record<number, string>> = {
  0x03: 'windows-1252', 0xc8: 'windows-1250', 0xc9: 'windows-1251', 0xca: 'windows-1254', 0xcb: 'windows-1253', 0x4d: 'gbk', 0x4e: 'euc-kr', 0x4f: 'big5', 0x50: 'windows-874', 0x13: 'shift_jis',
}

/** Label of a .cpg (`UTF-8`, `65001`, `1258`, `ANSI 1258`, `ISO-8859-1`) → an encoding that TextDecoder knows. */
function encodingOf(label: string): string {
  const code = /(?:^|\D)(\d{3,5})$/.exec(label)?.[1]
  const candidates = [code === '65001' ? 'utf-8' : code?.startsWith('125') || code === '874' ? `windows-${code}` : label, label.replace(/^ISO ?8859[- ]?/i, 'iso-8859-')]
  for (const candidate of candidates) {
    try {
      return new TextDecoder(candidate).encoding
    } catch { /* the next one */ }
  }
  throw badFile(`The .cpg file names the encoding “${label.slice(0, 40)}”, which is not known. Convert the .dbf to UTF-8.`)
}

/** A file read from the start in pieces of any size. */
class Bytes {
  #buffer: Buffer = Buffer.alloc(0)
  private constructor(readonly handle: FileHandle, readonly size: number) {}

  static async open(path: string): Promise<Bytes> {
    const handle = await open(path)
    return new Bytes(handle, (await handle.stat()).size)
  }

  async exactly(bytes: number): Promise<Buffer> {
    if (bytes < 0 || bytes > this.size) throw badFile('The Shapefile claims more bytes than it has: it is damaged or truncated.')
    const piece = await this.atMost(bytes)
    if (piece.length < bytes) throw badFile('The Shapefile ends in the middle of a record: it is truncated.')
    return piece
  }

  async atMost(bytes: number): Promise<Buffer> {
    while (this.#buffer.length < bytes) {
      const more = Buffer.allocUnsafe(Math.max(1 << 18, bytes))
      const { bytesRead } = await this.handle.read(more, 0, more.length)
      if (bytesRead === 0) break
      this.#buffer = Buffer.concat([this.#buffer, more.subarray(0, bytesRead)])
    }
    const piece = this.#buffer.subarray(0, bytes)
    this.#buffer = this.#buffer.subarray(piece.length)
    return piece
  }

  close(): Promise<void> {
    return this.handle.close()
  }
}
