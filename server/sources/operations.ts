import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { Type } from '@sinclair/typebox'
import { sql } from 'kysely'
import { badBody, badParameter, notFound } from '../errors.js'
import type { Call, Operation, Parameter } from '../operations/operation.js'
import { statusInfo } from '../operations/operations.js'
import * as answers from './answers.js'
import { addSource, getSource, listSources, removeSource, replaceSource, type StoredSource } from './registry.js'
import { SourceSchema, type SourceInput } from './source.js'
import { changesFile, deliveryOf, type SyncInputs } from './sync.js'

const common = { tags: ['Sources'], roles: ['steward'] } as const
const sourceId: Parameter = { name: 'sourceId', in: 'path', required: true, description: 'The source', schema: Type.String({ maxLength: 60 }) }
const jobId: Parameter = { name: 'jobId', in: 'path', required: true, description: 'The sync\'s job id', schema: Type.String({ format: 'uuid' }) }
const body = <T extends ReturnType<typeof Type.Object>>(schema: T) => ({ contentType: 'application/json', schema, limitBytes: 1 << 20 })
const localEdits = Type.Optional(Type.Union([Type.Literal('keep'), Type.Literal('overwrite'), Type.Literal('stop')], { description: 'What becomes of rows edited here, this time' }))

const SyncBody = Type.Object({
  dryRun: Type.Optional(Type.Boolean({ description: 'Compare and list, change nothing' })),
  force: Type.Optional(Type.Boolean({ description: 'Apply although something is suspicious' })),
  localEdits,
}, { additionalProperties: false })

