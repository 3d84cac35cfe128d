/** Rows → shapes: what a layer's 3D form needs of its rows and of the terrain, before a worker makes the mesh. */
import type { Layer } from '../../layers/layer.js'
import type { Row, Store } from '../store/store.js'
import type { Embankments, Extrusions, SymbolShape, Symbols, TileJob, Tubes } from './encode.js'
import type { Ground } from './ground.js'
import type { TilesOf } from './layer-tiles.js'
import { packHex } from './packed-bytes.js'
import { linearRgb, paintColour } from './paint-colour.js'
import { heightsAt } from '../terrain/terrain-store.js'
import { flatFromWkb } from '../../core/geometry/wkb.js'

/** `rows` in feature order with `geom`, `solid`, `height` and the layer's level columns; the ground under each. */
export async function prepareShapes(store: Store, of: TilesOf, rows: readonly Row[], ground: readonly Ground[]): Promise<TileJob['shapes']> {
  switch (of.layer.threeD?.form) {
    case 'tube': return tubes(store, of, rows)
    case 'embankment': return embankments(store, of, rows, ground)
    case 'instance': return symbols(of.layer, rows, ground)
    default: return extrusions(of.layer, rows, ground)
  }
}

/** How far walls reach into the ground, so that houses on slopes do not float; metres. */
export const FOUNDATION_M = 1.5
/** Drawn height of extrusions about which nothing is known, and of a storey; metres. */
export const DEFAULT_HEIGHT_M = 3.5
export const STOREY_M = 3.3
/** A building stands at least this far out of the highest ground around it; metres. */
const LEAST_ABOVE_M = 2.5

/** Quiet plaster and a lighter roof: colour belongs to data, and that comes later, by feature. */
const WALL = linearRgb('#ded8cc')
const ROOF = linearRgb('#f3efe7')

function extrusions(layer: Layer, rows: readonly Row[], ground: readonly Ground[]): Extrusions {
  const levels = rows.map((row, i) => extrusionOf(layer, row, ground[i]!))
  return {
    form: 'extrude',
    footprints: packHex(rows.map(row => (row.solid ? null : row.geom as string))),
    solids: packHex(rows.map(row => row.solid as string | null)),
    base: Float64Array.from(levels, ({ base }) => base),
    top: Float64Array.from(levels, ({ top }) => top),
    wall: WALL, roof: ROOF,
  }
}

/** From where to where a footprint is extruded, orthometric metres. */
export function extrusionOf({ threeD }: Layer, row: Row, ground: Ground): { readonly base: number; readonly top: number } {
  const [base, top, storeys] = [valueOf(row, threeD?.base), valueOf(row, threeD?.top), valueOf(row, threeD?.storeys)]
  const height = (row.height as number | null) ?? (storeys ? storeys * STOREY_M : DEFAULT_HEIGHT_M)
  // Something that hangs in the air without a known underside is drawn a metre thick.
  if (top !== null) return { base: base ?? top - 1, top }
  if (threeD?.form === 'embankment') return { base: base ?? ground.low - 1, top: ground.level + ((row.height as number | null) ?? DEFAULT_BANK_M) }
  const isSloping = ground.high > ground.level
  return { base: base ?? ground.low - FOUNDATION_M, top: Math.max(ground.level + height, isSloping ? ground.high + Math.min(height, LEAST_ABOVE_M) : -Infinity) }
}

/** Draped lines get a point at least this often, metres. */
const DRAPE_STEP_M = 40
/** Depth of a buried line about which nothing is known, metres. */
const USUAL_COVER_M = 1
/** Cables without a diameter, metres. */
const CABLE_DIAMETER_M = 0.15

/**
 * Axis levels, from what is known best: levels at both ends; else the cover under the terrain; else the height above it;
 * else one level; else the usual cover.
 */
