/**
 * The revisions of layers and tiles as they are now, in memory, so that a request that has its tile already asks no database.
 *
 * Every write says by NOTIFY which tiles it moves, and its revision as its last word (migration 014). Revisions have no gaps:
 * one that is left out tells that something went unheard, and everything is forgotten. An answer comes from here only while
 * all of this holds, otherwise the database is asked:
 *
 *   - every revision that this process knows to be committed, its own writes before all, has been heard;
 *   - the connection that hears was proven to work within the last moments (`PROVEN_MS`).
 *
 * What is asked for first is read from the table; what is heard while it is being read is entered into it afterwards.
 */
import { sql, type Kysely } from 'kysely'
import type { Database } from './database.js'

/** How often the listening connection is asked for the latest revision, and for how long an answer vouches for it. */
const BEAT_MS = 1_000
const PROVEN_MS = 4_000
/** A connection that owes an answer for so long is given up. */
const SILENT_MS = 8_000
/** Tiles that were ever told apart, of one layer and of all: some 60 bytes each. A layer with more is asked for each time. */
const MOST_OF_LAYER = 250_000
const MOST = 600_000
const MOST_LAYERS = 5_000

interface Known {
  readonly tiles: Map<number, number>
  /** The last revision that touched the layer, and how many features it has. */
  latest: number
  count: number
  /** When it was last asked for, to a second. */
  used: number
}
const TOO_MANY: Known = { tiles: new Map(), latest: 0, count: 0, used: 0 }

interface Heard { readonly revision: number; readonly count: number; readonly tiles: readonly number[] }
/** A layer that is being read, with what was heard meanwhile: `tooMuch` where it could not be told in one message. */
interface Reading { readonly key: string; readonly layer: string; readonly branch: string; readonly heard: Heard[]; tooMuch: boolean }

/** What is used of the listening connection. */
export interface Link {
  query(text: string): Promise<{ rows: { n: string | number }[] }>
  /** Gives the connection up, so that another is made. */
  destroy(): void
}

export class TileMemory {
  readonly #known = new Map<string, Known>()
  readonly #reading = new Map<string, Reading>()
  readonly #asked: Reading[] = []
  #size = 0
  /** Every revision up to here was heard, */
  #heard = -1
  /** up to there is known to be committed, */
  #committed = 0
  /** and was a beat ago. */
  #owed = 0
  #provenUntil = 0

  constructor(private readonly db: Kysely<Database>) {}

  /** Whether what is known here is the present. */
  get isCurrent(): boolean {
    return this.#heard >= this.#committed && performance.now() < this.#provenUntil
  }

  /** A revision of this process is committed: until it is heard too, the database is asked. */
  committed(revision: number): void {
    if (revision > this.#committed) this.#committed = revision
  }

  /**
   * The last revision of a layer's tile on one branch alone, under any of its marks (tile-revisions.ts); without marks, of the whole layer.
   * Undefined where that is not known here (yet). Ask `isCurrent` before.
   */
  revision(layer: string, branch: string, marks: readonly number[] | undefined): number | undefined {
    const known = this.#get(layer, branch)
    if (!known) return undefined
    if (!marks) return known.latest
    let latest = 0
    for (const mark of marks) {
      const revision = known.tiles.get(mark)
      if (revision !== undefined && revision > latest) latest = revision
    }
    return latest
  }

  /** How many features a branch alone has of a layer. */
  count(layer: string, branch: string): number | undefined {
    return this.#get(layer, branch)?.count
  }

  #get(layer: string, branch: string): Known | undefined {
    const known = this.#known.get(keyOf(layer, branch))
    if (!known) this.#ask(layer, branch)
    if (!known || known === TOO_MANY) return undefined
    known.used = this.#provenUntil
    return known
  }

  // ---- hearing -----------------------------------------------------------------------------------------------------

  /** `dothi_tiles`: revision, layer, branch, count of features, tiles as `1,2,3` or `*`. */
  hearTiles(message: string): void {
    const [revision, layer = '', branch = '', count, tiles = ''] = message.split(' ')
    const key = keyOf(layer, branch)
    const reading = this.#reading.get(key)
    if (tiles === '*') {
      if (reading) reading.tooMuch = true
      return this.#drop(key)
    }
    const heard = { revision: Number(revision), count: Number(count), tiles: tiles === '' ? [] : tiles.split(',').map(Number) }
    reading?.heard.push(heard)
    const known = this.#known.get(key)
    if (known && known !== TOO_MANY) this.#enter(key, known, heard)
  }

