/** What a peer is given: the change feed of some layers, each row with the writes that its fields come from. */
import { sql } from 'kysely'
import type { City } from '../../core/city.js'
import type { Classification, Layer } from '../../layers/layer.js'
import { changedRows, feedLayers, latestRevision, recordColumns, recordOf, type RowChange, type RowCursor, type Version } from '../store/changes.js'
import { visibleColumns } from '../store/rights.js'
import type { Reader, Store } from '../store/store.js'
import { instanceOf, stampsOf, type Instance, type Knowledge } from './versions.js'
import type { Stamps } from './stamps.js'

/** A row of the feed with its stamps. A removal has no row; so has the news of a later removal of what is gone already. */
export interface StampedChange extends Pick<RowChange, 'revision' | 'layer' | 'op' | 'id' | 'row'> {
  readonly stamps: Stamps
}

export interface FederationPage {
  readonly instance: number
  readonly uid: string
  /** The newest revision there was. */
  readonly latest: number
  /** When the revisions `since` and `through` were made; null where there is no such revision. */
  readonly sinceMs: number | null
  readonly throughMs: number | null
  readonly through: number
  readonly after: RowCursor | null
  readonly more: boolean
  /** The revision of the snapshot that goes on behind `after`; null in the feed and at a snapshot's end. */
  readonly snapshot: number | null
  /** What was known from which revision on; the first entry holds at the page's beginning. */
  readonly knowledge: readonly Knowledge[]
  readonly rows: readonly StampedChange[]
}

export interface PageQuery {
  readonly since: number
  readonly after: RowCursor | null
  readonly layers: readonly string[]
  readonly limit: number
  /** The layers as they are instead of how they came to be: as of this revision; 0 for the newest. For who has nothing yet. */
  readonly snapshot?: number
  /** Who asks, and the newest of its own revisions: what it wrote itself is not sent back. */
  readonly asker?: { readonly instance: number; readonly latest: number }
}

/** What a layer is made of, as far as two instances must agree on it. */
export interface LayerShape {
  readonly id: string
  readonly geometry: Layer['geometry']
  readonly surveyed: number | null
  readonly threeD: boolean
  readonly columns: readonly { readonly name: string; readonly type: string }[]
  /** Of a layer that was published as data: all of it, so that an empty copy can be given the same. */
  readonly definition?: Layer
}

export interface Greeting extends Instance {
  readonly city: City
  readonly latest: number
  readonly clearance: Classification
  readonly layers: readonly LayerShape[]
}

export function shapeOf(layer: Layer, clearance: Classification): LayerShape {
  return {
    id: layer.id, geometry: layer.geometry, surveyed: layer.surveyed?.srid ?? null, threeD: layer.threeD !== undefined,
    columns: visibleColumns(layer, clearance).map(({ name, type }) => ({ name, type })),
  }
}

/** Who this instance is and which of its layers the reader may follow. */
export async function greeting(store: Store, reader: Reader): Promise<Greeting> {
  const { rows } = await sql<{ id: string }>`select id from dothi.layers`.execute(store.db)
  const published = new Set(rows.map(row => row.id))
  const layers = feedLayers(store, reader).map(layer => ({
    ...shapeOf(layer, reader.clearance),
    ...(published.has(layer.id) && { definition: { ...layer, columns: visibleColumns(layer, reader.clearance) } }),
  }))
  return { ...await instanceOf(store.db), city: await store.city(), latest: await latestRevision(store, reader), clearance: reader.clearance, layers }
}

/** The next page of main's feed, cut to the reader's clearance. */
export async function federationPage(store: Store, reader: Reader, query: PageQuery): Promise<FederationPage> {
  const { since, after, layers, limit, asker } = query
  if (query.snapshot !== undefined) return snapshotPage(store, reader, query, query.snapshot)
  const instance = await instanceOf(store.db)
  const page = await changedRows(store, { reader, branch: 'main', since, after, layers, limit })
  const until = page.after?.revision ?? page.through
  const rows = await stamped(store, reader, instance.number, page.rows, until)
  const lifeless = await lifelessMarks(store, layers, since, page.through)
  const isEcho = ({ stamps }: StampedChange) => asker !== undefined && Object.values(stamps).every(([, from, revision]) =>
    from === 0 || (from === asker.instance && revision <= asker.latest) || (from === instance.number && revision <= since))
  return {
    instance: instance.number, uid: instance.uid, latest: await latestRevision(store, reader), ...await times(store, since, page.through),
    through: page.through, after: page.after, more: page.more, snapshot: null,
    knowledge: await knowledgeBetween(store, since, until),
    rows: [...rows, ...lifeless].sort((a, b) => a.revision - b.revision).filter(row => !isEcho(row)),
  }
}

