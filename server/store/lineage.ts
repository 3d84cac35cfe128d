/**
 * Features that divide and merge (tách, hợp thửa; likewise wards): parents retire, children are new features,
 * and who came from whom is kept for ever, with shares of area.
 */
import { sql, type RawBuilder, type Transaction } from 'kysely'
import type { GeoJsonGeometry } from '../../core/filter/ast.js'
import type { Division, Layer } from '../../layers/layer.js'
import { badBody, conflict, notFound, Problem } from '../errors.js'
import type { RowRecord } from './changes.js'
import type { Database } from './database.js'
import { applyEditsIn, type Edit, type FeatureEdit } from './edits.js'
import { fieldsAt } from './history.js'
import type { Branch, Reader, Revision, RevisionWriter, Store } from './store.js'

export interface Part {
  /** CRS84. */
  readonly geometry: GeoJsonGeometry
  /** What the new feature has of its own, over what it inherits. */
  readonly properties?: Readonly<Record<string, unknown>>
}

interface Change {
  readonly reader: Reader
  readonly branch: Branch
  readonly layer: Layer
  readonly reason?: string
  /** How far boundaries may be apart and still be one, metres. */
  readonly tolerance: number
}
export interface SplitRequest extends Change {
  readonly id: number
  readonly ifMatch?: number | readonly number[]
  /** A line across the feature, CRS84 … */
  readonly line?: GeoJsonGeometry
  /** … with properties of the parts that it leaves, largest first; or the parts themselves. */
  readonly properties?: readonly Readonly<Record<string, unknown>>[]
  readonly parts?: readonly Part[]
}
export interface MergeRequest extends Change {
  readonly ids: readonly number[]
  readonly properties?: Readonly<Record<string, unknown>>
}

export interface Divided {
  readonly revision: Revision
  readonly parents: readonly number[]
  readonly children: readonly { readonly id: number; /** In the city's CRS. */ readonly areaM2: number }[]
}

export const DEFAULT_TOLERANCE = 0.01
const MOST_PARTS = 200

/**
 * Divides a feature into parts. Throws 404 where it is not there, 405 for a layer whose features do not divide, 412 as any edit,
 * 422 where the line leaves no two parts, or the parts do not cover the feature, stand out of it or overlap beyond the tolerance.
 */
export async function splitFeature(store: Store, request: SplitRequest): Promise<Divided> {
  const { layer, branch, id, tolerance } = request
  const division = divisionOf(layer)
  const { srid } = await store.city()
  const meta = { actor: request.reader.subject, reason: request.reason || `split ${layer.id} ${id}`, branch }
  const { revision, result } = await store.withRevision(meta, async writer => {
    const [parent] = await parentsOf(writer.tx, layer, branch, [id])
    const given = request.parts ?? (await cut(writer.tx, parent!, request.line, srid)).map((geometry, i): Part => ({ geometry, properties: request.properties?.[i] }))
    if (given.length < 2 || given.length > MOST_PARTS) throw invalid(`A split makes from 2 to ${MOST_PARTS} parts; this one makes ${given.length}.${request.line ? ' The line must cross the feature from boundary to boundary.' : ''}`)
    const parts = await measured(writer.tx, parent!, given, srid, tolerance)
    const children = await inherit(writer.tx, layer, division, branch, [parent!], given.map((part, i) => ({ ...part, geometry: parts[i]!.geometry, areaM2: parts[i]!.areaM2 })))
    const made = await replace(writer, layer, branch, [{ parent: parent!, ifMatch: request.ifMatch }], children)
    await note(writer, layer, branch, 'split', made.map((child, i) => ({ parent: id, child, ofParent: parts[i]!.areaM2 / parts[i]!.wholeM2, ofChild: 1 })))
    return made.map((child, i) => ({ id: child, areaM2: parts[i]!.areaM2 }))
  })
  return { revision, parents: [id], children: result }
}

/**
 * Makes one feature of several. Throws 404 where one is not there, 405 for a layer whose features do not merge,
 * 422 where they do not adjoin or differ in what must be the same (the ward).
 */
