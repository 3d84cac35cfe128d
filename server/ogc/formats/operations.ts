import { gmlSchema } from '../../export/gml.js'
import type { Operation } from '../../operations/operation.js'
import { COLLECTION_ID } from '../common/parameters.js'
import { cacheControl, sendText, vary } from '../common/respond.js'
import { layerOf, propertiesOf } from '../features/layers.js'

export const formatOperations: readonly Operation[] = [
  {
    id: 'getGmlSchema', method: 'get', path: '/ogc/collections/{collectionId}/schema/gml', branched: true, tags: ['Collections'],
    summary: 'XML Schema of the features as GML.', parameters: [COLLECTION_ID],
    responses: { 200: { description: 'An XML Schema.', content: { 'application/xml': {} } } },
    handler: (call, response) => {
      const layer = layerOf(call)
      vary(response)
      response.setHeader('Cache-Control', cacheControl(call, 'live'))
      sendText(response, 'application/xml', gmlSchema(layer, propertiesOf(layer, call.reader)))
    },
  },
]
