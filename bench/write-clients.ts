/** A thread of HTTP clients that write single features one after another: changed attributes, moved outlines, new and removed features. */
import { Agent, request } from 'node:http'
import { parentPort, workerData } from 'node:worker_threads'

export interface WriteLoad {
  readonly url: string
  readonly token: string
  readonly ids: readonly number[]
  readonly clients: number
  readonly seconds: number
}
/** Milliseconds from sending to the whole answer. */
export interface WriteRate { readonly perSecond: number; readonly medianMs: number; readonly p95Ms: number; readonly worstMs: number }

const { url, token, ids, clients, seconds } = workerData as WriteLoad
const agent = new Agent({ keepAlive: true, maxSockets: clients })
const items = `${url}/ogc/collections/buildings/items`
let seed = 1
const random = (n: number) => (seed = (Math.imul(seed, 1103515245) + 12345) >>> 0) % n

const took: number[] = []
const start = performance.now()
const until = start + seconds * 1000
await Promise.all(Array.from({ length: clients }, client))
const sorted = took.sort((a, b) => a - b)
const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!
parentPort!.postMessage({ perSecond: took.length / (performance.now() - start) * 1000, medianMs: at(0.5), p95Ms: at(0.95), worstMs: at(1) } satisfies WriteRate)
agent.destroy()

async function client() {
  const own: string[] = []
  while (performance.now() < until) {
    const before = performance.now()
    const dice = random(10)
    const id = ids[random(ids.length)]!
    if (dice < 7) await send('PATCH', `${items}/${id}`, { properties: { year_built: 1960 + random(60), people: random(5000) } }, 204)
    else if (dice < 8) await send('PATCH', `${items}/${id}`, { geometry: outline() }, 204)
    else if (dice < 9 || own.length === 0) own.push(await send('POST', items, { type: 'Feature', geometry: outline(), properties: { name: 'Nhà mới', storeys: 2, height: 7 } }, 201))
    else await send('DELETE', own.pop()!, undefined, 204)
    took.push(performance.now() - before)
  }
}

function outline() {
  const [west, south] = [108.1 + random(100_000) / 1e6, 15.95 + random(100_000) / 1e6]
  return { type: 'MultiPolygon', coordinates: [[[[west, south], [west + 1e-4, south], [west + 1e-4, south + 1e-4], [west, south + 1e-4], [west, south]]]] }
}

/** Resolves to the Location of what was made. */
function send(method: string, address: string, body: unknown, wanted: number): Promise<string> {
  return new Promise((done, fail) => {
    const text = body === undefined ? undefined : JSON.stringify(body)
    const type = method === 'PATCH' ? 'application/merge-patch+json' : 'application/geo+json'
    const sent = request(address, { agent, method, headers: { Authorization: `Bearer ${token}`, ...(text && { 'Content-Type': type, 'Content-Length': Buffer.byteLength(text) }) } }, response => {
      const parts: Buffer[] = []
      response.on('data', part => parts.push(part))
      response.on('end', () => (response.statusCode === wanted ? done(response.headers.location ?? '') : fail(new Error(`${method} ${address} answered ${response.statusCode}: ${Buffer.concat(parts)}`))))
    })
    sent.on('error', fail)
    sent.end(text)
  })
}
