import { Type } from '@sinclair/typebox'
import { AS_OF, BBOX, COLLECTION_ID, CURSOR, FEATURE_ID, LIMIT } from '../ogc/common/parameters.js'
import type { Operation, Parameter } from '../operations/operation.js'
import * as answers from './answers.js'
import { deleteAttachment, getAttachment, getAttachments, postAttachments } from './attachments.js'
import { discard, getBranchDiff, merge as mergeScenario, MergeScenarioBody, rebase } from './branches.js'
import { getLineage, merge, MergeBody, split, SplitBody } from './division.js'
import { getDiff, getVersions, restore } from './feature-history.js'
import { getRevision, getRevisions, undo } from './revisions.js'

const COLLECTION = '/ogc/collections/{collectionId}'
const ITEM = `${COLLECTION}/items/{featureId}`
const editors = { roles: ['editor', 'steward'] } as const
const query = (name: string, description: string, schema: Parameter['schema'], required = false): Parameter => ({ name, in: 'query', description, schema, required })

const BEFORE = query('before', 'Only revisions before this one: from a “next” link.', Type.Integer({ minimum: 1 }))
const REVISION: Parameter = { name: 'revision', in: 'path', required: true, description: 'Number of a revision.', schema: Type.Integer({ minimum: 1 }) }
const ATTACHMENT_ID: Parameter = { name: 'attachmentId', in: 'path', required: true, description: 'Id of an attachment.', schema: Type.Integer({ minimum: 1 }) }
const SCENARIO_ID: Parameter = { name: 'scenarioId', in: 'path', required: true, description: 'Id of a scenario.', schema: Type.String({ maxLength: 60 }) }
const MOMENT = Type.String({ maxLength: 40 })
const BODY_BYTES = 8 << 20