async function tubes(store: Store, { layer, branch, asOf }: TilesOf, rows: readonly Row[]): Promise<Tubes> {
  const lines = rows.flatMap((row, feature) => flatFromWkb(Buffer.from(row.geom as string, 'hex')).parts
    .map(part => ({ feature, row, points: densified(part[0]!, DRAPE_STEP_M) })))
  const terrain = await heightsAt(store, lines.flatMap(line => line.points), { branch, asOf })
  let at = 0
  return {
    form: 'tube',
    lines: lines.map(({ feature, row, points }) => {
      const radius = metresOf(layer, layer.threeD?.diameter, row, CABLE_DIAMETER_M) / 2
      const path = new Float64Array(points.length * 4)
      const shares = sharesAlong(points)
      points.forEach(([lon, lat], i) => {
        const known = terrain[at++]!
        const axis = axisLevel(layer, row, radius, known, shares[i]!)
        path.set([lon, lat, axis, known === known ? known : axis], 4 * i)
      })
      return { feature, path, radius, colour: paintColour(layer.style.line, row, '#7a8a99') }
    }),
  }
}

function axisLevel({ threeD }: Layer, row: Row, radius: number, terrain: number, share: number): number {
  const [from, to, cover, height] = [valueOf(row, threeD?.level), valueOf(row, threeD?.levelTo), valueOf(row, threeD?.cover), row.height as number | null]
  const aboveInvert = threeD?.levelOf === 'invert' ? radius : 0
  const hasTerrain = terrain === terrain
  if (from !== null && to !== null) return from + (to - from) * share + aboveInvert
  if (hasTerrain && cover !== null && cover > 0) return terrain - cover - radius
  if (hasTerrain && height !== null && height > 0) return terrain + height
  if (from !== null) return from + aboveInvert
  return (hasTerrain ? terrain : 0) - USUAL_COVER_M - radius
}

/** Height, crest and side slope of banks about which nothing is known: metres, and metres outwards a metre down. */
export const DEFAULT_BANK_M = 2
const DEFAULT_CREST_M = 3
export const BANK_SLOPE = 2
/** Width of a wall about which nothing is known, metres. */
const DEFAULT_WALL_M = 0.5

/** How a bank is drawn, beside its levels. */
export function bankOf({ threeD }: Layer, row: Row): { readonly crestWidth: number; readonly slope: number } {
  const isWall = threeD?.walls !== undefined && threeD.walls.values.includes(String(row[threeD.walls.by]))
  return { crestWidth: valueOf(row, threeD?.width) ?? (isWall ? DEFAULT_WALL_M : DEFAULT_CREST_M), slope: isWall ? 0 : BANK_SLOPE }
}

/** Crests keep their level along the line; without one they follow the ground, and so does the toe. */
async function embankments(store: Store, { layer, branch, asOf }: TilesOf, rows: readonly Row[], ground: readonly Ground[]): Promise<Embankments> {
  const lines = rows.flatMap((row, feature) => flatFromWkb(Buffer.from(row.geom as string, 'hex')).parts
    .map(part => ({ feature, row, points: densified(part[0]!, DRAPE_STEP_M) })))
  const terrain = await heightsAt(store, lines.flatMap(line => line.points), { branch, asOf })
  let at = 0
  return {
    form: 'embankment',
    lines: lines.map(({ feature, row, points }) => {
      const path = new Float64Array(points.length * 4)
      const [crest, toe] = [valueOf(row, layer.threeD?.top), valueOf(row, layer.threeD?.base)]
      points.forEach(([lon, lat], i) => {
        const known = terrain[at++]!
        const surface = known === known ? known : ground[feature]!.level
        const top = crest ?? surface + ((row.height as number | null) ?? DEFAULT_BANK_M)
        path.set([lon, lat, top, Math.min(toe ?? Infinity, surface, top) - TOE_M], 4 * i)
      })
      return { feature, path, ...bankOf(layer, row), colour: paintColour(layer.style.line, row, '#9c8b6d') }
    }),
  }
}

/** How far a bank's sides reach into the ground, metres. */
const TOE_M = 0.5

