/** Answers to queries as Esri's FeatureCollection protocol buffers (github.com/Esri/arcgis-pbf, version 1.0). */
import { ProtoWriter } from '../../core/mvt/proto-writer.js'
import type { EsriGeometryType } from './esri-layer.js'
import type { FieldType } from './fields.js'
import type { Grid, Parts } from './shape.js'
import type { Extent, SpatialReference } from './spatial-reference.js'

export interface PbfField { readonly name: string; readonly type: FieldType; readonly alias: string; readonly domain: unknown }
/** A feature with its attributes in the fields' order, and its geometry on the grid. */
export interface PbfFeature { readonly values: readonly unknown[]; readonly cells?: Parts | null; readonly centroid?: Parts | null }
export interface PbfFeatures {
  readonly type: EsriGeometryType | null
  readonly reference: SpatialReference
  readonly grid: Grid | null
  readonly globalIdField: string | null
  readonly objectIdField: string
  readonly more: boolean
  readonly fields: readonly PbfField[]
}

const GEOMETRY_TYPES: Readonly<Record<EsriGeometryType, number>> = { esriGeometryPoint: 0, esriGeometryMultipoint: 1, esriGeometryPolyline: 2, esriGeometryPolygon: 3 }
const NO_GEOMETRY = 127
const FIELD_TYPES: Readonly<Record<FieldType, number>> = {
  esriFieldTypeSmallInteger: 0, esriFieldTypeInteger: 1, esriFieldTypeDouble: 3, esriFieldTypeString: 4, esriFieldTypeDate: 5, esriFieldTypeOID: 6, esriFieldTypeGlobalID: 11,
}
const text = new TextEncoder()

/** Writes the fields of a message. */
class Message {
  readonly out = new ProtoWriter(64)
  text(field: number, value: string): this { if (value) this.out.nested(field, text.encode(value)); return this }
  /** An unsigned integer; 0 is what is not written. */
  number(field: number, value: number): this { if (value) { this.tag(field, 0); this.out.varint(value) } return this }
  double(field: number, value: number): this { this.tag(field, 1); this.out.double(value); return this }
  message(field: number, inner: Message): this { this.tag(field, 2); this.out.varint(inner.out.length); this.out.copy(inner.out.bytes, 0, inner.out.length); return this }
  packed(field: number, values: readonly number[], signed: boolean): this {
    const inner = new Message()
    for (const value of values) inner.out.varint(signed ? zigzag(value) : value)
    return this.message(field, inner)
  }
  /** Also fields beyond 15, whose tag takes two bytes. */
  tag(field: number, wire: 0 | 1 | 2): void { this.out.varint(field * 8 + wire) }
}

/** Up to 53 bits. */
const zigzag = (value: number) => (value >= 0 ? value * 2 : -value * 2 - 1)

const answer = (kind: number, result: Message): Uint8Array => new Message().text(1, '1.0').message(2, new Message().message(kind, result)).out.written()

export const pbfCount = (count: number) => answer(2, new Message().number(1, count))
export const pbfIds = (field: string, ids: readonly number[]) => answer(3, new Message().text(1, field).packed(3, ids, false))
export function pbfExtent(extent: Extent | null, count: number): Uint8Array {
  const result = new Message()
  if (extent) result.message(1, new Message().double(1, extent.xmin).double(2, extent.ymin).double(3, extent.xmax).double(4, extent.ymax).message(5, reference(extent.spatialReference)))
  return answer(4, result.number(2, count))
}

export function pbfFeatures({ type, reference: given, grid, globalIdField, objectIdField, more, fields }: PbfFeatures, features: readonly PbfFeature[]): Uint8Array {
  const result = new Message().text(1, objectIdField)
  if (objectIdField) result.message(2, new Message().text(1, objectIdField).number(2, 1))
  result.text(3, globalIdField ?? '').number(7, type === null ? NO_GEOMETRY : GEOMETRY_TYPES[type]).message(8, reference(given)).number(9, Number(more))
  if (grid) result.message(12, transform(grid))
  for (const { name, type: fieldType, alias, domain } of fields) {
    result.message(13, new Message().text(1, name).number(2, FIELD_TYPES[fieldType]).text(3, alias).text(5, domain ? JSON.stringify(domain) : ''))
  }
  for (const { values, cells, centroid } of features) {
    const feature = new Message()
    values.forEach((value, i) => feature.message(1, valueOf(fields[i]!.type, value)))
    if (type && cells?.length) feature.message(2, geometry(type, cells))
    if (centroid?.length) feature.message(4, geometry('esriGeometryPoint', centroid))
    result.message(15, feature)
  }
  return answer(1, result)
}

const reference = ({ wkid, latestWkid }: SpatialReference) => new Message().number(1, wkid).number(2, latestWkid)

function transform({ originPosition, scale, translate: [x, y] }: Grid): Message {
  return new Message().number(1, originPosition === 'lowerLeft' ? 1 : 0)
    .message(2, new Message().double(1, scale).double(2, scale)).message(3, new Message().double(1, x).double(2, y))
}

/** An empty value is null. */
function valueOf(type: FieldType, value: unknown): Message {
  const message = new Message()
  if (value === null || value === undefined) return message
  switch (type) {
    case 'esriFieldTypeString': case 'esriFieldTypeGlobalID': message.out.nested(1, text.encode(String(value))); break
    case 'esriFieldTypeDouble': message.double(3, Number(value)); break
    case 'esriFieldTypeInteger': case 'esriFieldTypeSmallInteger': message.tag(4, 0); message.out.varint(zigzag(Number(value))); break
    case 'esriFieldTypeOID': message.tag(5, 0); message.out.varint(Number(value)); break
    case 'esriFieldTypeDate': message.tag(8, 0); message.out.varint(zigzag(Number(value))); break
  }
  return message
}

/** Lengths of the parts, and each position by its distance from the one before; the first of a part from the origin. */
function geometry(type: EsriGeometryType, cells: Parts): Message {
  const message = new Message().number(1, GEOMETRY_TYPES[type])
  if (type !== 'esriGeometryPoint') message.packed(2, cells.map(part => part.length), false)
  const coords: number[] = []
  for (const part of cells) {
    let [px, py] = [0, 0]
    for (const [x, y] of part) {
      coords.push(x! - px, y! - py)
      ;[px, py] = [x!, y!]
    }
  }
  return message.packed(3, coords, true)
}
