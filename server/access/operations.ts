import { Type } from '@sinclair/typebox'
import { badParameter } from '../errors.js'
import { FREE, INTEGER, json, LINKS, nullable, TEXT } from '../ogc/common/schemas.js'
import type { Operation } from '../operations/operation.js'
import { accessLog } from '../store/access-log.js'

const MOST = 1000

const LOG = json('Entries, newest first.', Type.Object({
  entries: Type.Array(Type.Object({ id: INTEGER, at: TEXT, subject: TEXT, clearance: TEXT, layer: nullable(TEXT), columns: Type.Array(TEXT), operation: TEXT, how: nullable(FREE), purpose: nullable(TEXT) })), links: LINKS,
}))

export const operations: readonly Operation[] = [
  {
    id: 'getAccessLog', method: 'get', path: '/access-log', tags: ['Access'], summary: 'Who read restricted data, when, how and what for; newest first', roles: ['steward'],
    parameters: [
      { name: 'since', in: 'query', description: 'From this instant on (RFC 3339).', schema: Type.String({ maxLength: 40 }) },
      { name: 'until', in: 'query', description: 'Before this instant (RFC 3339).', schema: Type.String({ maxLength: 40 }) },
      { name: 'subject', in: 'query', description: 'Only this reader.', schema: Type.String({ maxLength: 200 }) },
      { name: 'layer', in: 'query', description: 'Only this collection.', schema: Type.String({ maxLength: 60 }) },
      { name: 'before', in: 'query', description: 'Entries older than the one with this id: the next page.', schema: Type.Integer({ minimum: 1 }) },
      { name: 'limit', in: 'query', description: 'How many entries at most.', schema: Type.Integer({ minimum: 1, maximum: MOST, default: 100 }) },
    ],
    responses: { 200: LOG }, handler: async ({ app, params, base }, response) => {
      const { since, until, subject, layer, before, limit } = params
      const entries = await accessLog(app.store.db, { since: instant('since', since), until: instant('until', until), subject, layer, before, limit })
      const last = entries[entries.length - 1]
      const next = new URLSearchParams(Object.entries({ since, until, subject, layer, limit, before: last?.id }).filter(([, value]) => value !== undefined).map(([name, value]): [string, string] => [name, String(value)]))
      response.set('Cache-Control', 'no-store').json({
        entries, links: entries.length === limit ? [{ href: `${base}/access-log?${next}`, rel: 'next', type: 'application/json', title: 'Older entries' }] : [],
      })
    },
  },
]

function instant(name: string, text: string | undefined): Date | undefined {
  if (text === undefined) return undefined
  const at = new Date(text)
  if (Number.isNaN(at.getTime())) throw badParameter(name, `${name} is an instant as 2026-01-31T00:00:00Z, not “${text}”.`)
  return at
}
