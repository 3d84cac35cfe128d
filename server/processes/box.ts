/** A bounding box as the standard writes one in an execute request. */
import { Type } from '@sinclair/typebox'

export interface Box { readonly bbox: readonly number[]; readonly crs?: string }

export const CRS84_URI = 'http://www.opengis.net/def/crs/OGC/1.3/CRS84'

export const BoxSchema = Type.Unsafe<Box>({
  allOf: [{ format: 'ogc-bbox' }, {
    type: 'object', required: ['bbox'], additionalProperties: false,
    properties: { bbox: { type: 'array', items: { type: 'number' }, minItems: 4, maxItems: 6 }, crs: { type: 'string', enum: [CRS84_URI, 'http://www.opengis.net/def/crs/OGC/0/CRS84h'], default: CRS84_URI } },
  }],
})
