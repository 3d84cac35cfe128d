/**
 * The synchronised store, as the rest of the server sees it: one door for readers (`view`),
 * one for writers (`withRevision`), a catalogue of layers, terrain, observations, jobs and tokens.
 * `openStore` (open-store.ts) makes one from a database.
 */
import type { Kysely, SelectQueryBuilder, Transaction } from 'kysely'
import type { BBox } from '../../core/bbox.js'
import type { City } from '../../core/city.js'
import type { Filter } from '../../core/filter/ast.js'
import type { Tile } from '../../core/tile-matrix.js'
import type { Classification, Layer, Metadata } from '../../layers/layer.js'
import type { Database } from './database.js'
import type { RowBytes, RowQuery } from './row-client.js'

/** Who reads. Every handler gets one; nobody reads without. */
export interface Reader {
  readonly subject: string
  readonly roles: readonly Role[]
  readonly clearance: Classification
  /** How the reader came, for the access log: one value a request. */
  readonly access?: { readonly operation: string; readonly purpose: string | null }
}
/** viewer reads · editor writes and runs · steward imports, publishes, manages tokens. */
export type Role = 'viewer' | 'editor' | 'steward'
export const PUBLIC: Reader = { subject: 'public', roles: ['viewer'], clearance: 'open' }
export const STEWARD: Reader = { subject: 'steward', roles: ['viewer', 'editor', 'steward'], clearance: 'restricted' }

/** `main` is the present city; any other value is a scenario's uuid. */
export type Branch = 'main' | string
/** `now`, a revision number, or an RFC 3339 instant. */
export type AsOf = 'now' | number | Date

export interface ViewArgs {
  readonly layer: Layer
  readonly branch: Branch
  readonly asOf: AsOf
  readonly reader: Reader
  readonly where?: Filter
  /** Rows whose geometry meets the box; uses the index of that CRS. `exact` adds ST_Intersects. */
  readonly bbox?: { readonly box: BBox; readonly srid: 4326 | 3857; readonly exact?: boolean }
  /** Attribute columns wanted; default all that the reader may see. Store columns (id, revision, source, source_id, cell, geom, geom_3857, solid, ground_z, height …) are always there. */
  readonly columns?: readonly string[]
  /** For `run` layers; default the scenario's latest successful run. */
  readonly run?: string
}
export type Row = Record<string, unknown>
export type View = SelectQueryBuilder<Database, never, Row>

export type { City }

export interface RevisionMeta { readonly actor: string; readonly reason: string; readonly branch?: Branch }
export interface Revision { readonly revision: number; readonly at: Date; readonly actor: string; readonly reason: string; readonly branch: Branch }

/** What a writer gets once the advisory lock is held and the revision is allocated: short work only. */
export interface RevisionWriter {
  readonly tx: Transaction<Database>
  readonly revision: number
  /** Ids for `count` new features, contiguous: returns the first. */
  allocateIds(count: number): Promise<number>
}

export interface Store {
  /** The owner's connection pool: migrations, jobs, writes. Readers never use it. */
  readonly db: Kysely<Database>
  /** The pool of a clearance, for statements around a view. */
  pool(clearance: Classification): Kysely<Database>
  /**
   * Rows of a statement around a view as the bytes that they are, from the same pool, for what turns millions of them into tiles.
   * Once the signal aborts, the statement is cancelled and the promise rejects with its reason.
   */
  rows(clearance: Classification, query: RowQuery, into: RowBytes, signal?: AbortSignal): Promise<void>
  readonly catalogue: Catalogue
  city(): Promise<City>
  setCity(city: City): Promise<void>
  /** The one door. The query is bound to the pool of the reader's clearance. */
  view(args: ViewArgs): Promise<View>
  /** One transaction, one revision. `prepare` runs before the lock is taken (long work: staging, checks). */
  withRevision<T>(meta: RevisionMeta, apply: (writer: RevisionWriter) => Promise<T>, prepare?: (tx: Transaction<Database>) => Promise<void>): Promise<{ revision: Revision; result: T }>
  /** Says that this process has committed a revision: who asks from now on is told of it. `withRevision` does so by itself. */
  committed(revision: number): void
  /** The last revision that touched a layer on a branch (and main, below a branch): 0 if none. */
  layerRevision(layer: Layer, branch: Branch, asOf?: AsOf): Promise<number>
  /** The last revision that can have changed a tile of a layer, margin included: from the change log, without a look at the rows. */
  tileRevision(layer: Layer, branch: Branch, tile: Tile, asOf?: AsOf): Promise<number>
  /** The same of several layers, in their order, in one statement. */
  tileRevisions(layers: readonly Layer[], branch: Branch, tile: Tile, asOf?: AsOf): Promise<readonly number[]>
  /**
   * The same of the present from memory, at once: this process's own commits always included, those of others as soon as they are heard.
   * Undefined where only the database knows.
   */
  tileRevisionsNow(layers: readonly Layer[], branch: Branch, tile: Tile): readonly number[] | undefined
  /** How many features a city layer has on main, from memory where it is there, else from the change log. */
  layerCount(layer: Layer): Promise<number>
  layerCountNow(layer: Layer): number | undefined
  /**
   * Counts and padded extents, kept with the change log and never computed live over the city's geometry.
   * On a branch with what it adds and removes; a run layer is counted over the branch's latest successful run.
   */
  layerSummary(layer: Layer, branch?: Branch): Promise<{ count: number; bbox: BBox | null; revision: number; updated: Date | null }>
  /** Called with each committed revision, also those of other processes (LISTEN). Returns the way to stop. */
  onRevision(listener: (revision: number) => void): () => void
  close(): Promise<void>
}

export interface Catalogue {
  /** Another number whenever layers may have come, changed or gone. */
  readonly version: number
  /** Known and published layers, in the order people see them. */
  all(): readonly Layer[]
  /** Layers the reader may see at all. */
  for(reader: Reader): readonly Layer[]
  /** Throws a 404 Problem that names near misses. */
  get(id: string): Layer
  find(id: string): Layer | undefined
  publish(layer: Layer, actor: string): Promise<void>
  unpublish(id: string, actor: string): Promise<void>
  /** What is said of a layer instead of its file's own words; nothing unless somebody did. */
  metadata(id: string): Metadata
  /** Says all that is said of a layer so. Throws a 404 Problem. */
  describe(id: string, metadata: Metadata, actor: string): Promise<void>
}
