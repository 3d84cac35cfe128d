/** Vector tiles as pictures, by the styles of their layers. */
import { createCanvas, Path2D, type SKRSContext2D } from '@napi-rs/canvas'
import { VectorTile, type VectorTileFeature, type VectorTileLayer } from '@mapbox/vector-tile'
import { PbfReader } from 'pbf'
import type { Layer, Paint } from '../../../layers/layer.js'
import { colourOf, sizeAt } from './paint.js'
import { Labels } from './labels.js'

/** What of a layer its picture follows from. */
export type MapLayer = Pick<Layer, 'id' | 'style' | 'label'>

export interface MapDrawing {
  /** Not compressed. */
  readonly mvt: Uint8Array
  /** From the ground up. */
  readonly layers: readonly MapLayer[]
  /** Of WebMercatorQuad, or as detailed. */
  readonly zoom: number
  /** Pixels across. */
  readonly size: number
}

/** A PNG with nothing where nothing is. */
export async function drawMap({ mvt, layers, zoom, size }: MapDrawing): Promise<Buffer> {
  const canvas = createCanvas(size, size)
  const context = canvas.getContext('2d')
  context.lineJoin = context.lineCap = 'round'
  const tile = new VectorTile(new PbfReader(mvt))
  const shown = layers.flatMap((layer) => (tile.layers[layer.id] ? [{ layer, source: tile.layers[layer.id]! }] : []))
  for (const { layer, source } of shown) drawLayer(context, layer, source, zoom, size)
  const labels = new Labels(context, size)
  // What lies highest is named first.
  for (const { layer, source } of [...shown].reverse()) if (zoom >= (layer.style.labelFrom ?? Infinity)) labels.add(layer, source)
  return canvas.encode('png')
}

const [POINT, LINE, POLYGON] = [1, 2, 3]

/** Fills below lines below points; what has the same colour is one path, which is drawn at once. */
function drawLayer(context: SKRSContext2D, layer: MapLayer, source: VectorTileLayer, zoom: number, size: number): void {
  const { fill, line, circle, opacity = 1, lineWidth = 1, circleRadius = 4 } = layer.style
  const features = Array.from({ length: source.length }, (_, i) => source.feature(i))
  const scale = size / source.extent
  const of = (...types: number[]) => features.filter(({ type }) => types.includes(type))
  context.globalAlpha = opacity
  if (fill) for (const [colour, path] of byColour(fill, of(POLYGON), (path, feature) => trace(path, feature, scale))) {
    context.fillStyle = colour
    context.fill(path)
  }
  context.lineWidth = sizeAt(lineWidth, zoom)
  // Patches that stand for many features have no outline: it would be nobody's.
  const lined = of(LINE, POLYGON).filter(({ type, properties }) => type === LINE || properties.merged === undefined)
  if (line) for (const [colour, path] of byColour(line, lined, (path, feature) => trace(path, feature, scale))) {
    context.strokeStyle = colour
    context.stroke(path)
  }
  const radius = sizeAt(circleRadius, zoom)
  context.lineWidth = Math.min(1, radius / 3)
  context.strokeStyle = '#ffffff'
  if (circle) for (const [colour, path] of byColour(circle, of(POINT), (path, feature) => dot(path, feature, scale, radius))) {
    context.fillStyle = colour
    context.fill(path)
    context.stroke(path)
  }
  context.globalAlpha = 1
}

function byColour(paint: Paint, features: readonly VectorTileFeature[], draw: (path: Path2D, feature: VectorTileFeature) => void): Map<string, Path2D> {
  const paths = new Map<string, Path2D>()
  for (const feature of features) {
    const colour = colourOf(paint, feature.properties)
    const path = paths.get(colour) ?? new Path2D()
    paths.set(colour, path)
    draw(path, feature)
  }
  return paths
}

function trace(path: Path2D, feature: VectorTileFeature, scale: number): void {
  for (const ring of feature.loadGeometry()) {
    ring.forEach(({ x, y }, i) => (i === 0 ? path.moveTo(x * scale, y * scale) : path.lineTo(x * scale, y * scale)))
    if (feature.type === POLYGON) path.closePath()
  }
}

function dot(path: Path2D, feature: VectorTileFeature, scale: number, radius: number): void {
  for (const [{ x, y } = { x: 0, y: 0 }] of feature.loadGeometry()) {
    path.moveTo(x * scale + radius, y * scale)
    path.arc(x * scale, y * scale, radius, 0, 2 * Math.PI)
  }
}
