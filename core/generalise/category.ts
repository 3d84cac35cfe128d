import type { Layer, Paint } from '../../layers/layer.js'
import type { Category } from './patches.js'

/** The paint that tells features of a layer apart where they are merged. */
export function mergedBy({ geometry, style }: Layer): Paint | undefined {
  return geometry === 'line' ? style.line : geometry === 'point' ? style.circle : style.fill ?? style.line
}

/** The column that a paint looks at. */
export const columnOf = (paint: Paint | undefined): string | undefined => (typeof paint === 'object' ? paint.by : undefined)

/** The value that stands for all that a paint colours alike; null for what it does not name. */
export function categoryOf(paint: Paint | undefined, value: unknown): Category {
  if (typeof paint !== 'object' || value === null || value === undefined) return null
  if ('categories' in paint) return Object.hasOwn(paint.categories, String(value)) ? (typeof value === 'number' ? value : String(value)) : null
  return paint.steps.reduce<number | null>((step, [from]) => (Number(value) >= from ? from : step), null)
}
