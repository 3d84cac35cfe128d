import { Type } from '@sinclair/typebox'
import type { BBox } from '../../core/bbox.js'
import { badBody, notFound } from '../errors.js'
import { COUNT, INTEGER, JOB_MADE, json, LINKS, nullable, TEXT, TITLES } from '../ogc/common/schemas.js'
import type { Call, Operation } from '../operations/operation.js'
import { statusInfo } from '../operations/operations.js'
import { rulesFor } from './check.js'
import { CHECK, type CheckInputs } from './jobs.js'
import { ruleInfo, summary } from './summary.js'
import { waive } from './waivers.js'

const tags = ['Quality']
const id = { name: 'issueId', in: 'path', required: true, description: 'Id of the finding in the collection quality_issues.', schema: Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }) } as const
const Names = (maxLength: number) => Type.Optional(Type.Array(Type.String({ maxLength }), { minItems: 1, maxItems: 200 }))

const { Array: list, Object: object } = Type
const REPORT = json('The report.', object({
  revision: nullable(INTEGER), checked: nullable(TEXT), complete: nullable(TEXT), behind: COUNT, total: object({ open: COUNT, waived: COUNT, errors: COUNT, warnings: COUNT }),
  rules: list(object({ rule: TEXT, severity: TEXT, title: TITLES, open: COUNT, waived: COUNT })), layers: list(object({ layer: TEXT, open: COUNT, waived: COUNT, errors: COUNT })),
  wards: list(object({ ward: nullable(TEXT), open: COUNT, waived: COUNT, errors: COUNT })), links: LINKS,
}))
const RULES = json('The rules.', object({ rules: list(Type.Object({}, { additionalProperties: true })) }))
const WAIVED = json('The finding as it stands now.', object({ id: INTEGER, rule: TEXT, state: TEXT, reason: nullable(TEXT) }))

export const operations: readonly Operation[] = [
  {
    id: 'getQuality', method: 'get', path: '/quality', tags, summary: 'How good the data is: findings by rule, layer and ward',
    responses: { 200: REPORT }, handler: async (call, response) => void noStore(response).json({ ...await summary(call.app.store, call.reader), links: links(call) }),
  },
  {
    id: 'getQualityRules', method: 'get', path: '/quality/rules', tags, summary: 'The rules that the city is held to',
    responses: { 200: RULES }, handler: async (call, response) => void noStore(response).json({ rules: rulesFor(call.app.store, call.reader).map(rule => ruleInfo(call.app.store, rule)) }),
  },
  {
    id: 'checkQuality', method: 'post', path: '/quality/checks', tags, summary: 'Check all, or some layers, rules, or a box; a job', roles: ['editor', 'steward'],
    body: { contentType: 'application/json', schema: Type.Object({ layers: Names(60), rules: Names(120), bbox: Type.Optional(Type.Array(Type.Number(), { minItems: 4, maxItems: 4 })) }, { additionalProperties: false }) },
    responses: { 201: JOB_MADE }, handler: async (call, response) => {
      const inputs = inputsOf(call)
      const job = await call.app.jobs.submit(CHECK, inputs, call.reader)
      response.status(201).set('Location', `${call.base}/ogc/jobs/${job.id}`).json(statusInfo(job, call))
    },
  },
  {
    id: 'waiveIssue', method: 'put', path: '/quality/issues/{issueId}/waiver', tags, summary: 'Let a finding stand while it is what it is, for a reason', roles: ['editor', 'steward'], parameters: [id],
    body: { contentType: 'application/json', schema: Type.Object({ reason: Type.String({ minLength: 1, maxLength: 500 }) }, { additionalProperties: false }) },
    responses: { 200: WAIVED }, handler: async (call, response) => void noStore(response).json(await waive(call.app.store, call.reader, call.params.issueId, (call.body as { reason: string }).reason)),
  },
  {
    id: 'unwaiveIssue', method: 'delete', path: '/quality/issues/{issueId}/waiver', tags, summary: 'Take a waiver back', roles: ['editor', 'steward'], parameters: [id],
    responses: { 200: WAIVED }, handler: async (call, response) => void noStore(response).json(await waive(call.app.store, call.reader, call.params.issueId, null)),
  },
]

const noStore = (response: Parameters<Operation['handler']>[1]) => response.set('Cache-Control', 'no-store').vary('Authorization').vary('Cookie')

/** What is asked for must be there, and for this reader: an unknown rule and a closed one are the same. */
function inputsOf({ app: { store }, reader, body }: Call): CheckInputs {
  const { layers, rules, bbox } = body as CheckInputs
  const seen = new Set(store.catalogue.for(reader).map(layer => layer.id))
  for (const layer of layers ?? []) if (!seen.has(layer)) throw notFound(`There is no collection “${layer}”. GET /ogc/collections lists them.`)
  const known = rulesFor(store, reader).map(rule => rule.id)
  for (const rule of rules ?? []) if (!known.some(name => name === rule || name.endsWith(`.${rule}`))) throw badBody(`There is no rule “${rule}”. GET /quality/rules lists them.`)
  if (bbox && !(bbox[0] <= bbox[2] && bbox[1] <= bbox[3] && bbox.every(Number.isFinite))) throw badBody('A bbox is west, south, east, north in degrees.')
  return { ...(layers && { layers }), ...(rules && { rules }), ...(bbox && { bbox: [...bbox] as unknown as BBox }) }
}

const links = ({ base }: Call) => [
  { href: `${base}/ogc/collections/quality_issues/items`, rel: 'items', type: 'application/geo+json', title: 'The findings as features' },
  { href: `${base}/quality/rules`, rel: 'related', type: 'application/json', title: 'The rules' },
]
