/**
 * FlatGeobuf with its packed R-tree. The index comes before the features but is known after them, so features and leaves go
 * to temporary files first; the tree above the leaves (a box for every 16) is all that memory holds.
 * Rows come along PostGIS' Hilbert curve, by which near features stand together.
 */
import { join } from 'node:path'
import { WKB_TYPES, WkbCursor } from '../../core/geometry/wkb-bytes.js'
import type { ColumnType, Layer } from '../../layers/layer.js'
import { COLUMN_TYPES, DEFAULT_NODE_SIZE, levelSizes, MAGIC, NODE_BYTES, type FgbColumnType } from '../import/flatgeobuf-schema.js'
import { scratchFolder } from '../import/unpack.js'
import { solidLoss, type ExportFormat, type ExportRow, type ExportSource, type LayerPlan } from './export.js'
import { FlatBuffer } from './flatbuffer.js'
import { TempFile } from './temp-file.js'

export const flatgeobuf: ExportFormat = {
  id: 'flatgeobuf', title: 'FlatGeobuf', mediaType: 'application/flatgeobuf', extension: '.fgb', severalLayers: false,
  losses: solidLoss, write,
}

async function* write(source: ExportSource): AsyncGenerator<Uint8Array> {
  const plan = source.plans[0]!
  const folder = await scratchFolder()
  const features = await TempFile.create(join(folder.path, 'features'))
  const leaves = await TempFile.create(join(folder.path, 'leaves'))
  try {
    const tree = new Tree()
    const feature = featureWriter(plan)
    const node = Buffer.alloc(NODE_BYTES)
    for await (const batch of source.rows(plan, { geometry: 'wkb', clustered: true })) {
      for (const row of batch) {
        writeNode(node, 0, feature.write(row), features.bytes)
        tree.add(feature.box)
        await leaves.append(node)
        await features.append(feature.bytes)
      }
    }
    yield Buffer.from([...MAGIC, 0])
    yield header(plan, tree, await source.wkt(plan.srid))
    if (tree.count > 0) yield* tree.upperLevels()
    yield* leaves.chunks()
    yield* features.chunks()
  } finally {
    await Promise.all([features.close(), leaves.close()])
    await folder.remove()
  }
}

type Box = Float64Array
/** A box that holds nothing: it meets no other. */
const emptyBox = (box: Box) => { box[0] = box[1] = Infinity; box[2] = box[3] = -Infinity }
function widen(box: Box, w: number, s: number, e: number, n: number): void {
  if (w < box[0]!) box[0] = w
  if (s < box[1]!) box[1] = s
  if (e > box[2]!) box[2] = e
  if (n > box[3]!) box[3] = n
}

function writeNode(out: Buffer, at: number, [w, s, e, n]: Box, offset: number): void {
  out.writeDoubleLE(w!, at)
  out.writeDoubleLE(s!, at + 8)
  out.writeDoubleLE(e!, at + 16)
  out.writeDoubleLE(n!, at + 24)
  out.writeBigUInt64LE(BigInt(offset), at + 32)
}

/** The index above its leaves. */
class Tree {
  count = 0
  readonly extent = new Float64Array(4)
  /** The first level above the leaves: four numbers a box. */
  #boxes = new Float64Array(4096)

  constructor() { emptyBox(this.extent) }

