/** Names in small files by the beginnings of their words, so that a page without a server can search. */
import { appendFile, mkdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import { sql } from 'kysely'
import { keysOf } from '../../core/static-search.js'
import type { StaticName, StaticSearch } from '../../core/static-manifest.js'
import type { Layer } from '../../layers/layer.js'
import { schemaVersion } from '../ogc/features/validator.js'
import { visibleColumns } from '../store/rights.js'
import type { FileSet } from './file-set.js'
import { keyOf, READER, type Plan } from './plan.js'

const ENCODING = 1
const PATH = 'names'
const compress = promisify(gzip)
const BATCH = 5000
/** Names a file: more nobody reads, and a phone would wait for them. What people look for most is written first. */
const MOST = 4000
/** Bytes of names that are held before they go to their files. */
const HELD_BYTES = 16 << 20

/** What people look for most comes first, as in the server's search. */
const ORDER: readonly Layer['group'][] = ['administration', 'transport', 'services', 'buildings', 'water', 'land']

export async function writeSearch(plan: Plan, files: FileSet, onRows: (rows: number) => void): Promise<StaticSearch | null> {
  const layers = searchedLayers(plan)
  if (layers.length === 0) return null
  const stage = join(plan.work, 'names')
  const key = await keyOfNames(plan, layers)
  const done = await readIndex(plan, key)
  if (done && await allThere(done, files, key)) return done
  await rm(stage, { recursive: true, force: true })
  await mkdir(stage, { recursive: true })
  const heap = new NameHeap(stage)
  for (const layer of layers) {
    for await (const names of namesOf(plan, layer)) {
      plan.signal.throwIfAborted()
      for (const name of names) heap.add(name)
      if (heap.bytes > HELD_BYTES) await heap.flush()
      onRows(names.length)
    }
  }
  await heap.flush()
  const keys = [...heap.counts.keys()].sort()
  for (const name of keys) await files.put(fileOf(name), key, async () => compress(`[${(await readFile(join(stage, name), 'utf8')).slice(0, -2)}]`))
  const index: StaticSearch = { path: PATH, keys: keys.join(' '), crowded: keys.filter(name => heap.counts.get(name)! >= MOST).join(' ') }
  await files.put(INDEX, key, async () => JSON.stringify({ key, index }))
  await rm(stage, { recursive: true })
  return index
}

/** Also in the folder: what search there was, and what it was made from. */
const INDEX = `${PATH}/index.json`
const fileOf = (key: string) => `${PATH}/${key}.json.gz`

async function readIndex({ folder }: Plan, key: string): Promise<StaticSearch | undefined> {
  const kept = await readFile(join(folder, INDEX), 'utf8').then(text => JSON.parse(text) as { key: string; index: StaticSearch }).catch(() => undefined)
  return kept?.key === key ? kept.index : undefined
}

async function allThere({ keys }: StaticSearch, files: FileSet, key: string): Promise<boolean> {
  for (const path of [INDEX, ...keys.split(' ').filter(Boolean).map(fileOf)]) if (!await files.has(path, key)) return false
  return true
}

async function keyOfNames({ store, branch, moment }: Plan, layers: readonly Layer[]): Promise<string> {
  const revisions = await moment.read(asOf => Promise.all(layers.map(layer => store.layerRevision(layer, branch, asOf))))
  return keyOf(ENCODING, branch, layers.map(layer => [layer.id, schemaVersion(layer)]), revisions)
}

function searchedLayers({ layers }: Plan): readonly Layer[] {
  const rank = ({ group }: Layer) => (ORDER.indexOf(group) + ORDER.length + 1) % (ORDER.length + 1)
  return layers.map(({ layer }) => layer).filter(layer => namesIn(layer).length > 0).sort((a, b) => rank(a) - rank(b))
}

/** Columns that search looks into and everybody may see. */
function namesIn(layer: Layer): readonly string[] {
  const texts = visibleColumns(layer, READER.clearance).filter(({ type }) => type === 'text')
  return (layer.searchable ?? []).filter(name => texts.some(column => column.name === name))
}

/** In the order of ids, a batch at a time. */
async function* namesOf({ store, branch, moment }: Plan, layer: Layer): AsyncGenerator<readonly StaticName[]> {
  const columns = namesIn(layer)
  const label = layer.label && visibleColumns(layer, READER.clearance).some(({ name }) => name === layer.label) ? layer.label : columns[0]!
  const found = sql`concat_ws(' · ', ${sql.join(columns.map(name => sql`nullif(${sql.ref(`v.${name}`)}, '')`))})`
  for (let last = -1; ;) {
    const rows = await moment.read(async asOf => {
      const view = await store.view({ layer, branch, asOf, reader: READER, columns: [...new Set([...columns, label])] })
      return (await sql<{ id: number; label: string; found: string; lon: number; lat: number }>`
        select n.id, n.label, n.found, st_x(n.at) as lon, st_y(n.at) as lat from (
          select v.id, coalesce(${sql.ref(`v.${label}`)}::text, '') as label, ${found} as found, st_pointonsurface(v.geom) as at
          from ${view} as v where v.id > ${last}::int8 order by v.id limit ${sql.lit(BATCH)}
        ) as n order by n.id`.execute(store.pool(READER.clearance))).rows
    })
    yield rows.filter(({ found }) => found !== '').map(({ id, label, found, lon, lat }) => [layer.id, id, label || found, found === label ? '' : found, round(lon), round(lat)])
    if (rows.length < BATCH) return
    last = rows[rows.length - 1]!.id
  }
}

const round = (degrees: number) => Math.round(degrees * 1e6) / 1e6

/** Names on their way to the files of their words: held for a while, since there are many files. */
class NameHeap {
  readonly counts = new Map<string, number>()
  readonly #held = new Map<string, string[]>()
  bytes = 0

  constructor(private readonly folder: string) {}

  add(name: StaticName): void {
    const line = `${JSON.stringify(name)},\n`
    for (const key of keysOf(`${name[2]} ${name[3]}`)) {
      const count = this.counts.get(key) ?? 0
      if (count >= MOST) continue
      this.counts.set(key, count + 1)
      const lines = this.#held.get(key)
      if (lines) lines.push(line)
      else this.#held.set(key, [line])
      this.bytes += line.length
    }
  }

  async flush(): Promise<void> {
    for (const [key, lines] of this.#held) await appendFile(join(this.folder, key), lines.join(''))
    this.#held.clear()
    this.bytes = 0
  }
}