export const operations: readonly Operation[] = [
  {
    ...common, id: 'getSources', method: 'get', path: '/sources', summary: 'Upstream sources and how far they are in step',
    responses: answers.SOURCES, handler: async (call, response) => void response.json({ sources: (await listSources(call.app.store)).map(shown) }),
  },
  {
    ...common, id: 'postSource', method: 'post', path: '/sources', summary: 'Declare a source', body: body(SourceSchema),
    responses: answers.DECLARED, handler: async (call, response) => {
      const source = await addSource(call.app.store, call.body as SourceInput, { actor: call.reader.subject, anyFolder: false })
      response.status(201).set('Location', `${call.origin}/sources/${source.definition.id}`).json(shown(source))
    },
  },
  {
    ...common, id: 'getSource', method: 'get', path: '/sources/{sourceId}', summary: 'A source', parameters: [sourceId],
    responses: answers.ONE_SOURCE, handler: async (call, response) => void response.json(shown(await getSource(call.app.store, call.params.sourceId))),
  },
  {
    ...common, id: 'putSource', method: 'put', path: '/sources/{sourceId}', summary: 'Replace a source\'s declaration; secret headers stay where none are given and the address is the same', parameters: [sourceId], body: body(SourceSchema),
    responses: answers.ONE_SOURCE, handler: async (call, response) => {
      const input = call.body as SourceInput
      if (input.id !== call.params.sourceId) throw badBody(`The declaration is of “${input.id}”, the address of “${call.params.sourceId}”. An id stays for ever.`)
      response.json(shown(await replaceSource(call.app.store, input, { actor: call.reader.subject, anyFolder: false })))
    },
  },
  {
    ...common, id: 'deleteSource', method: 'delete', path: '/sources/{sourceId}', summary: 'Forget a source; its rows stay unless rows=remove',
    parameters: [sourceId, { name: 'rows', in: 'query', description: 'keep: its rows become the city\'s own · remove: they go, in one revision', schema: Type.Union([Type.Literal('keep'), Type.Literal('remove')], { default: 'keep' }) }],
    responses: answers.FORGOTTEN, handler: async (call, response) => void response.json(await removeSource(call.app.store, call.params.sourceId, { actor: call.reader.subject, rows: call.params.rows })),
  },
  {
    ...common, id: 'postSync', method: 'post', path: '/sources/{sourceId}/syncs', summary: 'Bring a source\'s rows in step now, or see what that would change', parameters: [sourceId], body: body(SyncBody),
    responses: answers.SYNC_STARTED, handler: async (call, response) => startSync(call, response, call.body as Partial<SyncInputs>),
  },
  {
    ...common, id: 'getSyncs', method: 'get', path: '/sources/{sourceId}/syncs', summary: 'Syncs of a source, newest first', parameters: [sourceId, { name: 'limit', in: 'query', description: 'How many at most', schema: Type.Integer({ minimum: 1, maximum: 1000, default: 50 }) }],
    responses: answers.SYNCS, handler: async (call, response) => {
      const { store, jobs } = call.app
      const { definition: { id } } = await getSource(store, call.params.sourceId)
      const { rows } = await sql<{ id: string }>`select id from dothi.jobs where kind = 'sync' and inputs->>'source' = ${id} order by created desc limit ${call.params.limit}`.execute(store.db)
      const found = await Promise.all(rows.map(row => jobs.get(row.id)))
      response.json({ syncs: found.flatMap(job => (job ? [{ ...statusInfo(job, call), result: job.result }] : [])) })
    },
  },
  {
    ...common, id: 'approveSync', method: 'post', path: '/sources/{sourceId}/syncs/{jobId}/approval', summary: 'Apply the very delivery that a stopped or dry sync looked at', parameters: [sourceId, jobId], body: body(Type.Object({ localEdits }, { additionalProperties: false })),
    responses: answers.APPROVED, handler: async (call, response) => {
      const { sourceId: id, jobId: job } = call.params
      const delivery = await deliveryOf(call.app.store, call.app.config.dataDir, id, job)
      await startSync(call, response, { ...call.body as object, force: true, delivery })
    },
  },
  {
    ...common, id: 'getSyncChanges', method: 'get', path: '/sources/{sourceId}/syncs/{jobId}/changes', summary: 'What a stopped or dry sync would change: deletions, updates with the fields that differ, insertions',
    parameters: [sourceId, jobId,
      { name: 'op', in: 'query', description: 'Only these', schema: Type.Union(['insert', 'update', 'delete'].map(op => Type.Literal(op))) },
      { name: 'limit', in: 'query', description: 'How many at most', schema: Type.Integer({ minimum: 1, maximum: 60_000, default: 1000 }) },
      { name: 'offset', in: 'query', description: 'How many to pass over', schema: Type.Integer({ minimum: 0, default: 0 }) }],
    responses: answers.SYNC_CHANGES, handler: async (call, response) => {
      const { sourceId: id, jobId: job, op, limit, offset } = call.params
      await deliveryOf(call.app.store, call.app.config.dataDir, id, job)
      const path = changesFile(call.app.config.dataDir, id, job)
      if (!(await stat(path).catch(() => undefined))) throw notFound(`The sync ${job} listed no changes: only stopped and dry ones do.`)
      response.type('application/geo+json').write('{"type":"FeatureCollection","features":[')
      let passed = 0
      let written = 0
      for await (const line of createInterface({ input: createReadStream(path), crlfDelay: Infinity })) {
        if (op && !line.includes(`"op": "${op}"`)) continue
        if (passed++ < offset) continue
        if (written === limit) break
        response.write(`${written++ ? ',\n' : '\n'}${line}`)
      }
      response.end('\n]}\n')
    },
  },
  {
    ...common, id: 'getConflicts', method: 'get', path: '/sources/{sourceId}/conflicts', summary: 'Rows that are kept as they were edited here, with what the source says', parameters: [sourceId],
    responses: answers.KEPT, handler: async (call, response) => void response.json({ rows: await keptRows(call.app.store, call.params.sourceId) }),
  },
]

export async function keptRows(store: Call['app']['store'], id: string) {
  await getSource(store, id)
  const { rows } = await sql<{ layer: string; id: number; sourceId: string | null; state: string; conflict: boolean; upstream: unknown; since: Date }>`
    select layer, id, source_id as "sourceId", state, conflict, upstream, since from dothi.source_kept where source = ${id} order by conflict desc, layer, id limit 10000`.execute(store.db)
  return rows
}

async function startSync(call: Call, response: Parameters<Operation['handler']>[1], wanted: Partial<SyncInputs>): Promise<void> {
  const { store, jobs, config } = call.app
  const { definition: { id } } = await getSource(store, call.params.sourceId)
  if (wanted.dryRun && wanted.force) throw badParameter('force', 'A dry run applies nothing: leave one of dryRun and force out.')
  const inputs: SyncInputs = { ...wanted, source: id, dataDir: config.dataDir }
  const job = await jobs.submit('sync', inputs, call.reader)
  response.status(201).set('Location', `${call.base}/ogc/jobs/${job.id}`).json(statusInfo(job, call))
}

/** A source for people: secret headers by name only. */
export function shown({ definition, headers, owner, created, updated, nextRun, lastRevision, lastSync, memory }: StoredSource) {
  return {
    ...definition, owner, secretHeaders: Object.keys(headers), created, updated, nextRun, lastSync, lastRevision,
    ...(memory.shape ? { rows: memory.shape.rows, attributes: memory.shape.attributes } : {}),
  }
}
