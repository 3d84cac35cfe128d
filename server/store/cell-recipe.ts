/** How cells of a layer are made: for whom, from which columns. */
import { createHash } from 'node:crypto'
import { categoryOf, columnOf, mergedBy } from '../../core/generalise/category.js'
import { type CellKind } from '../../core/generalise/cell.js'
import type { Category } from '../../core/generalise/patches.js'
import type { Classification, Layer } from '../../layers/layer.js'
import { CLASSES, covers, visibleColumns } from './rights.js'
import type { Reader } from './store.js'

export interface Recipe {
  readonly kind: CellKind
  /** Who may see all that the cells tell; readers of higher clearance share them where they would see no more in them. */
  readonly rows: Classification
  /** The column that tells merged features apart, where these readers see it. */
  readonly category: string | null
  /** The column with a name that lines go on under. */
  readonly name: string | null
  /** The column that says how important a feature is; the store's `height` and `ground_z` too. */
  readonly rank: string | null
  /** Of all that the cells follow from, but the rows. */
  readonly fingerprint: string
  readonly categoryOf: (value: unknown) => Category
}

/** Counted up when cells come to be made otherwise. */
const VERSION = 1

/** The recipe whose cells a reader of this clearance sees. The layer must be covered by it. */
export function recipeFor(layer: Layer, clearance: Classification): Recipe {
  const columns = columnsFor(layer, clearance)
  const rows = CLASSES.find(rows => covers(clearance, rows) && covers(rows, layer.classification) && JSON.stringify(columnsFor(layer, rows)) === JSON.stringify(columns))!
  const paint = columns.category === null ? undefined : mergedBy(layer)
  const kind = layer.geometry as CellKind
  const fingerprint = createHash('sha256').update(JSON.stringify([VERSION, kind, rows, columns, paint ?? null, layer.importance ?? null])).digest('hex').slice(0, 16)
  return { kind, rows, ...columns, fingerprint, categoryOf: value => categoryOf(paint, value) }
}

/** The recipes of all readers together. */
export function recipesOf(layer: Layer): readonly Recipe[] {
  const recipes = CLASSES.filter(clearance => covers(clearance, layer.classification)).map(clearance => recipeFor(layer, clearance))
  return [...new Map(recipes.map(recipe => [recipe.rows, recipe])).values()]
}

/** Cells are made with the rights of those they are for. */
export const readerOf = ({ rows }: Recipe): Reader => ({ subject: 'tiles', roles: ['viewer'], clearance: rows, access: MAKING })
const MAKING = { operation: 'features are merged for tiles', purpose: null } as const

function columnsFor(layer: Layer, clearance: Classification): Pick<Recipe, 'category' | 'name' | 'rank'> {
  const visible = visibleColumns(layer, clearance)
  const inTiles = (name: string | undefined) => (name !== undefined && visible.some(column => column.name === name && column.inTiles) ? name : null)
  const { importance } = layer
  const ofStore = layer.threeD !== undefined && (importance === 'height' || importance === 'ground_z')
  return {
    category: inTiles(columnOf(mergedBy(layer))),
    // Other labels, as codes of assets, are each feature's own: nothing would go on.
    name: layer.geometry === 'line' && layer.label === 'name' ? inTiles('name') : null,
    rank: importance !== undefined && (ofStore || visible.some(column => column.name === importance && (column.type === 'number' || column.type === 'integer'))) ? importance : null,
  }
}