  add(box: Box): void {
    const at = Math.floor(this.count / DEFAULT_NODE_SIZE) * 4
    if (at + 4 > this.#boxes.length) {
      const larger = new Float64Array(this.#boxes.length * 2)
      larger.set(this.#boxes)
      this.#boxes = larger
    }
    const parent = this.#boxes.subarray(at, at + 4)
    if (this.count++ % DEFAULT_NODE_SIZE === 0) emptyBox(parent)
    widen(parent, box[0]!, box[1]!, box[2]!, box[3]!)
    widen(this.extent, box[0]!, box[1]!, box[2]!, box[3]!)
  }

  /** Root first; a node's offset is the number of its first child among all nodes. */
  *upperLevels(): Generator<Buffer> {
    const sizes = levelSizes(this.count, DEFAULT_NODE_SIZE)
    const levels: Float64Array[] = [this.#boxes]
    for (let level = 2; level < sizes.length; level++) levels.push(grouped(levels.at(-1)!, sizes[level - 1]!))
    let start = 0
    for (let level = sizes.length - 1; level > 0; level--) {
      const count = sizes[level]!
      const out = Buffer.alloc(count * NODE_BYTES)
      const below = start + count
      for (let i = 0; i < count; i++) writeNode(out, i * NODE_BYTES, levels[level - 1]!.subarray(i * 4, i * 4 + 4), below + i * DEFAULT_NODE_SIZE)
      yield out
      start = below
    }
  }
}

/** The boxes around each 16 of `count`. */
function grouped(boxes: Float64Array, count: number): Float64Array {
  const groups = new Float64Array(Math.ceil(count / DEFAULT_NODE_SIZE) * 4)
  for (let i = 0; i < count; i++) {
    const at = Math.floor(i / DEFAULT_NODE_SIZE) * 4
    const group = groups.subarray(at, at + 4)
    if (i % DEFAULT_NODE_SIZE === 0) emptyBox(group)
    widen(group, boxes[i * 4]!, boxes[i * 4 + 1]!, boxes[i * 4 + 2]!, boxes[i * 4 + 3]!)
  }
  return groups
}

const TYPES: Readonly<Record<ColumnType, FgbColumnType>> = {
  text: 'string', integer: 'long', number: 'double', boolean: 'bool', date: 'datetime', timestamp: 'datetime', json: 'json',
}
const GEOMETRY_TYPES: Readonly<Record<Layer['geometry'], number>> = { point: 1, line: 5, polygon: 6, any: 0 }

function header({ layer, columns, srid }: LayerPlan, { count, extent }: Tree, wkt: string): Buffer {
  const out = new FlatBuffer()
  out.reset()
  // Fields: features_count at 4, then offsets of name, envelope, columns, crs, title, description, then index_node_size and geometry_type.
  const table = out.table([12, count > 0 ? 16 : 0, 38, 0, 0, 0, 0, 20, 4, 36, 24, 28, 32], 40)
  out.uint64(count, table + 4)
  out.uint16(count > 0 ? DEFAULT_NODE_SIZE : 0, table + 36)
  out.byte(GEOMETRY_TYPES[layer.geometry], table + 38)
  out.text(table + 12, layer.id)
  if (count > 0) out.vector(table + 16, new Uint8Array(extent.buffer), 4, 8)
  const all = [{ name: 'id', type: 'integer' as const, title: { en: 'Feature id' } }, ...columns]
  const slots = out.offsets(table + 20, all.length)
  all.forEach(({ name, type, title }, i) => {
    const column = out.table([4, 12, 8], 16)
    out.refer(slots + 4 * i, column)
    out.byte(COLUMN_TYPES.indexOf(TYPES[type]), column + 12)
    out.text(column + 4, name)
    out.text(column + 8, title.en)
  })
  const crs = out.table([4, 8, 0, 0, 12], 16)
  out.refer(table + 24, crs)
  out.int32(srid, crs + 8)
  out.text(crs + 4, 'EPSG')
  out.text(crs + 12, wkt)
  out.text(table + 28, layer.title.en)
  out.text(table + 32, layer.description.en)
  return out.finish(table)
}

/** Writes one row after the other into the same memory. */
function featureWriter({ columns }: LayerPlan) {
  const out = new FlatBuffer()
  const box = new Float64Array(4)
  const types = columns.map(({ type }) => TYPES[type])
  const properties = new PropertyWriter()
  return {
    box,
    bytes: Buffer.alloc(0) as Buffer,
    write({ id, geometry, values }: ExportRow): Box {
      emptyBox(box)
      out.reset()
      const table = out.table(geometry === null ? [0, 4] : [4, 8], 12)
      if (geometry !== null) {
        const wkb = new WkbCursor(geometry as Buffer)
        out.refer(table + 4, writeGeometry(out, wkb, box))
      }
      properties.reset()
      properties.add(0, 'long', id)
      for (let i = 0; i < types.length; i++) if (values[i] !== null) properties.add(i + 1, types[i]!, values[i]!)
      out.vector(table + (geometry === null ? 4 : 8), properties.written())
      this.bytes = out.finish(table)
      return box
    },
  }
}

/** Layout of a geometry's table: ends, xy, (z, m, t, tm), type, parts. */
const WITH_ENDS = [4, 8, 0, 0, 0, 0, 12]
const WITH_XY = [0, 8, 0, 0, 0, 0, 12]
const WITH_PARTS = [0, 0, 0, 0, 0, 0, 12, 4]
const GEOMETRY_BYTES = 16

/** Copies a 2D little-endian WKB geometry; returns where its table starts. */
function writeGeometry(out: FlatBuffer, from: WkbCursor, box: Box): number {
  const { type, size } = from.head()
  switch (WKB_TYPES[type]) {
    case 'Point': return writeCoordinates(out, from, type, [1], size, box)
    case 'LineString': return writeCoordinates(out, from, type, [from.count(size)], size, box)
    case 'Polygon': return writeRings(out, from, type, from.count(4), size, box)
    case 'MultiPoint': case 'MultiLineString': return writeRings(out, from, type, from.count(9), size, box)
    default: {
      const count = from.count(9)
      const table = out.table(WITH_PARTS, GEOMETRY_BYTES)
      out.byte(type, table + 12)
      const slots = out.offsets(table + 4, count)
      for (let i = 0; i < count; i++) out.refer(slots + 4 * i, writeGeometry(out, from, box))
      return table
    }
  }
}

/** Where the positions of each ring, line or point lie in the WKB; then they are copied side by side. */
function writeRings(out: FlatBuffer, from: WkbCursor, type: number, rings: number, size: number, box: Box): number {
  const start = from.at
  const counts: number[] = []
  for (let i = 0; i < rings; i++) {
    if (type !== 3) from.head()
    const count = type === 4 ? 1 : from.count(size)
    counts.push(count)
    from.need(count * size)
    from.at += count * size
  }
  const end = from.at
  from.at = start
  const table = writeCoordinates(out, from, type, counts, size, box)
  from.at = end
  return table
}

function writeCoordinates(out: FlatBuffer, from: WkbCursor, type: number, counts: readonly number[], size: number, box: Box): number {
  const total = counts.reduce((a, b) => a + b, 0)
  const ends = counts.length > 1 && type !== 4
  const table = out.table(ends ? WITH_ENDS : WITH_XY, GEOMETRY_BYTES)
  out.byte(type, table + 12)
  if (ends) {
    const items = Buffer.allocUnsafe(4 * counts.length)
    let end = 0
    counts.forEach((count, i) => items.writeUInt32LE(end += count, 4 * i))
    out.vector(table + 4, items, counts.length)
  }
  out.align(8, 4)
  const bytes = out.reserve(4 + total * 16)
  out.refer(table + 8)
  bytes.writeUInt32LE(total * 2, out.at)
  out.at += 4
  for (const count of counts) {
    // Each ring has its count before its positions, each line and point a head besides.
    if (type === 3) from.count(size)
    else if (type === 4 || type === 5) { from.head(); if (type === 5) from.count(size) }
    for (let i = 0; i < count; i++, from.at += size, out.at += 16) {
      const x = from.view.getFloat64(from.at, true)
      const y = from.view.getFloat64(from.at + 8, true)
      bytes.writeDoubleLE(x, out.at)
      bytes.writeDoubleLE(y, out.at + 8)
      widen(box, x, y, x, y)
    }
  }
  // PostGIS writes an empty point as NaN; here it has no position.
  if (type === 1 && Number.isNaN(bytes.readDoubleLE(out.at - 16))) bytes.writeUInt32LE(0, out.at - 20)
  return table
}

/** The properties of a feature: number of the column, then its value, for each that has one. */
class PropertyWriter {
  #bytes = Buffer.alloc(1024)
  #at = 0

  reset(): void { this.#at = 0 }
  written(): Buffer { return this.#bytes.subarray(0, this.#at) }

  add(column: number, type: FgbColumnType, value: string | number | boolean): void {
    this.#reserve(16)
    this.#at = this.#bytes.writeUInt16LE(column, this.#at)
    switch (type) {
      case 'long': this.#at = this.#bytes.writeBigInt64LE(BigInt(value), this.#at); break
      case 'double': this.#at = this.#bytes.writeDoubleLE(value as number, this.#at); break
      case 'bool': this.#at = this.#bytes.writeUInt8(value ? 1 : 0, this.#at); break
      default: {
        const text = value as string
        this.#reserve(4 + text.length * 3)
        const length = this.#bytes.write(text, this.#at + 4)
        this.#at = this.#bytes.writeUInt32LE(length, this.#at) + length
      }
    }
  }

  #reserve(size: number): void {
    if (this.#at + size <= this.#bytes.length) return
    const larger = Buffer.alloc(Math.max(this.#bytes.length * 2, this.#at + size))
    this.#bytes.copy(larger, 0, 0, this.#at)
    this.#bytes = larger
  }
}
