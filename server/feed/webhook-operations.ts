import { Type } from '@sinclair/typebox'
import { sendText } from '../ogc/common/respond.js'
import type { Operation, Parameter } from '../operations/operation.js'
import * as answers from './answers.js'
import { addWebhook, deliveriesOf, getWebhook, listWebhooks, removeWebhook, resumeWebhook, type WebhookRequest } from './webhooks.js'
import { pingWebhook } from './webhook-sender.js'

const ID: Parameter = { name: 'webhookId', in: 'path', required: true, description: 'Id of a webhook.', schema: Type.String({ maxLength: 60 }) }
const LIMIT: Parameter = { name: 'limit', in: 'query', description: 'How many attempts at most.', schema: Type.Integer({ minimum: 1, maximum: 200, default: 50 }) }

const BODY = Type.Object({
  url: Type.String({ maxLength: 2000 }),
  description: Type.Optional(Type.String({ maxLength: 500 })),
  layers: Type.Optional(Type.Array(Type.String({ maxLength: 60 }), { minItems: 1, maxItems: 100 })),
  bbox: Type.Optional(Type.Array(Type.Number(), { minItems: 4, maxItems: 4 })),
  since: Type.Optional(Type.Integer({ minimum: 0 })),
  clearance: Type.Optional(Type.Union([Type.Literal('open'), Type.Literal('internal'), Type.Literal('restricted')])),
  secret: Type.Optional(Type.String({ maxLength: 200 })),
}, { additionalProperties: false })

const common = { roles: ['steward'], tags: ['Changes'] } as const

export const webhookOperations: readonly Operation[] = [
  {
    ...common, id: 'addWebhook', method: 'post', path: '/webhooks', branched: true, summary: 'Tell an address of changes. The secret is in the answer, this once.',
    body: { contentType: 'application/json', schema: BODY },
    responses: answers.WEBHOOK_MADE, handler: async ({ app, reader, branch, body, base }, response) => {
      const { webhook, secret } = await addWebhook(app.store, reader, { ...(body as WebhookRequest), branch })
      response.status(201).setHeader('Location', `${base}/webhooks/${webhook.id}`)
      send(response, { ...webhook, secret })
    },
  },
  { ...common, id: 'listWebhooks', method: 'get', path: '/webhooks', summary: 'Addresses that are told of changes.', responses: answers.WEBHOOKS, handler: async ({ app }, response) => send(response, { webhooks: await listWebhooks(app.store) }) },
  { ...common, id: 'getWebhook', method: 'get', path: '/webhooks/{webhookId}', summary: 'A webhook and its state.', parameters: [ID], responses: answers.ONE_WEBHOOK, handler: async ({ app, params }, response) => send(response, await getWebhook(app.store, params.webhookId)) },
  {
    ...common, id: 'removeWebhook', method: 'delete', path: '/webhooks/{webhookId}', summary: 'Tell an address no more.', parameters: [ID],
    responses: answers.GONE, handler: async ({ app, params }, response) => { await removeWebhook(app.store, params.webhookId); response.status(204).end() },
  },
  { ...common, id: 'webhookDeliveries', method: 'get', path: '/webhooks/{webhookId}/deliveries', summary: 'The last attempts, newest first.', parameters: [ID, LIMIT], responses: answers.DELIVERIES, handler: async ({ app, params }, response) => send(response, { deliveries: await deliveriesOf(app.store, params.webhookId, params.limit) }) },
  { ...common, id: 'pingWebhook', method: 'post', path: '/webhooks/{webhookId}/ping', summary: 'Send a test message now and tell how it went.', parameters: [ID], responses: answers.PINGED, handler: async ({ app, params }, response) => send(response, await pingWebhook(app.store, params.webhookId)) },
  { ...common, id: 'resumeWebhook', method: 'post', path: '/webhooks/{webhookId}/resume', summary: 'Try a dead or waiting webhook again now, from where it stood.', parameters: [ID], responses: answers.ONE_WEBHOOK, handler: async ({ app, params }, response) => send(response, await resumeWebhook(app.store, params.webhookId)) },
]

function send(response: Parameters<Operation['handler']>[1], body: object): void {
  response.setHeader('Cache-Control', 'no-store')
  sendText(response, 'application/json', JSON.stringify(body))
}
