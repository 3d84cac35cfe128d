/**
 * Looks at a replacement before it is written: what staff edited here, what is suspicious, and the list of changes.
 *
 * A source owns its rows. A row is edited here when its version is newer than the last sync that changed anything, or
 * when it was kept before. What the source had then is known from history (or from `source_kept`), so three states can
 * be told apart: only we changed it, only the source did, both did.
 */
import { createWriteStream } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import { finished } from 'node:stream/promises'
import { sql, type Kysely, type RawBuilder } from 'kysely'
import type { ReplacedLayer, Replacement } from '../import/load.js'
import type { Database } from '../store/database.js'
import type { City } from '../store/store.js'
import { OUTSIDE_KM, type Movement } from './shape.js'

/** A row that is not as the source has it. */
export interface LocalEdit {
  readonly layer: string
  readonly id: number
  readonly sourceId: string | null
  readonly state: 'edited' | 'removed'
  /** The source changed it too since the last sync. */
  readonly conflict: boolean
  /** Seen as a conflict by an earlier sync. */
  readonly known: boolean
  readonly upstreamHash: string | null
  /** The row as the source has it; null where it is gone there. */
  readonly upstream: unknown
  readonly row: number | null
}

/** Finds what was edited here since `lastRevision` and differs from what comes now. */
export async function findLocalEdits({ tx }: Replacement, replaced: ReplacedLayer, source: string, lastRevision: number | null): Promise<LocalEdit[]> {
  if (lastRevision === null) return []
  const { layer, match, incoming, content } = replaced
  const [city, history] = [sql.id('city', layer.id), sql.id('history', layer.id)]
  const { rows } = await sql<LocalEdit>`
    with kept as (select id, source_id, state, conflict, upstream_hash from dothi.source_kept where source = ${source} and layer = ${layer.id}),
    edited as (
      select t.id, t.source_id, t.hash, kept.id is not null as was_kept, kept.conflict as was_conflict,
        case when kept.id is not null then kept.upstream_hash else h.hash end as base
      from (select id, source_id, revision, ${content} as hash from ${city} where source = ${source}) t
      left join kept on kept.id = t.id
      left join lateral (select ${content} as hash from ${history} v where v.id = t.id and v.revision <= ${lastRevision}::int8 and v.retired_revision > ${lastRevision}::int8 limit 1) h on true
      where t.revision > ${lastRevision}::int8 or kept.id is not null),
    removed as (
      select v.id, v.source_id, v.hash as base, false as was_kept, null::boolean as was_conflict
      from (select id, source_id, ${content} as hash from ${history} where source = ${source} and revision <= ${lastRevision}::int8 and retired_revision > ${lastRevision}::int8) v
      where not exists (select from kept where kept.id = v.id)
      union all select id, source_id, upstream_hash, true, conflict from kept where state = 'removed'),
    found as (
      select e.id, e.source_id, 'edited' as state, e.base, e.hash, e.was_kept, e.was_conflict, c._row_no, c._content
      from edited e left join ${match} m on m.id = e.id
        left join ${incoming} c on c._row_no = coalesce(m._row_no, (select i._row_no from ${incoming} i where e.source_id is null and i._key = e.base || '1'))
      where c._content is distinct from e.hash
      union all
      select r.id, r.source_id, 'removed', r.base, null, r.was_kept, r.was_conflict, c._row_no, c._content
      from removed r join ${incoming} c on c._key = coalesce(r.source_id, r.base || '1')
      where not exists (select from ${city} t where t.id = r.id))
    select ${layer.id} as layer, f.id, f.source_id as "sourceId", f.state, f._row_no::float8 as row, f._content as "upstreamHash",
      f._content is distinct from f.base or coalesce(f.was_conflict, false) as conflict,
      f._content is not distinct from f.base and coalesce(f.was_conflict, false) as known,
      case when c._row_no is not null then ${asJson(replaced, 'c')} end as upstream
    from found f left join ${incoming} c on c._row_no = f._row_no
    order by f.id`.execute(tx)
  return rows
}

