/** Features drawn as inline SVG in the colours of their layer: a map that needs no script. */
import type { BBox } from '../../../core/bbox.js'
import { CRS84, type Crs } from '../../../core/crs.js'
import type { GeoJsonGeometry } from '../../../core/filter/ast.js'
import type { Layer, Paint } from '../../../layers/layer.js'
import { Html, html } from '../common/html.js'
import type { Language } from '../common/media.js'
import { colourOf } from '../styles/paint.js'
import type { Backdrop } from './backdrop.js'

export interface DrawnFeature {
  readonly id: number
  readonly geometry: GeoJsonGeometry | null
  readonly properties?: Readonly<Record<string, unknown>>
  readonly href?: string
  readonly title?: string
}

export interface MapOptions {
  /** Of the features' coordinates, in its axis order; CRS84 where nothing is said. */
  readonly crs?: Crs
  /** Gives the colours. */
  readonly layer?: Layer
  /** What lies under the features, the lowest first; on planes nothing does. */
  readonly backdrops?: readonly (Backdrop | undefined)[]
  /** The page that shows what lies in a box of degrees; where given, the map has ways to go and a box can be drawn on it. */
  readonly hrefOf?: (box: BBox) => string
  readonly lang?: Language
  /** The extent is a view and not a fact: it is not drawn. */
  readonly isFrameHidden?: boolean
}

const WIDTH = 1080
const HEIGHT = 420
/** Beyond this many vertices a picture of this size shows nothing more. */
const MOST_VERTICES = 60_000

/** `extent`, in degrees, is drawn dashed and, where there are no features, gives the frame. */
export function mapSvg(features: readonly DrawnFeature[], extent: BBox | null, options: MapOptions = {}): Html {
  const { crs = CRS84, layer, backdrops = [], hrefOf, lang = 'en', isFrameHidden = false } = options
  const surface = crs.axes === 'east,north' ? PLANE : crs.axes === 'lat,lon' ? flipped(MERCATOR) : MERCATOR
  const box = framed(features.reduce((all, { geometry }) => widened(all, geometry, surface), extent && surface.isGlobe && features.length === 0 ? boxOf(extent) : null), surface)
  if (!box) return html``
  const picture = new Picture(box, surface)
  let budget = MOST_VERTICES
  const shapes = features.map(({ geometry, properties = {}, href, title }) => {
    if (!geometry || budget <= 0) return html``
    const { kind, d, vertices } = picture.path(geometry)
    budget -= vertices
    const paint = layer && paintOf(layer, kind)
    const drawn = html`<path class="${kind}" d="${d}"${paint && typeof paint !== 'string' ? html` style="--c:${colourOf(paint, properties)}"` : ''}>${title ? html`<title>${title}</title>` : ''}</path>`
    return href ? html`<a href="${href}" tabindex="-1">${drawn}</a>` : drawn
  })
  const plain = layer && [layer.style.fill, layer.style.line, layer.style.circle].find((paint) => typeof paint === 'string')
  return html`<figure class="mapbox"><style>${new Html(STYLE)}</style>
<svg class="map" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${lang === 'vi' ? 'Bản đồ' : 'Map'}"${plain ? html` style="--c:${backdrops.length > 0 ? 'var(--act)' : plain as string}"` : ''}${
  hrefOf && surface.isGlobe ? html` data-mercator="${picture.left / RADIUS} ${picture.top / RADIUS} ${picture.scale / RADIUS}" data-items="${hrefOf([0, 0, 0, 0])}"` : ''}>
${surface.isGlobe ? backdrops.map((backdrop, i) => backdrop && tiles(picture, backdrop, i < backdrops.length - 1 || features.length > 0)) : ''}${isFrameHidden ? '' : grid(picture, surface)}${shapes}${extent && surface.isGlobe && !isFrameHidden ? extentBox(extent, picture) : ''}${scaleBar(picture, surface)}</svg>
${hrefOf && surface.isGlobe ? ways(picture, hrefOf, lang) : ''}${layer ? legend(features, layer, lang) : ''}</figure>`
}