export async function mergeFeatures(store: Store, request: MergeRequest): Promise<Divided> {
  const { layer, branch, tolerance } = request
  const ids = [...new Set(request.ids)]
  const division = divisionOf(layer)
  if (ids.length < 2 || ids.length > MOST_PARTS) throw invalid(`A merge takes from 2 to ${MOST_PARTS} different features; ${ids.length} came.`)
  const { srid } = await store.city()
  const meta = { actor: request.reader.subject, reason: request.reason || `merge ${layer.id} ${ids.join(', ')}`, branch }
  const { revision, result } = await store.withRevision(meta, async writer => {
    const parents = await parentsOf(writer.tx, layer, branch, ids)
    for (const column of division.same ?? []) {
      const values = new Set(parents.map(({ properties }) => properties[column] ?? null))
      if (values.size > 1) throw invalid(`Only features of the same ${column} merge; these have ${[...values].map(value => value ?? 'none').join(', ')}.`)
    }
    const whole = await joined(writer.tx, parents, srid, tolerance)
    // The largest passes its attributes on.
    const order = [...parents.keys()].sort((a, b) => whole.areasM2[b]! - whole.areasM2[a]!)
    const children = await inherit(writer.tx, layer, division, branch, order.map(i => parents[i]!), [{ geometry: whole.geometry, properties: request.properties, areaM2: whole.areaM2 }])
    const made = await replace(writer, layer, branch, parents.map(parent => ({ parent })), children)
    await note(writer, layer, branch, 'merge', parents.map((parent, i) => ({ parent: parent.id, child: made[0]!, ofParent: 1, ofChild: Math.min(1, whole.areasM2[i]! / whole.areaM2) })))
    return made.map(id => ({ id, areaM2: whole.areaM2 }))
  })
  return { revision, parents: ids, children: result }
}

const invalid = (detail: string, more = {}) => new Problem(422, 'invalid-feature', detail, more)

function divisionOf(layer: Layer): Division {
  if (layer.divides && layer.kind === 'city' && layer.geometry === 'polygon') return layer.divides
  throw new Problem(405, 'method-not-allowed', `Features of “${layer.id}” neither divide nor merge; parcels and administrative units do.`)
}

async function parentsOf(tx: Transaction<Database>, layer: Layer, branch: Branch, ids: readonly number[]): Promise<readonly RowRecord[]> {
  const rows = await fieldsAt(tx, layer, branch, null, ids)
  return ids.map(id => {
    const row = rows.get(id)
    if (!row) throw notFound(`There is no feature ${id} in “${layer.id}”.`)
    if (!row.geom) throw conflict(`Feature ${id} has no geometry.`)
    return row
  })
}

// ---- geometry, in the city's CRS ---------------------------------------------------------------------------------

const inCity = (hexOrJson: RawBuilder<unknown>, srid: number) => sql`st_transform(${hexOrJson}, ${srid}::int)`
const stored = (row: RowRecord) => sql`${row.geom}::geometry`
const given = (geometry: GeoJsonGeometry) => sql`st_setsrid(st_force2d(st_geomfromgeojson(${JSON.stringify(geometry)}::text)), 4326)`
/** All digits that a double has. */
const asGeoJson = (geometry: RawBuilder<unknown>) => sql`st_asgeojson(st_transform(${geometry}, 4326), 15, 0)`

/** What a line leaves of a feature, largest first. */
async function cut(tx: Transaction<Database>, parent: RowRecord, line: GeoJsonGeometry | undefined, srid: number): Promise<readonly GeoJsonGeometry[]> {
  if (!line || !/^(Multi)?LineString$/.test(line.type)) throw badBody('A split takes “line”, a LineString across the feature, or “parts”, the polygons it becomes.')
  const { rows } = await sql<{ geometry: string }>`
    select ${asGeoJson(sql`d.geom`)} as geometry
    from (select (st_dump(st_collectionextract(st_split(${inCity(stored(parent), srid)}, ${inCity(given(line), srid)}), 3))).geom) as d
    order by st_area(d.geom) desc`.execute(tx).catch(unreadable)
  return rows.map(({ geometry }) => JSON.parse(geometry) as GeoJsonGeometry)
}

function unreadable(error: { code?: string; message?: string }): never {
  if (['XX000', '22023', '22003', '22P02'].includes(error.code ?? '')) throw invalid(`The geometry cannot be used: ${String(error.message).slice(0, 200)}.`)
  throw error
}

