/**
 * Small areas seen from afar: what covers enough of a pixel colours it, and pixels of one colour that touch are a patch.
 *
 *   footprints ─▶ coverage of each pixel, a plate for each category ─▶ the strongest category of each pixel ─▶ outlines
 *
 * Outlines run between the middles of pixels (marching squares). Against the open ground they follow the coverage, so that they
 * move smoothly; between two categories they run half way, so that neighbours share them.
 */
import { area, simplifyRing, type Path } from './shape.js'

/** What the style tells a feature by: a value of its column, or null for all that it does not name. */
export type Category = string | number | null

/** The share of each pixel that features of one category cover, 0 to 255; row-major, north first. */
export interface Plate {
  readonly category: Category
  /** Features that stand here: those whose box has its middle in the square. */
  readonly count: number
  readonly shares: Uint8Array
}

/** Coverage as a plate keeps it; overlaps do not count twice. */
export function quantised(shares: Float64Array): Uint8Array {
  return Uint8Array.from(shares, share => Math.round(Math.max(0, Math.min(1, share)) * 255))
}

/** The same picture with half as many pixels each way: each is the mean of four. */
export function halved(shares: Uint8Array, side: number): Uint8Array {
  const half = side / 2
  const out = new Uint8Array(half * half)
  for (let y = 0; y < half; y++) {
    for (let x = 0; x < half; x++) {
      const at = y * 2 * side + x * 2
      out[y * half + x] = (shares[at]! + shares[at + 1]! + shares[at + side]! + shares[at + side + 1]! + 2) >> 2
    }
  }
  return out
}

/** Puts a small square picture into a larger one; what reaches beyond it is left out. */
export function paste<A extends Uint8Array | Float64Array>(into: A, side: number, shares: Uint8Array, smallSide: number, left: number, top: number): A {
  for (let y = Math.max(0, -top); y < Math.min(smallSide, side - top); y++) {
    const from = Math.max(0, -left)
    const to = Math.min(smallSide, side - left)
    if (from < to) into.set(shares.subarray(y * smallSide + from, y * smallSide + to), (top + y) * side + left + from)
  }
  return into
}

export interface PatchOptions {
  readonly side: number
  readonly unitsPerPixel: number
  /** Where the grid begins, on both axes. */
  readonly origin: number
  /** Units between an outline and what is left of it. */
  readonly tolerance: number
  /** Square units below which a patch, or a hole in one, is left out. */
  readonly leastArea: number
}

/** How much of a pixel must be covered: blocks of houses read as one, a lone house in a field does not colour it. */
export const COVERED = 0.3 * 255

/** The rings of each plate's patches, in the plates' order; each outer ring stands before its holes. At most 254 plates. */
export function patches(plates: readonly { readonly shares: ArrayLike<number> }[], options: PatchOptions): Path[][] {
  const picture = strongest(plates.map(({ shares }) => shares), options.side)
  const polygons = new Map<number, { readonly label: number; outer?: Path; readonly holes: Path[] }>()
  const components = componentsOf(picture)
  for (const { pixel, ring } of outlines(picture)) {
    for (let i = 0; i < ring.length; i++) ring[i] = options.origin + (ring[i]! - 0.5) * options.unitsPerPixel
    const component = components[pixel]!
    const polygon = polygons.get(component) ?? { label: picture.labels[pixel]!, holes: [] }
    polygons.set(component, polygon)
    if (area(ring) > 0) polygon.outer = ring
    else polygon.holes.push(ring)
  }
  const out: Path[][] = plates.map(() => [])
  for (const { label, outer, holes } of polygons.values()) {
    const drawn = outer && simplifyRing(outer, options.tolerance, options.leastArea)
    if (!drawn) continue
    out[label - 1]!.push(drawn, ...holes.flatMap(hole => simplifyRing(hole, options.tolerance, options.leastArea) ?? []))
  }
  return out
}

/** A picture with an empty pixel all around. */
interface Picture {
  readonly width: number
  /** Of each pixel, 1 + the plate that is strongest; 0 where too little is covered. */
  readonly labels: Uint8Array
  readonly covered: Float64Array
}

function strongest(plates: readonly ArrayLike<number>[], side: number): Picture {
  const width = side + 2
  const labels = new Uint8Array(width * width)
  const covered = new Float64Array(width * width)
  const most = new Float64Array(side * side)
  plates.forEach((shares, plate) => {
    for (let y = 0, at = 0; y < side; y++) {
      for (let x = 0; x < side; x++, at++) {
        const share = shares[at]!
        if (share <= 0) continue
        const to = (y + 1) * width + x + 1
        covered[to]! += share
        if (share > most[at]!) { most[at] = share; labels[to] = plate + 1 }
      }
    }
  })
  for (let at = 0; at < labels.length; at++) if (covered[at]! < COVERED) labels[at] = 0
  return { width, labels, covered }
}

