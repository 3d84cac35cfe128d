/**
 * A day of the synchronised store, over HTTP as people and tools use it: import → two clients edit with a conflict → undo →
 * branch → merge with a conflict → the city as of before → the feed replayed into an empty copy, equal layer by layer.
 *
 *   node --import tsx scripts/drills/story.ts
 */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { SAMPLE } from '../../fixtures/city/jobs.js'
import { createToken } from '../../server/access/tokens.js'
import { openBackend } from '../../server/compose.js'
import { readConfig } from '../../server/config.js'
import { replay } from '../../server/federation/replay.js'
import { createListener } from '../../server/main.js'
import type { LocalJobs } from '../../server/operations/jobs-impl.js'
import { STEWARD, type Role, type Store } from '../../server/store/store.js'

/** A running city; the drill makes real ones, the test borrows its own. */
export interface City {
  readonly url: string
  readonly store: Store
  readonly jobs: LocalJobs
  token(role: Role): Promise<string>
}
export interface StoryResult { readonly revisions: number; readonly layers: number; readonly rows: number; readonly faults: readonly string[] }

interface Answer { readonly status: number; readonly body: any; readonly etag: string; readonly location: string }
type Hashes = ReadonlyMap<string, { readonly hash: string; readonly count: number }>

export async function story(city: City, copy: City, buildings: number, say: (line: string) => void): Promise<StoryResult> {
  const faults: string[] = []
  const expect = (what: string, holds: boolean, came?: unknown) => {
    say(`${holds ? 'ok  ' : 'NOT '} ${what}${holds || came === undefined ? '' : `: ${JSON.stringify(came).slice(0, 600)}`}`)
    if (!holds) faults.push(`${what}${came === undefined ? '' : `: ${JSON.stringify(came).slice(0, 400)}`}`)
  }
  const steward = await city.token('steward')
  const as = (token: string) => async (method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer> => {
    const form = body instanceof FormData
    const response = await fetch(city.url + path, {
      method, headers: { Authorization: `Bearer ${token}`, ...(body !== undefined && !form && { 'Content-Type': 'application/json' }), ...headers },
      ...(body !== undefined && { body: form ? body : JSON.stringify(body) }),
    })
    const text = await response.text()
    return { status: response.status, body: text.startsWith('{') ? JSON.parse(text) : text, etag: response.headers.get('etag') ?? '', location: response.headers.get('location') ?? '' }
  }
  const [office, field] = [as(steward), as(await city.token('editor'))]
  const latest = async () => (await office('GET', '/revisions?limit=1')).body.revisions[0].revision as number
  const count = async (layer: string, query = '') => (await office('GET', `/ogc/collections/${layer}/items?limit=1${query}`)).body.numberMatched as number
  const patch = { 'Content-Type': 'application/merge-patch+json' }

  say(`\n1 the city: the sample with ${buildings} buildings, then a file of trees`)
  await runJob(city, buildings)
  const treesBefore = await count('trees')
  const imported = await office('POST', '/imports', treesForm())
  const importJob = await finished(office, imported.location)
  expect('the import landed', importJob.body.status === 'successful', importJob.body)
  expect('with every row', await count('trees') === treesBefore + 40)
  const asImported = await latest()
  const then = await hashesOf(city)

  say('\n2 two clients change the same tree')
  const tree = (await office('GET', `/ogc/collections/trees/items?limit=1&filter=${encodeURIComponent(`source = 'story'`)}`)).body.features?.[0] ?? (await office('GET', '/ogc/collections/trees/items?limit=1')).body.features[0]
  const treePath = `/ogc/collections/trees/items/${tree.id}`
  const [seenByOffice, seenByField] = [await office('GET', treePath), await field('GET', treePath)]
  const first = await office('PATCH', treePath, { properties: { species: 'Sao đen' } }, { ...patch, 'If-Match': seenByOffice.etag, 'X-Reason': 'story: species' })
  expect('the first is taken', first.status < 300, first)
  const late = await field('PATCH', treePath, { properties: { species: 'Bàng Đài Loan' } }, { ...patch, 'If-Match': seenByField.etag })
  expect('the second is told that it came late', late.status === 412, late)
  const again = await field('GET', treePath)
  expect('reads what the first wrote', again.body.properties.species === 'Sao đen', again.body.properties)
  const second = await field('PATCH', treePath, { properties: { species: 'Bàng Đài Loan' } }, { ...patch, 'If-Match': again.etag })
  expect('and may then decide', second.status < 300, second)
  const versions = await office('GET', `${treePath}/versions`)
  expect('three versions are kept', versions.body.versions?.length === 3, versions.body)

  say('\n3 a bulk edit by mistake is undone')
  const many = (await office('GET', '/ogc/collections/trees/items?limit=25')).body.features as { id: number }[]
  const beforeMistake = await hashesOf(city, ['trees'])
  const mistake = await office('POST', '/batch', { reason: 'story: a mistake', edits: many.map(({ id }) => ({ action: 'delete', collection: 'trees', id })) })
  expect('25 trees are gone in one revision', mistake.status < 300 && await count('trees') === treesBefore + 15, mistake)
  const undone = await office('POST', `/revisions/${await latest()}/undo`, {})
  expect('undo brings them back under their ids', undone.status < 300 && same(beforeMistake, await hashesOf(city, ['trees'])), undone)

  say('\n4 a branch, and main goes on')
  const [house] = (await office('GET', '/ogc/collections/buildings/items?limit=1')).body.features
  const housePath = `/ogc/collections/buildings/items/${house.id}`
  const mainBefore = await hashesOf(city, ['buildings', 'trees', 'cameras'])
  const branchPoint = await latest()
  const scenario = await office('POST', '/scenarios', { title: { vi: 'Nhà văn hóa phường', en: 'A community house' }, forcing: { start: '2026-10-01T00:00:00Z', hours: 1 } })
  const branch = `/scenarios/${scenario.body.id}`
  const planned = await office('POST', `${branch}/batch`, {
    reason: 'story: proposal', edits: [
      { action: 'update', collection: 'buildings', id: house.id, feature: { properties: { name: 'Nhà văn hóa', storeys: 3 } } },
      { action: 'update', collection: 'trees', id: tree.id, feature: { properties: { species: 'Phượng vĩ' } } },
      { action: 'delete', collection: 'trees', id: many.at(-1)!.id },
      { action: 'create', collection: 'cameras', feature: { type: 'Feature', geometry: { type: 'Point', coordinates: [108.22, 16.06] }, properties: {} } },
    ],
  })
  expect('the branch takes its edits', planned.status < 300, planned)
  expect('main does not see them', same(mainBefore, await hashesOf(city, ['buildings', 'trees', 'cameras'])))
  expect('the branch does', (await office('GET', branch + housePath)).body.properties.name === 'Nhà văn hóa')
  await office('PATCH', housePath, { properties: { year_built: 1999 } }, patch)
  await field('PATCH', treePath, { properties: { species: 'Lim xẹt' } }, patch)

  say('\n5 merge: other fields join, the same field is a conflict')
  const dry = await office('POST', `${branch}/merge`, { dryRun: true })
  expect('one conflict is told, field by field', dry.body.count === 1 && dry.body.conflicts?.[0]?.id === tree.id && /species/.test(JSON.stringify(dry.body.conflicts[0])), dry.body)
  const refused = await office('POST', `${branch}/merge`, {})
  expect('undecided, nothing is merged', refused.status === 409 && (await office('GET', treePath)).body.properties.species === 'Lim xẹt', refused)
  const beforeMerge = await latest()
  const merged = await office('POST', `${branch}/merge`, { otherwise: 'ours', reason: 'story: approved' })
  expect('decided, it is one revision', merged.status < 300 && await latest() === beforeMerge + 1, merged)
  const { properties } = (await office('GET', housePath)).body
  expect('both sides’ fields are there', properties.name === 'Nhà văn hóa' && properties.year_built === 1999, properties)
  expect('the decision too', (await office('GET', treePath)).body.properties.species === 'Phượng vĩ')

  say('\n6 the city as of before')
  expect('every layer is what it was after the import', same(then, await hashesOf(city, undefined, asImported)))
  expect('a single tree too', (await office('GET', `${treePath}?asOf=${asImported}`)).body.properties.species === tree.properties.species)
  expect('and the branch point of the trees', same(mainBefore, await hashesOf(city, ['buildings', 'trees', 'cameras'], branchPoint)))

  say('\n7 the feed replayed into an empty copy')
  const pulled = await replay(copy.store, { from: city.url, token: steward, allowPrivate: true })
  const [here, there] = [await hashesOf(city), await hashesOf(copy)]
  expect(`${here.size} layers are equal`, here.size > 20 && same(here, there), differences(here, there))
  say(`     ${JSON.stringify(pulled).slice(0, 200)}`)
  const { changes } = (await office('GET', '/changes?since=0&limit=10000')).body as { changes: { revision: number }[] }
  const revisions = [...new Set(changes.map(({ revision }) => revision))]
  expect('the feed is in order', revisions.every((revision, i) => i === 0 || revision > revisions[i - 1]!))
  return { revisions: await latest(), layers: here.size, rows: [...here.values()].reduce((sum, { count: rows }) => sum + rows, 0), faults }
}

/** Hash and count of each layer, or of some, now or as of a revision. */
async function hashesOf(city: City, layers?: readonly string[], asOf?: number): Promise<Hashes> {
  const query = new URLSearchParams({ ...(layers && { layers: layers.join(',') }), ...(asOf !== undefined && { asOf: String(asOf) }) })
  const response = await fetch(`${city.url}/changes/hash?${query}`, { headers: { Authorization: `Bearer ${await city.token('steward')}` } })
  const body = await response.json() as { layers: { layer: string; hash: string; count: number }[] }
  return new Map(body.layers.map(({ layer, hash, count }) => [layer, { hash, count }]))
}

async function runJob({ jobs }: City, buildings: number): Promise<void> {
  const job = await jobs.run(SAMPLE, { buildings, seed: 1 }, STEWARD)
  if (job.state !== 'successful') throw new Error(`The sample city could not be loaded: ${job.message}`)
}

/** 40 trees along a street, as an office would send them. */
function treesForm(): FormData {
  const features = Array.from({ length: 40 }, (_, i) => ({ type: 'Feature', properties: { species: 'Xà cừ', code: `STORY-${i}` }, geometry: { type: 'Point', coordinates: [108.215 + i * 0.0002, 16.065] } }))
  const form = new FormData()
  for (const [name, value] of [['mode', 'import'], ['layer', 'trees'], ['source', 'story']] as const) form.set(name, value)
  form.set('file', new Blob([JSON.stringify({ type: 'FeatureCollection', features })]), 'street.geojson')
  return form
}

async function finished(ask: (method: string, path: string) => Promise<Answer>, location: string): Promise<Answer> {
  const path = new URL(location).pathname
  for (let i = 0; i < 600; i++) {
    const answer = await ask('GET', path)
    if (!['accepted', 'running'].includes(answer.body.status)) return answer
    await sleep(100)
  }
  throw new Error(`${path} does not come to an end`)
}

const same = (a: Hashes, b: Hashes) => a.size === b.size && differences(a, b).length === 0
const differences = (a: Hashes, b: Hashes) => [...a].filter(([layer, { hash }]) => b.get(layer)?.hash !== hash).map(([layer]) => layer)

async function realCity(dataDir: string): Promise<City & { close(): Promise<void> }> {
  const config = { ...readConfig({ SAMPLE: '0', DATA_DIR: dataDir }), dataDir }
  const backend = await openBackend(config)
  backend.jobs.start()
  const http = createServer(createListener(backend, config))
  await new Promise<void>(done => http.listen(0, '127.0.0.1', done))
  return {
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`, store: backend.store, jobs: backend.jobs,
    token: async role => (await createToken(backend.store, { subject: `story ${role}`, role })).secret,
    close: async () => {
      http.close()
      http.closeAllConnections()
      await backend.close()
    },
  }
}

if (process.argv[1]?.endsWith('story.ts')) {
  const root = mkdtempSync('/tmp/dothi-story-')
  chmodSync(root, 0o755)
  const cities = await Promise.all(['city', 'copy'].map(name => realCity(join(root, name))))
  try {
    const { faults, ...result } = await story(cities[0]!, cities[1]!, 6000, line => console.log(line))
    console.log(`\n${JSON.stringify(result)}`)
    if (faults.length) console.error(`\nnot as it should be:\n${faults.join('\n')}`)
    process.exitCode = faults.length ? 1 : 0
  } finally {
    await Promise.all(cities.map(city => city.close()))
    rmSync(root, { recursive: true, force: true })
  }
}
