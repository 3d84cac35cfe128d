/** `dothi.json` of a static export: the city as `/city` tells it, and which files hold what. Paths are relative to the folder. */
export interface StaticManifest<City = unknown> {
  readonly format: 'dothi-static'
  readonly version: 1
  readonly generator: string
  /** When the export was finished, RFC 3339, and the revision that all of it shows. */
  readonly made: string
  readonly revision: number
  readonly branch: string
  readonly city: City
  /** Vector tiles: PMTiles archives, and which layers are in each. */
  readonly archives: readonly (StaticArchive & { readonly layers: readonly string[] })[]
  /** Terrain-RGB tiles; null without terrain. */
  readonly terrain: StaticArchive | null
  /** Tilesets by layer. */
  readonly tilesets: Readonly<Record<string, string>>
  /** Whole records by layer: `{path}/{floor(id / chunk)}.json.gz`, an object of GeoJSON features by id. */
  readonly records: Readonly<Record<string, { readonly path: string; readonly chunk: number }>>
  /** Names by the beginning of their words; null without names. */
  readonly search: StaticSearch | null
}

/** `version` follows from the content: it goes into the address, so that caches may keep what they have. */
export interface StaticArchive { readonly path: string; readonly version: string }

export interface StaticSearch {
  /** `{path}/{key}.json.gz`: a list of StaticName; see static-search.ts for the keys. */
  readonly path: string
  /** The keys that have a file, with blanks between; and those whose file holds only the first of too many. */
  readonly keys: string
  readonly crowded: string
}

/** A name in a file of names: layer, id, what is shown, what was found, and where it is. */
export type StaticName = readonly [layer: string, id: number, label: string, found: string, lon: number, lat: number]