const STYLE = `
.mapbox{position:relative;margin:.6rem 0 1rem}.map{display:block;width:100%;height:clamp(15rem,36vw,27rem);border:1px solid var(--line);border-radius:12px;background:var(--map);--c:#3f8fb0;overflow:hidden}
.map path,.map rect{vector-effect:non-scaling-stroke}.map .area{fill:color-mix(in srgb,var(--c) 78%,transparent);stroke:color-mix(in srgb,var(--c) 62%,#000);stroke-width:1;fill-rule:evenodd}
.map .line{fill:none;stroke:color-mix(in srgb,var(--c) 88%,#000);stroke-width:2;stroke-linejoin:round;stroke-linecap:round}.map .point{fill:none;stroke:color-mix(in srgb,var(--c) 90%,#000);stroke-width:7;stroke-linecap:round}
.map a:hover path,.map a:focus path{stroke:var(--act)}.map .grid{stroke:var(--ink);opacity:.1;stroke-width:1}.map text{font-size:11px;fill:var(--soft);font-family:inherit}
.map .extent{fill:none;stroke:var(--act);stroke-dasharray:6 4;stroke-width:1.5}.map .bar{fill:none;stroke:var(--ink);stroke-width:1.5}.map .below{opacity:.55}.map .below~* .area,.map .below~.area{fill:color-mix(in srgb,var(--c) 20%,transparent);stroke:var(--c)}.map .below~* .line,.map .below~.line{stroke:color-mix(in srgb,var(--c) 62%,#000)}.map text{paint-order:stroke;stroke:var(--map);stroke-width:3px}
.mapbox .ways{position:absolute;top:.7rem;right:.7rem;display:grid;grid-template-columns:repeat(3,2rem);gap:2px;text-align:center}
.mapbox .ways a{height:2rem;line-height:2rem;background:var(--card);border:1px solid var(--line);border-radius:8px;color:var(--ink)}.mapbox .ways a:hover{border-color:var(--accent);text-decoration:none}
.legend{display:flex;flex-wrap:wrap;gap:.2rem 1rem;margin:.5rem 0 0;font-size:13px;color:var(--soft)}
@media (max-width:45rem){.map text{font-size:26px}.mapbox .ways{grid-template-columns:repeat(3,1.8rem)}}@media (prefers-color-scheme:dark){.map image{filter:invert(.88) hue-rotate(180deg)}.map .area{stroke:color-mix(in srgb,var(--c) 60%,#fff)}}`

// ---- the flat surface that is drawn on: metres, or metres of Mercator ----

const RADIUS = 6_378_137

interface Surface {
  readonly isGlobe: boolean
  /** A position in the order of the CRS → x, y. */
  on(a: number, b: number): readonly [x: number, y: number]
}
const PLANE: Surface = { isGlobe: false, on: (x, y) => [x, y] }
const MERCATOR: Surface = { isGlobe: true, on: (lon, lat) => [(lon * RADIUS * Math.PI) / 180, RADIUS * Math.log(Math.tan(Math.PI / 4 + (Math.max(-85, Math.min(85, lat)) * Math.PI) / 360))] }
const flipped = ({ isGlobe, on }: Surface): Surface => ({ isGlobe, on: (a, b) => on(b, a) })
const degrees = (x: number, y: number): readonly [lon: number, lat: number] => [(x / RADIUS) * (180 / Math.PI), (2 * Math.atan(Math.exp(y / RADIUS)) - Math.PI / 2) * (180 / Math.PI)]

type Box = [west: number, south: number, east: number, north: number]

const boxOf = ([west, south, east, north]: BBox): Box => [...MERCATOR.on(west, south), ...MERCATOR.on(east, north)] as unknown as Box

function widened(box: Box | null, geometry: GeoJsonGeometry | null, surface: Surface): Box | null {
  if (!geometry) return box
  const all: Box = box ?? [Infinity, Infinity, -Infinity, -Infinity]
  for (const line of lines(geometry).lines) {
    for (const [a, b] of line) {
      const [x, y] = surface.on(a!, b!)
      all[0] = Math.min(all[0], x); all[1] = Math.min(all[1], y); all[2] = Math.max(all[2], x); all[3] = Math.max(all[3], y)
    }
  }
  return all[0] <= all[2] ? all : null
}

/** A little air around, something to see around a single point, and the shape of the picture. */
function framed(box: Box | null, surface: Surface): Box | null {
  if (!box || !box.every(Number.isFinite)) return null
  const least = surface.isGlobe ? 120 : 100
  const air = Math.max(least, (box[2] - box[0]) * 0.05, (box[3] - box[1]) * 0.07)
  const [x, y] = [(box[0] + box[2]) / 2, (box[1] + box[3]) / 2]
  const height = Math.max(box[3] - box[1] + 2 * air, ((box[2] - box[0] + 2 * air) * HEIGHT) / WIDTH)
  const width = (height * WIDTH) / HEIGHT
  return [x - width / 2, y - height / 2, x + width / 2, y + height / 2]
}

class Picture {
  readonly left: number
  readonly top: number
  /** Metres of the surface to a unit of the picture. */
  readonly scale: number

