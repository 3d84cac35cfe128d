/** Names on a picture of a tile: only where all of a name has room, so that none is cut at an edge, and none lies on another. */
import type { SKRSContext2D } from '@napi-rs/canvas'
import type { VectorTileFeature, VectorTileLayer } from '@mapbox/vector-tile'
import type { Layer } from '../../../layers/layer.js'
import { fontFamilies } from './font.js'
import { LABEL_COLOUR } from './lettering.js'

interface Point { readonly x: number; readonly y: number }
interface Spot extends Point { readonly angle: number }
type Box = readonly [west: number, north: number, east: number, south: number]

const PIXELS = 11
const HALO = 3
/** Names of one layer that are tried: more have no room. */
const MOST_TRIED = 300

export class Labels {
  readonly #taken: Box[] = []
  readonly #written = new Set<string>()

  constructor(private readonly context: SKRSContext2D, private readonly size: number) {}

  /** The layer's features in their order, which is that of importance. */
  add({ label, style }: Pick<Layer, 'label' | 'style'>, source: VectorTileLayer): void {
    if (label === undefined) return
    this.context.font = `${PIXELS}px ${fontFamilies()}`
    this.context.textAlign = 'center'
    this.context.textBaseline = 'middle'
    const scale = this.size / source.extent
    const below = PIXELS * 0.7 + (style.circleRadius ?? 0)
    for (let i = 0; i < Math.min(source.length, MOST_TRIED); i++) {
      const feature = source.feature(i)
      const text = feature.properties[label]
      if (typeof text !== 'string' || text === '' || this.#written.has(text)) continue
      const width = this.context.measureText(text).width
      const spot = spotFor(feature, scale, width, below)
      if (spot) this.#write(text, spot, width)
    }
  }

  #write(text: string, { x, y, angle }: Spot, width: number): void {
    const box = boxAround(x, y, angle, width + 2 * HALO, PIXELS + 2 * HALO)
    if (box[0] < 0 || box[1] < 0 || box[2] > this.size || box[3] > this.size || this.#taken.some((other) => overlap(box, other))) return
    this.#taken.push(box)
    this.#written.add(text)
    const { context } = this
    context.save()
    context.translate(x, y)
    context.rotate(angle)
    context.lineWidth = HALO
    context.strokeStyle = 'rgba(255, 255, 255, 0.85)'
    context.strokeText(text, 0, 0)
    context.fillStyle = LABEL_COLOUR
    context.fillText(text, 0, 0)
    context.restore()
  }
}


/** Points are named below, areas in the middle of their largest part, lines along their longest straight piece that is long enough. */
function spotFor(feature: VectorTileFeature, scale: number, width: number, below: number): Spot | undefined {
  const parts = feature.loadGeometry().map((part) => part.map(({ x, y }) => ({ x: x * scale, y: y * scale })))
  if (feature.type === 1) return { x: parts[0]![0]!.x, y: parts[0]![0]!.y + below, angle: 0 }
  return feature.type === 2 ? alongLine(parts, width) : inArea(parts, width)
}

function alongLine(parts: readonly (readonly Point[])[], width: number): Spot | undefined {
  let spot: Spot | undefined
  let longest = width
  for (const part of parts) for (let i = 1; i < part.length; i++) {
    const [a, b] = [part[i - 1]!, part[i]!]
    const length = Math.hypot(b.x - a.x, b.y - a.y)
    if (length <= longest) continue
    longest = length
    const angle = Math.atan2(b.y - a.y, b.x - a.x)
    // Nobody reads upside down.
    spot = { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2, angle: Math.abs(angle) > Math.PI / 2 ? angle + Math.PI : angle }
  }
  return spot
}

function inArea(parts: readonly (readonly Point[])[], width: number): Spot | undefined {
  const boxes = parts.map((part) => [Math.min(...part.map(({ x }) => x)), Math.min(...part.map(({ y }) => y)), Math.max(...part.map(({ x }) => x)), Math.max(...part.map(({ y }) => y))] as const)
  const largest = boxes.reduce((best, box) => (area(box) > area(best) ? box : best))
  // A name wider than what it names reads as its neighbour's.
  return largest[2] - largest[0] < width ? undefined : { x: (largest[0] + largest[2]) / 2, y: (largest[1] + largest[3]) / 2, angle: 0 }
}

const area = ([west, north, east, south]: Box) => (east - west) * (south - north)
const overlap = (a: Box, b: Box) => a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3]

function boxAround(x: number, y: number, angle: number, width: number, height: number): Box {
  const [cos, sin] = [Math.abs(Math.cos(angle)), Math.abs(Math.sin(angle))]
  const [halfWidth, halfHeight] = [(width * cos + height * sin) / 2, (width * sin + height * cos) / 2]
  return [x - halfWidth, y - halfHeight, x + halfWidth, y + halfHeight]
}
