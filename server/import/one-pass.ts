import { sql, type Transaction } from 'kysely'
import type { Feature } from '../../core/feature.js'
import type { Column, Layer } from '../../layers/layer.js'
import type { Database } from '../store/database.js'
import { BinaryCopy } from './binary-copy.js'
import { soundBytes, solidBytes, type CoordinateRange } from './ewkb.js'

/** Rows in doubt that wait in memory for PostGIS' judgement. */
const MOST_DOUBTFUL = 20_000

export interface OnePassOptions {
  readonly tx: Transaction<Database>
  readonly layer: Layer
  readonly revision: number
  readonly source: string
  readonly range: CoordinateRange
  /** `schema.table`, quoted. */
  readonly table: string
  /** A block of new ids, from another connection: this one is busy copying. */
  readonly allocateIds: (count: number) => Promise<number>
  /** Called once before the first row: a layer that the file has nothing for is left alone. */
  readonly prepare: () => Promise<void>
  /** Takes rows that have to be looked at by the database, no copy being under way; what it throws ends the load. */
  readonly settle: (doubtful: readonly Doubtful[]) => Promise<void>
}
export interface Doubtful { readonly feature: Feature; readonly row: Readonly<Record<string, unknown>>; readonly number: number }

const ID_BLOCK = 65_536

/**
 * Copies rows straight into a layer's own table, under the writers' lock: what is sound as it came, which is nearly
 * everything, is written once instead of three times. The rest goes to `settle`.
 */
export class OnePass {
  #copy: BinaryCopy | null = null
  #doubtful: Doubtful[] = []
  #nextId = 0
  #lastId = -1
  #atMs = NaN
  /** Attribute columns that some row had a value in so far: most columns of most layers stay empty, and cost time all the same. */
  readonly #filled: Column[] = []
  readonly #isFilled: boolean[]
  written = 0

  constructor(readonly options: OnePassOptions) {
    this.#isFilled = options.layer.columns.map(() => false)
  }

  /** What it returns, now and then, is to be waited for. Throws GeometryFault for shapes that no repair can save. */
  write(feature: Feature, row: Readonly<Record<string, unknown>>, number: number): Promise<void> | undefined {
    const { layer, range } = this.options
    const geometry = soundBytes(feature.geometry!, range, layer.geometry)
    if (geometry === null) {
      this.#doubtful.push({ feature, row, number })
      return this.#doubtful.length >= MOST_DOUBTFUL ? this.end() : undefined
    }
    if (this.#knowsColumns(row) && this.#copy && this.#nextId <= this.#lastId) return this.#put(this.#copy, geometry, feature, row)
    const kept = geometry.slice()
    return this.#open(row).then(copy => this.#put(copy, kept, feature, row))
  }

  #knowsColumns(row: Readonly<Record<string, unknown>>): boolean {
    const { columns } = this.options.layer
    for (let i = 0; i < columns.length; i++) if (!this.#isFilled[i] && row[columns[i]!.name] !== null) return false
    return true
  }

  #put(copy: BinaryCopy, geometry: Uint8Array, feature: Feature, row: Readonly<Record<string, unknown>>): Promise<void> | undefined {
    try {
      this.#writeRow(copy, geometry, feature, row)
    } catch (error) {
      copy.dropRow()
      throw error
    }
    this.written++
    return copy.endRow()
  }

  #writeRow(copy: BinaryCopy, geometry: Uint8Array, feature: Feature, row: Readonly<Record<string, unknown>>): void {
    const { layer, range, revision, source } = this.options
    copy.row((layer.threeD ? 9 : 6) + this.#filled.length)
    copy.int8(this.#nextId++)
    copy.int8(revision)
    copy.timestamp(this.#atMs)
    copy.text(source)
    copy.value(feature.sourceId, 'text')
    copy.bytes(geometry)
    if (layer.threeD) {
      if (feature.solid?.length) copy.bytes(solidBytes(feature.solid, range))
      else copy.null()
      copy.value(finite(feature.groundZ), 'number')
      copy.value(finite(feature.height), 'number')
    }
    for (const { name, type } of this.#filled) copy.value(row[name], type)
  }

  /** A copy under way with the columns that this row fills, and ids to give. */
  async #open(row: Readonly<Record<string, unknown>>): Promise<BinaryCopy> {
    const { tx, layer, table, allocateIds, prepare } = this.options
    if (this.#nextId > this.#lastId) {
      this.#nextId = await allocateIds(ID_BLOCK)
      this.#lastId = this.#nextId + ID_BLOCK - 1
    }
    if (this.#copy && this.#knowsColumns(row)) return this.#copy
    await this.#copy?.end()
    if (this.#filled.length === 0 && this.written === 0) await prepare()
    layer.columns.forEach((column, i) => {
      if (this.#isFilled[i] || row[column.name] === null) return
      this.#isFilled[i] = true
      this.#filled.push(column)
    })
    if (Number.isNaN(this.#atMs)) this.#atMs = (await sql<{ at: Date }>`select dothi.current_revision_at() as at`.execute(tx)).rows[0]!.at.getTime()
    const columns = ['id', 'revision', 'valid_from', 'source', 'source_id', 'geom', ...layer.threeD ? ['solid', 'ground_z', 'height'] : [], ...this.#filled.map(({ name }) => name)]
    return this.#copy = await BinaryCopy.open(tx, `${table} (${columns.map(name => `"${name}"`).join(', ')})`)
  }

  /** Waits until the database has taken every row, those in doubt too. */
  async end(): Promise<void> {
    await this.#copy?.end()
    this.#copy = null
    if (this.#doubtful.length === 0) return
    const doubtful = this.#doubtful
    this.#doubtful = []
    await this.options.settle(doubtful)
  }

  async abort(error: Error): Promise<void> {
    await this.#copy?.abort(error)
  }
}

const finite = (value: number | undefined) => Number.isFinite(value) ? value : null
