import { arcAround, bulgeArc, joinLines } from '../../core/geometry/curves.js'
import { GeometryFault } from '../../core/geometry/wkb-bytes.js'
import type { DxfRecord } from './dxf-records.js'

export type Position = number[]
/** What an entity draws, in the coordinates of its drawing or block. */
export type Shape =
  | { readonly kind: 'point' | 'text'; readonly at: Position; readonly text?: string }
  | { readonly kind: 'line' | 'area'; readonly line: Position[] }

/** Entities that draw something here. All others are counted and left out. */
export const DRAWN = new Set(['LINE', 'LWPOLYLINE', 'POLYLINE', 'ARC', 'CIRCLE', 'ELLIPSE', 'SPLINE', 'POINT', 'TEXT', 'MTEXT', 'ATTRIB', '3DFACE', 'SOLID', 'TRACE', 'INSERT'])

type Affine = (position: Position) => Position

/** Arbitrary axis algorithm of the DXF reference: from an entity's own system to the drawing's. */
export function axesOf(record: DxfRecord): Affine {
  const normal = [record.number(210, 0), record.number(220, 0), record.number(230, 1)]
  const length = Math.hypot(...normal)
  const [nx, ny, nz] = length > 0 ? normal.map(n => n / length) as [number, number, number] : [0, 0, 1]
  if (nx === 0 && ny === 0 && nz === 1) return position => position
  const up = Math.abs(nx!) < 1 / 64 && Math.abs(ny!) < 1 / 64 ? [0, 1, 0] : [0, 0, 1]
  const ax = unit(cross(up, [nx!, ny!, nz!]))
  const ay = unit(cross([nx!, ny!, nz!], ax))
  return ([x, y, z = 0]) => [0, 1, 2].map(i => x! * ax[i]! + y! * ay[i]! + z * [nx!, ny!, nz!][i]!)
}
const cross = (a: readonly number[], b: readonly number[]) => [a[1]! * b[2]! - a[2]! * b[1]!, a[2]! * b[0]! - a[0]! * b[2]!, a[0]! * b[1]! - a[1]! * b[0]!]
const unit = (v: readonly number[]) => v.map(n => n / Math.hypot(...v))

/** The shape of one entity; `vertices` are those of a POLYLINE. Curves become lines within a centimetre (or what is one in a scaled block). Null for what draws nothing. */
export function shapeOf(record: DxfRecord, vertices: readonly DxfRecord[], tolerance: number): Shape | null {
  const place = axesOf(record)
  const at = (code: number): Position => place(checked([record.number(code), record.number(code + 10), record.number(code + 20, 0)]))
  switch (record.type) {
    case 'POINT': return { kind: 'point', at: at(10) }
    case 'TEXT': case 'ATTRIB': return { kind: 'text', at: at(record.number(72, 0) || record.number(73, 0) ? 11 : 10), text: record.text(1) ?? '' }
    case 'MTEXT': return { kind: 'text', at: at(10), text: record.values.filter((_, i) => record.codes[i] === 3 || record.codes[i] === 1).join('') }
    case 'LINE': return { kind: 'line', line: [at(10), at(11)] }
    case 'ARC': return { kind: 'line', line: aroundCentre(record, record.number(50), record.number(51), tolerance).map(place) }
    case 'CIRCLE': return { kind: 'area', line: aroundCentre(record, 0, 360, tolerance).map(place) }
    case 'ELLIPSE': return ellipse(record, tolerance)
    case 'SPLINE': return spline(record)
    case 'LWPOLYLINE': return lightPolyline(record, place, tolerance)
    case 'POLYLINE': return polyline(record, vertices, place, tolerance)
    case '3DFACE': case 'SOLID': case 'TRACE': {
      const [a, b, c, d] = [10, 11, 12, 13].map(code => (record.text(code) === undefined ? at(12) : at(code))) as [Position, Position, Position, Position]
      // A SOLID names its corners in the order of a Z.
      return closed(record.type === '3DFACE' ? [a, b, c, d] : [a, b, d, c])
    }
    default: return null
  }
}