interface Measured { readonly geometry: GeoJsonGeometry; readonly areaM2: number; readonly wholeM2: number }

/** Checks that the parts make up the feature: what is uncovered, outside or doubly covered may be no wider than the tolerance along the boundaries. */
async function measured(tx: Transaction<Database>, parent: RowRecord, parts: readonly Part[], srid: number, tolerance: number): Promise<readonly Measured[]> {
  const { rows: [sum] } = await sql<{ valid: boolean; areas: number[]; whole: number; missing: number; outside: number; overlap: number; slack: number }>`
    with parent as materialized (select ${inCity(stored(parent), srid)} as g),
    part as materialized (select n, ${inCity(sql`st_setsrid(st_force2d(st_geomfromgeojson(t)), 4326)`, srid)} as g from unnest(${parts.map(({ geometry }) => JSON.stringify(geometry))}::text[]) with ordinality as p(t, n)),
    checked as materialized (select bool_and(st_isvalid(g) and st_area(g) > 0) as valid from part),
    together as materialized (select case when (select valid from checked) then (select st_unaryunion(st_collect(g)) from part) end as g)
    select (select valid from checked) as valid, array(select st_area(g) from part order by n) as areas, st_area(p.g) as whole,
      st_area(st_difference(p.g, t.g)) as missing, st_area(st_difference(t.g, p.g)) as outside, (select sum(st_area(g)) from part) - st_area(t.g) as overlap,
      ${tolerance}::float8 * (st_perimeter(p.g) + (select sum(st_perimeter(g)) from part)) / 2 as slack
    from parent as p, together as t`.execute(tx).catch(unreadable)
  const { valid, areas, whole, missing, outside, overlap, slack } = sum!
  if (!valid) throw invalid('A part is no valid polygon with an area.')
  const faults = Object.entries({ 'uncovered by the parts': missing, 'of the parts lies outside the feature': outside, 'is covered twice': overlap })
    .filter(([, area]) => area > slack).map(([what, area]) => `${area.toFixed(2)} m² ${what}`)
  if (faults.length) throw invalid(`The parts must make up the feature, ${whole.toFixed(2)} m², to within ${(tolerance * 100).toFixed(1)} cm along the boundaries (${slack.toFixed(2)} m²): ${faults.join('; ')}.`,
    { areaM2: whole, partsM2: areas, uncoveredM2: missing, outsideM2: outside, overlapM2: overlap, toleranceM2: slack })
  return parts.map(({ geometry }, i) => ({ geometry, areaM2: areas[i]!, wholeM2: whole }))
}

interface Joined { readonly geometry: GeoJsonGeometry; readonly areaM2: number; readonly areasM2: readonly number[] }

/** The union, where all adjoin along lines. Gaps up to the tolerance close: each is drawn to the boundary of those before. */
async function joined(tx: Transaction<Database>, parents: readonly RowRecord[], srid: number, tolerance: number): Promise<Joined> {
  const { rows } = await sql<{ n: number; area: number; touches: number[] }>`
    with p as materialized (select n::int, ${inCity(sql`h::geometry`, srid)} as g from unnest(${parents.map(({ geom }) => geom)}::text[]) with ordinality as t(h, n))
    select a.n, st_area(a.g) as area, array(select b.n from p as b where b.n <> a.n and st_dwithin(a.g, b.g, ${tolerance}::float8)
      and st_length(st_intersection(st_boundary(a.g), st_buffer(b.g, ${Math.max(tolerance, 0.001)}::float8))) > ${Math.max(4 * tolerance, 0.05)}::float8) as touches
    from p as a order by a.n`.execute(tx)
  const order = [0]
  for (const i of order) for (const n of rows[i]!.touches) if (!order.includes(n - 1)) order.push(n - 1)
  if (order.length < parents.length) {
    const apart = parents.filter((_, i) => !order.includes(i)).map(({ id }) => id)
    throw invalid(`Features merge only where they adjoin along a line: ${apart.join(', ')} ${apart.length === 1 ? 'does' : 'do'} not adjoin ${parents[0]!.id} or what merges with it.`, { apart })
  }
  let whole: string | null = null
  for (const i of order) {
    const next = inCity(stored(parents[i]!), srid)
    const { rows: [union] } = await sql<{ g: string }>`select ${whole === null ? next : sql`st_union(w, st_snap(${next}, w, ${tolerance}::float8))`}::text as g ${whole === null ? sql`` : sql`from (select ${whole}::geometry as w) as x`}`.execute(tx)
    whole = union!.g
  }
  const { rows: [result] } = await sql<{ geometry: string; area: number; valid: boolean }>`select ${asGeoJson(sql`g`)} as geometry, st_area(g) as area, st_isvalid(g) and st_dimension(g) = 2 as valid from (select ${whole}::geometry as g) as x`.execute(tx)
  if (!result!.valid) throw invalid('The union of these features is no valid polygon.')
  return { geometry: JSON.parse(result!.geometry), areaM2: result!.area, areasM2: rows.map(({ area }) => area) }
}