  constructor(readonly box: Box, readonly surface: Surface) {
    this.left = box[0]
    this.top = box[3]
    this.scale = (box[2] - box[0]) / WIDTH
  }

  x(x: number): number { return round((x - this.left) / this.scale) }
  y(y: number): number { return round((this.top - y) / this.scale) }

  path(geometry: GeoJsonGeometry): { d: string; kind: Kind; vertices: number } {
    const parts = lines(geometry)
    let vertices = 0
    const d = parts.lines.map((line) => {
      const seen: string[] = []
      for (const [a, b] of line) {
        const [x, y] = this.surface.on(a!, b!)
        const point = `${this.x(x)} ${this.y(y)}`
        if (point !== seen[seen.length - 1]) seen.push(point)
      }
      vertices += seen.length
      return `M${seen.join('L')}${parts.kind === 'area' ? 'Z' : seen.length === 1 ? 'h0' : ''}`
    }).join('')
    return { d, kind: parts.kind, vertices }
  }
}

const round = (v: number) => Math.round(v * 10) / 10

// ---- what stands around the features ----

/** Lines of whole degrees or metres. The picture's element may be wider or higher than the picture: they go on beyond it. */
function grid(picture: Picture, surface: Surface): Html {
  const { box } = picture
  const corners = surface.isGlobe ? [...degrees(box[0], box[1]), ...degrees(box[2], box[3])] : box
  const [west, south, east, north] = corners as unknown as Box
  const step = niceStep(Math.max((east - west) / 6, (north - south) / 3))
  const digits = Math.max(0, Math.ceil(-Math.log10(step) - 1e-9))
  const label = (value: number) => (surface.isGlobe ? `${value.toFixed(digits)}°` : value.toLocaleString('en', { maximumFractionDigits: 0 }).replaceAll(',', '\u202f'))
  const across = [west - (east - west), east + (east - west)] as const
  const along = [south - (north - south), north + (north - south)] as const
  const at = (lon: number, lat: number) => { const [px, py] = surface.isGlobe ? MERCATOR.on(lon, lat) : [lon, lat]; return [picture.x(px), picture.y(py)] as const }
  return html`<g>${multiples(...across, step).map((value) => {
    const [px] = at(value, south)
    return html`<path class="grid" d="M${px} ${-HEIGHT}V${2 * HEIGHT}"/><text x="${px + 4}" y="${HEIGHT - 6}">${label(value)}</text>`
  })}${multiples(...along, step).map((value) => {
    const [, py] = at(west, value)
    return html`<path class="grid" d="M${-WIDTH} ${py}H${2 * WIDTH}"/><text x="6" y="${py - 4}">${label(value)}</text>`
  })}</g>`
}

function multiples(from: number, to: number, step: number): number[] {
  const first = Math.ceil(from / step)
  return Array.from({ length: Math.max(0, Math.min(60, Math.floor(to / step) - first + 1)) }, (_, i) => (first + i) * step)
}

function niceStep(rough: number): number {
  const power = 10 ** Math.floor(Math.log10(rough))
  return power * ([1, 2, 5, 10].find((m) => m * power >= rough) ?? 10)
}

function extentBox(extent: BBox, picture: Picture): Html {
  const [west, south, east, north] = boxOf(extent)
  return html`<rect class="extent" x="${picture.x(west)}" y="${picture.y(north)}" width="${Math.max(0, round((east - west) / picture.scale))}" height="${Math.max(0, round((north - south) / picture.scale))}"/>`
}

/** A length of the ground, true in the middle of the picture. */
function scaleBar({ box, scale }: Picture, surface: Surface): Html {
  const [, latitude] = degrees(0, (box[1] + box[3]) / 2)
  const metres = scale * (surface.isGlobe ? Math.cos((latitude * Math.PI) / 180) : 1)
  const length = niceStep(metres * 60)
  const width = round(length / metres)
  return html`<path class="bar" d="M${WIDTH - 16 - width} ${HEIGHT - 34}v6h${width}v-6"/><text x="${WIDTH - 16 - width / 2}" y="${HEIGHT - 38}" text-anchor="middle">${length >= 1000 ? `${length / 1000} km` : `${length} m`}</text>`
}

