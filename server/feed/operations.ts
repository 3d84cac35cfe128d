import { Type } from '@sinclair/typebox'
import { AS_OF, BBOX } from '../ogc/common/parameters.js'
import type { Operation, Parameter } from '../operations/operation.js'
import * as answers from './answers.js'
import { getChangedRows, getChanges, getChangesHash } from './changes.js'
import { getEvents } from './events.js'
import { webhookOperations } from './webhook-operations.js'

const query = (name: string, description: string, schema: Parameter['schema']): Parameter => ({ name, in: 'query', description, schema })
const revision = { minimum: 0, maximum: Number.MAX_SAFE_INTEGER }
const SINCE = query('since', 'Only what came after this revision; default all.', Type.Integer({ ...revision, default: 0 }))
const FROM = query('since', 'Begin after this revision; default now. The header Last-Event-ID weighs more.', Type.Integer(revision))
const LAYERS = query('layers', 'Only these layers, comma-separated; default all that you may see.', Type.Array(Type.String({ maxLength: 60 }), { minItems: 1, maxItems: 100 }))
const BOX: Parameter = { ...BBOX, description: 'Only changes whose box meets this one: west, south, east, north, degrees.' }
const AFTER = query('after', 'Where the page before ended within a revision: its “after”.', Type.String({ maxLength: 100 }))
const limit = (most: number, what: string) => query('limit', `How many ${what} a page has, about.`, Type.Integer({ minimum: 1, maximum: most, default: 1000 }))

const common = { method: 'get', branched: true, tags: ['Changes'] } as const

export const operations: readonly Operation[] = [
  { ...common, id: 'getChanges', path: '/changes', summary: 'What changed, by revision and layer.', parameters: [SINCE, limit(10_000, 'entries'), LAYERS, BOX], responses: answers.CHANGES, handler: getChanges },
  { ...common, id: 'getChangedRows', path: '/changes/rows', summary: 'The rows that revisions made, exact: replayed in order they give the identical city.', parameters: [SINCE, AFTER, limit(5_000, 'rows'), LAYERS], responses: answers.CHANGED_ROWS, handler: getChangedRows },
  { ...common, id: 'getChangesHash', path: '/changes/hash', summary: 'Hashes of layers: equal where two copies are.', parameters: [LAYERS, AS_OF], responses: answers.HASHES, handler: getChangesHash },
  { ...common, id: 'getEvents', path: '/events', summary: 'Changes as they happen: server-sent events, whose id is the revision.', parameters: [FROM, LAYERS, BOX], responses: answers.EVENTS, handler: getEvents },
  ...webhookOperations,
]
