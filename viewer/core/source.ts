/**
 * Where the page's data come from: the one place in the viewer that knows addresses.
 *
 * A server answers all of it. A static export (static-source.ts) is a folder of files that only shows: there is nothing
 * to filter with, to run or to import into, so there `server` is null. Workers make the same source from its `spec`.
 */
import { printCql2Json } from '../../core/filter/cql2-json.js'
import type { Filter } from '../../core/filter/ast.js'
import type { StaticManifest } from '../../core/static-manifest.js'
import type { Tile } from '../../core/tile-matrix.js'
import type { RunManifest } from '../../simulation/manifest.js'
import { getJson, request, type CityInfo, type FeatureRecord, type JobStatus, type SearchResult } from './api.js'
import type { RunImpacts } from './app.js'
import { createStaticSource } from './static-source.js'

/** What it takes to make a source elsewhere, as in a worker. */
export type SourceSpec =
  | { readonly kind: 'server' }
  /** `base`: address of the folder, with a slash at its end. */
  | { readonly kind: 'static'; readonly base: string; readonly manifest: StaticManifest<CityInfo> }

export interface Source {
  readonly spec: SourceSpec
  /** When the files were made, RFC 3339; null for a server, which tells of now. */
  readonly made: string | null
  city(): Promise<CityInfo>
  /** One Mapbox Vector Tile with at least these layers; null where there is nothing. */
  vectorTile(layers: readonly string[], tile: Tile, signal?: AbortSignal): Promise<ArrayBuffer | null>
  /** Mapbox Terrain-RGB picture; null where no terrain is stored. */
  terrainTile(tile: Tile, signal?: AbortSignal): Promise<Blob | null>
  /** An empty tileset where the layer has no 3D tiles. */
  tilesetUrl(layer: string): string
  feature(layer: string, id: number, signal?: AbortSignal): Promise<FeatureRecord>
  search(query: string, signal?: AbortSignal): Promise<readonly SearchResult[]>
  /** What only a server can do. */
  readonly server: Server | null
}

/** Work, results and pages of a server. */
export interface Server {
  /** What the server does before it can answer. */
  preparing(): Promise<{ readonly progress: number; readonly message: string } | null>
  run(id: string): Promise<RunManifest>
  /** Deflated or plain depths; see water/frame-loader.ts. */
  runFrame(id: string, n: number, signal?: AbortSignal): Promise<ArrayBuffer>
  runImpacts(id: string): Promise<RunImpacts>
  /** Arrow table of what changes about the features of a 3D tile, named as its tileset does; `query`: `run=…`, `filter=…`, `compare=…`. */
  state(layer: string, content: string, query: string): Promise<ArrayBuffer>
  startFlood(scenario: string): Promise<JobStatus>
  job(id: string): Promise<JobStatus>
  jobResult<T>(id: string): Promise<T | null>
  cancelJob(id: string): Promise<void>
  /** How many match, and the first of them. */
  matches(layer: string, where: Filter, signal?: AbortSignal): Promise<FeaturePage>
  /** Addresses for people and forms. */
  readonly pages: typeof pages
}

export interface FeaturePage { readonly numberMatched?: number; readonly features: readonly { readonly id: number | string; readonly geometry: unknown }[] }

/** Matches fetched at most: more would light up the whole city. Buildings light up without being fetched; where some of them are is enough. */
const MATCHES = 10_000
const FEW_MATCHES = 500

const pages = {
  docs: (language: string) => `/docs/${language}`,
  api: '/ogc?f=html',
  item: (layer: string, id: number) => `/ogc/collections/${layer}/items/${id}`,
  matches: (layer: string, where: Filter, limit = MATCHES) =>
    `/ogc/collections/${layer}/items?limit=${limit}&filter-lang=cql2-json&filter=${encodeURIComponent(JSON.stringify(printCql2Json(where)))}`,
  runBuildings: ({ id, scenario }: Pick<RunManifest, 'id' | 'scenario'>) => `/scenarios/${scenario}/ogc/collections/run_buildings/items?run=${id}&f=html`,
  /** Server-sent events of what was committed after a revision. */
  events: (since: number) => `/events?since=${since}`,
  rejects: (job: string) => `/imports/${job}/rejects`,
  uploads: '/imports',
} as const

