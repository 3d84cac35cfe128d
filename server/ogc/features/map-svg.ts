/** Features drawn as inline SVG over a graticule: a map without scripts or tiles. */
import { union, type BBox } from '../../../core/bbox.js'
import type { GeoJsonGeometry } from '../../../core/filter/ast.js'
import { Html, html } from '../common/html.js'

export interface DrawnFeature { readonly id: number; readonly geometry: GeoJsonGeometry | null; readonly href?: string; readonly title?: string }

const WIDTH = 960
const HEIGHT = 440
/** Beyond this many vertices a picture of this size shows nothing more. */
const MOST_VERTICES = 60_000

/** `extent` is drawn dashed and, where there are no features, gives the frame. Positions are longitude, latitude. */
export function mapSvg(features: readonly DrawnFeature[], extent: BBox | null): Html {
  const box = frame(features.reduce<BBox | null>((all, { geometry }) => union(all, geometryBox(geometry)), null) ?? extent)
  if (!box) return html``
  const project = projection(box)
  let budget = MOST_VERTICES
  const shapes = features.map(({ geometry, href, title }) => {
    if (!geometry || budget <= 0) return html``
    const path = geometryPath(geometry, project)
    budget -= path.vertices
    const drawn = html`<path class="${path.kind}" d="${path.d}">${title ? html`<title>${title}</title>` : ''}</path>`
    return href ? html`<a href="${href}">${drawn}</a>` : drawn
  })
  return html`<svg class="map" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img"><style>${new Html(`
.map .area{fill:#3f8fb055;stroke:#2b7a9b;stroke-width:.8;fill-rule:evenodd}.map .line{fill:none;stroke:#2b7a9b;stroke-width:1.6;stroke-linejoin:round}
.map .point{fill:none;stroke:#c2562d;stroke-width:6;stroke-linecap:round}.map a:hover path{stroke:#e08a1e}
.map .grid{stroke:currentColor;opacity:.16;stroke-width:.6}.map text{font-size:10px;fill:currentColor;opacity:.55}.map .extent{fill:none;stroke:#c2562d;stroke-dasharray:5 4;stroke-width:1;opacity:.7}`)}</style>
${graticule(box, project)}${extent ? extentBox(extent, project) : ''}${shapes}</svg>`
}

type Project = (lon: number, lat: number) => readonly [x: number, y: number]

/** Equirectangular, true at the middle latitude, fitted into the picture. */
function projection([west, south, east, north]: BBox): Project {
  const squeeze = Math.cos((((south + north) / 2) * Math.PI) / 180)
  const scale = Math.min(WIDTH / ((east - west) * squeeze), HEIGHT / (north - south))
  const left = (WIDTH - (east - west) * squeeze * scale) / 2
  const top = (HEIGHT - (north - south) * scale) / 2
  const round = (v: number) => Math.round(v * 10) / 10
  return (lon, lat) => [round(left + (lon - west) * squeeze * scale), round(top + (north - lat) * scale)]
}

/** A little air around, something to see around a single point, and the shape of the picture. */
function frame(box: BBox | null): BBox | null {
  if (!box) return null
  const d = Math.max(0.0005, (box[2] - box[0]) * 0.04, (box[3] - box[1]) * 0.04)
  const [x, y] = [(box[0] + box[2]) / 2, (box[1] + box[3]) / 2]
  const squeeze = Math.cos((y * Math.PI) / 180)
  const height = Math.max(box[3] - box[1] + 2 * d, ((box[2] - box[0] + 2 * d) * squeeze * HEIGHT) / WIDTH)
  const width = (height * WIDTH) / HEIGHT / squeeze
  return [x - width / 2, Math.max(-89, y - height / 2), x + width / 2, Math.min(89, y + height / 2)]
}

function graticule([west, south, east, north]: BBox, project: Project): Html {
  const step = niceStep(Math.max(east - west, north - south) / 6)
  const digits = Math.max(0, Math.ceil(-Math.log10(step)))
  const multiples = (from: number, to: number) =>
    Array.from({ length: Math.max(0, Math.min(40, Math.floor(to / step) - Math.ceil(from / step) + 1)) }, (_, i) => (Math.ceil(from / step) + i) * step)
  return html`<g>${multiples(west, east).map((lon) => {
    const [x] = project(lon, south)
    return html`<path class="grid" d="M${x} 0V${HEIGHT}"/><text x="${x + 3}" y="${HEIGHT - 4}">${lon.toFixed(digits)}°</text>`
  })}${multiples(south, north).map((lat) => {
    const [, y] = project(west, lat)
    return html`<path class="grid" d="M0 ${y}H${WIDTH}"/><text x="4" y="${y - 3}">${lat.toFixed(digits)}°</text>`
  })}</g>`
}

function niceStep(rough: number): number {
  const power = 10 ** Math.floor(Math.log10(rough))
  return power * ([1, 2, 5, 10].find((m) => m * power >= rough) ?? 10)
}

function extentBox([west, south, east, north]: BBox, project: Project): Html {
  const [x0, y0] = project(west, north)
  const [x1, y1] = project(east, south)
  return html`<rect class="extent" x="${x0}" y="${y0}" width="${Math.max(0, x1 - x0)}" height="${Math.max(0, y1 - y0)}"/>`
}

type Ring = readonly (readonly number[])[]

/** Every line of a geometry: its rings, lines, or single points. */
function lines({ type, coordinates, geometries }: GeoJsonGeometry): { kind: 'area' | 'line' | 'point'; lines: Ring[] } {
  const c = coordinates as any
  switch (type) {
    case 'Point': return { kind: 'point', lines: [[c]] }
    case 'MultiPoint': return { kind: 'point', lines: c.map((p: number[]) => [p]) }
    case 'LineString': return { kind: 'line', lines: [c] }
    case 'MultiLineString': return { kind: 'line', lines: c }
    case 'Polygon': return { kind: 'area', lines: c }
    case 'MultiPolygon': return { kind: 'area', lines: c.flat() }
    default: return { kind: 'line', lines: (geometries ?? []).flatMap((part) => lines(part).lines) }
  }
}

function geometryPath(geometry: GeoJsonGeometry, project: Project): { d: string; kind: string; vertices: number } {
  const parts = lines(geometry)
  let vertices = 0
  const d = parts.lines.map((ring) => {
    const seen: string[] = []
    for (const [lon, lat] of ring) {
      const point = project(lon!, lat!).join(' ')
      if (point !== seen[seen.length - 1]) seen.push(point)
    }
    vertices += seen.length
    return `M${seen.join('L')}${parts.kind === 'area' ? 'Z' : seen.length === 1 ? 'h0' : ''}`
  }).join('')
  return { d, kind: parts.kind, vertices }
}

function geometryBox(geometry: GeoJsonGeometry | null): BBox | null {
  if (!geometry) return null
  let [w, s, e, n] = [Infinity, Infinity, -Infinity, -Infinity]
  for (const ring of lines(geometry).lines) {
    for (const [x, y] of ring) {
      w = Math.min(w, x!); e = Math.max(e, x!); s = Math.min(s, y!); n = Math.max(n, y!)
    }
  }
  return w <= e ? [w, s, e, n] : null
}
