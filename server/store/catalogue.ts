import { sql, type Kysely, type Transaction } from 'kysely'
import { nearMisses } from '../../core/text.js'
import type { Layer, Metadata } from '../../layers/layer.js'
import { badBody, conflict, notFound, type Problem } from '../errors.js'
import type { Database } from './database.js'
import { StoreUnusable } from './migrate.js'
import { covers } from './rights.js'
import type { Catalogue, Reader, RevisionMeta, RevisionWriter } from './store.js'
import { alterLayerSql, checkLayer, createLayerSql, dropLayerSql, fingerprint, schemasOf, type LayerSchema } from './tables.js'

type WithRevision = <T>(meta: RevisionMeta, apply: (writer: RevisionWriter) => Promise<T>) => Promise<unknown>

/** Known layers (files) and published ones (rows), held in memory and read again when any process changes them. */
export class LayerCatalogue implements Catalogue {
  #published: readonly Layer[] = []
  #metadata: ReadonlyMap<string, Metadata> = new Map()
  #byId: ReadonlyMap<string, Layer> = new Map()
  #version = 0

  constructor(private readonly db: Kysely<Database>, private readonly known: readonly Layer[], private readonly withRevision: WithRevision) {
    this.#index()
  }

  get version(): number {
    return this.#version
  }
  all(): readonly Layer[] {
    return [...this.#byId.values()]
  }
  for(reader: Reader): readonly Layer[] {
    return this.all().filter(layer => covers(reader.clearance, layer.classification))
  }
  find(id: string): Layer | undefined {
    return this.#byId.get(id)
  }
  get(id: string): Layer {
    const layer = this.find(id)
    if (!layer) throw this.unknown(id)
    return layer
  }
  /** The same words for a layer that is not there and for one that the reader may not know of. */
  unknown(id: string): Problem {
    const near = nearMisses(id, this.all().filter(layer => layer.classification === 'open').map(layer => layer.id))
    return notFound(`There is no collection “${id.slice(0, 60)}”.${near.length ? ` Did you mean ${near.join(' or ')}?` : ' GET /ogc/collections lists them.'}`)
  }

  async publish(layer: Layer, actor: string): Promise<void> {
    try { checkLayer(layer) } catch (error) { throw badBody((error as Error).message) }
    if (this.find(layer.id) || RESERVED.has(layer.id)) throw conflict(`A collection “${layer.id}” exists already. Publish under another name, or unpublish it first.`)
    // Functions do not survive as data: a published layer has no rules of its own.
    const { rules: _rules, ...definition } = layer
    await this.withRevision({ actor, reason: `publish ${layer.id}` }, async ({ tx }) => {
      const { rows } = await sql`insert into dothi.layers (id, definition, publisher) values (${layer.id}, ${JSON.stringify(definition)}, ${actor}) on conflict do nothing returning id`.execute(tx)
      if (rows.length === 0) throw conflict(`A collection “${layer.id}” exists already. Publish under another name, or unpublish it first.`)
      await createTables(tx, layer)
      await announce(tx)
    })
    await this.reload()
  }

  async unpublish(id: string, actor: string): Promise<void> {
    const layer = this.get(id)
    if (this.known.some(known => known.id === id)) throw conflict(`“${id}” is one of dothi's own collections; only published ones can be unpublished.`)
    await this.withRevision({ actor, reason: `unpublish ${id}` }, async ({ tx }) => {
      await sql.raw(dropLayerSql(layer)).execute(tx)
      for (const table of ['dothi.layer_tables', 'dothi.layer_metadata', 'dothi.layer_summaries', 'dothi.tile_revisions', 'tiles.open', 'tiles.internal', 'tiles.restricted'])
        await sql`delete from ${sql.table(table)} where layer = ${id}`.execute(tx)
      await sql`delete from dothi.layers where id = ${id}`.execute(tx)
      await announce(tx)
    })
    await this.reload()
  }

  metadata(id: string): Metadata {
    return this.#metadata.get(id) ?? {}
  }

  async describe(id: string, metadata: Metadata, actor: string): Promise<void> {
    this.get(id)
    await this.withRevision({ actor, reason: `describe ${id}` }, async ({ tx }) => {
      await sql`insert into dothi.layer_metadata (layer, metadata, actor) values (${id}, ${JSON.stringify(metadata)}::jsonb, ${actor})
        on conflict (layer) do update set metadata = excluded.metadata, actor = excluded.actor, at = now()`.execute(tx)
      await announce(tx)
    })
    await this.reload()
  }

  /** Reads the published layers, and what is said of all layers, again. */
  async reload(): Promise<void> {
    const { rows: described } = await sql<{ layer: string; metadata: Metadata }>`select layer, metadata from dothi.layer_metadata`.execute(this.db)
    this.#metadata = new Map(described.map(({ layer, metadata }) => [layer, metadata]))
    const { rows } = await sql<{ definition: Layer }>`select definition from dothi.layers order by published, id`.execute(this.db)
    this.#published = rows.map(row => row.definition)
    this.#index()
  }

  #index() {
    this.#version++
    this.#byId = new Map([...this.known, ...this.#published].map(layer => [layer.id, this.#metadata.has(layer.id) ? { ...layer, ...this.metadata(layer.id) } : layer]))
  }
}

