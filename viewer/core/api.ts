/** Answers that the viewer gets: each one's shape, and one way to fail. Who answers, and where: source.ts. */
import type { Layer, Localized } from '../../layers/layer.js'
import type { BBox } from '../../core/bbox.js'
import type { City } from '../../core/city.js'

/** A layer as the server tells it: the file without its functions, with what is in the store now. */
export type ClientLayer = Omit<Layer, 'rules'> & { readonly count?: number; readonly bbox?: BBox | null; readonly revision?: number }

export interface CityInfo {
  readonly city: City
  readonly reader: { readonly subject: string; readonly roles: readonly string[]; readonly clearance: string }
  readonly layers: readonly ClientLayer[]
  readonly terrain: { readonly minzoom: number; readonly maxzoom: number; readonly bounds: BBox; readonly revision?: number } | null
  readonly scenarios: readonly ScenarioInfo[]
}

export interface ScenarioInfo { readonly id: string; readonly title: Localized | string; readonly latestRun?: string | null | { readonly id: string } }

export interface SearchResult {
  readonly layer: string
  readonly id: number
  readonly label: string
  readonly detail?: string
  readonly center: readonly [lon: number, lat: number]
  readonly bbox?: BBox
}

export interface FeatureRecord {
  readonly id: number | string
  readonly properties: Readonly<Record<string, unknown>>
  readonly geometry: unknown
  readonly bbox?: BBox
}

export interface JobStatus {
  readonly jobID: string
  readonly status: 'accepted' | 'running' | 'successful' | 'failed' | 'dismissed'
  readonly message?: string
  /** 0…100 */
  readonly progress?: number
  readonly result?: unknown
}

/** The server's answer was not a yes: `message` is its own sentence where it gave one. */
export class ApiError extends Error {
  constructor(readonly status: number, message: string) {
    super(message)
    this.name = 'ApiError'
  }
}

export async function request(path: string, init: RequestInit = {}): Promise<Response> {
  let response: Response
  try {
    response = await fetch(path, init)
  } catch (error) {
    if ((error as Error).name === 'AbortError') throw error
    throw new ApiError(0, '')
  }
  if (!response.ok) {
    const body = await response.json().catch(() => null) as { detail?: string; description?: string } | null
    throw new ApiError(response.status, body?.detail ?? body?.description ?? response.statusText)
  }
  return response
}

export async function getJson<T>(path: string, signal?: AbortSignal): Promise<T> {
  return (await request(path, { headers: { accept: 'application/geo+json, application/json' }, signal: signal ?? null })).json() as Promise<T>
}

/** True where the reader may start runs and edit. */
export const mayEdit = (city: CityInfo) => city.reader.roles.includes('editor')
/** True where the reader may import and publish. */
export const maySteward = (city: CityInfo) => city.reader.roles.includes('steward')
