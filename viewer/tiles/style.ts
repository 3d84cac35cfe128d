/** A layer's `Paint` becomes a colour: the one place where legend, map and points agree. */
import type { Paint } from '../../layers/layer.js'

export function colourOf(paint: Paint | undefined, properties: Readonly<Record<string, unknown>>): string | undefined {
  if (paint === undefined || typeof paint === 'string') return paint
  const value = properties[paint.by]
  if ('categories' in paint) return paint.categories[String(value)] ?? paint.other
  let colour = paint.below
  for (const [from, next] of paint.steps) if (Number(value) >= from) colour = next
  return colour
}

/** `#rrggbb` as 0…1 each, sRGB. */
export function rgb(colour: string): [number, number, number] {
  const n = parseInt(colour.slice(1, 7), 16)
  return [((n >> 16) & 255) / 255, ((n >> 8) & 255) / 255, (n & 255) / 255]
}
