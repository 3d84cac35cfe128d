import { sql, type RawBuilder, type Transaction } from 'kysely'
import type { Feature, FeatureStream } from '../../core/feature.js'
import type { Layer } from '../../layers/layer.js'
import { badParameter, Problem } from '../errors.js'
import type { Database } from '../store/database.js'
import { allocateIds } from '../store/revisions.js'
import type { RevisionWriter, Store } from '../store/store.js'
import { Appearances } from './appearances.js'
import { rowChecker } from './check.js'
import { CopyWriter } from './copy.js'
import { encodeGeometry, encodeSolid, type CoordinateRange } from './ewkb.js'
import { OnePass, type Doubtful } from './one-pass.js'
import { GeometryFault } from '../../core/geometry/wkb-bytes.js'

export interface LoadOptions {
  readonly actor: string
  readonly reason: string
  /**
   * Makes the streams the whole truth about this source in their layers: same `source_id` and content stay
   * untouched, changed ones are updated under their id, missing ones are retired. Features without a
   * source id are matched by content.
   */
  readonly replaceSource?: string
  /** Share of rows that may be rejected before nothing lands; default 0.05. */
  readonly maxRejects?: number
  /**
   * First loads of empty layers are read in one pass under the writers' lock, three to four times faster: other writers, and
   * readers of these layers, wait until it is done. Has no effect where the streams need reprojection or replace a source.
   */
  readonly exclusive?: boolean
  readonly onProgress?: (progress: LoadProgress) => void
  readonly onReject?: (reject: Reject) => void
  readonly signal?: AbortSignal
  /**
   * With `replaceSource`: sees what is about to change, may take rows out of it, and throws what forbids it.
   * Where it leaves nothing to change there is no revision.
   */
  readonly review?: (replacement: Replacement) => Promise<void>
  /** Ends after `review`, with its counts, and lands nothing. */
  readonly dryRun?: boolean
}

/** A replacement that is worked out but not written yet. */
export interface Replacement {
  readonly tx: Transaction<Database>
  /** The revision that it will be; undefined on a dry run, where the writers' lock is not held. */
  readonly revision: number | undefined
  readonly layers: readonly ReplacedLayer[]
}
export interface ReplacedLayer {
  readonly layer: Layer
  /** Temporary table: id in the city or null, _row_no of the incoming row or null, changed. Rows that are deleted from it stay as they are. */
  readonly match: RawBuilder<unknown>
  /** Temporary table of incoming rows as the layer stores them, with _row_no, _key and the fingerprint _content. */
  readonly incoming: RawBuilder<unknown>
  /** The fingerprint of a stored row. */
  readonly content: RawBuilder<unknown>
  /** Columns that a load fills. */
  readonly columns: readonly string[]
}
export interface LoadProgress {
  readonly layer: string
  readonly phase: 'reading' | 'checking' | 'writing'
  /** Rows read so far, over all layers. */
  readonly read: number
}
export interface Reject { readonly layer: string; readonly row: number; readonly sourceId?: string; readonly reason: string }

export interface LoadReport {
  readonly read: number
  readonly inserted: number
  readonly updated: number
  readonly unchanged: number
  readonly deleted: number
  /** Kept after ST_MakeValid or closing a ring; counted among the rows above. */
  readonly repaired: number
  readonly rejected: number
  readonly warnings: readonly { readonly message: string; readonly count: number }[]
  /** 0 where nothing changed. */
  readonly revision: number
  /** Rows by layer that are in the file and in the store. */
  readonly layers: Readonly<Record<string, number>>
}

export const DEFAULT_MAX_REJECTS = 0.05

/**
 * Loads features into their layers in one revision: row checks, COPY into temporary staging tables, repair and
 * reprojection in PostGIS, then insert / update / retire. A crash, an abort, or too many rejects land nothing.
 * Memory stays flat whatever the number of features.
 * Throws a Problem where a layer or CRS is unknown or more than `maxRejects` of the rows are bad.
 */
