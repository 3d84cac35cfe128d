import { COLLECTION_ID, FEATURE_ID } from '../ogc/common/parameters.js'
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
const written = { 200: 'The feature as it is now (Prefer: return=representation).', 204: 'Done; ETag and Last-Modified are those of the new version.' }

export const operations: readonly Operation[] = [
  {
    ...common, id: 'createFeature', method: 'post', path: ITEMS, summary: 'Add a feature. Location says where it is.',
    parameters: [COLLECTION_ID], body: { contentType: 'application/geo+json', schema: FeatureBody, limitBytes: ITEM_BYTES },
    conformsTo: ['create-replace-delete', 'update', 'features', 'optimistic-locking-etags', 'optimistic-locking-timestamps'].map((name) => `http://www.opengis.net/spec/ogcapi-features-4/1.0/conf/${name}`),
    responses: { 201: 'The feature is there.' }, handler: createItem,
  },
  {
    ...common, id: 'replaceFeature', method: 'put', path: ITEM, summary: 'Replace a feature. If-Match or If-Unmodified-Since lock it.',
    parameters: [COLLECTION_ID, FEATURE_ID], body: { contentType: 'application/geo+json', schema: FeatureBody, limitBytes: ITEM_BYTES },
    responses: written, handler: replaceItem,
  },
  {
    ...common, id: 'updateFeature', method: 'patch', path: ITEM, summary: 'Change a feature by a merge patch. If-Match or If-Unmodified-Since lock it.',
    parameters: [COLLECTION_ID, FEATURE_ID], body: { contentType: 'application/merge-patch+json', schema: FeaturePatch, limitBytes: ITEM_BYTES },
    responses: written, handler: updateItem,
  },
  {
    ...common, id: 'deleteFeature', method: 'delete', path: ITEM, summary: 'Remove a feature; its history stays. If-Match or If-Unmodified-Since lock it.',
    parameters: [COLLECTION_ID, FEATURE_ID], responses: { 204: 'It is gone.' }, handler: deleteItem,
  },
  {
    ...common, id: 'batch', method: 'post', path: '/batch', tags: ['Edits'], summary: 'Edits over several layers, all as one revision or none; dryRun only checks.',
    body: { contentType: 'application/json', schema: BatchBody, limitBytes: BATCH_BYTES },
    responses: { 200: 'The revision, and the id of each edit’s feature.' }, handler: postBatch,
  },
]
