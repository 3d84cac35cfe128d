/**
 * The ground's picture: one canvas a terrain tile with every visible 2D layer on it.
 *
 * Known layers are drawn as a model maker would (roads as ribbons in metres, parcels as hairlines,
 * footprints as the soft shadow where a wall meets the ground); any other layer by its own style.
 */
import type { VectorTileFeature } from '@mapbox/vector-tile'
import type { Tile } from '../../core/tile-matrix.js'
import { placement, type Placement, type SourceTile } from './mvt.js'
import type { PaintLayer } from './protocol.js'
import { colourOf } from './style.js'

type Context = OffscreenCanvasRenderingContext2D

export interface PaintJob {
  readonly tile: Tile
  readonly size: number
  /** Ground metres of one pixel. */
  readonly metresPerPixel: number
}

/** Drawn from the ground up, whatever the order of the catalogue. */
const ORDER = ['wards', 'districts_former', 'plans', 'plan_lots', 'parcels', 'levees', 'culverts', 'roads', 'bridges', 'power_lines', 'telecom_lines', 'water_pipes', 'drain_pipes', 'planning_lines', 'run_roads']
export const paintRank = (id: string) => { const i = ORDER.indexOf(id); return i < 0 ? 6.5 : i }

export function paintLayer(context: Context, layer: PaintLayer, source: SourceTile, job: PaintJob): void {
  const place = placement(source, job.tile, job.size)
  switch (layer.id) {
    case 'roads': return paintRoads(context, layer, source, place, job)
    case 'bridges': return paintRoads(context, layer, source, place, job)
    case 'parcels': return paintParcels(context, layer, source, place, job)
    case 'wards':
    case 'districts_former': return paintBoundaries(context, layer, source, place, job)
    case 'buildings': return
    default: return paintPlain(context, layer, source, place, job)
  }
}

function paintPlain(context: Context, layer: PaintLayer, source: SourceTile, place: Placement, job: PaintJob): void {
  const { style } = layer
  const opacity = style.opacity ?? 1
  // A line layer is a network seen from above: it must read at any distance, and not swell when near.
  const width = Math.max(1, Math.min((style.lineWidth ?? 1.5) * 1.3, 1.2 + 6 / job.metresPerPixel))
  context.lineJoin = 'round'
  context.lineCap = 'round'
  eachFeature(source, (feature) => {
    if (feature.type === 1) return
    trace(context, feature, place)
    if (feature.type === 3) {
      const fill = colourOf(style.fill, feature.properties)
      if (fill) {
        context.globalAlpha = opacity * (layer.geometry === 'any' ? 0.4 : 1)
        context.fillStyle = fill
        context.fill()
      }
    }
    const line = colourOf(style.line, feature.properties)
    if (line) {
      context.globalAlpha = feature.type === 2 ? opacity : Math.min(1, opacity + 0.25)
      context.strokeStyle = line
      context.lineWidth = width
      context.stroke()
    }
  })
  context.globalAlpha = 1
}

/** Carriageway in metres where the data has none, by class, widest first. */
const ROAD_WIDTH_M: Readonly<Record<string, number>> = {
  motorway: 24, trunk: 21, primary: 18, secondary: 13, tertiary: 9, residential: 6.5, lane: 3.2, service: 4, pedestrian: 2.5, rail: 3,
}

function roadWidth(properties: Readonly<Record<string, unknown>>): number {
  const surveyed = Number(properties.long_duong_m ?? properties.width_m)
  return surveyed > 0 ? surveyed : ROAD_WIDTH_M[String(properties.class)] ?? 7
}

/** As wide as the road, but never too thin to be seen. */
const ribbonPixels = (metres: number, job: PaintJob) => Math.max(0.7 + metres / 22, metres / job.metresPerPixel)

const ROAD_CASING = '#cfc5b4'

function paintRoads(context: Context, layer: PaintLayer, source: SourceTile, place: Placement, job: PaintJob): void {
  context.lineJoin = 'round'
  context.lineCap = 'round'
  const roads: [number, VectorTileFeature][] = []
  eachFeature(source, (feature) => { if (feature.type !== 1) roads.push([roadWidth(feature.properties), feature]) })
  roads.sort((a, b) => a[0] - b[0])
  // Small streets fade in as the eye comes near, so that the far city shows its arteries only.
  const visible = roads.filter(([width]) => width / job.metresPerPixel > 0.28)
  const surface = (feature: VectorTileFeature) => colourOf(layer.style.line ?? layer.style.fill, feature.properties) ?? '#fbf8f1'
  for (const pass of ['casing', 'surface'] as const) {
    for (const [width, feature] of visible) {
      if (feature.type === 3) {
        trace(context, feature, place)
        context.fillStyle = surface(feature)
        if (pass === 'casing') { context.lineWidth = 1.2; context.strokeStyle = ROAD_CASING; context.stroke() } else context.fill()
        continue
      }
      const px = ribbonPixels(width, job)
      trace(context, feature, place)
      context.globalAlpha = Math.min(1, 0.35 + width / job.metresPerPixel / 3)
      context.strokeStyle = pass === 'casing' ? ROAD_CASING : surface(feature)
      context.lineWidth = pass === 'casing' ? px + Math.max(0.8, Math.min(2.2, px * 0.22)) : px
      context.stroke()
    }
  }
  if (job.metresPerPixel < 0.9) {
    context.globalAlpha = 0.55
    context.strokeStyle = '#cfc6b6'
    context.lineWidth = Math.max(0.8, 0.18 / job.metresPerPixel)
    context.setLineDash([3.5 / job.metresPerPixel, 5 / job.metresPerPixel])
    for (const [width, feature] of visible) {
      if (width < 8 || feature.type === 3) continue
      trace(context, feature, place)
      context.stroke()
    }
    context.setLineDash([])
  }
  context.globalAlpha = 1
}

