/** A source: what is upstream, where it goes, and how it is followed. Rows that come from it carry its id as `source`. */
import { isAbsolute, join } from 'node:path'
import { Type, type Static } from '@sinclair/typebox'
import type { Layer } from '../../layers/layer.js'
import { badBody } from '../errors.js'
import { checkedUrl } from '../http/outbound.js'
import { userCrs } from '../import/crs.js'
import type { Catalogue } from '../store/store.js'
import { checkSchedule } from './schedule.js'

export const KINDS = ['folder', 'file', 'ogc-features', 'wfs', 'esri'] as const
export type SourceKind = (typeof KINDS)[number]

const text = (maxLength: number, description: string) => Type.String({ minLength: 1, maxLength, description })
const values = Type.Record(Type.String(), Type.Union([Type.String(), Type.Number(), Type.Boolean()]))

export const TargetSchema = Type.Object({
  layer: text(60, 'The layer to fill'),
  from: Type.Optional(text(200, 'Which layer of a file that has several')),
  columns: Type.Optional(Type.Record(Type.String(), Type.Union([Type.String(), Type.Array(Type.String())]),
    { description: 'Column → attribute, `attribute*factor` for another unit, `=text` for a constant; of several the first present wins. Columns that are not named take the attribute of the same name' })),
  values: Type.Optional(Type.Record(Type.String(), values, { description: 'Column → value of the source → our code; `*` catches the rest' })),
}, { additionalProperties: false })

export const SourceSchema = Type.Object({
  id: Type.String({ pattern: '^[a-z][a-z0-9_-]{0,50}$', description: 'Its name, for ever; rows carry it' }),
  title: Type.Optional(text(200, 'What people call it')),
  kind: Type.Union(KINDS.map(kind => Type.Literal(kind)), { description: 'folder: files are dropped there · file: one file at an address · ogc-features, wfs, esri: a service' }),
  location: text(2000, 'Address of the file, of the collection, of the WFS or of the FeatureServer layer; or the folder'),
  collection: Type.Optional(text(200, 'Collection of an OGC API whose landing page is given; feature type of a WFS')),
  targets: Type.Optional(Type.Array(TargetSchema, { maxItems: 20, description: 'The layers it fills; without any, the layers whose mappings fit' })),
  publish: Type.Optional(text(50, 'Makes a layer of its own with this name, instead of filling layers that are there')),
  identity: Type.Optional(text(100, 'Attribute with the identity that things have upstream; default the feature id')),
  crs: Type.Optional(text(100, 'EPSG:n, where the source does not say or says wrong; services are asked for it')),
  axisOrder: Type.Optional(Type.Union([Type.Literal('xy'), Type.Literal('yx')], { description: 'Order of coordinates, where the service keeps to no standard' })),
  schedule: Type.Optional(text(100, '`15m`, `6h`, `1d`, or five cron fields in the city\'s time')),
  enabled: Type.Optional(Type.Boolean({ description: 'False: only synced by hand' })),
  localEdits: Type.Optional(Type.Union([Type.Literal('keep'), Type.Literal('overwrite'), Type.Literal('stop')],
    { description: 'Rows edited here: kept (default), overwritten by the source, or the sync stops where both changed' })),
  classification: Type.Optional(Type.Union([Type.Literal('open'), Type.Literal('internal'), Type.Literal('restricted')], { description: 'Of the layer that it publishes' })),
  licence: Type.Optional(text(200, 'Licence of the data')),
  owner: Type.Optional(text(200, 'Who answers for it')),
  maxDeletes: Type.Optional(Type.Number({ minimum: 0, maximum: 1, description: 'Share of its rows that one sync may delete; default 0.2' })),
  maxRejects: Type.Optional(Type.Number({ minimum: 0, maximum: 1, description: 'Share of incoming rows that may be bad; default 0.05' })),
  maxBytes: Type.Optional(Type.Integer({ minimum: 1, maximum: 2 ** 40, description: 'Of one delivery; default 2 GiB' })),
  headers: Type.Optional(Type.Record(Type.String({ pattern: '^[A-Za-z0-9-]{1,80}$' }), Type.String({ maxLength: 8000 }), { description: 'Sent with each request, kept secret: Authorization, X-Api-Key, …' })),
}, { additionalProperties: false })

export type SourceInput = Static<typeof SourceSchema>
export type Target = Static<typeof TargetSchema>
/** As stored: without the secrets. */
export type SourceDefinition = Omit<SourceInput, 'headers'>

export const DEFAULT_MAX_BYTES = 2 * 2 ** 30
export const DEFAULT_MAX_DELETES = 0.2

/** Where the folder of a source lies: beside the store's data unless an absolute path was given. */
export const folderOf = ({ location }: SourceDefinition, dataDir: string) => (isAbsolute(location) ? location : join(dataDir, 'drop', location))

/**
 * Throws a Problem for a declaration that cannot work. Over HTTP a folder must lie in DATA_DIR/drop:
 * a token must not be able to read files of the server.
 */
export function checkSource(source: SourceInput, catalogue: Catalogue, { anyFolder }: { anyFolder: boolean }): void {
  if (source.kind === 'folder') {
    const outside = isAbsolute(source.location) || source.location.split(/[\\/]/).includes('..')
    if (outside && !anyFolder) throw badBody('A folder that is declared over HTTP is a plain name inside DATA_DIR/drop. Use “dothi source add” on the server for any other.')
    if (outside && !isAbsolute(source.location)) throw badBody('A folder is a name inside DATA_DIR/drop or an absolute path.')
  } else checkedUrl(source.location)
  if (source.kind === 'wfs' && !source.collection) throw badBody('Say which feature type of the WFS is wanted, in “collection”.')
  if (source.publish && source.targets?.length) throw badBody('A source fills layers that are there (“targets”) or publishes one of its own (“publish”), not both.')
  if (source.kind !== 'folder' && source.kind !== 'file' && !source.publish && source.targets?.length !== 1) throw badBody('A service fills exactly one layer: name it in “targets”, or a new one in “publish”.')
  if (source.crs) userCrs(source.crs)
  if (source.schedule) checkSchedule(source.schedule)
  for (const target of source.targets ?? []) checkTarget(target, catalogue.get(target.layer))
  for (const [name, value] of Object.entries(source.headers ?? {}))
    if (/[\r\n\0]/.test(value)) throw badBody(`The header ${name} holds a line break.`)
}

function checkTarget({ columns = {}, values: tables = {} }: Target, layer: Layer): void {
  if (layer.kind !== 'city') throw badBody(`The layer “${layer.id}” holds results and follows no source.`)
  const known = new Set([...layer.columns.map(column => column.name), ...layer.threeD ? ['height', 'ground_z'] : []])
  for (const name of [...Object.keys(columns), ...Object.keys(tables)])
    if (!known.has(name)) throw badBody(`The layer “${layer.id}” has no column “${name.slice(0, 60)}”. It has ${[...known].join(', ')}.`)
}
