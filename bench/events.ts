/** From commit to subscriber: `/events` over HTTP against a bare LISTEN that hears of the same commits. */
import { get, type IncomingMessage } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { applyEdits } from '../server/store/edits.js'
import { compare } from './result.js'
import type { Result } from './result.js'
import type { Workbench } from './workbench.js'

const CLIENTS = 50
const EDITS = 200
const PAUSE_MS = 15
/** What an edit may take to reach its subscribers. */
const MOST_MS = 200

export async function eventsBench({ backend: { store }, serve, connection }: Workbench): Promise<readonly Result[]> {
  const server = await serve()
  const heard = { listen: new Map<number, number>(), events: new Map<number, number[]>() }
  const bare = new pg.Client(connection)
  await bare.connect()
  bare.on('notification', ({ payload }) => heard.listen.set(Number(payload), performance.now()))
  await bare.query('listen dothi_revision')
  const clients = await Promise.all(Array.from({ length: CLIENTS }, () => subscribe(`${server.url}/events`, revision => {
    heard.events.set(revision, [...heard.events.get(revision) ?? [], performance.now()])
  })))
  const committed = new Map<number, number>()
  try {
    const layer = store.catalogue.get('trees')
    for (let i = 0; i < EDITS; i++) {
      const { revision } = await applyEdits(store, { actor: 'bench', reason: 'an edit' }, [{ action: 'create', layer, feature: { geometry: { type: 'Point', coordinates: [108.2 + i / 10_000, 16.05] }, properties: {} } }])
      committed.set(revision!.revision, performance.now())
      await sleep(PAUSE_MS)
    }
    const last = Math.max(...committed.keys())
    while ((heard.events.get(last)?.length ?? 0) < CLIENTS) await sleep(10)
  } finally {
    for (const client of clients) client.destroy()
    await bare.end()
    await server.close()
  }
  // The writer hears of its commit at about the same time as the listeners: what is early counts as nothing.
  const delay = (at: number, revision: number) => Math.max(0, at - committed.get(revision)!)
  const [ours, theirs] = [
    [...committed.keys()].flatMap(revision => heard.events.get(revision)!.map(at => delay(at, revision))),
    [...committed.keys()].map(revision => delay(heard.listen.get(revision)!, revision)),
  ].map(values => values.sort((a, b) => a - b)) as [number[], number[]]
  // Ratios are of what there is more, the better: events that come a second, one after another.
  const rate = (ms: number) => 1000 / Math.max(ms, 1)
  const at = (p: number) => ({ ours: quantile(ours, p), theirs: quantile(theirs, p) })
  const name = (p: number) => `commit to ${CLIENTS} subscribers, p${p * 100}: ${at(p).ours.toFixed(1)} ms (LISTEN ${at(p).theirs.toFixed(1)} ms)`
  return [
    compare({ name: name(0.5), unit: '1/s', ours: rate(at(0.5).ours), yardstick: 'at most 200 ms', theirs: rate(MOST_MS), goal: 1 }),
    compare({ name: name(0.95), unit: '1/s', ours: rate(at(0.95).ours), yardstick: 'at most 200 ms', theirs: rate(MOST_MS), goal: 1 }),
    compare({ name: `commit to ${CLIENTS} subscribers, p95`, unit: '1/s', ours: rate(at(0.95).ours), yardstick: 'bare LISTEN, one client', theirs: rate(at(0.95).theirs), goal: 0.05 }),
  ]
}

const quantile = (sorted: readonly number[], p: number) => sorted[Math.min(sorted.length - 1, Math.floor(p * sorted.length))]!

/** Calls back with each revision; resolves once the server has answered. */
function subscribe(url: string, onRevision: (revision: number) => void): Promise<IncomingMessage> {
  return new Promise((done, fail) => get(url, { agent: false }, response => {
    let text = ''
    response.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk
      for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
        const id = /^event: change\nid: (\d+)/.exec(text.slice(0, end))?.[1]
        text = text.slice(end + 2)
        if (id) onRevision(Number(id))
      }
    })
    response.on('error', () => {})
    response.once('data', () => done(response))
  }).on('error', fail))
}