/** Numbers the patches: pixels of one label that share a side. */
function componentsOf({ width, labels }: Picture): Int32Array {
  const components = new Int32Array(labels.length)
  const stack: number[] = []
  let n = 0
  for (let start = 0; start < labels.length; start++) {
    if (labels[start] === 0 || components[start] !== 0) continue
    components[start] = ++n
    stack.push(start)
    while (stack.length > 0) {
      const at = stack.pop()!
      for (let side = 0; side < 4; side++) {
        const beside = side === 0 ? at - 1 : side === 1 ? at + 1 : side === 2 ? at - width : at + width
        if (labels[beside] !== labels[start] || components[beside] !== 0) continue
        components[beside] = n
        stack.push(beside)
      }
    }
  }
  return components
}

/**
 * Which sides of a square between four pixels an outline joins, from → to, with the inside on its right hand.
 * The bits are the inside corners: 1 north-west, 2 north-east, 4 south-east, 8 south-west. Corners that meet at a point only stay apart.
 */
const [NORTH, EAST, SOUTH, WEST] = [0, 1, 2, 3] as const
const JOINS: readonly (readonly number[])[] = [
  [], [NORTH, WEST], [EAST, NORTH], [EAST, WEST], [SOUTH, EAST], [NORTH, WEST, SOUTH, EAST], [SOUTH, NORTH], [SOUTH, WEST],
  [WEST, SOUTH], [NORTH, SOUTH], [EAST, NORTH, WEST, SOUTH], [EAST, SOUTH], [WEST, EAST], [NORTH, EAST], [WEST, NORTH], [],
]

function doubled(positions: Float64Array<ArrayBuffer>): Float64Array<ArrayBuffer> {
  const larger = new Float64Array(positions.length * 2)
  larger.set(positions)
  return larger
}

/** All outlines, in pixels of the picture, each with a pixel that it goes round (from the inside). */
function* outlines({ width, labels, covered }: Picture): Generator<{ readonly pixel: number; readonly ring: Path }> {
  // A crossing lies between a pixel and its right or lower neighbour, and belongs to the one of the two that is inside:
  // 4 × pixel + 2 if the neighbour is the lower one + 1 if the inside is the neighbour.
  const next = new Int32Array(labels.length * 4).fill(-1)
  const crossing = (side: number, corner: number, label: number): number => {
    const pixel = side === SOUTH ? corner + width : side === EAST ? corner + 1 : corner
    return pixel * 4 + (side === EAST || side === WEST ? 2 : 0) + (labels[pixel] === label ? 0 : 1)
  }
  const starts: number[] = []
  let positions = new Float64Array(1024)
  const joinAround = (at: number, label: number, inside: number) => {
    const joins = JOINS[inside]!
    for (let k = 0; k < joins.length; k += 2) {
      const from = crossing(joins[k]!, at, label)
      next[from] = crossing(joins[k + 1]!, at, label)
      starts.push(from)
    }
  }
  for (let y = 0; y < width - 1; y++) {
    for (let x = 0; x < width - 1; x++) {
      const at = y * width + x
      const nw = labels[at]!
      const ne = labels[at + 1]!
      const se = labels[at + width + 1]!
      const sw = labels[at + width]!
      if (nw === ne && ne === se && se === sw) continue
      // Each label once, at the first corner that has it.
      if (nw) joinAround(at, nw, 1 | (ne === nw ? 2 : 0) | (se === nw ? 4 : 0) | (sw === nw ? 8 : 0))
      if (ne && ne !== nw) joinAround(at, ne, 2 | (se === ne ? 4 : 0) | (sw === ne ? 8 : 0))
      if (se && se !== nw && se !== ne) joinAround(at, se, 4 | (sw === se ? 8 : 0))
      if (sw && sw !== nw && sw !== ne && sw !== se) joinAround(at, sw, 8)
    }
  }
  for (const start of starts) {
    if (next[start] === -1) continue
    let length = 0
    for (let at = start; next[at] !== -1;) {
      if (length === positions.length) positions = doubled(positions)
      placeOf(at, length)
      length += 2
      const following = next[at]!
      next[at] = -1
      at = following
    }
    yield { pixel: insideOf(start), ring: positions.slice(0, length) }
  }

  function insideOf(crossing: number): number {
    const pixel = crossing >> 2
    return crossing & 1 ? pixel + (crossing & 2 ? width : 1) : pixel
  }
  /** Where an outline crosses, into `positions`. */
  function placeOf(crossing: number, to: number): void {
    const first = crossing >> 2
    const second = first + (crossing & 2 ? width : 1)
    const inside = crossing & 1 ? second : first
    const outside = crossing & 1 ? first : second
    const t = labels[outside] !== 0 ? 0.5 : (covered[inside]! - COVERED) / (covered[inside]! - covered[outside]!)
    const along = crossing & 1 ? 1 - t : t
    const x = first % width
    const y = (first - x) / width
    positions[to] = crossing & 2 ? x : x + along
    positions[to + 1] = crossing & 2 ? y + along : y
  }
}
