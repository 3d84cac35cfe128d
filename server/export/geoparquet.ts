/**
 * GeoParquet 1.1: WKB with a box a row (`bbox`), by whose statistics readers skip row groups; rows come along PostGIS'
 * Hilbert curve, so that a row group lies in one place. A row group at a time is in memory.
 */
import type { SchemaElement } from 'hyparquet'
import { ByteWriter, ParquetWriter, type ColumnSource } from 'hyparquet-writer'
import type { ColumnType, Layer } from '../../layers/layer.js'
import { badParameter } from '../errors.js'
import { solidLoss, type ExportFormat, type ExportRow, type ExportSource, type LayerPlan } from './export.js'
import { measured } from './measure.js'
import { projJson } from './projjson.js'

export const geoparquet: ExportFormat = {
  id: 'geoparquet', title: 'GeoParquet', mediaType: 'application/vnd.apache.parquet', extension: '.parquet', severalLayers: false,
  losses: solidLoss, write,
}

/** A row group ends with whichever comes first. */
const GROUP_ROWS = 20_000
const GROUP_BYTES = 32 * 2 ** 20

async function* write(source: ExportSource): AsyncGenerator<Uint8Array> {
  const plan = source.plans[0]!
  const crs = await crsOf(plan, source)
  const out = new ByteWriter()
  const writer = new ParquetWriter({ writer: out, schema: schemaOf(plan), createdBy: 'dothi' })
  const group = new RowGroup(plan)
  // What the writer has made goes on, and its memory is used again.
  const taken = () => {
    const bytes = out.getBytes().slice()
    out.index = 0
    return bytes
  }
  for await (const batch of source.rows(plan, { geometry: 'wkb', clustered: true })) {
    for (const row of batch) group.add(row)
    if (group.rows < GROUP_ROWS && group.bytes < GROUP_BYTES) continue
    await writer.write({ columnData: group.take(), rowGroupSize: Infinity })
    yield taken()
  }
  if (group.rows > 0) await writer.write({ columnData: group.take(), rowGroupSize: Infinity })
  writer.kvMetadata = [{ key: 'geo', value: JSON.stringify(geoMetadata(plan, group.extent, crs)) }]
  await writer.finish()
  yield taken()
}

/** Left out for longitude and latitude, which is what its absence means. */
async function crsOf({ srid }: LayerPlan, source: ExportSource): Promise<object | undefined> {
  if (srid === 4326) return undefined
  const crs = projJson(await source.wkt(srid), srid)
  if (!crs) throw badParameter('crs', `EPSG:${srid} cannot be told in GeoParquet by this server. Ask for EPSG:4326, or for another format.`)
  return crs
}

const GEOMETRY_TYPES: Readonly<Record<Layer['geometry'], readonly string[]>> = { point: ['Point'], line: ['MultiLineString'], polygon: ['MultiPolygon'], any: [] }

function geoMetadata({ layer }: LayerPlan, extent: Float64Array, crs: object | undefined) {
  return {
    version: '1.1.0', primary_column: 'geometry',
    columns: { geometry: {
      encoding: 'WKB', geometry_types: GEOMETRY_TYPES[layer.geometry], ...(crs ? { crs } : {}),
      ...(extent[0]! <= extent[2]! ? { bbox: [...extent] } : {}),
      covering: { bbox: { xmin: ['bbox', 'xmin'], ymin: ['bbox', 'ymin'], xmax: ['bbox', 'xmax'], ymax: ['bbox', 'ymax'] } },
    } },
  }
}

const TYPES: Readonly<Record<ColumnType, Omit<SchemaElement, 'name'>>> = {
  text: { type: 'BYTE_ARRAY', converted_type: 'UTF8' }, integer: { type: 'INT64' }, number: { type: 'DOUBLE' }, boolean: { type: 'BOOLEAN' },
  date: { type: 'INT32', converted_type: 'DATE' },
  timestamp: { type: 'INT64', logical_type: { type: 'TIMESTAMP', isAdjustedToUTC: true, unit: 'MILLIS' }, converted_type: 'TIMESTAMP_MILLIS' },
  json: { type: 'BYTE_ARRAY', converted_type: 'JSON' },
}
const SIDES = ['xmin', 'ymin', 'xmax', 'ymax'] as const

function schemaOf({ columns }: LayerPlan): SchemaElement[] {
  return [
    { name: 'schema', num_children: columns.length + 3 },
    { name: 'id', type: 'INT64', repetition_type: 'REQUIRED' },
    ...columns.map(({ name, type }): SchemaElement => ({ name, ...TYPES[type], repetition_type: 'OPTIONAL' })),
    { name: 'geometry', type: 'BYTE_ARRAY', repetition_type: 'OPTIONAL' },
    { name: 'bbox', num_children: 4, repetition_type: 'OPTIONAL' },
    ...SIDES.map((name): SchemaElement => ({ name, type: 'DOUBLE', repetition_type: 'REQUIRED' })),
  ]
}

/** Rows turned into columns. */
class RowGroup {
  rows = 0
  bytes = 0
  readonly extent = new Float64Array([Infinity, Infinity, -Infinity, -Infinity])
  readonly #box = new Float64Array(4)
  readonly #converters: readonly ((value: string | number | boolean) => unknown)[]
  #ids: bigint[] = []
  #shapes: (Uint8Array | null)[] = []
  #boxes: (Record<(typeof SIDES)[number], number> | null)[] = []
  #values: unknown[][]

  constructor(readonly plan: LayerPlan) {
    this.#converters = plan.columns.map(({ type }) => CONVERTERS[type])
    this.#values = plan.columns.map(() => [])
  }

  add({ id, geometry, values }: ExportRow): void {
    this.rows++
    this.#ids.push(BigInt(id))
    this.#shapes.push(geometry as Buffer | null)
    this.#boxes.push(geometry === null ? null : this.#boxOf(geometry as Buffer))
    this.bytes += geometry?.length ?? 0
    for (let i = 0; i < values.length; i++) this.#values[i]!.push(values[i] === null ? null : this.#converters[i]!(values[i]!))
  }

  #boxOf(wkb: Buffer) {
    const box = this.#box
    if (!measured(wkb, box)) return null
    for (const i of [0, 1]) { this.extent[i] = Math.min(this.extent[i]!, box[i]!); this.extent[i + 2] = Math.max(this.extent[i + 2]!, box[i + 2]!) }
    return { xmin: box[0]!, ymin: box[1]!, xmax: box[2]!, ymax: box[3]! }
  }

  take(): ColumnSource[] {
    const columns: ColumnSource[] = [
      { name: 'id', data: this.#ids },
      ...this.plan.columns.map(({ name }, i) => ({ name, data: this.#values[i]! })),
      { name: 'geometry', data: this.#shapes, statistics: false },
      { name: 'bbox', data: this.#boxes },
    ]
    this.rows = this.bytes = 0
    this.#ids = []
    this.#shapes = []
    this.#boxes = []
    this.#values = this.plan.columns.map(() => [])
    return columns
  }
}

type Value = string | number | boolean
const CONVERTERS: Readonly<Record<ColumnType, (value: Value) => unknown>> = {
  text: value => value, number: value => value, boolean: value => value,
  integer: value => BigInt(value as number),
  date: value => new Date(`${value as string}T00:00:00Z`),
  timestamp: value => new Date(value as string),
  json: value => JSON.parse(value as string),
}
