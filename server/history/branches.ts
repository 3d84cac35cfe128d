/** A scenario's branch against the city: diff, merge, rebase, discard. */
import { Type, type Static } from '@sinclair/typebox'
import type { Response } from 'express'
import type { Resolution } from '../../core/merge.js'
import { forbidden } from '../errors.js'
import { metaOf } from '../edits/preconditions.js'
import { here, type Link } from '../ogc/common/links.js'
import { GEOJSON_MEDIA } from '../ogc/common/media.js'
import type { Call } from '../operations/operation.js'
import { shownFields } from '../store/conflicts.js'
import { fieldsOf } from '../store/history.js'
import { branchDiff, branchLayers, discardBranch, mergeBranch, rebaseBranch, type BranchDiffRow, type MergeRequest } from '../store/merge.js'
import { scenarioOf } from '../scenarios/scenario.js'
import { diffFeature, fresh } from './feature-history.js'

const closed = { additionalProperties: false }
const TakeSchema = Type.Union([Type.Literal('ours'), Type.Literal('theirs')], { description: 'ours is the scenario’s, theirs the city’s.' })
const Decision = Type.Object({
  layer: Type.String({ maxLength: 60 }), id: Type.Integer({ minimum: 1 }),
  take: Type.Optional(TakeSchema),
  fields: Type.Optional(Type.Record(Type.String(), Type.Union([Type.Object({ take: TakeSchema }, closed), Type.Object({ value: Type.Any() }, closed)]))),
}, closed)
export const MergeScenarioBody = Type.Object({
  dryRun: Type.Optional(Type.Boolean({ description: 'Tell what would happen, and do nothing.' })),
  plan: Type.Optional(Type.String({ maxLength: 64, description: 'The plan of a dry run: where scenario or city have changed since, nothing is done.' })),
  resolutions: Type.Optional(Type.Array(Decision, { maxItems: 10_000 })),
  otherwise: Type.Optional(TakeSchema),
  reason: Type.Optional(Type.String({ maxLength: 1000 })),
}, closed)

/** `POST /scenarios/{id}/merge`. */
export const merge = (call: Call, response: Response) => mergeInto(call, response, mergeBranch, `merge scenario ${call.branch}`)
/** `POST /scenarios/{id}/rebase`. */
export const rebase = (call: Call, response: Response) => mergeInto(call, response, rebaseBranch, `rebase scenario ${call.branch}`)

async function mergeInto(call: Call, response: Response, work: typeof mergeBranch, fallback: string): Promise<void> {
  const { dryRun, plan, resolutions = [], otherwise, reason } = call.body as Static<typeof MergeScenarioBody>
  const request: MergeRequest = {
    reader: call.reader, branch: call.branch, dryRun, plan, otherwise, reason: metaOf(call, fallback, reason).reason,
    decisions: resolutions.map(({ layer, id, take, fields }) => ({ layer, id, resolution: (take ?? fields ?? {}) as Resolution })),
  }
  const report = await work(call.app.store, request)
  if (report.revision) response.set('X-Revision', String(report.revision.revision))
  response.set('Cache-Control', 'no-store').json({ dryRun: dryRun ?? false, ...report })
}

/** `GET /scenarios/{id}/diff`: GeoJSON features of one layer after another. */
export async function getBranchDiff(call: Call, response: Response): Promise<void> {
  const { reader, branch, app: { store } } = call
  const limit = call.params.limit as number
  const layers = (await branchLayers(store, reader, branch)).filter(({ id }) => !call.params.layer || id === call.params.layer)
  const [from, after] = cursorOf(call.params.cursor)
  const rows: BranchDiffRow[] = []
  let next: string | undefined
  for (const layer of layers.filter(({ id }) => id >= from)) {
    let at: number | null = layer.id === from ? after : 0
    while (at !== null && rows.length < limit) {
      const page = await branchDiff(store, { reader, branch, layer, after: at, limit: limit - rows.length })
      rows.push(...page.rows)
      at = page.last
    }
    if (at !== null) { next = `${layer.id}:${at}`; break }
  }
  const links: Link[] = [{ href: here(call), rel: 'self', type: GEOJSON_MEDIA.type }, ...(next ? [{ href: here(call, { cursor: next }), rel: 'next', type: GEOJSON_MEDIA.type }] : [])]
  fresh(call, response).set('Content-Type', GEOJSON_MEDIA.type).send(Buffer.from(JSON.stringify({
    type: 'FeatureCollection', features: rows.map(told), numberReturned: rows.length, layers: layers.map(({ id }) => id), links,
  })))
}

function told(row: BranchDiffRow) {
  const feature = diffFeature(row)
  const theirs = row.theirs === undefined ? {} : { theirs: row.theirs && shownFields(fieldsOf(row.theirs)) }
  return { ...feature, properties: { layer: row.layer, ...feature.properties, conflicts: row.conflicts, ...theirs } }
}

/** `layer:id`, of a “next” link. */
function cursorOf(text: string | undefined): readonly [string, number] {
  const [, layer, id] = /^([a-z][a-z0-9_]*):(\d{1,16})$/.exec(text ?? '') ?? []
  return layer ? [layer, Number(id)] : ['', 0]
}

/** `DELETE /scenarios/{id}`: by who made it, or a steward. */
export async function discard(call: Call, response: Response): Promise<void> {
  const id = String(call.params.scenarioId).toLowerCase()
  const { owner } = await scenarioOf(call.app.store, id)
  if (owner !== call.reader.subject && !call.reader.roles.includes('steward')) throw forbidden('Only who made a scenario, or a steward, may discard it.')
  await discardBranch(call.app.store, id)
  response.status(204).end()
}