/** Takes rows out of the replacement, so that they stay as they are here. */
export async function keepLocal({ tx }: Replacement, { match }: ReplacedLayer, edits: readonly LocalEdit[]): Promise<void> {
  const ids = edits.filter(edit => edit.state === 'edited').map(edit => edit.id)
  const rows = edits.flatMap(edit => edit.row ?? [])
  await sql`delete from ${match} where _row_no is null and id = any(${ids}::int8[])`.execute(tx)
  await sql`delete from ${match} where id is null and _row_no = any(${rows}::int8[])`.execute(tx)
  await sql`update ${match} set changed = false where id = any(${ids}::int8[])`.execute(tx)
}

/** Remembers which rows are kept against the source. */
export async function recordKept(db: Kysely<Database>, source: string, layers: readonly string[], kept: readonly LocalEdit[]): Promise<void> {
  await sql`delete from dothi.source_kept where source = ${source} and layer = any(${layers}) and not id = any(${kept.map(edit => edit.id)}::int8[])`.execute(db)
  if (kept.length === 0) return
  await sql`
    insert into dothi.source_kept (source, layer, id, source_id, state, conflict, upstream_hash, upstream)
    select ${source}, k.layer, k.id, k."sourceId", k.state, k.conflict, k."upstreamHash", k.upstream
    from jsonb_to_recordset(${JSON.stringify(kept)}::jsonb) as k (layer text, id int8, "sourceId" text, state text, conflict boolean, "upstreamHash" text, upstream jsonb)
    on conflict (source, layer, id) do update set state = excluded.state, conflict = excluded.conflict, upstream_hash = excluded.upstream_hash, upstream = excluded.upstream`.execute(db)
}

/** Measures how a layer's rows would change as a whole. Distances are planar at the rows' latitude, right to a part in a hundred. */
export async function measureMovement({ tx }: Replacement, { layer, match, incoming }: ReplacedLayer, city: City): Promise<Movement> {
  const table = sql.id('city', layer.id)
  const placed = layer.group !== 'published'
  const { rows: [measured] } = await sql<Movement>`
    with pairs as (
      select m.id, m._row_no, m.changed, t.geom as old, c.geom as new from ${match} m left join ${table} t on t.id = m.id left join ${incoming} c on c._row_no = m._row_no),
    middles as (select *, ST_Centroid(old) as o, ST_Centroid(new) as n from pairs),
    shifts as (
      select (ST_X(n) - ST_X(o)) * 111320 * cos(radians(ST_Y(o))) as east, (ST_Y(n) - ST_Y(o)) * 110574 as north
      from middles where changed and o is not null and n is not null and ST_AsBinary(old) <> ST_AsBinary(new)),
    median as (select percentile_cont(0.5) within group (order by east) as east, percentile_cont(0.5) within group (order by north) as north from shifts),
    whole as (select ST_Extent(old) as box, percentile_cont(0.5) within group (order by ST_X(o)) as ox, percentile_cont(0.5) within group (order by ST_Y(o)) as oy, percentile_cont(0.5) within group (order by ST_X(n)) as nx, percentile_cont(0.5) within group (order by ST_Y(n)) as ny,
      count(*) filter (where id is not null) as present, count(*) filter (where _row_no is null) as deletes, count(*) filter (where _row_no is not null) as incoming,
      count(*) filter (where id is not null and _row_no is not null) as both,
      count(*) filter (where ${placed} and n is not null and ${distance(sql`ST_X(n)`, sql`ST_Y(n)`, sql`${city.home.lon}::float8`, sql`${city.home.lat}::float8`)} > ${OUTSIDE_KM * 1000}) as outside from middles)
    select ${layer.id} as layer, whole.present::float8, whole.deletes::float8, whole.incoming::float8, whole.both::float8, whole.outside::float8,
      (select count(*) from shifts)::float8 as moved, median.east, median.north,
      (select count(*) from shifts where sqrt((shifts.east - median.east) ^ 2 + (shifts.north - median.north) ^ 2) < greatest(0.5, 0.05 * sqrt(median.east ^ 2 + median.north ^ 2)))::float8 as together,
      ${distance(sql`ox`, sql`oy`, sql`nx`, sql`ny`)} as jump,
      ${distance(sql`ST_XMin(box)`, sql`ST_YMin(box)`, sql`ST_XMax(box)`, sql`ST_YMax(box)`)} as diagonal
    from whole, median`.execute(tx)
  return measured!
}

