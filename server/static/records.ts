/** Whole records for the card: GeoJSON features by id, a few hundred in a file whose name follows from the id. */
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import { sql } from 'kysely'
import type { StaticManifest } from '../../core/static-manifest.js'
import { itemsQuery, type ItemsQuery } from '../ogc/features/query.js'
import { featureBatches } from '../ogc/features/rows.js'
import { schemaVersion } from '../ogc/features/validator.js'
import type { AsOf } from '../store/store.js'
import type { FileSet } from './file-set.js'
import { READER, type Plan, type PlannedLayer } from './plan.js'

const ENCODING = 1
const compress = promisify(gzip)
/** Ids a file: one feature that somebody clicks on should not bring a megabyte. */
const CHUNK = 256
/** Rows read at once. */
const STRETCH_ROWS = 4000

/** Rows of which the ids, divided by CHUNK, are `chunk`. */
interface Chunk { readonly chunk: number; readonly rows: number; readonly revision: number }

export async function writeRecords(plan: Plan, planned: PlannedLayer, files: FileSet, onRows: (rows: number) => void): Promise<StaticManifest['records'][string]> {
  const { layer } = planned
  const path = `records/${layer.id}`
  const fileOf = ({ chunk }: Chunk) => `${path}/${chunk}.json.gz`
  const keyOf = ({ revision, rows }: Chunk) => JSON.stringify([ENCODING, plan.branch, schemaVersion(layer), revision, rows])
  const stretches = { open: [] as Chunk[], rows: 0 }
  const flush = async () => {
    const chunks = stretches.open.splice(0)
    stretches.rows = 0
    if (chunks.length === 0) return
    const texts = await plan.moment.read(async asOf => readStretch(plan, await queryOf(plan, planned, asOf), chunks))
    for (const chunk of chunks) await files.put(fileOf(chunk), keyOf(chunk), () => compress(texts.get(chunk.chunk) ?? '{}'))
  }
  for (const chunk of await chunksOf(plan, planned)) {
    plan.signal.throwIfAborted()
    onRows(chunk.rows)
    // A stretch has no gaps: its rows are read by their number.
    if (await files.has(fileOf(chunk), keyOf(chunk))) { await flush(); continue }
    stretches.open.push(chunk)
    stretches.rows += chunk.rows
    if (stretches.rows >= STRETCH_ROWS) await flush()
  }
  await flush()
  return { path, chunk: CHUNK }
}

/** Which files there must be, and what each follows from: an edit raises a revision, a deletion lowers a number of rows. */
async function chunksOf({ store, branch, moment }: Plan, { layer }: PlannedLayer): Promise<readonly Chunk[]> {
  return moment.read(async asOf => {
    const rows = await store.view({ layer, branch, asOf, reader: READER, columns: [] })
    return (await sql<Chunk>`
      select v.id / ${sql.lit(CHUNK)} as chunk, count(*)::int as rows, max(v.revision) as revision from ${rows} as v group by 1 order by 1
    `.execute(store.pool(READER.clearance))).rows
  })
}

const queryOf = ({ store, branch }: Plan, { layer }: PlannedLayer, asOf: AsOf): Promise<ItemsQuery> =>
  itemsQuery({ app: { store }, reader: READER, branch, params: asOf === 'now' ? {} : { asOf: String(asOf) }, query: {} }, layer)

async function readStretch({ store }: Plan, query: ItemsQuery, chunks: readonly Chunk[]): Promise<Map<number, string>> {
  const parts = new Map<number, string[]>(chunks.map(({ chunk }) => [chunk, []]))
  const count = chunks.reduce((sum, { rows }) => sum + rows, 0)
  for await (const rows of featureBatches(store, query, { after: { id: chunks[0]!.chunk * CHUNK - 1, values: [] } }, count))
    for (const { id, feature } of rows) parts.get(Math.floor(id / CHUNK))?.push(`"${id}":${feature}`)
  return new Map([...parts].map(([chunk, features]) => [chunk, `{${features.join(',\n')}}`]))
}