/** The picture tiles that lie in the picture. What something else lies on is paler. */
function tiles({ box: [west, south, east, north], scale, left, top }: Picture, { template, box, zoom }: Backdrop, isBelow: boolean): Html {
  const world = 2 * Math.PI * RADIUS
  const z = Math.max(zoom.min, Math.min(zoom.max, Math.round(Math.log2(world / (scale * 256)))))
  const size = world / 2 ** z
  const [column, row] = [(x: number) => Math.floor((x + world / 2) / size), (y: number) => Math.floor((world / 2 - y) / size)]
  const [minX, minY, maxX, maxY] = boxOf(box)
  const images: Html[] = []
  // The picture's element may be wider or higher than the picture.
  const beside = (east - west) / 8
  for (let r = row(Math.min(north + beside, maxY)); r <= row(Math.max(south - beside, minY)); r++) {
    for (let c = column(Math.max(west - beside, minX)); c <= column(Math.min(east + beside, maxX)) && images.length < MOST_TILES; c++) {
      const href = template.replace('{z}', String(z)).replace('{x}', String(c)).replace('{y}', String(r))
      const [x, y, side] = [(c * size - world / 2 - left) / scale, (top - world / 2 + r * size) / scale, size / scale + 0.4].map(round)
      images.push(html`<image href="${href}" x="${x}" y="${y}" width="${side}" height="${side}"/>`)
    }
  }
  return html`<g${isBelow && new Html(' class="below"')}>${images}</g>`
}

/** What picture tiles show, the whole of it. */
export function pictureMap(backdrop: Backdrop | undefined, lang: Language): Html {
  return backdrop ? mapSvg([], backdrop.box, { backdrops: [backdrop], isFrameHidden: true, lang }) : html``
}

/** Where a layer has no tiles for such a small scale there would be too many. */
const MOST_TILES = 40

/** Links to the neighbourhood, nearer and farther. */
function ways({ box }: Picture, hrefOf: (box: BBox) => string, lang: Language): Html {
  const [width, height] = [box[2] - box[0], box[3] - box[1]]
  const to = (dx: number, dy: number, grow: number) => {
    const [west, south, east, north] = [box[0] + width * (dx - grow), box[1] + height * (dy - grow), box[2] + width * (dx + grow), box[3] + height * (dy + grow)]
    const [min, max] = [degrees(west, south), degrees(east, north)]
    return hrefOf([clamp(min[0], 180), clamp(min[1], 90), clamp(max[0], 180), clamp(max[1], 90)])
  }
  const way = (sign: string, [vi, en]: readonly [string, string], ...move: [number, number, number]) => html`<a href="${to(...move)}" title="${lang === 'vi' ? vi : en}" aria-label="${lang === 'vi' ? vi : en}">${sign}</a>`
  return html`<div class="ways">${way('+', ['Gần hơn', 'Nearer'], 0, 0, -0.25)}${way('↑', ['Lên bắc', 'North'], 0, 0.5, 0)}${way('−', ['Xa hơn', 'Farther'], 0, 0, 0.5)}${
    way('←', ['Sang tây', 'West'], -0.5, 0, 0)}${way('↓', ['Xuống nam', 'South'], 0, -0.5, 0)}${way('→', ['Sang đông', 'East'], 0.5, 0, 0)}</div>`
}

const clamp = (value: number, most: number) => Number(Math.max(-most, Math.min(most, value)).toFixed(6))

/** Which colour is what, of those that are on the map. */
function legend(features: readonly DrawnFeature[], { style, columns }: Layer, lang: Language): Html {
  const paint = [style.fill, style.circle, style.line].find((each) => each !== undefined && typeof each !== 'string') as Exclude<Paint, string> | undefined
  const column = paint && columns.find(({ name }) => name === paint.by)
  if (!paint || !column || features.length === 0) return html``
  const entries: (readonly [colour: string, title: string])[] = 'categories' in paint
    ? Object.entries(paint.categories).filter(([code]) => features.some(({ properties }) => String(properties?.[paint.by]) === code)).map(([code, colour]) => [colour, column.codes?.[code]?.[lang] ?? code])
    : paint.steps.map(([from, colour]) => [colour, `≥ ${from.toLocaleString(lang)}${column.unit ? `\u00a0${column.unit}` : ''}`])
  return html`<p class="legend"><span>${column.title[lang]}:</span>${entries.map(([colour, title]) => html`<span><i class="swatch" style="--c:${colour}"></i>${title}</span>`)}</p>`
}

// ---- geometry ----

type Kind = 'area' | 'line' | 'point'
type Line = readonly (readonly number[])[]

const paintOf = ({ style }: Layer, kind: Kind) => ({ area: style.fill ?? style.line, line: style.line ?? style.fill, point: style.circle ?? style.fill })[kind]

/** Every line of a geometry: its rings, lines, or single points. */
function lines({ type, coordinates, geometries }: GeoJsonGeometry): { kind: Kind; lines: Line[] } {
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
