/**
 * How much may wait at once. A request counts from its arrival until its answer begins, so that streams, events and downloads that
 * have begun hold no place; who comes when all places are taken is told so at once, before anything was done for it.
 */
import { isIP } from 'node:net'
import type { IncomingMessage } from 'node:http'
import type { RequestHandler } from 'express'
import { Problem } from '../errors.js'
import { expand, isPublicAddress, withoutIpv4Wrapping } from './address.js'

export interface Limits {
  /** Of all clients. */
  readonly mostWaiting: number
  /** Of one, told by its address. */
  readonly mostOfClient: number
}

/** A page asks for some dozens of tiles at a time, a few dozen people behind one address for some hundreds. */
export const LIMITS: Limits = { mostWaiting: 1_500, mostOfClient: 500 }

/** Who waits for an answer now. */
export class WaitingRoom {
  readonly #ofClient = new Map<string, number>()
  #all = 0

  constructor(private readonly limits: Limits = LIMITS) {}

  /** Takes a place until the way out, which is returned, is used. Throws 503 where the server is full, 429 where one client takes more than its share. */
  enter(request: IncomingMessage): () => void {
    const client = clientOf(request)
    const own = this.#ofClient.get(client) ?? 0
    if (own >= this.limits.mostOfClient) throw new Problem(429, 'too-many', `${own} requests from your address wait for an answer already; that is as many as one client may have. Wait for some of them.`, {}, { 'Retry-After': '1' })
    if (this.#all >= this.limits.mostWaiting) throw new Problem(503, 'unavailable', `${this.#all} requests wait for an answer already: the server has more to do than it can. Try again in a moment.`, {}, { 'Retry-After': '2' })
    this.#ofClient.set(client, own + 1)
    this.#all++
    let inside = true
    return () => {
      if (!inside) return
      inside = false
      this.#all--
      const left = this.#ofClient.get(client)! - 1
      if (left > 0) this.#ofClient.set(client, left)
      else this.#ofClient.delete(client)
    }
  }
}

/** Middleware: a place in the room for each request, given back when its answer begins. */
export function limitWaiting(room: WaitingRoom): RequestHandler {
  return (request, response, next) => {
    const leave = room.enter(request)
    const { writeHead } = response
    response.writeHead = function (this: typeof response, ...args: any[]) {
      leave()
      return writeHead.apply(this, args as any)
    } as typeof writeHead
    response.once('close', leave)
    next()
  }
}

/**
 * Who asks: the address of the connection, or, where that is of our own network, a proxy's, whom the proxy says it asks for.
 * Only the last entry counts, the one that the nearest proxy wrote. An IPv6 client has a whole /64 to itself.
 */
export function clientOf({ socket, headers }: Pick<IncomingMessage, 'socket' | 'headers'>): string {
  const peer = withoutIpv4Wrapping(socket.remoteAddress ?? '')
  if (peer !== '' && isPublicAddress(peer)) return network(peer)
  const forwarded = headers['x-forwarded-for']
  const last = String(forwarded ?? '').split(',').at(-1)!.trim()
  return isIP(last) ? network(withoutIpv4Wrapping(last)) : network(peer)
}

const network = (address: string) => isIP(address) === 6 ? expand(address).slice(0, 4).join(':') : address