  /** `dothi_revision`, after all that the revision's transaction had to say. */
  hearRevision(revision: number): void {
    if (revision <= this.#heard) return
    if (this.#heard >= 0 && revision > this.#heard + 1) this.forget()
    this.#heard = revision
  }

  #enter(key: string, known: Known, { revision, count, tiles }: Heard): void {
    if (revision >= known.latest) Object.assign(known, { latest: revision, count })
    const before = known.tiles.size
    for (const tile of tiles) if ((known.tiles.get(tile) ?? 0) < revision) known.tiles.set(tile, revision)
    this.#size += known.tiles.size - before
    if (known.tiles.size <= MOST_OF_LAYER) return
    this.#drop(key)
    this.#known.set(key, TOO_MANY)
  }

  /** Called with a connection that listens to both channels, once it does. Rejects when it fails. */
  async attach(link: Link): Promise<{ detach(): void }> {
    this.#heard = -1
    await this.#beat(link, true)
    let owedSince = 0
    const timer = setInterval(() => {
      if (owedSince === 0) {
        owedSince = performance.now()
        this.#beat(link, false).then(() => { owedSince = 0 }, () => link.destroy())
      } else if (performance.now() - owedSince > SILENT_MS) link.destroy()
    }, BEAT_MS)
    timer.unref()
    return { detach: () => { clearInterval(timer); this.#provenUntil = 0 } }
  }

  /** Asks for the latest revision, and begins anew where what is known here cannot be continued. */
  async #beat(link: Link, begin: boolean): Promise<void> {
    const [asked, committed] = [performance.now(), this.#committed]
    const { rows } = await link.query('select coalesce(max(revision), 0) as n from dothi.revisions')
    const latest = Number(rows[0]!.n)
    // Committed a whole beat ago and still not heard: it was said to nobody. Fewer than were heard: another database, restored.
    if (begin || this.#owed > this.#heard || latest < this.#heard) {
      this.forget()
      this.#heard = begin ? Math.max(latest, this.#heard) : latest
      if (this.#committed === committed) this.#committed = latest
    }
    this.committed(latest)
    this.#owed = latest
    this.#provenUntil = asked + PROVEN_MS
  }

  // ---- reading -----------------------------------------------------------------------------------------------------

  /** What is asked for in the same breath is read at once. */
  #ask(layer: string, branch: string): void {
    const key = keyOf(layer, branch)
    if (this.#heard < 0 || this.#reading.has(key)) return
    const reading: Reading = { key, layer, branch, heard: [], tooMuch: false }
    this.#reading.set(key, reading)
    if (this.#asked.push(reading) === 1) queueMicrotask(() => void this.#read(this.#asked.splice(0)))
  }

  async #read(asked: readonly Reading[]): Promise<void> {
    const found = await rowsOf(this.db, asked).catch(() => [])
    for (const reading of asked) {
      if (this.#reading.get(reading.key) !== reading) continue // forgotten meanwhile
      this.#reading.delete(reading.key)
      const row = found.find(({ layer, branch }) => layer === reading.layer && branch === reading.branch)
      if (row && !reading.tooMuch) this.#keep(row, reading)
    }
  }

  #keep({ marks, latest, count }: LayerRow, { key, heard }: Reading): void {
    if (!marks) return void this.#known.set(key, TOO_MANY)
    const known: Known = { tiles: tilesIn(marks), latest, count, used: this.#provenUntil }
    this.#known.set(key, known)
    this.#size += known.tiles.size
    for (const each of heard) this.#enter(key, known, each)
    while (this.#size > MOST || this.#known.size > MOST_LAYERS) this.#drop(this.#leastUsed())
  }

  #leastUsed(): string {
    let [least, used] = ['', Infinity]
    for (const [key, known] of this.#known) if (known !== TOO_MANY && known.used < used) [least, used] = [key, known.used]
    return least
  }

  #drop(key: string): void {
    this.#size -= this.#known.get(key)?.tiles.size ?? 0
    this.#known.delete(key)
  }

  /** What is asked for from now on is read again. */
  forget(): void {
    this.#known.clear()
    this.#reading.clear()
    this.#size = 0
  }
}

const keyOf = (layer: string, branch: string) => `${layer} ${branch}`

interface LayerRow { readonly layer: string; readonly branch: string; readonly latest: number; readonly count: number; readonly marks: Buffer | null }

/** `marks`: tile and revision in turn, eight bytes each; null where there are too many. One statement, so all is of one moment. */
async function rowsOf(db: Kysely<Database>, asked: readonly Reading[]): Promise<readonly LayerRow[]> {
  const { rows } = await sql<LayerRow>`
    select layer, branch, coalesce(s.revision, 0) as latest, coalesce(s.count, 0) as count, case when n <= ${MOST_OF_LAYER}::int then coalesce(marks, '') end as marks
    from unnest(${asked.map(({ layer }) => layer)}::text[], ${asked.map(({ branch }) => branch)}::text[]) as a(layer, branch)
    left join dothi.layer_summaries as s using (layer, branch)
    cross join lateral (
      select count(*) as n, string_agg(int8send(tile) || int8send(revision), '') as marks
      from (select tile, revision from dothi.tile_revisions as t where t.layer = a.layer and t.branch = a.branch limit ${MOST_OF_LAYER + 1}::int) as t) as t`.execute(db)
  return rows
}

function tilesIn(marks: Buffer): Map<number, number> {
  const tiles = new Map<number, number>()
  const integer = (at: number) => marks.readInt32BE(at) * 2 ** 32 + marks.readUInt32BE(at + 4)
  for (let at = 0; at < marks.length; at += 16) tiles.set(integer(at), integer(at + 8))
  return tiles
}
