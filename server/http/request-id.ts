import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'

/** The client's own id of its request, where that is a plain one, or a new one. */
export function requestId({ headers }: IncomingMessage): string {
  const given = headers['x-request-id']
  return typeof given === 'string' && /^[\w-]{8,64}$/.test(given) ? given : randomUUID()
}