function checked(position: Position): Position {
  if (!position.every(Number.isFinite)) throw new GeometryFault('coordinates that are no numbers')
  return position
}

const closed = (line: Position[]): Shape => ({ kind: 'area', line: [...line, line[0]!] })
const isRing = (line: readonly Position[]) => line.length >= 4 && line[0]![0] === line.at(-1)![0] && line[0]![1] === line.at(-1)![1]

function aroundCentre(record: DxfRecord, from: number, to: number, tolerance: number): Position[] {
  const radius = record.number(40)
  if (!(radius > 0) || !Number.isFinite(from) || !Number.isFinite(to)) throw new GeometryFault('an arc without a radius')
  const centre = checked([record.number(10), record.number(20), record.number(30, 0)])
  return arcAround(centre, radius, from * Math.PI / 180, (to === 360 ? 0 : to) * Math.PI / 180, tolerance)
}

function lightPolyline(record: DxfRecord, place: Affine, tolerance: number): Shape | null {
  const points: { position: Position; bulge: number }[] = []
  const elevation = record.number(38, 0)
  record.codes.forEach((code, i) => {
    const value = Number(record.values[i])
    if (code === 10) points.push({ position: [value, NaN, elevation], bulge: 0 })
    else if (code === 20 && points.length) points.at(-1)!.position[1] = value
    else if (code === 42 && points.length) points.at(-1)!.bulge = value
  })
  return bulged(points, (record.number(70, 0) & 1) === 1, place, tolerance)
}

/** Fitted splines name their frame too (flag 16), which is no part of the line. Meshes are left out. */
function polyline(record: DxfRecord, vertices: readonly DxfRecord[], place: Affine, tolerance: number): Shape | null {
  const flags = record.number(70, 0)
  if (flags & (16 | 64)) return null
  const is3d = (flags & 8) !== 0
  const points = vertices.filter(vertex => (vertex.number(70, 0) & 16) === 0).map(vertex => ({
    position: [vertex.number(10), vertex.number(20), is3d ? vertex.number(30, 0) : record.number(30, 0)], bulge: vertex.number(42, 0),
  }))
  return bulged(points, (flags & 1) === 1, is3d ? position => position : place, tolerance)
}

function bulged(points: readonly { readonly position: Position; readonly bulge: number }[], isClosed: boolean, place: Affine, tolerance: number): Shape | null {
  if (points.length < 2) return null
  const line: Position[] = [checked(points[0]!.position)]
  points.forEach(({ position, bulge }, i) => {
    const next = points[i + 1] ?? (isClosed ? points[0] : undefined)
    if (next) line.push(...bulgeArc(checked(position), checked(next.position), Number.isFinite(bulge) ? bulge : 0, tolerance))
  })
  const placed = joinLines([line]).map(place)
  return { kind: isRing(placed) ? 'area' : 'line', line: placed }
}

function ellipse(record: DxfRecord, tolerance: number): Shape {
  const centre = checked([record.number(10), record.number(20), record.number(30, 0)])
  const major = checked([record.number(11), record.number(21), record.number(31, 0)])
  const ratio = record.number(40, 1)
  const [from, to] = [record.number(41, 0), record.number(42, 2 * Math.PI)]
  const radius = Math.hypot(...major)
  if (!(radius > 0) || !Number.isFinite(ratio + from + to)) throw new GeometryFault('an ellipse without axes')
  const normal = [record.number(210, 0), record.number(220, 0), record.number(230, 1)]
  const minor = cross(normal, major).map(n => n * ratio)
  const whole = Math.abs(to - from) >= 2 * Math.PI - 1e-9
  const unitArc = arcAround([0, 0], 1, from, whole ? from : to, tolerance / radius)
  const line = unitArc.map(([c, s]) => [0, 1, 2].map(i => centre[i]! + c! * major[i]! + s! * minor[i]!))
  return whole ? { kind: 'area', line: [...line.slice(0, -1), line[0]!] } : { kind: 'line', line }
}

