/** What a city says of its layers: read, and changed by a steward. */
import { Type, type Static, type TSchema } from '@sinclair/typebox'
import type { Response } from 'express'
import { UPDATE_FREQUENCIES, type Metadata } from '../../../layers/layer.js'
import { mergePatch } from '../../../core/merge-patch.js'
import { badBody, conflict } from '../../errors.js'
import type { Call } from '../../operations/operation.js'
import { named } from '../common/schemas.js'
import { layerOf } from '../features/layers.js'

const closed = { additionalProperties: false }
/** In a merge patch, null takes back what was said. */
const said = <T extends TSchema>(schema: T) => Type.Optional(Type.Union([schema, Type.Null()]))
const text = (maxLength: number) => Type.String({ minLength: 1, maxLength })
const localized = (maxLength: number) => Type.Object({ vi: text(maxLength), en: text(maxLength) }, closed)

const FIELDS = {
  title: localized(200), description: localized(2000), licence: text(60), attribution: text(300), owner: localized(200),
  contact: Type.Object({
    email: Type.Optional(Type.String({ maxLength: 200, pattern: '^[^@\\s]+@[^@\\s]+$' })),
    phone: Type.Optional(Type.String({ pattern: '^\\+[1-9]\\d{3,14}$', description: 'In full, with the country: +84…' })),
    url: Type.Optional(Type.String({ maxLength: 500, pattern: '^https?://\\S+$' })),
  }, closed),
  updateFrequency: Type.Union(UPDATE_FREQUENCIES.map(name => Type.Literal(name))), keywords: Type.Array(localized(80), { maxItems: 50 }), lineage: localized(2000),
} satisfies Record<keyof Metadata, TSchema>

export const METADATA_PATCH = named('MetadataPatch', Type.Object({
  title: said(FIELDS.title), description: said(FIELDS.description), licence: said(FIELDS.licence), attribution: said(FIELDS.attribution), owner: said(FIELDS.owner),
  contact: said(FIELDS.contact), updateFrequency: said(FIELDS.updateFrequency), keywords: said(FIELDS.keywords), lineage: said(FIELDS.lineage),
}, { ...closed, description: 'What is said of a layer instead of its file’s own words; null takes it back.' }))
export const METADATA = named('Metadata', Type.Partial(Type.Object(FIELDS)))

/** `GET /ogc/collections/{c}/metadata`: as it stands, in both languages. */
export function getMetadata(call: Call, response: Response): void {
  response.set('Cache-Control', 'no-cache').vary('Authorization').vary('Cookie').json(metadataOf(call))
}

/** `PATCH` of the same, as a merge patch. */
export async function patchMetadata(call: Call, response: Response): Promise<void> {
  const { catalogue } = call.app.store
  const { id, kind } = layerOf(call)
  if (kind === 'run') throw conflict('Results of runs are described by their scenarios.')
  const patch = call.body as Static<typeof METADATA_PATCH>
  if (Object.keys(patch).length === 0) throw badBody(`Nothing is to be changed. What can be: ${Object.keys(FIELDS).join(', ')}.`)
  await catalogue.describe(id, mergePatch(catalogue.metadata(id), patch) as Metadata, call.reader.subject)
  getMetadata(call, response)
}

function metadataOf(call: Call): Metadata {
  const { title, description, licence, attribution, owner, contact, updateFrequency, keywords, lineage } = layerOf(call)
  return { title, description, licence, attribution, owner, contact, updateFrequency, keywords, lineage }
}
