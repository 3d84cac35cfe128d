/**
 * DXF of release 12 as text, which every CAD program reads: a layer a layer, outlines and lines as polylines (with the ground
 * level as elevation and the height as thickness), points, labels as text on a layer of their own. The id of a feature is
 * kept as extended data of the application DOTHI.
 */
import { flatFromWkb } from '../../core/geometry/wkb.js'
import type { Layer } from '../../layers/layer.js'
import type { ExportFormat, ExportRow, ExportSource, LayerPlan } from './export.js'

export const dxf: ExportFormat = {
  id: 'dxf', title: 'DXF', mediaType: 'image/vnd.dxf', extension: '.dxf', severalLayers: true, inMetres: true,
  losses: ({ layer, columns }) => [
    ...(columns.length ? [`attributes${layer.label ? ` other than the label (${layer.label})` : ''}`] : []),
    ...(layer.geometry === 'polygon' || layer.geometry === 'any' ? ['which outline is a hole or a further part: each is a closed polyline of its own'] : []),
    ...(layer.threeD?.form === 'extrude' ? ['solids become their footprint with elevation and thickness'] : []), 'the CRS',
  ],
  async *write(source) {
    yield header(source)
    for (const plan of source.plans) {
      const draw = drawer(plan)
      for await (const batch of source.rows(plan, { geometry: 'wkb', solids: true })) yield batch.map(draw).join('')
    }
    yield group(0, 'ENDSEC') + group(0, 'EOF')
  },
}

type Pair = readonly [code: number, value: string | number]
const group = (...pair: Pair) => `${String(pair[0]).padStart(3)}\r\n${pair[1]}\r\n`
const groups = (...pairs: readonly Pair[]) => pairs.map(pair => group(...pair)).join('')

const labelLayer = (layer: Layer) => `${layer.id}_label`.toUpperCase()
const layerName = (layer: Layer) => layer.id.toUpperCase()

function header({ plans }: ExportSource): string {
  const names = plans.flatMap(({ layer }) => [[layerName(layer), colourOf(layer)] as const, ...(layer.label ? [[labelLayer(layer), 7] as const] : [])])
  return groups(
    [0, 'SECTION'], [2, 'HEADER'], [9, '$ACADVER'], [1, 'AC1009'], [9, '$DWGCODEPAGE'], [3, 'ansi_1252'], [0, 'ENDSEC'],
    [0, 'SECTION'], [2, 'TABLES'],
    [0, 'TABLE'], [2, 'LTYPE'], [70, 1], [0, 'LTYPE'], [2, 'CONTINUOUS'], [70, 64], [3, 'Solid line'], [72, 65], [73, 0], [40, 0], [0, 'ENDTAB'],
    [0, 'TABLE'], [2, 'LAYER'], [70, names.length],
  ) + names.map(([name, colour]) => groups([0, 'LAYER'], [2, name], [70, 0], [62, colour], [6, 'CONTINUOUS'])).join('') + groups(
    [0, 'ENDTAB'], [0, 'TABLE'], [2, 'STYLE'], [70, 1], [0, 'STYLE'], [2, 'STANDARD'], [70, 0], [40, 0], [41, 1], [50, 0], [71, 0], [42, 2], [3, 'arial.ttf'], [4, ''], [0, 'ENDTAB'],
    [0, 'TABLE'], [2, 'APPID'], [70, 1], [0, 'APPID'], [2, APPLICATION], [70, 0], [0, 'ENDTAB'], [0, 'ENDSEC'],
    [0, 'SECTION'], [2, 'ENTITIES'],
  )
}
const APPLICATION = 'DOTHI'

/** The first seven of AutoCAD's colours, by number. */
const COLOURS: readonly (readonly number[])[] = [[255, 0, 0], [255, 255, 0], [0, 255, 0], [0, 255, 255], [0, 0, 255], [255, 0, 255], [0, 0, 0]]
/** The one nearest to a layer's own. */
function colourOf({ style }: Layer): number {
  const hex = [style.line, style.fill, style.circle].find(paint => typeof paint === 'string') ?? '#000000'
  const own = [1, 3, 5].map(at => Number.parseInt((hex as string).slice(at, at + 2), 16))
  const far = COLOURS.map(colour => colour.reduce((sum, part, i) => sum + (part - own[i]!) ** 2, 0))
  return far.indexOf(Math.min(...far)) + 1
}