export async function loadFeatures(store: Store, streams: readonly FeatureStream[], options: LoadOptions): Promise<LoadReport> {
  const load = new Load(store, options)
  const byLayer = new Map<string, FeatureStream[]>()
  for (const stream of streams) byLayer.set(stream.layer, [...byLayer.get(stream.layer) ?? [], stream])
  const stages = [...byLayer].map(([id, its], i) => ({ layer: cityLayer(store, id), streams: its, number: i }))
  const canceller = new Canceller(store, options.signal)
  try {
    const { revision } = await store.withRevision(
      { actor: options.actor, reason: options.reason },
      async writer => {
        await load.match(writer.tx, stages, writer.revision)
        for (const stage of stages) await load.apply(writer, stage)
        load.refuseTooManyRejects()
        options.signal?.throwIfAborted()
      },
      async tx => {
        await canceller.watch(tx)
        for (const stage of stages) await load.stage(tx, stage)
        load.refuseTooManyRejects()
        if (options.dryRun) await load.match(tx, stages, undefined)
      },
    )
    return load.report(revision.revision)
  } catch (error) {
    if (error instanceof NothingToWrite) return load.report(0)
    options.signal?.throwIfAborted()
    throw error
  } finally {
    canceller.stop()
    await load.end()
  }
}

function cityLayer(store: Store, id: string): Layer {
  const layer = store.catalogue.get(id)
  if (layer.kind !== 'city') throw badParameter('layer', `The layer “${id}” holds results and takes no import.`)
  return layer
}

/** Ends a load's transaction without a revision. */
class NothingToWrite extends Error {}

interface Stage { readonly layer: Layer; readonly streams: readonly FeatureStream[]; readonly number: number }

/** Where checked rows go. What `write` returns, now and then, is to be waited for. */
interface Sink {
  write(feature: Feature, row: Readonly<Record<string, unknown>>, number: number): Promise<void> | undefined
  end(): Promise<void>
  abort(error: Error): Promise<void>
}

/** The counts and steps of one load. */
class Load {
  #read = 0
  #inserted = 0
  #updated = 0
  #unchanged = 0
  #deleted = 0
  #repaired = 0
  #rejected = 0
  /** By kind of reason: how often, and the first one whole. */
  readonly #reasons = new Map<string, { count: number; readonly first: string }>()
  readonly #warnings = new Map<string, number>()
  readonly #layers: Record<string, number> = {}
  readonly #onePass = new Set<Stage>()
  readonly #appearances: Appearances

  constructor(readonly store: Store, readonly options: LoadOptions) {
    this.#appearances = new Appearances(store)
  }

  /** Before the lock: file → staging table → checked table, where all the long work is. */
  async stage(tx: Transaction<Database>, stage: Stage): Promise<void> {
    const { layer, number } = stage
    await createStagingTable(tx, stage)
    if (await this.#isOnePass(tx, stage)) return void this.#onePass.add(stage)
    for (const stream of stage.streams) {
      const range = await coordinateRange(tx, stream.srid)
      await this.#readStream(stage, stream, range, await staging(tx, stage, range, stream.source))
    }
    this.#progress(layer, 'checking')
    this.#layers[layer.id] = await this.#checkGeometry(tx, { layer, number })
  }

  async #isOnePass(tx: Transaction<Database>, { layer, streams }: Stage): Promise<boolean> {
    if (!this.options.exclusive || this.options.replaceSource !== undefined || layer.surveyed || streams.some(({ srid }) => srid !== 4326)) return false
    return (await sql`select from ${layerTable(layer)} limit 1`.execute(tx)).rows.length === 0
  }

