/** A layer's paint: as an expression of MapLibre, and as the colour of one feature. The two agree. */
import type { Paint } from '../../../layers/layer.js'

export type Properties = Readonly<Record<string, unknown>>

export function paintExpression(paint: Paint): unknown {
  if (typeof paint === 'string') return paint
  if ('categories' in paint) {
    const pairs = Object.entries(paint.categories)
    return pairs.length === 0 ? paint.other : ['match', ['to-string', ['get', paint.by]], ...pairs.flat(), paint.other]
  }
  return ['step', ['to-number', ['get', paint.by], LEAST], paint.below, ...paint.steps.flat()]
}

export function colourOf(paint: Paint, properties: Properties): string {
  if (typeof paint === 'string') return paint
  const value = properties[paint.by]
  if ('categories' in paint) return Object.hasOwn(paint.categories, String(value)) ? paint.categories[String(value)]! : paint.other
  const number = typeof value === 'number' ? value : LEAST
  return paint.steps.reduce((colour, [from, next]) => (number >= from ? next : colour), paint.below)
}

/** Stands for a number that is not there: below all thresholds. */
const LEAST = -1e9

/** What widths and radii are multiplied by at a zoom: the city must be readable from afar, and not be a wiry one near by. */
const GROWTH: readonly (readonly [zoom: number, factor: number])[] = [[9, 0.5], [15, 1], [19, 2]]

/** A width or radius in pixels, as an expression of the zoom. */
export function sizeExpression(pixels: number): unknown {
  return ['interpolate', ['linear'], ['zoom'], ...GROWTH.flatMap(([zoom, factor]) => [zoom, round(pixels * factor)])]
}

/** The same at one zoom. */
export function sizeAt(pixels: number, zoom: number): number {
  const next = GROWTH.findIndex(([from]) => from > zoom)
  if (next === 0) return pixels * GROWTH[0]![1]
  if (next < 0) return pixels * GROWTH.at(-1)![1]
  const [[fromZoom, from], [toZoom, to]] = [GROWTH[next - 1]!, GROWTH[next]!]
  return pixels * (from + ((to - from) * (zoom - fromZoom)) / (toZoom - fromZoom))
}

const round = (pixels: number) => Math.round(pixels * 100) / 100
