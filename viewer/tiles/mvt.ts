/** Vector tiles by layer: fetched once, decoded by a loader of ours under @loaders.gl/core, kept while there is room. */
import { parse } from '@loaders.gl/core'
import type { LoaderWithParser } from '@loaders.gl/loader-utils'
import { VectorTile, type VectorTileFeature, type VectorTileLayer } from '@mapbox/vector-tile'
import { PbfReader } from 'pbf'
import { intersects } from '../../core/bbox.js'
import { tileBounds, type Tile } from '../../core/tile-matrix.js'
import { source } from '../core/source.js'
import { grownBounds, type Change } from './change.js'

/** Mapbox Vector Tile 2.1, undecoded geometries: drawing wants integers, not GeoJSON. */
const MvtLoader = {
  id: 'dothi-mvt', name: 'Mapbox Vector Tile', module: 'dothi', version: '1', dataType: null as unknown as VectorTile, batchType: null as never,
  extensions: ['mvt'], mimeTypes: ['application/vnd.mapbox-vector-tile'], binary: true, options: {},
  parse: async (bytes: ArrayBuffer) => new VectorTile(new PbfReader(new Uint8Array(bytes))),
  parseSync: (bytes: ArrayBuffer) => new VectorTile(new PbfReader(new Uint8Array(bytes))),
} satisfies LoaderWithParser<VectorTile, never, object>

/** A layer's features in the tile that covers `tile`: itself, or an ancestor where the layer's zooms end. */
export interface SourceTile {
  readonly tile: Tile
  readonly features: VectorTileLayer
}

export interface MvtSource {
  /** The layers' features in one tile, in the order asked; what is not known yet comes in one request for all of them. */
  get(layers: readonly LayerVersion[], tile: Tile): Promise<(SourceTile | null)[]>
  /** Drops what shows anything of these places, so that it is asked for again when it is needed. */
  forget(changes: readonly Change[]): void
}

/** How far beyond its edge a tile shows features, in parts of its size; the server's own margin. */
const MARGIN = 64 / 4096

/** `revision` changes where all that is known of a layer became stale at once. */
export interface LayerVersion { readonly id: string; readonly revision: number }

export function createMvtSource(limit = 900): MvtSource {
  const cache = new Map<string, Entry>()
  const keyOf = ({ id, revision }: LayerVersion, { z, x, y }: Tile) => `${id}@${revision}/${z}/${x}/${y}`
  return {
    get(layers, tile) {
      const missing = layers.filter((layer) => !cache.has(keyOf(layer, tile)))
      if (missing.length) {
        const decoded = load(missing.map(({ id }) => id), tile)
        for (const layer of missing) {
          const key = keyOf(layer, tile)
          const found = decoded.then((layersOf) => {
            const features = layersOf?.[layer.id]
            return features?.length ? { tile, features } : null
          })
          const entry: Entry = { layer: layer.id, tile, found }
          found.catch(() => { if (cache.get(key) === entry) cache.delete(key) })
          cache.set(key, entry)
        }
      }
      const entries = layers.map((layer) => {
        const key = keyOf(layer, tile)
        const entry = cache.get(key)!
        cache.delete(key)
        cache.set(key, entry)
        return entry.found
      })
      while (cache.size > limit) cache.delete(cache.keys().next().value!)
      return Promise.all(entries)
    },
    forget(changes) {
      const layers = new Set(changes.map(({ layer }) => layer))
      for (const [key, { layer, tile }] of cache) {
        if (!layers.has(layer)) continue
        const bounds = grownBounds(tile, MARGIN)
        if (changes.some((change) => change.layer === layer && intersects(change.box, bounds))) cache.delete(key)
      }
    },
  }
}

interface Entry { readonly layer: string; readonly tile: Tile; readonly found: Promise<SourceTile | null> }

async function load(layers: readonly string[], tile: Tile): Promise<VectorTile['layers'] | null> {
  const bytes = await source().vectorTile(layers, tile)
  return bytes?.byteLength ? (await parse(bytes, MvtLoader) as VectorTile).layers : null
}

/** No deeper tiles are asked for: at zoom 16 a unit is 15 cm, and the tiles below it share one answer. */
const DEEPEST_SOURCE = 16

/** The tile to ask for when drawing `tile` from a layer whose zooms end at `maxzoom`. */
export function sourceTileOf(tile: Tile, maxzoom: number): Tile {
  const up = Math.max(0, tile.z - Math.min(maxzoom, DEEPEST_SOURCE))
  return { z: tile.z - up, x: tile.x >> up, y: tile.y >> up }
}

/** How source coordinates become pixels of a square canvas over `tile`. */
export interface Placement { readonly scale: number; readonly dx: number; readonly dy: number }

export function placement(source: SourceTile, tile: Tile, size: number): Placement {
  const up = 2 ** (tile.z - source.tile.z)
  return {
    scale: (size * up) / source.features.extent,
    dx: -(tile.x - source.tile.x * up) * size,
    dy: -(tile.y - source.tile.y * up) * size,
  }
}

/** Parts of a feature as CRS84 positions. */
export function featureLonLat(feature: VectorTileFeature, source: SourceTile): [number, number][][] {
  const [west, south, east, north] = tileBounds(source.tile)
  const extent = source.features.extent
  const mercator = (lat: number) => Math.log(Math.tan(Math.PI / 4 + (lat * Math.PI) / 360))
  const [top, bottom] = [mercator(north), mercator(south)]
  return feature.loadGeometry().map((part) => part.map((p) => [
    west + ((east - west) * p.x) / extent,
    (360 / Math.PI) * (Math.atan(Math.exp(top + ((bottom - top) * p.y) / extent)) - Math.PI / 4),
  ]))
}