/** Everything from the server that the page came from. */
export function createServerSource(): Source {
  return {
    spec: { kind: 'server' },
    made: null,
    city: () => getJson<CityInfo>('/city'),
    async vectorTile(layers, { z, x, y }, signal) {
      const response = await fetch(`/tiles/${layers.join(',')}/${z}/${x}/${y}.mvt`, { signal: signal ?? null })
      if (response.status === 204 || response.status === 404) return null
      if (!response.ok) throw new Error(`tile ${z}/${x}/${y}: ${response.status}`)
      return response.arrayBuffer()
    },
    async terrainTile({ z, x, y }, signal) {
      const response = await fetch(`/terrain/rgb/${z}/${x}/${y}`, { signal: signal ?? null })
      if (response.status === 204 || response.status === 404 || response.headers.get('X-Terrain') === 'none') return null
      if (!response.ok) throw new Error(`terrain ${z}/${x}/${y}: ${response.status}`)
      return response.blob()
    },
    tilesetUrl: (layer) => `/3dtiles/${layer}/tileset.json`,
    feature: (layer, id, signal) => getJson<FeatureRecord>(pages.item(layer, id), signal),
    search: (query, signal) => getJson<{ results: readonly SearchResult[] }>(`/search?q=${encodeURIComponent(query)}&limit=8`, signal).then((r) => r.results),
    server: {
      preparing: () => fetch('/readyz').then((r) => r.json() as Promise<{ progress: number; message: string }>).catch(() => null),
      run: (id) => getJson<RunManifest>(`/runs/${id}`),
      runFrame: (id, n, signal) => request(`/runs/${id}/frames/${n}`, { signal: signal ?? null }).then((r) => r.arrayBuffer()),
      runImpacts: (id) => getJson<RunImpacts>(`/runs/${id}/impacts`),
      state: (layer, content, query) => request(`/state/${layer}/${content.replace('.glb', '.arrow')}${content.includes('?') ? '&' : '?'}${query}`).then((r) => r.arrayBuffer()),
      startFlood: (scenario) => request('/ogc/processes/flood/execution', {
        method: 'POST', headers: { 'content-type': 'application/json', prefer: 'respond-async' }, body: JSON.stringify({ inputs: { scenario } }),
      }).then((r) => r.json() as Promise<JobStatus>),
      job: (id) => getJson<JobStatus>(`/ogc/jobs/${id}`),
      jobResult: <T>(id: string) => getJson<T>(`/ogc/jobs/${id}/results`).catch(() => null),
      cancelJob: (id) => request(`/ogc/jobs/${id}`, { method: 'DELETE' }).then(() => {}),
      matches: (layer, where, signal) => getJson<FeaturePage>(pages.matches(layer, where, layer === 'buildings' ? FEW_MATCHES : MATCHES), signal),
      pages,
    },
  }
}

let current: Source = createServerSource()

/** The source of this page, or of this worker. */
export const source = (): Source => current

/** Takes another source, before anything is asked: the page by its own choice, a worker by the page's. */
export function useSource(spec: SourceSpec): void {
  if (spec.kind === 'static' && current.spec.kind === 'server') current = createStaticSource(spec)
}

/** What the page names in `<meta name="dothi-source">`, the manifest of an export; without it, the server it came from. */
export async function openSource(page: Document): Promise<Source> {
  const named = page.querySelector<HTMLMetaElement>('meta[name="dothi-source"]')?.content
  if (named) {
    const url = new URL(named, page.baseURI)
    useSource({ kind: 'static', base: new URL('.', url).href, manifest: await getJson<StaticManifest<CityInfo>>(url.href) })
  }
  return current
}