/** Takes the ribbons of roads out of a mask. */
export function paintRoadCut(mask: Context, source: SourceTile, job: PaintJob): void {
  const place = placement(source, job.tile, job.size)
  mask.globalCompositeOperation = 'destination-out'
  mask.lineCap = 'round'
  eachFeature(source, (feature) => {
    if (feature.type === 1) return
    trace(mask, feature, place)
    if (feature.type === 3) {
      mask.fill()
    } else {
      mask.lineWidth = ribbonPixels(roadWidth(feature.properties), job) + 1.5
      mask.stroke()
    }
  })
  mask.globalCompositeOperation = 'source-over'
}

/** Hairlines that appear below about a kilometre; land use shows only as the faintest tint. */
function paintParcels(context: Context, layer: PaintLayer, source: SourceTile, place: Placement, job: PaintJob): void {
  const near = Math.max(0, Math.min(1, (4 - job.metresPerPixel) / 2.5))
  context.lineJoin = 'round'
  eachFeature(source, (feature) => {
    if (feature.type !== 3) return
    trace(context, feature, place)
    const fill = colourOf(layer.style.fill, feature.properties)
    if (fill) {
      context.globalAlpha = Math.min(0.22, layer.style.opacity ?? 0.22)
      context.fillStyle = fill
      context.fill()
    }
    if (near > 0) {
      context.globalAlpha = near * 0.5
      context.strokeStyle = '#a3998a'
      context.lineWidth = 0.8
      context.stroke()
    }
  })
  context.globalAlpha = 1
}

function paintBoundaries(context: Context, layer: PaintLayer, source: SourceTile, place: Placement, job: PaintJob): void {
  context.lineJoin = 'round'
  context.strokeStyle = colourOf(layer.style.line, {}) ?? '#8b8478'
  context.lineWidth = 1.1
  context.globalAlpha = 0.45
  context.setLineDash(layer.id === 'wards' ? [7, 4] : [14, 4, 3, 4])
  eachFeature(source, (feature) => {
    if (feature.type === 1) return
    trace(context, feature, place, 4)
    context.stroke()
  })
  context.setLineDash([])
  context.globalAlpha = 1
}

/** Footprints: pale, with a blurred darkness around them where walls meet the ground, which a shadow map alone does not give. */
export function paintContactShadow(context: Context, scratch: OffscreenCanvas, source: SourceTile, job: PaintJob): void {
  const place = placement(source, job.tile, job.size)
  const ink = scratch.getContext('2d')!
  ink.clearRect(0, 0, job.size, job.size)
  ink.fillStyle = '#4a3f33'
  eachFeature(source, (feature) => {
    if (feature.type !== 3) return
    trace(ink, feature, place)
    ink.fill()
  })
  context.save()
  if (job.metresPerPixel < 5 && 'filter' in context) {
    context.filter = `blur(${Math.max(1, Math.min(10, 3.2 / job.metresPerPixel))}px)`
    context.globalAlpha = 0.34
    context.drawImage(scratch, 0, 0)
    context.filter = 'none'
  }
  // The footprints themselves stand for the buildings that are too small to be there yet.
  ink.globalCompositeOperation = 'source-in'
  ink.fillStyle = '#efe9de'
  ink.fillRect(0, 0, job.size, job.size)
  ink.globalCompositeOperation = 'source-over'
  context.globalAlpha = job.metresPerPixel < 5 ? 0.9 : 0.55
  context.drawImage(scratch, 0, 0)
  context.restore()
}

/** Where there is water, opaque; everything else transparent. Red where the surface is the sea's level, whatever the bed says. */
export function paintWaterMask(mask: Context, source: SourceTile, job: PaintJob): void {
  const place = placement(source, job.tile, job.size)
  mask.lineCap = 'round'
  eachFeature(source, (feature) => {
    if (feature.type === 1) return
    const { kind, water_level_m: level } = feature.properties
    const atSea = Math.abs(Number(level ?? (kind === 'sea' || kind === 'river' ? 0 : 9))) < 1
    mask.fillStyle = mask.strokeStyle = atSea ? '#f00' : '#000'
    trace(mask, feature, place)
    if (feature.type === 3) {
      mask.fill()
    } else {
      mask.lineWidth = Math.max(1, (Number(feature.properties.width_m) || 5) / job.metresPerPixel)
      mask.stroke()
    }
  })
}

export function eachFeature(source: SourceTile, visit: (feature: VectorTileFeature) => void): void {
  for (let i = 0; i < source.features.length; i++) visit(source.features.feature(i))
}

/** Puts a feature's parts on the path; `clip` drops segments along the tile's own edge (pixels), which are no boundaries. */
export function trace(context: Context, feature: VectorTileFeature, { scale, dx, dy }: Placement, clip = 0): void {
  const size = context.canvas.width
  const edge = (a: number, b: number) => (a <= -clip && b <= -clip) || (a >= size + clip && b >= size + clip)
  context.beginPath()
  for (const part of feature.loadGeometry()) {
    let [px, py] = [0, 0]
    part.forEach((p, i) => {
      const x = p.x * scale + dx
      const y = p.y * scale + dy
      if (i === 0 || (clip > 0 && (edge(px, x) || edge(py, y)))) context.moveTo(x, y)
      else context.lineTo(x, y)
      px = x
      py = y
    })
    if (feature.type === 3 && !clip) context.closePath()
  }
}