/** History, undo, lineage, attachments, and branches against the city. */
export const operations: readonly Operation[] = [
  { id: 'getVersions', method: 'get', path: `${ITEM}/versions`, tags: ['History'], branched: true, summary: 'Versions of a feature: who, when, why, which fields. Newest first.', parameters: [COLLECTION_ID, FEATURE_ID, LIMIT, BEFORE], responses: answers.VERSIONS, handler: getVersions },
  {
    id: 'restoreFeature', method: 'post', path: `${ITEM}/restore`, tags: ['History'], branched: true, ...editors, summary: 'Give a feature back what it was; one that was removed comes back under its id.',
    parameters: [COLLECTION_ID, FEATURE_ID, query('revision', 'As of this revision.', Type.Integer({ minimum: 0 })), query('asOf', 'As of this instant or revision.', MOMENT)], responses: answers.RESTORED, handler: restore,
  },
  {
    id: 'getDiff', method: 'get', path: `${COLLECTION}/diff`, tags: ['History'], branched: true, summary: 'What differs between two moments of a layer: features added, changed, removed, with the fields before and after.',
    parameters: [COLLECTION_ID, query('from', 'The earlier moment: instant or revision.', MOMENT, true), query('to', 'The later moment; default now.', MOMENT), BBOX, LIMIT, CURSOR], responses: answers.DIFF, handler: getDiff,
  },
  {
    id: 'getRevisions', method: 'get', path: '/revisions', tags: ['History'], branched: true, summary: 'What was written, newest first.',
    parameters: [LIMIT, BEFORE, query('layer', 'Only those that changed this layer.', Type.String({ maxLength: 60 })), query('actor', 'Only those of this person or program (for staff).', Type.String({ maxLength: 200 }))], responses: answers.REVISIONS, handler: getRevisions,
  },
  { id: 'getRevision', method: 'get', path: '/revisions/{revision}', tags: ['History'], branched: true, summary: 'One revision.', parameters: [REVISION], responses: answers.ONE_REVISION, handler: getRevision },
  {
    id: 'undoRevision', method: 'post', path: '/revisions/{revision}/undo', tags: ['History'], branched: true, ...editors, summary: 'Undo all that a revision did, as a new revision. More than 1,000 features need a steward.',
    parameters: [REVISION, query('onConflict', 'What becomes of features that were changed since: fail undoes nothing and tells them, skip leaves them, merge takes back the fields that nobody changed since.', Type.Union([Type.Literal('fail'), Type.Literal('skip'), Type.Literal('merge')], { default: 'fail' }))],
    responses: answers.UNDONE, handler: undo,
  },
  {
    id: 'splitFeature', method: 'post', path: `${COLLECTION}/split`, tags: ['Lineage'], branched: true, ...editors, summary: 'Divide a parcel or an administrative unit, by a line or into given parts.',
    parameters: [COLLECTION_ID], body: { contentType: 'application/json', schema: SplitBody, limitBytes: BODY_BYTES }, responses: answers.SPLIT, handler: split,
  },
  {
    id: 'mergeFeatures', method: 'post', path: `${COLLECTION}/merge`, tags: ['Lineage'], branched: true, ...editors, summary: 'Make one parcel or administrative unit of several that adjoin.',
    parameters: [COLLECTION_ID], body: { contentType: 'application/json', schema: MergeBody }, responses: answers.MERGED, handler: merge,
  },
  { id: 'getLineage', method: 'get', path: `${ITEM}/lineage`, tags: ['Lineage'], branched: true, summary: 'What a feature came from and what became of it, present or retired.', parameters: [COLLECTION_ID, FEATURE_ID, AS_OF], responses: answers.LINEAGE, handler: getLineage },
  { id: 'getAttachments', method: 'get', path: `${ITEM}/attachments`, tags: ['Attachments'], branched: true, summary: 'Photos, scans and documents of a feature.', parameters: [COLLECTION_ID, FEATURE_ID, AS_OF], responses: answers.ATTACHMENTS, handler: getAttachments },
  {
    id: 'addAttachments', method: 'post', path: `${ITEM}/attachments`, tags: ['Attachments'], branched: true, ...editors, summary: 'Attach files: multipart/form-data with “file”, “description”, “classification”, “reason”.',
    parameters: [COLLECTION_ID, FEATURE_ID], body: { contentType: 'raw' }, responses: answers.ATTACHED, handler: postAttachments,
  },
  { id: 'getAttachment', method: 'get', path: `${ITEM}/attachments/{attachmentId}`, tags: ['Attachments'], branched: true, summary: 'The file.', parameters: [COLLECTION_ID, FEATURE_ID, ATTACHMENT_ID, AS_OF], responses: answers.ATTACHED_FILE, handler: getAttachment },
  { id: 'deleteAttachment', method: 'delete', path: `${ITEM}/attachments/{attachmentId}`, tags: ['Attachments'], branched: true, ...editors, summary: 'Take an attachment away; as of earlier it stays.', parameters: [COLLECTION_ID, FEATURE_ID, ATTACHMENT_ID], responses: answers.GONE, handler: deleteAttachment },
  {
    id: 'getScenarioDiff', method: 'get', path: '/scenarios/{scenarioId}/diff', tags: ['Branches'], summary: 'What a scenario changed in the city, and where the city has changed since.',
    parameters: [SCENARIO_ID, query('layer', 'Only this collection.', Type.String({ maxLength: 60 })), LIMIT, CURSOR], responses: answers.BRANCH_DIFF, handler: getBranchDiff,
  },
  {
    id: 'mergeScenario', method: 'post', path: '/scenarios/{scenarioId}/merge', tags: ['Branches'], ...editors, summary: 'Bring a scenario’s edits into the city, as one revision.', parameters: [SCENARIO_ID],
    body: { contentType: 'application/json', schema: MergeScenarioBody, limitBytes: BODY_BYTES }, responses: answers.BRANCH_MERGED, handler: mergeScenario,
  },
  {
    id: 'rebaseScenario', method: 'post', path: '/scenarios/{scenarioId}/rebase', tags: ['Branches'], ...editors, summary: 'Bring what the city has changed since to the scenario’s own copies.', parameters: [SCENARIO_ID],
    body: { contentType: 'application/json', schema: MergeScenarioBody, limitBytes: BODY_BYTES }, responses: answers.BRANCH_REBASED, handler: rebase,
  },
  { id: 'discardScenario', method: 'delete', path: '/scenarios/{scenarioId}', tags: ['Branches'], ...editors, summary: 'Discard a scenario with its edits.', parameters: [SCENARIO_ID], responses: answers.GONE, handler: discard },
]
