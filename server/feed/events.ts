/** `/events`: the feed for who waits. */
import type { Response } from 'express'
import { badParameter } from '../errors.js'
import type { Call } from '../operations/operation.js'
import { feedNames } from '../store/changes.js'
import { boxOf } from './changes.js'
import { eventHubOf } from './hub.js'

export async function getEvents(call: Call, response: Response): Promise<void> {
  const { store } = call.app
  const { layers } = call.params
  feedNames(store, call.reader, layers) // 404 for a name that is not among them
  const filter = { reader: call.reader, branch: call.branch, layers, bbox: boxOf(call) }
  const since = sinceOf(call)
  response.setHeader('Content-Type', 'text/event-stream; charset=utf-8')
  // Nothing between here and the client may hold events back or change them.
  response.setHeader('Cache-Control', 'no-store, no-transform')
  response.setHeader('X-Accel-Buffering', 'no')
  if (call.request.method === 'HEAD') return void response.end()
  await eventHubOf(store).add(response, filter, since)
}

/** Where a browser that lost its connection goes on weighs more than where it once began. */
function sinceOf({ request, params }: Call): number | undefined {
  const last = request.get('last-event-id')
  if (last === undefined || last === '') return params.since
  if (!/^\d{1,15}$/.test(last)) throw badParameter('Last-Event-ID', `“${last.slice(0, 40)}” is no revision.`)
  return Number(last)
}