  async #readStream({ layer }: Stage, stream: FeatureStream, range: CoordinateRange, sink: Sink): Promise<void> {
    const check = rowChecker(layer)
    let row = 0
    let inDegrees = !range.geographic
    let staged = 0
    try {
      for await (const feature of stream.features) {
        row = feature.row ?? row + 1
        this.#read++
        if (this.#read % 1000 === 0) {
          this.options.signal?.throwIfAborted()
          this.#progress(layer, 'reading')
        }
        try {
          if (!feature.geometry) throw new GeometryFault(feature.fault ?? 'no geometry')
          const checked = check(feature.properties, { ground_z: feature.groundZ ?? null, height: feature.height ?? null })
          if (!checked.ok) throw new GeometryFault(checked.reason)
          const full = sink.write(feature, checked.row, row)
          if (full) await full
          const seen = this.#appearances.add(layer, stream.source, feature)
          if (seen) await seen
          inDegrees &&= looksLikeDegrees(feature)
          for (const warning of checked.warnings) count(this.#warnings, `${layer.id}.${warning}`)
          staged++
        } catch (error) {
          this.#rejectFault(layer, feature, row, error)
        }
      }
      this.options.signal?.throwIfAborted()
      await sink.end()
    } catch (error) {
      await sink.abort(error as Error)
      throw error
    }
    if (inDegrees && staged > 0)
      throw badParameter('crs', `The coordinates of “${stream.source}” look like degrees, but EPSG:${stream.srid} is in metres or feet. Say --crs EPSG:4326 if they are longitude and latitude.`)
  }

