import type { Colour } from '../../core/geometry/mesh.js'
import type { Paint } from '../../layers/layer.js'

/** The colour that a layer's paint gives a row, linear RGB as glTF's vertex colours are. */
export function paintColour(paint: Paint | undefined, row: Readonly<Record<string, unknown>>, fallback: string): Colour {
  return linearRgb(paint === undefined ? fallback : typeof paint === 'string' ? paint : hexOf(paint, row[paint.by]))
}

function hexOf(paint: Exclude<Paint, string>, value: unknown): string {
  if ('categories' in paint) return paint.categories[String(value)] ?? paint.other
  let colour = paint.below
  if (typeof value === 'number') for (const [from, above] of paint.steps) if (value >= from) colour = above
  return colour
}

const parsed = new Map<string, Colour>()

/** `#rrggbb` (sRGB) → linear. */
export function linearRgb(hex: string): Colour {
  let colour = parsed.get(hex)
  if (!colour) parsed.set(hex, colour = linear([1, 3, 5].map(at => parseInt(hex.slice(at, at + 2), 16)) as unknown as Colour))
  return colour
}

/** sRGB → linear RGB, both 0…255. Source: IEC 61966-2-1. */
export function linear(srgb: Colour): Colour {
  return srgb.map(channel => {
    const s = channel / 255
    return Math.round(255 * (s <= 0.04045 ? s / 12.92 : ((s + 0.055) / 1.055) ** 2.4))
  }) as unknown as Colour
}