const SPLINE_STEPS = 24
const MAX_SPLINE_POINTS = 100_000
/** A NURBS curve by de Boor's algorithm, 24 chords a span; without knots, the line through its fit points. */
function spline(record: DxfRecord): Shape | null {
  const degree = record.number(71, 3)
  const knots = record.all(40).map(Number)
  const weights = record.all(41).map(Number)
  const control = positionsIn(record, 10)
  const fit = positionsIn(record, 11)
  const usable = control.length > degree && knots.length === control.length + degree + 1 && degree >= 1 && degree <= 15
  const line = usable ? deBoor(degree, knots, weights, control) : fit.length > 1 ? fit : null
  if (!line) throw new GeometryFault('a spline whose knots do not fit its control points')
  const isClosed = (record.number(70, 0) & 1) === 1
  if (isClosed && !isRing(line)) line.push([...line[0]!])
  return { kind: isRing(line) ? 'area' : 'line', line }
}

function positionsIn(record: DxfRecord, code: number): Position[] {
  const out: Position[] = []
  record.codes.forEach((c, i) => {
    if (c === code) out.push([Number(record.values[i]), NaN, 0])
    else if (c === code + 10 && out.length) out.at(-1)![1] = Number(record.values[i])
    else if (c === code + 20 && out.length) out.at(-1)![2] = Number(record.values[i])
  })
  return out.map(checked)
}

function deBoor(degree: number, knots: readonly number[], weights: readonly number[], control: readonly Position[]): Position[] {
  const homogeneous = control.map(([x, y, z], i) => { const w = weights[i] ?? 1; return [x! * w, y! * w, z! * w, w] })
  const line: Position[] = []
  for (let span = degree; span < control.length; span++) {
    if (!(knots[span + 1]! > knots[span]!)) continue
    if (line.length > MAX_SPLINE_POINTS) throw new GeometryFault('a spline of too many spans')
    for (let step = 0; step <= SPLINE_STEPS; step++) {
      const t = knots[span]! + ((knots[span + 1]! - knots[span]!) * step) / SPLINE_STEPS
      const d = Array.from({ length: degree + 1 }, (_, j) => [...homogeneous[j + span - degree]!])
      for (let r = 1; r <= degree; r++) {
        for (let j = degree; j >= r; j--) {
          const low = knots[j + span - degree]!
          const alpha = (t - low) / (knots[j + 1 + span - r]! - low || 1)
          d[j] = d[j]!.map((value, k) => (1 - alpha) * d[j - 1]![k]! + alpha * value)
        }
      }
      const [x, y, z, w] = d[degree]! as [number, number, number, number]
      const position = [x / w, y / w, z / w]
      const last = line.at(-1)
      if (!last || last[0] !== position[0] || last[1] !== position[1]) line.push(position)
    }
  }
  return line
}

/** Text without the codes of AutoCAD: `\U+1EA1`, `%%d`, and of MTEXT fonts, heights, colours and stacked fractions. */
export function plainText(text: string, formatted: boolean): string {
  let out = text.replace(/\\U\+([0-9A-Fa-f]{4})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
    .replace(/%%([cdpCDP])/g, (_, code: string) => ({ c: '⌀', d: '°', p: '±' })[code.toLowerCase()]!).replace(/%%[uoUO]/g, '').replace(/%%(\d{3})/g, (_, code: string) => String.fromCharCode(Number(code)))
  if (formatted) {
    out = out.replace(/\\S([^;]*);/g, (_, stack: string) => stack.replace(/[\^#]/g, '/')).replace(/\\[AaCcFfHhQqTtWwpP](?:(?<=P)|[^;\\{}]*;)/g, code => (code === '\\P' ? '\n' : ''))
      .replace(/\\~/g, ' ').replace(/\\[LlOoKk]/g, '').replace(/(?<!\\)[{}]/g, '').replace(/\\([\\{}])/g, '$1')
  }
  return out.normalize('NFC').trim()
}
