/** What sources answer. */
import { Type } from '@sinclair/typebox'
import { answer, BOOLEAN, COUNT, FREE, GEOMETRY, INSTANT, INTEGER, JOB_MADE, json, named, nullable, problem, STATUS_INFO, TEXT } from '../ogc/common/schemas.js'

const { Array: list, Object: object, Optional: optional } = Type

const SOURCE = named('Source', object({
  id: TEXT, kind: TEXT, location: TEXT, owner: TEXT, targets: list(FREE), enabled: optional(BOOLEAN), schedule: optional(nullable(TEXT)), secretHeaders: list(TEXT),
  created: INSTANT, updated: INSTANT, nextRun: nullable(INSTANT), lastSync: nullable(Type.Union([TEXT, FREE])), lastRevision: nullable(INTEGER),
}))
const IN_LOCATION = { Location: { description: 'Address of the source.', schema: TEXT } }

export const SOURCES = { 200: json('The sources.', object({ sources: list(SOURCE) })) }
export const ONE_SOURCE = { 200: json('The source.', SOURCE) }
export const DECLARED = { 201: { ...json('Declared; its address is in Location.', SOURCE), headers: IN_LOCATION }, 409: problem('The id is taken.') }
export const FORGOTTEN = { 200: json('How many rows went, in which revision.', object({ removed: COUNT, revision: nullable(INTEGER) })) }
export const SYNC_STARTED = { 201: JOB_MADE }
export const SYNCS = { 200: json('Syncs, newest first.', object({ syncs: list(Type.Composite([STATUS_INFO, object({ result: nullable(FREE) })])) })) }
export const APPROVED = { 201: JOB_MADE, 410: problem('The delivery is no longer kept.') }
export const SYNC_CHANGES = { 200: answer('The changes as features.', 'application/geo+json', object({
  type: Type.Literal('FeatureCollection'), features: list(object({ type: Type.Literal('Feature'), geometry: nullable(GEOMETRY), properties: object({ op: TEXT, layer: TEXT }) })),
})) }
export const KEPT = { 200: json('The rows.', object({ rows: list(object({ layer: TEXT, id: INTEGER, sourceId: nullable(TEXT), state: TEXT, conflict: BOOLEAN, upstream: nullable(FREE), since: INSTANT })) })) }
