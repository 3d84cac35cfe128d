import { setTimeout as sleep } from 'node:timers/promises'
import type { Duplex } from 'node:stream'
import pg from 'pg'
import type { Link } from './tile-memory.js'

/** What follows the connection itself: called with each one that has begun to listen, and told when it has ended. */
export interface Watcher { attach(link: Link): Promise<{ detach(): void }> }

/** Hears what other processes say by NOTIFY, on a connection of its own. `missed` is called after each reconnection. */
export function listen(connection: pg.PoolConfig, channels: Readonly<Record<string, (payload: string) => void>>, watcher: Watcher, missed: () => Promise<void>): { stop(): Promise<void> } {
  const stopping = new AbortController()
  let client: pg.Client | undefined
  // pg never ends a client that is told so while it is connecting.
  let connecting: Promise<unknown> = Promise.resolve()

  async function hear(first: boolean) {
    const fresh = new pg.Client({ ...connection, application_name: 'dothi listens' })
    const ended = new Promise<void>(resolve => {
      fresh.on('error', () => resolve())
      fresh.on('end', () => resolve())
    })
    fresh.on('notification', ({ channel, payload }) => channels[channel]?.(payload ?? ''))
    client = fresh
    connecting = fresh.connect()
    await connecting
    for (const channel of Object.keys(channels)) await fresh.query(`listen ${channel}`)
    const watching = await watcher.attach({ query: text => fresh.query(text), destroy: () => connectionOf(fresh).stream.destroy() })
    try {
      if (!first) await missed()
      await ended
    } finally {
      watching.detach()
    }
  }

  const done = (async () => {
    for (let first = true; !stopping.signal.aborted; first = false) {
      await hear(first).catch(() => {})
      await client?.end().catch(() => {})
      if (!stopping.signal.aborted) await sleep(RETRY_MS, undefined, { signal: stopping.signal }).catch(() => {})
    }
  })()

  return {
    async stop() {
      stopping.abort()
      await connecting.catch(() => {})
      await client?.end().catch(() => {})
      await done
    },
  }
}
const RETRY_MS = 500

/** The socket, which pg's types do not tell of: a connection that is silent cannot be ended politely. */
const connectionOf = (client: pg.Client) => (client as unknown as { connection: { stream: Duplex } }).connection
