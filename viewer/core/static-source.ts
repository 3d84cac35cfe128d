/** Everything from the files of a static export: archives by ranges, records and names from small files. No server answers. */
import type { PMTiles } from 'pmtiles'
import { keyOfWord, wordsOf } from '../../core/static-search.js'
import type { StaticManifest, StaticName } from '../../core/static-manifest.js'
import type { Tile } from '../../core/tile-matrix.js'
import { ApiError, request, type CityInfo, type FeatureRecord, type SearchResult } from './api.js'
import type { Source, SourceSpec } from './source.js'

/** Files of records or names that are kept. */
const KEPT = 30
const RESULTS = 8

export function createStaticSource(spec: SourceSpec & { kind: 'static' }): Source {
  const { base, manifest } = spec
  const archive = archivesOf(base)
  const json = jsonFiles(base)
  return {
    spec,
    made: manifest.made,
    city: async () => manifest.city,
    async vectorTile(layers, tile, signal) {
      const wanted = manifest.archives.filter(({ layers: held }) => held.some((id) => layers.includes(id)))
      const tiles = await Promise.all(wanted.map((each) => archive(each, tile, signal)))
      return joined(tiles.filter((bytes) => bytes !== null))
    },
    async terrainTile(tile, signal) {
      const bytes = manifest.terrain && await archive(manifest.terrain, tile, signal)
      return bytes && new Blob([bytes], { type: 'image/png' })
    },
    tilesetUrl: (layer) => (manifest.tilesets[layer] ? base + manifest.tilesets[layer] : EMPTY_TILESET),
    async feature(layer, id, signal) {
      const records = manifest.records[layer]
      const chunk = records && await json<Readonly<Record<string, FeatureRecord>>>(`${records.path}/${Math.floor(id / records.chunk)}.json.gz`, signal)
      const found = chunk?.[String(id)]
      if (!found) throw new ApiError(404, `${layer}/${id}`)
      return found
    },
    search: (query, signal) => search(manifest, query, (path) => json<readonly StaticName[]>(path, signal)),
    server: null,
  }
}

const EMPTY_TILESET = `data:application/json,${encodeURIComponent(JSON.stringify({
  asset: { version: '1.1' }, geometricError: 0, root: { refine: 'ADD', geometricError: 0, boundingVolume: { region: [0, 0, 0, 0, 0, 0] } },
}))}`

/** Tiles of archives, unpacked; null for one that is not there, which costs no request. The version in the address keeps caches right. */
function archivesOf(base: string): (archive: { path: string; version: string }, tile: Tile, signal?: AbortSignal) => Promise<ArrayBuffer | null> {
  const opened = new Map<string, Promise<PMTiles>>()
  const open = async (path: string, version: string) => {
    const { FetchSource, PMTiles } = await import('pmtiles')
    return new PMTiles(new FetchSource(`${base}${path}?v=${version}`))
  }
  return async ({ path, version }, { z, x, y }, signal) => {
    if (!opened.has(path)) opened.set(path, open(path, version))
    return (await (await opened.get(path)!).getZxy(z, x, y, signal))?.data ?? null
  }
}

/** Tiles as one: what follows each other in a protobuf message belongs to it. */
function joined(tiles: readonly ArrayBuffer[]): ArrayBuffer | null {
  if (tiles.length < 2) return tiles[0] ?? null
  const bytes = new Uint8Array(tiles.reduce((sum, { byteLength }) => sum + byteLength, 0))
  let end = 0
  for (const tile of tiles) {
    bytes.set(new Uint8Array(tile), end)
    end += tile.byteLength
  }
  return bytes.buffer
}

/** Gzipped JSON files, the last few kept. Some servers tell the browser of the gzip, which then unpacks it by itself; most do not. */
function jsonFiles(base: string): <T>(path: string, signal?: AbortSignal) => Promise<T> {
  const kept = new Map<string, unknown>()
  return async <T>(path: string, signal?: AbortSignal) => {
    if (!kept.has(path)) {
      const bytes = await (await request(base + path, { signal: signal ?? null })).arrayBuffer()
      const [first, second] = new Uint8Array(bytes)
      const plain = first === 0x1f && second === 0x8b ? new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'))) : new Response(bytes)
      kept.set(path, await plain.json())
      if (kept.size > KEPT) kept.delete(kept.keys().next().value!)
    }
    return kept.get(path) as T
  }
}

/** Names in which each word typed begins a word; those that begin as typed come first. One file is read: that of the rarest word. */
async function search({ search: index, city }: StaticManifest<CityInfo>, query: string, read: (path: string) => Promise<readonly StaticName[]>): Promise<readonly SearchResult[]> {
  const position = positionOf(query)
  if (position) return [position]
  const words = wordsOf(query)
  if (!index || words.length === 0) return []
  const [known, crowded] = [new Set(index.keys.split(' ')), new Set(index.crowded.split(' '))]
  const keys = words.map(keyOfWord)
  if (!keys.every((key) => known.has(key))) return []
  const key = keys.find((each) => !crowded.has(each)) ?? keys.reduce((a, b) => (b.length > a.length ? b : a))
  const typed = words.join(' ')
  const layers = new Map(city.layers.map((layer, i) => [layer.id, i]))
  const found = (await read(`${index.path}/${key}.json.gz`)).flatMap((name) => {
    const own = wordsOf(`${name[2]} ${name[3]}`)
    if (!layers.has(name[0]) || !words.every((word) => own.some((other) => other.startsWith(word)))) return []
    const text = own.join(' ')
    return [{ name, rank: text.startsWith(typed) ? 0 : text.includes(` ${typed}`) ? 1 : 2 }]
  })
  found.sort((a, b) => a.rank - b.rank || a.name[2].length - b.name[2].length)
  return oncePerName(found.map(({ name }) => name)).slice(0, RESULTS)
    .map(([layer, id, label, detail, lon, lat]) => ({ layer, id, label, ...(detail ? { detail } : {}), center: [lon, lat] as const }))
}

/** A street is many segments of one name. */
function oncePerName(names: readonly StaticName[]): StaticName[] {
  const seen = new Set<string>()
  return names.filter(([layer, , label, detail]) => {
    const name = `${layer} ${label} ${detail}`
    return !seen.has(name) && seen.add(name)
  })
}

/** `16.07, 108.22`: latitude first, as people write it; longitude first where it can only be that. */
function positionOf(query: string): SearchResult | null {
  const parts = /^\s*(-?\d{1,3}\.\d+)\s*[,; ]\s*(-?\d{1,3}\.\d+)\s*$/.exec(query)
  if (!parts) return null
  const [a, b] = [Number(parts[1]), Number(parts[2])]
  const [lat, lon] = Math.abs(a) > 90 ? [b, a] : [a, b]
  return Math.abs(lat) > 90 || Math.abs(lon) > 180 ? null : { layer: '', id: 0, label: `${lat}, ${lon}`, center: [lon, lat] }
}