/** Layer by layer and by id, which costs the same at the end of a long layer as at its beginning. */
async function snapshotPage(store: Store, reader: Reader, { since, after, layers, limit }: PageQuery, asked: number): Promise<FederationPage> {
  const instance = await instanceOf(store.db)
  const latest = await latestRevision(store, reader)
  const revision = asked === 0 ? latest : asked
  const changes: Omit<StampedChange, 'stamps'>[] = []
  let end: RowCursor | null = null
  for (const layer of [...feedLayers(store, reader, layers)].sort((a, b) => (a.id < b.id ? -1 : 1))) {
    if (end || (after && layer.id < after.layer)) continue
    const from = after?.layer === layer.id ? after.id : 0
    const to = await idAfter(store, reader, layer, from, limit - changes.length)
    const view = await store.view({ layer, branch: 'main', asOf: revision, reader })
    const { rows } = await sql<Version>`
      select ${recordColumns(layer, reader)} from ${view.as('v')} where v.id > ${from}::int8 and v.id <= ${to}::int8 order by v.id`.execute(store.pool(reader.clearance))
    changes.push(...rows.map(row => ({ revision, layer: layer.id, op: 'insert' as const, id: row.id, row: recordOf(layer, row) })))
    if (to < Number.MAX_SAFE_INTEGER || changes.length >= limit) end = { revision, layer: layer.id, id: to }
  }
  return {
    instance: instance.number, uid: instance.uid, latest, ...await times(store, since, end ? since : revision),
    rows: await stamped(store, reader, instance.number, changes, revision), knowledge: await knowledgeBetween(store, revision - 1, revision),
    ...(end ? { through: since, after: end, more: true, snapshot: revision } : { through: revision, after: null, more: revision < latest, snapshot: null }),
  }
}

/**
 * An id with at most `count` features between it and `from`, or the greatest of all where no more are left. Found by the
 * indexes of ids alone: to order the view itself by id would mean to look at all of it for every page.
 */
async function idAfter(store: Store, reader: Reader, layer: Layer, from: number, count: number): Promise<number> {
  const ids = (schema: string) => sql`(select id from ${sql.table(`${schema}.${layer.id}`)} where id > ${from}::int8 order by id limit ${count})`
  const { rows: [found] } = await sql<{ last: number | null; n: number }>`
    select max(id) as last, count(*) as n from (select id from (${ids('city')} union ${ids('history')}) as u order by id limit ${count}) as page`.execute(store.pool(reader.clearance))
  return found!.n < count ? Number.MAX_SAFE_INTEGER : found!.last!
}

async function stamped(store: Store, reader: Reader, instance: number, changes: readonly Omit<StampedChange, 'stamps'>[], until: number): Promise<readonly StampedChange[]> {
  const byLayer = new Map<string, Omit<StampedChange, 'stamps'>[]>()
  for (const change of changes) byLayer.set(change.layer, [...byLayer.get(change.layer) ?? [], change])
  const stamps = new Map(await Promise.all([...byLayer].map(async ([id, its]) => {
    const layer = store.catalogue.get(id)
    const columns = visibleColumns(layer, reader.clearance).map(({ name }) => name)
    return [id, await stampsOf({ rows: store.pool(reader.clearance), owner: store.db, layer, columns, instance }, its, until)] as const
  })))
  return changes.map(({ revision, layer, op, id, row }) => ({ revision, layer, op, id, row, stamps: cut(store, reader, layer, stamps.get(layer)!(id, revision)!) }))
}

/** Marks also name columns that the reader may not know of. */
function cut(store: Store, reader: Reader, layerId: string, stamps: Stamps): Stamps {
  const layer = store.catalogue.get(layerId)
  const seen = new Set(visibleColumns(layer, reader.clearance).map(({ name }) => name))
  const hidden = layer.columns.filter(({ name }) => !seen.has(name) && name in stamps)
  if (hidden.length === 0) return stamps
  return Object.fromEntries(Object.entries(stamps).filter(([field]) => !hidden.some(({ name }) => name === field)))
}

/** Removals that are later than one this instance had made or heard of already: they changed no row, so the feed has none. */
async function lifelessMarks(store: Store, layers: readonly string[], since: number, through: number): Promise<readonly StampedChange[]> {
  const { rows } = await sql<Omit<StampedChange, 'op' | 'row'>>`
    select revision, layer, id, stamps from dothi.federation_marks
    where lifeless and revision > ${since}::int8 and revision <= ${through}::int8 and layer = any(${layers}::text[]) order by revision, layer, id`.execute(store.db)
  return rows.map(row => ({ ...row, op: 'delete', row: null }))
}

async function times(store: Store, since: number, through: number): Promise<{ sinceMs: number | null; throughMs: number | null }> {
  const ms = sql`(extract(epoch from at) * 1000)::int8`
  return (await sql<{ sinceMs: number | null; throughMs: number | null }>`
    select (select ${ms} from dothi.revisions where revision = ${since}::int8) as "sinceMs", (select ${ms} from dothi.revisions where revision = ${through}::int8) as "throughMs"`.execute(store.db)).rows[0]!
}

async function knowledgeBetween(store: Store, since: number, until: number): Promise<readonly Knowledge[]> {
  const { rows } = await sql<Knowledge>`
    select revision, known, clock_ms as "clockMs" from dothi.federation_knowledge
    where revision <= ${until}::int8 and revision >= coalesce((select max(revision) from dothi.federation_knowledge where revision <= ${since}::int8 + 1), 0)
    order by revision`.execute(store.db)
  return rows
}