/** The line with points put in, so that none is further than `step` metres from the next. */
function densified(line: Float64Array, step: number): [lon: number, lat: number][] {
  const points: [number, number][] = []
  const kx = 111_320 * Math.cos(((line[1] ?? 0) * Math.PI) / 180)
  for (let i = 0; i + 1 < line.length; i += 2) {
    const [lon, lat] = [line[i]!, line[i + 1]!]
    if (i > 0) {
      const [lon0, lat0] = [line[i - 2]!, line[i - 1]!]
      const pieces = Math.min(1000, Math.ceil(Math.hypot((lon - lon0) * kx, (lat - lat0) * 110_574) / step))
      for (let k = 1; k < pieces; k++) points.push([lon0 + ((lon - lon0) * k) / pieces, lat0 + ((lat - lat0) * k) / pieces])
    }
    points.push([lon, lat])
  }
  return points
}

/** How far along the line each point is, 0…1. */
function sharesAlong(points: readonly (readonly [number, number])[]): number[] {
  const shares = [0]
  const kx = Math.cos(((points[0]?.[1] ?? 0) * Math.PI) / 180)
  for (let i = 1; i < points.length; i++) shares.push(shares[i - 1]! + Math.hypot((points[i]![0] - points[i - 1]![0]) * kx, points[i]![1] - points[i - 1]![1]))
  const length = shares.at(-1)! || 1
  return shares.map(share => share / length)
}

/** Trees by height and crown; everything else stands on its level, or reaches from its level up to the ground where that is above. */
function symbols(layer: Layer, rows: readonly Row[], ground: readonly Ground[]): Symbols {
  const shape: SymbolShape = layer.threeD?.turn ? 'camera' : layer.group === 'nature' ? 'tree' : 'post'
  const crown = layer.columns.find(column => column.name.startsWith('crown'))?.name
  const level = layer.threeD?.level
  return {
    form: 'instance', shape,
    things: rows.flatMap((row, feature) => {
      const height = (row.height as number | null) ?? valueOf(row, layer.threeD?.tall) ?? USUAL_HEIGHT_M[shape]
      const surface = ground[feature]!.level
      const base = valueOf(row, level) ?? surface
      const isBuried = base < surface - 0.3
      const top = isBuried ? surface : base + height
      const width = widthOf(shape, height, valueOf(row, crown), isBuried)
      const colour = paintColour(layer.style.circle, row, '#7f9f6a')
      const turn = turnOf(shape, row, layer)
      return flatFromWkb(Buffer.from(row.geom as string, 'hex')).parts.map(([point]) => ({ feature, lon: point![0]!, lat: point![1]!, base, top, width, turn, colour }))
    }),
  }
}

/** Of things about whose height nothing is known. */
const USUAL_HEIGHT_M = { tree: 6, post: 2, camera: 5 } as const

function widthOf(shape: SymbolShape, height: number, crown: number | null, isBuried: boolean): number {
  if (shape === 'tree') return crown ?? height * 0.6
  if (shape === 'camera') return 1.2
  return isBuried ? 1 : Math.min(2.5, Math.max(0.3, height / 6))
}

/** Cameras look where their bearing says; a tree's turn comes from its id, so that it is the same in every tile and revision. */
function turnOf(shape: SymbolShape, row: Row, { threeD }: Layer): number {
  if (shape === 'tree') return ((row.id as number) * 2.399963) % (2 * Math.PI)
  return (-(valueOf(row, threeD?.turn) ?? 0) * Math.PI) / 180
}

/** A number of a row; `null` where the layer, the reader or the row has none. */
export function valueOf(row: Row, name: string | undefined): number | null {
  return name === undefined ? null : (row[name] as number | null | undefined) ?? null
}

/** A column's value in metres, whatever the layer's unit for it is. */
export function metresOf(layer: Layer, name: string | undefined, row: Row, otherwise: number): number {
  const value = valueOf(row, name)
  if (value === null) return otherwise
  const unit = layer.columns.find(column => column.name === name)?.unit
  return unit === 'mm' ? value / 1000 : unit === 'cm' ? value / 100 : value
}