  /** Staged rows → checked table, with how many it keeps. */
  async #checkGeometry(tx: Transaction<Database>, { layer, number }: Pick<Stage, 'layer' | 'number'>): Promise<number> {
    const checked = (wgs84: RawBuilder<unknown>) => checkedTable(layer, number, wgs84, this.options.replaceSource !== undefined).execute(tx)
    await sql`savepoint quick`.execute(tx)
    try {
      await checked(sql`ST_Transform(_raw, 4326)`)
    } catch (error) {
      this.options.signal?.throwIfAborted()
      // One coordinate outside its projection fails the whole statement: try again row by row.
      await sql`rollback to savepoint quick`.execute(tx)
      await sql.raw(GUARDED_TRANSFORM).execute(tx)
      await checked(sql`pg_temp.transform_or_null(_raw)`)
    }
    const rejects = await sql<{ _row_no: string; source_id: string | null; _fault: string }>`
      select _row_no, source_id, _fault from ${checkedName(number)} where _fault is not null order by _row_no`.execute(tx)
    for (const { _row_no, source_id, _fault } of rejects.rows)
      this.#reject({ layer: layer.id, row: Number(_row_no), ...(source_id === null ? {} : { sourceId: source_id }), reason: _fault })
    if (rejects.rows.length) await sql`delete from ${checkedName(number)} where _fault is not null`.execute(tx)
    const kept = await sql<{ rows: string; repaired: string }>`
      select count(*) as rows, count(*) filter (where _repaired) as repaired from ${checkedName(number)}`.execute(tx)
    this.#repaired += Number(kept.rows[0]!.repaired)
    return Number(kept.rows[0]!.rows)
  }

  /** Under the lock: only what has to be one step for readers. */
  async apply(writer: RevisionWriter, stage: Stage): Promise<void> {
    this.#progress(stage.layer, 'writing')
    if (this.#onePass.has(stage)) await this.#pass(writer, stage)
    else if (this.options.replaceSource === undefined) await this.#insertAll(writer, stage)
    else await this.#replace(writer, stage)
    await this.#appearances.settle(writer.tx, stage.layer)
  }

  /** However the load went. */
  async end(): Promise<void> {
    await this.#appearances.end()
  }

  async #insertAll(writer: RevisionWriter, { layer, number }: Stage): Promise<void> {
    const rows = this.#layers[layer.id]!
    if (rows === 0) return
    const first = await writer.allocateIds(rows)
    const worthwhile = rows >= REINDEXED.from && rows <= REINDEXED.to
    const restore = worthwhile ? await dropIndexesOfEmpty(writer.tx, layer) : nothing
    await insertRows(writer, layer, first, sql`select c.* from ${checkedName(number)} c`)
    await restore()
    this.#inserted += rows
  }

  /** The whole load of one layer, file → table, with its indexes made at the end. */
  async #pass(writer: RevisionWriter, stage: Stage): Promise<void> {
    const { layer } = stage
    const { tx, revision } = writer
    let restore: (() => Promise<void>) | undefined
    const before = this.#inserted
    for (const stream of stage.streams) {
      const range = await coordinateRange(tx, stream.srid)
      const pass = new OnePass({
        tx, layer, revision, range, source: stream.source, table: `city.${quote(layer.id)}`,
        allocateIds: async count => this.store.db.connection().execute(other => allocateIds(other, count)),
        prepare: async () => { restore ??= await dropIndexesOfEmpty(tx, layer) },
        settle: doubtful => this.#settle(writer, stage, stream.source, range, doubtful),
      })
      await this.#readStream(stage, stream, range, pass)
      this.#inserted += pass.written
    }
    this.#progress(layer, 'writing')
    await restore?.()
    this.#layers[layer.id] = this.#inserted - before
  }

  /** Rows that are not surely sound go the way of all others: staged, looked at by PostGIS, inserted. */
  async #settle(writer: RevisionWriter, stage: Stage, source: string, range: CoordinateRange, doubtful: readonly Doubtful[]): Promise<void> {
    const { tx } = writer
    const sink = await staging(tx, stage, range, source)
    try {
      for (const { feature, row, number } of doubtful) {
        try {
          await sink.write(feature, row, number)
        } catch (error) {
          this.#rejectFault(stage.layer, feature, number, error)
        }
      }
      await sink.end()
    } catch (error) {
      await sink.abort(error as Error)
      throw error
    }
    const kept = await this.#checkGeometry(tx, stage)
    if (kept > 0) await insertRows(writer, stage.layer, await writer.allocateIds(kept), sql`select c.* from ${checkedName(stage.number)} c`)
    this.#inserted += kept
    await sql`drop table ${checkedName(stage.number)}`.execute(tx)
    await sql`truncate ${stageName(stage.number)}`.execute(tx)
  }

  /** Present and incoming rows side by side, then the review. */
  async match(tx: Transaction<Database>, stages: readonly Stage[], revision: number | undefined): Promise<void> {
    const { replaceSource: source, review, dryRun } = this.options
    if (source === undefined) return
    for (const stage of stages) await matchRows(tx, stage, source)
    if (!review && !dryRun) return
    await review?.({ tx, revision, layers: stages.map(replacedLayer) })
    const counts: MatchCounts[] = []
    for (const { number } of stages) counts.push(await countMatches(tx, number))
    if (!dryRun && counts.some(({ fresh, changed, missing }) => fresh + changed + missing > 0)) return
    counts.forEach(count => this.#tally(count))
    throw new NothingToWrite()
  }

  async #replace(writer: RevisionWriter, { layer, number }: Stage): Promise<void> {
    const { tx } = writer
    const table = layerTable(layer)
    const match = matchName(number)
    const counts = await countMatches(tx, number)
    const { fresh, changed, missing } = counts
    if (missing) await sql`delete from ${table} t using ${match} m where t.id = m.id and m._row_no is null`.execute(tx)
    if (changed) await updateRows(tx, layer, sql`${checkedName(number)} c join ${match} m on m._row_no = c._row_no and m.changed and m.id is not null`)
    if (fresh) await insertRows(writer, layer, await writer.allocateIds(fresh), sql`select c.* from ${checkedName(number)} c join ${match} m on m._row_no = c._row_no where m.id is null order by c._row_no`)
    this.#tally(counts)
  }

  #tally({ fresh, changed, missing, same }: MatchCounts): void {
    this.#inserted += fresh
    this.#updated += changed
    this.#deleted += missing
    this.#unchanged += same
  }

  refuseTooManyRejects(): void {
    const allowed = this.options.maxRejects ?? DEFAULT_MAX_REJECTS
    if (this.#read === 0 || this.#rejected / this.#read <= allowed) return
    const reasons = [...this.#reasons.values()].sort((a, b) => b.count - a.count).slice(0, 3).map(({ first, count: n }) => (n === 1 ? first : `${first} (${n} like it)`)).join('; ')
    throw new Problem(422, 'too-many-rejects',
      `${this.#rejected} of ${this.#read} rows were rejected, more than ${+(allowed * 100).toFixed(2)} %, so nothing was imported. Most often: ${reasons}. Mend the file, map its columns, or allow more with --max-rejects.`,
      { read: this.#read, rejected: this.#rejected })
  }

  report(revision: number): LoadReport {
    return {
      read: this.#read, inserted: this.#inserted, updated: this.#updated, unchanged: this.#unchanged, deleted: this.#deleted,
      repaired: this.#repaired, rejected: this.#rejected,
      warnings: [...this.#warnings].map(([message, n]) => ({ message, count: n })).sort((a, b) => b.count - a.count).slice(0, 100),
      revision: this.#inserted + this.#updated + this.#deleted ? revision : 0,
      layers: this.#layers,
    }
  }

  /** A row that cannot be encoded is rejected; any other error ends the load. */
  #rejectFault(layer: Layer, { sourceId }: Feature, row: number, error: unknown) {
    if (!(error instanceof GeometryFault)) throw error
    this.#reject({ layer: layer.id, row, sourceId, reason: error.message })
  }

  #reject(reject: Reject) {
    this.#rejected++
    // Reasons often carry the value; what comes before it is the kind.
    const kind = reject.reason.replace(/“[^”]*”|-?\d[\d.]*/g, '…').slice(0, 120)
    const known = this.#reasons.get(kind)
    if (known) known.count++
    else this.#reasons.set(kind, { count: 1, first: reject.reason })
    this.options.onReject?.(reject)
  }

  #progress(layer: Layer, phase: LoadProgress['phase']) {
    this.options.onProgress?.({ layer: layer.id, phase, read: this.#read })
  }
}

const quote = (name: string) => `"${name.replaceAll('"', '""')}"`
const stageTable = (number: number) => `stage_${number}`
const stageName = (number: number) => sql.id(stageTable(number))
const checkedName = (number: number) => sql.id(`checked_${number}`)
const matchName = (number: number) => sql.id(`match_${number}`)
const layerTable = (layer: Layer) => sql.id('city', layer.id)
const names = (columns: readonly string[], alias?: string) => sql.join(columns.map(c => alias ? sql.id(alias, c) : sql.id(c)))

/** Twins without a source id are told apart by their number. */
async function matchRows(tx: Transaction<Database>, { layer, number }: Stage, source: string): Promise<void> {
  await sql`
    create temp table ${matchName(number)} on commit drop as
    with present as (
      select id, content, coalesce(source_id, content || row_number() over (partition by source_id, content order by id)) as key
      from (select id, source_id, ${content(layer)} as content from ${layerTable(layer)} where source = ${source}) p
    )
    select p.id, c._row_no, p.content is distinct from c._content as changed
    from present p full join ${checkedName(number)} c on c._key = p.key`.execute(tx)
}

interface MatchCounts { readonly fresh: number; readonly changed: number; readonly missing: number; readonly same: number }

async function countMatches(tx: Transaction<Database>, number: number): Promise<MatchCounts> {
  const { rows: [counted] } = await sql<Record<keyof MatchCounts, string>>`
    select count(*) filter (where id is null) as fresh, count(*) filter (where _row_no is null) as missing,
      count(*) filter (where changed and id is not null and _row_no is not null) as changed, count(*) filter (where not changed) as same
    from ${matchName(number)}`.execute(tx)
  const { fresh, changed, missing, same } = counted!
  return { fresh: Number(fresh), changed: Number(changed), missing: Number(missing), same: Number(same) }
}

function replacedLayer({ layer, number }: Stage): ReplacedLayer {
  return { layer, match: matchName(number), incoming: checkedName(number), content: content(layer), columns: filledColumns(layer) }
}

/** Columns that a load fills, as named in the layer's table. */
function filledColumns(layer: Layer): string[] {
  return [
    'source', 'source_id', 'geom',
    ...layer.surveyed ? ['geom_native'] : [],
    ...layer.threeD ? ['solid', 'ground_z', 'height'] : [],
    ...layer.columns.map(c => c.name),
  ]
}

function stagedColumns(layer: Layer): string[] {
  return ['_row_no', 'source', 'source_id', '_raw', '_closed', ...layer.threeD ? ['solid', 'ground_z', 'height'] : [], ...layer.columns.map(c => c.name)]
}

/** Temporary, so that a dead session leaves nothing; attribute types are the layer table's own. */
async function createStagingTable(tx: Transaction<Database>, { layer, number }: Stage): Promise<void> {
  const own = [...layer.threeD ? ['ground_z', 'height'] : [], ...layer.columns.map(c => c.name)]
  await sql`
    create temp table ${stageName(number)} on commit drop as
    select 0::bigint as _row_no, ''::text as source, ''::text as source_id, null::geometry as _raw, false as _closed
      ${layer.threeD ? sql`, null::geometry as solid` : sql``} ${own.length ? sql`, ${names(own)}` : sql``}
    from ${layerTable(layer)} limit 0`.execute(tx)
  // While rows come in, the database has time to look at those that need no reprojection.
  await sql`alter table ${stageName(number)} add _valid_raw boolean generated always as (case when ST_SRID(_raw) = 4326 then ST_IsValid(_raw) end) stored`.execute(tx)
}

async function staging(tx: Transaction<Database>, { layer, number }: Stage, range: CoordinateRange, source: string): Promise<Sink> {
  const copy = await CopyWriter.open(tx, `${stageTable(number)} (${stagedColumns(layer).map(quote).join(', ')})`)
  const encode = rowEncoder(layer, range, source)
  return { write: (...row) => copy.write(encode(...row)), end: () => copy.end(), abort: error => copy.abort(error) }
}

function rowEncoder(layer: Layer, range: CoordinateRange, source: string) {
  return (feature: Feature, row: Readonly<Record<string, unknown>>, number: number): (string | null)[] => {
    const geometry = encodeGeometry(feature.geometry!, range)
    const values: (string | null)[] = [String(number), source, feature.sourceId ?? null, geometry.hex, geometry.closed ? 't' : 'f']
    if (layer.threeD) values.push(feature.solid?.length ? encodeSolid(feature.solid, range) : null, finite(feature.groundZ), finite(feature.height))
    for (const { name, type } of layer.columns) values.push(copyValue(row[name], type === 'json'))
    return values
  }
}

const finite = (value: number | undefined) => Number.isFinite(value) ? String(value) : null
function copyValue(value: unknown, json: boolean): string | null {
  if (value === null || value === undefined) return null
  return json ? JSON.stringify(value).replaceAll('\\u0000', '') : String(value)
}

const DIMENSION = { point: 0, line: 1, polygon: 2, any: null } as const
const WANTED = { point: 'points', line: 'lines', polygon: 'polygons', any: 'geometry' } as const

/**
 * The staged rows with their geometry as the layer stores it (EPSG:4326, 2D, valid, multi where the layer is),
 * or the fault that rejects them. `offset 0` keeps each step evaluated once.
 */
function checkedTable(layer: Layer, number: number, wgs84: RawBuilder<unknown>, keyed: boolean) {
  const dimension = DIMENSION[layer.geometry]
  const dimensionFault = dimension === null ? sql`null` : sql`
    case when ST_Dimension(_raw) <> ${dimension}::int then ${`wanted ${WANTED[layer.geometry]}, got `}::text || substr(ST_GeometryType(_raw), 4) end`
  const native = layer.surveyed ? sql`, ${asStored(layer.geometry, sql`case when _valid then ST_Force2D(ST_Transform(_raw, ${layer.surveyed.srid}::int)) else ST_Transform(geom, ${layer.surveyed.srid}::int) end`)} as geom_native` : sql``
  // The Z of a footprint, line or point is where it stands, unless the source says better.
  const levels = layer.threeD ? sql`, ST_Transform(solid, 4326) as solid, height,
    coalesce(ground_z, case when ST_NDims(_raw) > 2 and ST_ZMin(_raw) <> 0 then ST_ZMin(_raw) ${layer.threeD.form === 'extrude' ? sql`- coalesce(height, 0)` : sql``} end) as ground_z` : sql``
  const own = layer.columns.length ? sql`, ${names(layer.columns.map(c => c.name))}` : sql``
  const keys = keyed ? sql`, coalesce(source_id, _content || row_number() over (partition by source_id, _content order by _row_no)) as _key` : sql``
  return sql`
    create temp table ${checkedName(number)} on commit drop as
    select * ${keys} from (
      select * ${keyed ? sql`, ${content(layer)} as _content` : sql``} from (
        select _row_no, source, source_id, geom, (not _valid or _closed) as _repaired ${own} ${native} ${levels}, ${sourceIdFault(keyed)}
          case
            when ST_IsEmpty(_raw) then 'empty geometry'
            ${layer.geometry === 'point' ? sql`when ST_NumGeometries(_raw) > 1 then 'several points in one feature'` : sql``}
            when not _inside then 'outside the CRS EPSG:' || ST_SRID(_raw) || ': wrong --crs?'
            when not _valid and coalesce(ST_IsEmpty(geom), true) then 'cannot be repaired: ' || ST_IsValidReason(_flat)
            when not _valid and ST_Dimension(_flat) = 2 and abs(ST_Area(geom) - ST_Area(_flat)) > 0.01 * ST_Area(_flat)
              then 'repair would change the area by more than 1 %: ' || ST_IsValidReason(_flat)
          end) as _fault
        from (
          select *, ${asStored(layer.geometry, sql`_whole`)} as geom from (
            select *, case when _valid then _flat else ST_MakeValid(_flat) end as _whole from (
              select *, coalesce(ST_XMin(_flat) >= -180.0000001 and ST_XMax(_flat) <= 180.0000001 and ST_YMin(_flat) >= -90.0000001 and ST_YMax(_flat) <= 90.0000001, false) as _inside,
                coalesce(_valid_raw, ST_IsValid(_flat), false) as _valid
              from (select *, ST_Force2D(${wgs84}) as _flat, ${dimensionFault} as _dimension_fault from ${stageName(number)} offset 0) a offset 0
            ) b offset 0
          ) c offset 0
        ) d offset 0
      ) e offset 0
    ) f`
}

/** A geometry in the type of the layer's column; several points stay several, to be told as a fault. */
function asStored(geometry: Layer['geometry'], shape: RawBuilder<unknown>) {
  switch (geometry) {
    case 'point': return sql`case when ST_NumGeometries(${shape}) = 1 then ST_GeometryN(${shape}, 1) else ${shape} end`
    case 'line': return sql`ST_Multi(ST_CollectionExtract(${shape}, 2))`
    case 'polygon': return sql`ST_Multi(ST_CollectionExtract(${shape}, 3))`
    case 'any': return shape
  }
}

/** Faults that come before geometry; under `--replace` a source id must name one row. */
function sourceIdFault(keyed: boolean) {
  const twin = keyed ? sql`case when source_id is not null and row_number() over (partition by source_id order by _row_no) > 1 then 'the source id ' || source_id || ' came before in this file' end,` : sql``
  return sql`coalesce(_dimension_fault, ${twin}`
}

/** Fingerprint of all that a reader can see of a row; compared between file and store. */
function content(layer: Layer) {
  return sql`md5(row(${names(filledColumns(layer).filter(c => c !== 'source' && c !== 'source_id'))})::text)`
}

const GUARDED_TRANSFORM = `
  create or replace function pg_temp.transform_or_null(g geometry) returns geometry language plpgsql immutable as $$
  begin return ST_Transform(g, 4326); exception when others then return null; end $$`

/** Ids follow the order of `rows`. What a default would work out for each row is given once. */
async function insertRows(writer: RevisionWriter, layer: Layer, firstId: number, rows: RawBuilder<unknown>): Promise<void> {
  const columns = filledColumns(layer)
  await sql`
    insert into ${layerTable(layer)} (id, revision, valid_from, ${names(columns)})
    select ${firstId}::bigint + row_number() over () - 1, ${writer.revision}::bigint, (select dothi.current_revision_at()), ${names(columns)} from (${rows}) r`.execute(writer.tx)
}

/** Making indexes after a first load of so many rows is two to four times faster than keeping them up; beyond, readers would wait too long. */
const REINDEXED = { from: 5_000, to: 500_000 }

/** Drops an empty layer's indexes for its first load; what is returned makes them again. Readers of the layer wait meanwhile. */
async function dropIndexesOfEmpty(tx: Transaction<Database>, layer: Layer): Promise<() => Promise<void>> {
  const { rows: [any] } = await sql`select from ${layerTable(layer)} limit 1`.execute(tx)
  if (any) return nothing
  const { rows: indexes } = await sql<{ name: string; index: string; unique_as: string | null }>`
    select c.relname as name, pg_get_indexdef(i.indexrelid) as index, pg_get_constraintdef(u.oid) as unique_as
    from pg_index i join pg_class c on c.oid = i.indexrelid left join pg_constraint u on u.conindid = i.indexrelid and u.contype in ('p', 'u')
    where i.indrelid = ${`city.${quote(layer.id)}`}::regclass`.execute(tx)
  const table = `city.${quote(layer.id)}`
  await sql`savepoint indexes`.execute(tx)
  try {
    // A reader that is in the middle of a long statement is not waited for: then the indexes stay.
    await sql`set local lock_timeout = '500ms'`.execute(tx)
    for (const { name, unique_as } of indexes) await sql.raw(unique_as ? `alter table ${table} drop constraint ${quote(name)}` : `drop index city.${quote(name)}`).execute(tx)
    await sql`set local lock_timeout = 0`.execute(tx)
  } catch (error) {
    if ((error as { code?: string }).code !== LOCK_NOT_AVAILABLE) throw error
    await sql`rollback to savepoint indexes`.execute(tx)
    return nothing
  }
  return async () => {
    for (const { name, index, unique_as } of indexes) await sql.raw(unique_as ? `alter table ${table} add constraint ${quote(name)} ${unique_as}` : index).execute(tx)
  }
}
const nothing = async () => {}
const LOCK_NOT_AVAILABLE = '55P03'

async function updateRows(tx: Transaction<Database>, layer: Layer, rows: RawBuilder<unknown>): Promise<void> {
  const assignments = filledColumns(layer).map(c => sql`${sql.id(c)} = ${sql.id('c', c)}`)
  await sql`update ${layerTable(layer)} t set ${sql.join(assignments)} from ${rows} where t.id = m.id`.execute(tx)
}

async function coordinateRange(tx: Transaction<Database>, srid: number): Promise<CoordinateRange> {
  const found = await sql<{ proj4text: string }>`select proj4text from spatial_ref_sys where srid = ${srid}`.execute(tx)
  if (!found.rows[0]) throw badParameter('crs', `The store does not know EPSG:${srid}. Give the file's CRS with --crs EPSG:n.`)
  return { srid, geographic: /\+proj=longlat\b/.test(found.rows[0].proj4text) }
}

function looksLikeDegrees({ geometry }: Feature): boolean {
  let first: unknown = geometry?.coordinates
  while (Array.isArray(first) && Array.isArray(first[0])) first = first[0]
  return Array.isArray(first) && Math.abs(first[0]) <= 180 && Math.abs(first[1]) <= 90
}

/** A COPY or a long statement does not see an AbortSignal: the server is told to cancel it. */
class Canceller {
  #stop = () => {}
  constructor(readonly store: Store, readonly signal: AbortSignal | undefined) {}

  async watch(tx: Transaction<Database>): Promise<void> {
    const { signal, store } = this
    if (!signal) return
    const { rows } = await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(tx)
    const cancel = () => void sql`select pg_cancel_backend(${rows[0]!.pid})`.execute(store.db).catch(() => {})
    signal.throwIfAborted()
    signal.addEventListener('abort', cancel)
    this.#stop = () => signal.removeEventListener('abort', cancel)
  }

  stop() { this.#stop() }
}

function count(counts: Map<string, number>, key: string) {
  counts.set(key, (counts.get(key) ?? 0) + 1)
}
