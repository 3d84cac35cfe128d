/** The layers' one visual language as Esri's drawing information. */
import type { Layer, Paint, Style } from '../../layers/layer.js'
import type { Language } from '../ogc/common/media.js'
import type { EsriGeometryType, EsriLayer } from './esri-layer.js'

type Rgba = readonly [number, number, number, number]

/** CSS pixels are 0.75 points. */
const POINTS = 0.75
const GREY = '#808080'

export function drawingInfo({ layer, type }: EsriLayer, lang: Language) {
  const { style, label } = layer
  return {
    renderer: rendererOf(layer, type, lang),
    transparency: Math.round((1 - (style.opacity ?? 1)) * 100),
    labelingInfo: label && style.labelFrom !== undefined ? [labelClass(label, type, style.labelFrom)] : null,
  }
}

/** What colours a layer of this geometry. */
function paintOf(style: Style, type: EsriGeometryType): Paint {
  const paints = type === 'esriGeometryPolygon' ? [style.fill, style.line] : type === 'esriGeometryPolyline' ? [style.line, style.fill] : [style.circle, style.fill, style.line]
  return paints.find(paint => paint !== undefined) ?? GREY
}

function rendererOf({ columns, style }: Layer, type: EsriGeometryType, lang: Language) {
  const paint = paintOf(style, type)
  const symbol = (colour: string) => symbolOf(type, colour, style)
  if (typeof paint === 'string') return { type: 'simple', symbol: symbol(paint), label: '', description: '' }
  const column = columns.find(({ name }) => name === paint.by)
  if ('categories' in paint) return {
    type: 'uniqueValue', field1: paint.by, field2: null, field3: null, fieldDelimiter: ',', defaultSymbol: symbol(paint.other), defaultLabel: lang === 'vi' ? 'Khác' : 'Other',
    uniqueValueInfos: Object.entries(paint.categories).map(([value, colour]) => ({ value: column?.type === 'boolean' ? String(Number(value === 'true')) : value, label: column?.codes?.[value]?.[lang] ?? value, description: '', symbol: symbol(colour) })),
  }
  const steps = [[LOWEST, paint.below] as const, ...paint.steps]
  return {
    type: 'classBreaks', field: paint.by, minValue: LOWEST, defaultSymbol: null, defaultLabel: null, classificationMethod: 'esriClassifyManual',
    classBreakInfos: steps.map(([from, colour], i) => {
      const to = steps[i + 1]?.[0] ?? HIGHEST
      return { classMaxValue: to, label: from === LOWEST ? `< ${to}` : to === HIGHEST ? `≥ ${from}` : `${from} – ${to}`, description: '', symbol: symbol(colour) }
    }),
  }
}
const LOWEST = -1e9
const HIGHEST = 1e9

export function symbolOf(type: EsriGeometryType, colour: string, { line, lineWidth = 1, circleRadius = 4 }: Pick<Style, 'line' | 'lineWidth' | 'circleRadius'> = {}) {
  const outline = typeof line === 'string' ? line : '#6e6e6e'
  const stroke = (of: string, width: number) => ({ type: 'esriSLS', style: 'esriSLSSolid', color: rgba(of), width: width * POINTS })
  if (type === 'esriGeometryPolygon') return { type: 'esriSFS', style: 'esriSFSSolid', color: rgba(colour), outline: stroke(outline, lineWidth) }
  if (type === 'esriGeometryPolyline') return stroke(colour, lineWidth)
  return { type: 'esriSMS', style: 'esriSMSCircle', color: rgba(colour), size: 2 * circleRadius * POINTS, angle: 0, xoffset: 0, yoffset: 0, outline: stroke('#ffffff', 1) }
}

function rgba(hex: string): Rgba {
  const [r, g, b] = [1, 3, 5].map(at => Number.parseInt(hex.slice(at, at + 2), 16)) as [number, number, number]
  return [r, g, b, 255]
}

/** Scale of a Web Mercator zoom at 96 dots an inch. */
export const scaleOf = (zoom: number) => Math.round(591_657_527.591555 / 2 ** zoom)

const PLACES: Readonly<Record<EsriGeometryType, string>> = {
  esriGeometryPoint: 'esriServerPointLabelPlacementAboveRight', esriGeometryMultipoint: 'esriServerPointLabelPlacementAboveRight',
  esriGeometryPolyline: 'esriServerLinePlacementAboveAlong', esriGeometryPolygon: 'esriServerPolygonPlacementAlwaysHorizontal',
}

function labelClass(label: string, type: EsriGeometryType, from: number) {
  return {
    labelExpression: `[${label}]`, labelExpressionInfo: { expression: `$feature["${label}"]` }, labelPlacement: PLACES[type], useCodedValues: true, minScale: scaleOf(from), maxScale: 0, where: '',
    symbol: { type: 'esriTS', color: [40, 48, 56, 255], haloColor: [255, 255, 255, 255], haloSize: 1, horizontalAlignment: 'center', verticalAlignment: 'middle', font: { family: 'Arial', size: 9, style: 'normal', weight: 'normal', decoration: 'none' } },
  }
}