/** Metres between two points in degrees. */
const distance = (x1: RawBuilder<unknown>, y1: RawBuilder<unknown>, x2: RawBuilder<unknown>, y2: RawBuilder<unknown>) =>
  sql`sqrt(((${x2} - ${x1}) * 111320 * cos(radians(least(89, greatest(-89, ${y1}))))) ^ 2 + ((${y2} - ${y1}) * 110574) ^ 2)`

/** So many of each kind are listed; counts are always whole. */
export const LISTED = 20_000

/** Writes what is about to change as GeoJSON by lines: `op`, identities, changed attributes with old and new value, metres moved. */
export async function writeChanges({ tx, layers }: Replacement, path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  const out = createWriteStream(path)
  out.on('error', () => {})
  for (const replaced of layers) for (const query of [deletes, updates, inserts]) {
    for (let from = 0; from < LISTED; from += BATCH) {
      const { rows } = await query(replaced, from).execute(tx)
      for (const { line } of rows) out.write(`${line}\n`)
      if (rows.length < BATCH) break
    }
  }
  await finished(out.end())
}
const BATCH = 1000
interface Line { readonly line: string }

const feature = (properties: RawBuilder<unknown>, geometry: RawBuilder<unknown>) =>
  sql<Line>`jsonb_build_object('type', 'Feature', 'geometry', ST_AsGeoJSON(${geometry}, 7)::jsonb, 'properties', ${properties})::text as line`

function deletes(replaced: ReplacedLayer, from: number): RawBuilder<Line> {
  const { layer, match } = replaced
  return sql<Line>`select ${feature(sql`jsonb_build_object('op', 'delete', 'layer', ${layer.id}::text, 'id', t.id, 'sourceId', t.source_id, 'row', ${asJson(replaced, 't', false)})`, sql`t.geom`)}
    from ${match} m join ${sql.id('city', layer.id)} t on t.id = m.id where m._row_no is null order by t.id limit ${BATCH} offset ${from}`
}

function inserts(replaced: ReplacedLayer, from: number): RawBuilder<Line> {
  const { layer, match, incoming } = replaced
  return sql<Line>`select ${feature(sql`jsonb_build_object('op', 'insert', 'layer', ${layer.id}::text, 'sourceId', c.source_id, 'row', ${asJson(replaced, 'c', false)})`, sql`c.geom`)}
    from ${match} m join ${incoming} c on c._row_no = m._row_no where m.id is null order by c._row_no limit ${BATCH} offset ${from}`
}

function updates(replaced: ReplacedLayer, from: number): RawBuilder<Line> {
  const { layer, match, incoming } = replaced
  const [before, after] = [asJson(replaced, 't', false), asJson(replaced, 'c', false)]
  const changes = sql`(select coalesce(jsonb_object_agg(key, jsonb_build_array(o.value, n.value)), '{}') from jsonb_each(${before}) o join jsonb_each(${after}) n using (key) where o.value is distinct from n.value)`
  const moved = sql`case when ST_AsBinary(t.geom) <> ST_AsBinary(c.geom) then round(ST_Distance(ST_Centroid(t.geom)::geography, ST_Centroid(c.geom)::geography)::numeric, 2) end`
  return sql<Line>`select ${feature(sql`jsonb_build_object('op', 'update', 'layer', ${layer.id}::text, 'id', t.id, 'sourceId', t.source_id, 'changes', ${changes},
      'geometryChanged', ST_AsBinary(t.geom) <> ST_AsBinary(c.geom), 'movedMetres', ${moved})`, sql`c.geom`)}
    from ${match} m join ${sql.id('city', layer.id)} t on t.id = m.id join ${incoming} c on c._row_no = m._row_no where m.changed order by t.id limit ${BATCH} offset ${from}`
}

/** The attributes of a row as JSON, with its geometry where asked. */
function asJson({ columns }: ReplacedLayer, alias: string, geometry = true): RawBuilder<unknown> {
  const plain = columns.filter(name => !['source', 'source_id', 'geom', 'geom_native', 'solid'].includes(name))
  const row = plain.length ? sql`(select to_jsonb(r) from (select ${sql.join(plain.map(name => sql.id(alias, name)))}) r)` : sql`'{}'::jsonb`
  return geometry ? sql`jsonb_build_object('properties', ${row}, 'geometry', ST_AsGeoJSON(${sql.id(alias, 'geom')}, 7)::jsonb)` : row
}