// ---- attributes --------------------------------------------------------------------------------------------------

/** New features with what they inherit: all of the first parent that is not its own, the area drawn, the next free number. */
async function inherit(tx: Transaction<Database>, layer: Layer, division: Division, branch: Branch, parents: readonly RowRecord[], parts: readonly (Part & { areaM2: number })[]): Promise<readonly FeatureEdit[]> {
  const [first] = parents
  const passed: Record<string, unknown> = { ...first!.properties }
  for (const name of division.own) passed[name] = null
  if (division.former) passed[division.former.column] = parents.map(({ properties }) => division.former!.of.map(name => properties[name] ?? '–').join('/')).join('; ').slice(0, layer.columns.find(({ name }) => name === division.former!.column)?.maxLength ?? 1000)
  let next = division.number ? await nextNumber(tx, layer, division.number, branch, first!) : 0
  return parts.map(({ geometry, properties, areaM2 }): FeatureEdit => ({
    geometry, source: first!.source, sourceId: null,
    properties: {
      ...passed,
      ...(division.area && { [division.area.column]: round(division.area.unit === 'km²' ? areaM2 / 1e6 : areaM2, division.area.unit === 'km²' ? 6 : 2) }),
      ...(division.number && { [division.number.column]: next++ }),
      ...properties,
    },
  }))
}

const round = (value: number, digits: number) => Math.round(value * 10 ** digits) / 10 ** digits

/** One more than the greatest that any feature has or had beside this one; null where this one has no number. */
async function nextNumber(tx: Transaction<Database>, layer: Layer, { column, within }: NonNullable<Division['number']>, branch: Branch, beside: RowRecord): Promise<number> {
  const same = (alias: string) => sql.join([sql`true`, ...within.map(name => sql`${sql.ref(`${alias}.${name}`)}::text is not distinct from ${beside.properties[name] === undefined || beside.properties[name] === null ? null : String(beside.properties[name])}::text`)], sql` and `)
  const most = (table: string, more: RawBuilder<unknown> = sql`true`) => sql`select max(t.${sql.ref(column)}) as n from ${sql.table(`${table}.${layer.id}`)} as t where ${same('t')} and ${more}`
  const { rows } = await sql<{ n: number | null }>`select max(n) as n from (${most('city')} union all ${most('history')} ${branch === 'main' ? sql`` : sql`union all ${most('branch', sql`t.branch = ${branch}::uuid`)}`}) as x`.execute(tx)
  return (rows[0]!.n ?? 0) + 1
}

async function replace(writer: RevisionWriter, layer: Layer, branch: Branch, parents: readonly { parent: RowRecord; ifMatch?: number | readonly number[] }[], children: readonly FeatureEdit[]): Promise<readonly number[]> {
  const edits: Edit[] = [
    ...children.map((feature): Edit => ({ action: 'create', layer, feature })),
    ...parents.map(({ parent, ifMatch }): Edit => ({ action: 'delete', layer, id: parent.id, ifMatch })),
  ]
  return (await applyEditsIn(writer, branch, edits)).ids.slice(0, children.length)
}

async function note({ tx, revision }: RevisionWriter, layer: Layer, branch: Branch, kind: 'split' | 'merge', links: readonly { parent: number; child: number; ofParent: number; ofChild: number }[]): Promise<void> {
  await sql`insert into dothi.lineage (branch, layer, kind, revision, parent, child, share_of_parent, share_of_child)
    select ${branch}, ${layer.id}, ${kind}, ${revision}::int8, p, c, sp, sc from unnest(${links.map(l => l.parent)}::int8[], ${links.map(l => l.child)}::int8[], ${links.map(l => l.ofParent)}::float8[], ${links.map(l => l.ofChild)}::float8[]) as l(p, c, sp, sc)`.execute(tx)
}

