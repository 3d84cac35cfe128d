/**
 * What changes about features (impacts, matches, differences): a table for each 3D tile, in the order of the tile's features.
 * It comes beside the geometry, so that a question over the whole city costs a few bytes a building and redraws no mesh.
 */
import { source } from '../core/source.js'
import type { TileContent } from './tileset.js'

export type StateValue = number | boolean | string | null
export type StateRow = Readonly<Record<string, StateValue>>

/** One table, by columns. */
export interface StateTable {
  /** A column's value for each feature of the tile it was read for; undefined where the table does not tell of it. */
  column(name: string): (feature: number) => StateValue | undefined
  row(feature: number): StateRow | null
}

export interface StateTables {
  /** The table of a content, asked for once; null where there is none to be had, or where its turn came and nobody wanted it any more. */
  get(content: TileContent, query: string, isWanted?: () => boolean): Promise<StateTable | null>
  /** The same where it is there already. */
  known(content: TileContent, query: string): StateTable | null
  readonly pending: number
}

/** Tables that come at once: tiles of geometry and ground need connections too. */
const AT_ONCE = 4
/** Questions of which a tile keeps the answers, so that turning back to one shows it at once. */
const KEPT = 4

export function createStateTables(layer: string): StateTables {
  interface Entry { readonly table: Promise<StateTable | null>; known: StateTable | null }
  const kept = new WeakMap<TileContent, Map<string, Entry>>()
  const turns: (() => void)[] = []
  let running = 0
  let pending = 0

  async function load(content: TileContent, query: string, isWanted: () => boolean): Promise<StateTable | null> {
    pending++
    if (running >= AT_ONCE) await new Promise<void>((turn) => turns.push(turn))
    running++
    try {
      if (!isWanted()) throw new Error('nobody waits for it')
      const [bytes, { tableFromIPC }] = await Promise.all([source().server!.state(layer, content.address, query), import('@uwdata/flechette')])
      return alongside(content, tableFromIPC(bytes).toColumns() as unknown as Columns)
    } catch {
      // A tile that is just being replaced, a server that is busy, another question meanwhile: who needs the table asks again.
      kept.get(content)?.delete(query)
      return null
    } finally {
      running--
      pending--
      turns.shift()?.()
    }
  }

  return {
    get pending() { return pending },
    known: (content, query) => kept.get(content)?.get(query)?.known ?? null,
    get(content, query, isWanted = () => true) {
      const tables = kept.get(content) ?? new Map<string, Entry>()
      kept.set(content, tables)
      const found = tables.get(query)
      if (found) return found.table
      const entry: Entry = { table: load(content, query, isWanted), known: null }
      tables.set(query, entry)
      void entry.table.then((table) => { entry.known = table })
      if (tables.size > KEPT) tables.delete(tables.keys().next().value!)
      return entry.table
    },
  }
}

type Columns = Readonly<Record<string, ArrayLike<StateValue>>> & { readonly id: ArrayLike<number> }

/** Row n is feature n; where a tile is of another revision than its table, rows are found by id. */
function alongside({ features: { ids } }: TileContent, columns: Columns): StateTable {
  const names = Object.keys(columns)
  const isAligned = columns.id.length === ids.length && ids.every((id, i) => columns.id[i] === id)
  const places = isAligned ? null : new Map(Array.from(columns.id, (id, i) => [id, i]))
  const at = (feature: number) => (places ? places.get(ids[feature]!) ?? -1 : feature)
  return {
    column(name) {
      const values = columns[name] ?? []
      return (feature) => values[at(feature)]
    },
    row: (feature) => (at(feature) < 0 ? null : Object.fromEntries(names.map((name) => [name, columns[name]![at(feature)] ?? null]))),
  }
}