/** Collections that are no layers: the catalogue and the coverages. */
const RESERVED: ReadonlySet<string> = new Set(['catalogue', 'elevation', 'run_depth'])

const announce = (tx: Transaction<Database>) => sql`select pg_notify('dothi_catalogue', '')`.execute(tx)

const hasTrigrams = async (tx: Transaction<Database>) => (await sql`select from pg_extension where extname = 'pg_trgm'`.execute(tx)).rows.length > 0

async function createTables(tx: Transaction<Database>, layer: Layer): Promise<void> {
  await sql.raw(createLayerSql(layer, await hasTrigrams(tx))).execute(tx)
  await sql`insert into dothi.layer_tables (layer, fingerprint) values (${layer.id}, ${fingerprint(layer)})`.execute(tx)
}

/** At start: makes missing tables, adds new columns, refuses what would lose data. Throws StoreUnusable. */
export async function applyLayers(tx: Transaction<Database>, known: readonly Layer[]): Promise<void> {
  const { rows: tables } = await sql<{ layer: string; fingerprint: string }>`select layer, fingerprint from dothi.layer_tables`.execute(tx)
  const { rows: published } = await sql<{ definition: Layer }>`select definition from dothi.layers`.execute(tx)
  const layers = [...known, ...published.map(row => row.definition)]
  const ids = new Set(layers.map(layer => layer.id))
  const orphans = tables.filter(table => !ids.has(table.layer)).map(table => table.layer)
  if (orphans.length) throw new StoreUnusable(`The database has tables of ${orphans.join(', ')}, for which there is no layer file any more. A rename or a removal needs a migration in server/store/migrations.`)
  const taken = known.find(layer => published.some(({ definition }) => definition.id === layer.id))
  if (taken) throw new StoreUnusable(`A published layer has the id ${taken.id}, which is also a layer file's. Unpublish it with the former version of dothi, then start again.`)
  const made = new Map(tables.map(table => [table.layer, table.fingerprint]))
  for (const layer of layers) {
    if (!made.has(layer.id)) await createTables(tx, layer)
    else if (made.get(layer.id) !== fingerprint(layer)) await alterTables(tx, layer)
  }
}

async function alterTables(tx: Transaction<Database>, layer: Layer): Promise<void> {
  const { rows } = await sql<{ schema: LayerSchema; name: string; type: string }>`
    select n.nspname as schema, a.attname as name, format_type(a.atttypid, a.atttypmod) as type
    from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = any(${schemasOf(layer) as string[]}) and c.relname = ${layer.id} and a.attnum > 0 and not a.attisdropped
    order by a.attnum`.execute(tx)
  const existing: Partial<Record<LayerSchema, Map<string, string>>> = {}
  for (const { schema, name, type } of rows) (existing[schema] ??= new Map()).set(name, type)
  let statements: string
  try {
    statements = alterLayerSql(layer, existing, await hasTrigrams(tx))
  } catch (error) {
    throw new StoreUnusable((error as Error).message)
  }
  await sql.raw(statements).execute(tx)
  await sql`update dothi.layer_tables set fingerprint = ${fingerprint(layer)} where layer = ${layer.id}`.execute(tx)
}
