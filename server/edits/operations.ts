import { COLLECTION_ID, FEATURE_ID } from '../ogc/common/parameters.js'
import { answer, FEATURE, FREE, json, problem, TEXT } from '../ogc/common/schemas.js'
import type { Operation } from '../operations/operation.js'
import { BatchBody, postBatch } from './batch.js'
import { FeatureBody, FeaturePatch } from './feature-body.js'
import { createItem, deleteItem, replaceItem, updateItem } from './items.js'

/** A ward's outline may have a hundred thousand vertices. */
const ITEM_BYTES = 8 << 20
const BATCH_BYTES = 32 << 20

const ITEMS = '/ogc/collections/{collectionId}/items'
const ITEM = `${ITEMS}/{featureId}`
const common = { branched: true, roles: ['editor', 'steward'], tags: ['Features'] } as const
const CURRENT = { ETag: { description: 'Validator of the new version.', schema: TEXT }, 'Last-Modified': { description: 'When it was made.', schema: TEXT }, 'X-Revision': { description: 'Its revision.', schema: TEXT } }
const LOCKED = { 412: problem('Somebody else has changed the feature since.'), 422: problem('The feature breaks a rule of its layer; `faults` lists all of them.') }
const CREATED = { 201: { description: 'The feature is there.', headers: { ...CURRENT, Location: { description: 'Its address.', schema: TEXT } } }, 422: LOCKED[422] }
const WRITTEN = {
  200: { ...answer('The feature as it is now (Prefer: return=representation).', 'application/geo+json', FEATURE), headers: CURRENT },
  204: { description: 'Done.', headers: CURRENT }, ...LOCKED,
}
const DELETED = { 204: 'It is gone.', 412: LOCKED[412] }
const BATCHED = { 200: json('The revision, and the id of each edit’s feature.', FREE), 409: problem('An edit meets a feature that has changed since.'), 422: LOCKED[422] }

export const operations: readonly Operation[] = [
  {
    ...common, id: 'createFeature', method: 'post', path: ITEMS, summary: 'Add a feature. Location says where it is.',
    parameters: [COLLECTION_ID], body: { contentType: 'application/geo+json', schema: FeatureBody, limitBytes: ITEM_BYTES },
    conformsTo: ['create-replace-delete', 'update', 'features', 'optimistic-locking-etags', 'optimistic-locking-timestamps'].map((name) => `http://www.opengis.net/spec/ogcapi-features-4/1.0/conf/${name}`),
    responses: CREATED, handler: createItem,
  },
  {
    ...common, id: 'replaceFeature', method: 'put', path: ITEM, summary: 'Replace a feature. If-Match or If-Unmodified-Since lock it.',
    parameters: [COLLECTION_ID, FEATURE_ID], body: { contentType: 'application/geo+json', schema: FeatureBody, limitBytes: ITEM_BYTES },
    responses: WRITTEN, handler: replaceItem,
  },
  {
    ...common, id: 'updateFeature', method: 'patch', path: ITEM, summary: 'Change a feature by a merge patch. If-Match or If-Unmodified-Since lock it.',
    parameters: [COLLECTION_ID, FEATURE_ID], body: { contentType: 'application/merge-patch+json', schema: FeaturePatch, limitBytes: ITEM_BYTES },
    responses: WRITTEN, handler: updateItem,
  },
  {
    ...common, id: 'deleteFeature', method: 'delete', path: ITEM, summary: 'Remove a feature; its history stays. If-Match or If-Unmodified-Since lock it.',
    parameters: [COLLECTION_ID, FEATURE_ID], responses: DELETED, handler: deleteItem,
  },
  {
    ...common, id: 'batch', method: 'post', path: '/batch', tags: ['Edits'], summary: 'Edits over several layers, all as one revision or none; dryRun only checks.',
    body: { contentType: 'application/json', schema: BatchBody, limitBytes: BATCH_BYTES },
    responses: BATCHED, handler: postBatch,
  },
]
