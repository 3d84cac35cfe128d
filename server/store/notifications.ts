import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'

/** Hears what other processes say by NOTIFY, on a connection of its own. `missed` is called after each reconnection. */
export function listen(connection: pg.PoolConfig, channels: Readonly<Record<string, (payload: string) => void>>, missed: () => Promise<void>): { stop(): Promise<void> } {
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
    if (!first) await missed()
    await ended
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