/** Height of labels: metres, or what looks like it in degrees. */
const TEXT_METRES = 1.5
const TEXT_DEGREES = 1.5e-5

function drawer({ layer, columns, srid }: LayerPlan): (row: ExportRow) => string {
  const label = columns.findIndex(({ name }) => name === layer.label)
  const textHeight = srid === 4326 ? TEXT_DEGREES : TEXT_METRES
  const name = layerName(layer)
  return ({ id, geometry, groundZ, height, values }) => {
    if (geometry === null) return ''
    const { kind, parts } = flatFromWkb(geometry as Buffer)
    const z = groundZ ?? 0
    const thickness = layer.threeD?.form === 'extrude' && height !== null ? height : 0
    const mark = groups([1001, APPLICATION], [1000, `${layer.id}.${id}`])
    const shapes = kind === 'point' ? parts.map(([ring]) => (Number.isNaN(ring![0]!) ? '' : groups([0, 'POINT'], [8, name], [10, ring![0]!], [20, ring![1]!], [30, z]) + mark))
      : parts.flatMap(rings => rings.map(ring => polyline(name, ring, kind === 'polygon', z, thickness, mark)))
    const text = label >= 0 ? values[label] : null
    return shapes.join('') + (text === null || shapes.length === 0 ? '' : textAt(labelLayer(layer), labelPoint(kind, parts), z, textHeight, String(text)))
  }
}

function polyline(layer: string, ring: Float64Array, closed: boolean, z: number, thickness: number, mark: string): string {
  // A closed polyline does not repeat its first point.
  const count = ring.length / 2 - (closed ? 1 : 0)
  // By hand: this is where the time goes.
  const [head, level] = [groups([0, 'VERTEX'], [8, layer]), group(30, z)]
  let vertices = ''
  for (let i = 0; i < count; i++) vertices += `${head} 10\r\n${ring[2 * i]!}\r\n 20\r\n${ring[2 * i + 1]!}\r\n${level}`
  return groups([0, 'POLYLINE'], [8, layer], [66, 1], [10, 0], [20, 0], [30, z], ...(thickness ? [[39, thickness] as const] : []), [70, closed ? 1 : 0]) + mark + vertices + groups([0, 'SEQEND'], [8, layer])
}

function textAt(layer: string, [x, y]: readonly [number, number], z: number, height: number, text: string): string {
  return groups([0, 'TEXT'], [8, layer], [10, x], [20, y], [30, z], [40, height], [1, escaped(text)], [72, 1], [11, x], [21, y], [31, z])
}

/** At most 255 characters a line, without control characters; what is no ASCII as `\U+XXXX`. `^` begins a control code. */
function escaped(text: string): string {
  let out = ''
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    const next = code < 32 || code === 127 ? ' ' : code === 94 ? '^ ' : code < 127 ? text[i]! : `\\U+${code.toString(16).toUpperCase().padStart(4, '0')}`
    if (out.length + next.length > 255) break
    out += next
  }
  return out
}

/** Where a label stands: the middle of the largest ring, of a line's points, or the point. */
function labelPoint(kind: 'point' | 'line' | 'polygon', parts: readonly (readonly Float64Array[])[]): readonly [number, number] {
  const rings = parts.map(([outer]) => outer!)
  const largest = rings.reduce((a, b) => (b.length > a.length ? b : a))
  if (kind !== 'polygon') {
    const middle = 2 * Math.floor(largest.length / 4)
    return [largest[middle] ?? largest[0]!, largest[middle + 1] ?? largest[1]!]
  }
  const [x0, y0] = [largest[0]!, largest[1]!]
  let [area, x, y] = [0, 0, 0]
  for (let i = 0; i + 3 < largest.length; i += 2) {
    const [ax, ay, bx, by] = [largest[i]! - x0, largest[i + 1]! - y0, largest[i + 2]! - x0, largest[i + 3]! - y0]
    const cross = ax * by - bx * ay
    area += cross
    x += (ax + bx) * cross
    y += (ay + by) * cross
  }
  return area === 0 ? [x0, y0] : [x0 + x / (3 * area), y0 + y / (3 * area)]
}