// ---- reading and taking back -------------------------------------------------------------------------------------

export interface LineageLink {
  readonly kind: 'split' | 'merge'
  readonly parent: number
  readonly child: number
  readonly shareOfParent: number
  readonly shareOfChild: number
  readonly revision: number
  readonly at: Date
  /** Steps from the feature asked for. */
  readonly depth: number
}
export interface Lineage { readonly ancestors: readonly LineageLink[]; readonly descendants: readonly LineageLink[] }

/** Up and down the tree of a feature, present or retired, as known as of a revision. */
export async function lineageOf(store: Store, { layer, branch, reader, id, asOf = null, depth = 100 }: { layer: Layer; branch: Branch; reader: Reader; id: number; asOf?: number | null; depth?: number }): Promise<Lineage> {
  const branches = branch === 'main' ? ['main'] : ['main', branch]
  const held = sql`l.layer = ${layer.id} and l.branch = any(${branches}::text[]) and ${asOf === null ? sql`l.retired_revision is null` : sql`l.revision <= ${asOf}::int8 and (l.retired_revision is null or l.retired_revision > ${asOf}::int8)`}`
  const walk = async (from: 'parent' | 'child', to: 'parent' | 'child') => (await sql<LineageLink>`
    with recursive tree as (
      select l.*, 1 as depth from dothi.lineage as l where ${held} and ${sql.ref(`l.${from}`)} = ${id}::int8
      union all select l.*, t.depth + 1 from tree as t join dothi.lineage as l on ${sql.ref(`l.${from}`)} = ${sql.ref(`t.${to}`)} and ${held} where t.depth < ${depth}::int)
    select kind, parent, child, share_of_parent as "shareOfParent", share_of_child as "shareOfChild", t.revision, r.at, min(depth) as depth
    from tree as t join dothi.revisions as r on r.revision = t.revision group by 1, 2, 3, 4, 5, 6, 7 order by depth, parent, child limit 10000`.execute(store.pool(reader.clearance))).rows
  return { ancestors: await walk('child', 'parent'), descendants: await walk('parent', 'child') }
}

/** What became of a feature that divided or merged: the direct successors; none for any other. */
export async function successorsOf(store: Store, args: { layer: Layer; branch: Branch; reader: Reader; id: number; asOf?: number | null }): Promise<readonly LineageLink[]> {
  return (await lineageOf(store, { ...args, depth: 1 })).descendants
}

/** Takes back the lineage that revision n wrote, and brings back what it took. How many links. */
export async function undoLineage({ tx, revision }: RevisionWriter, layer: Layer, branch: Branch, n: number, left: readonly number[]): Promise<number> {
  const own = sql`layer = ${layer.id} and branch = ${branch} and not (parent = any(${left}::int8[])) and not (child = any(${left}::int8[]))`
  const retired = await sql`update dothi.lineage set retired_revision = ${revision}::int8 where ${own} and revision = ${n}::int8 and retired_revision is null`.execute(tx)
  const back = await sql`insert into dothi.lineage (branch, layer, kind, parent, child, share_of_parent, share_of_child, revision)
    select branch, layer, kind, parent, child, share_of_parent, share_of_child, ${revision}::int8 from dothi.lineage where ${own} and retired_revision = ${n}::int8`.execute(tx)
  return Number(retired.numAffectedRows ?? 0) + Number(back.numAffectedRows ?? 0)
}

/** A branch's lineage becomes main's. */
export async function mergeLineage({ tx, revision }: RevisionWriter, layers: readonly string[], branch: string): Promise<void> {
  await sql`insert into dothi.lineage (branch, layer, kind, parent, child, share_of_parent, share_of_child, revision)
    select 'main', layer, kind, parent, child, share_of_parent, share_of_child, ${revision}::int8 from dothi.lineage as l
    where branch = ${branch} and layer = any(${layers}::text[]) and retired_revision is null`.execute(tx)
  await sql`update dothi.lineage set retired_revision = ${revision}::int8 where branch = ${branch} and layer = any(${layers}::text[]) and retired_revision is null`.execute(tx)
}
