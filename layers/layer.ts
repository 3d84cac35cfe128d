/**
 * A layer is one file: all that the product knows about one kind of thing in the city.
 * Tables, OGC schemas and queryables, tiles, legends, forms, validation and docs follow from it.
 * A layer that staff publish from a file at run time is the same value, stored as data.
 */
export interface Layer {
  /** Collection id and table name: `^[a-z][a-z0-9_]{0,50}$`. */
  readonly id: string
  readonly title: Localized
  readonly description: Localized
  readonly group: LayerGroup
  /**
   * `city` rows have history, branches and a revision. `run` rows are results of a flood run:
   * immutable, keyed by (run, id), read with `run=`. `report` rows are what checks of the city found: without history
   * or branches, each row in the table of its own classification.
   */
  readonly kind: 'city' | 'run' | 'report'
  /** Stored as Point, MultiLineString, MultiPolygon, or any type; EPSG:4326. */
  readonly geometry: 'point' | 'line' | 'polygon' | 'any'
  /** The layer can be seen in 3D: its table has `solid`, `ground_z` and `height`. */
  readonly threeD?: ThreeD
  /** Keeps `geom_native`, the geometry as delivered, with this EPSG code as storageCrs. */
  readonly surveyed?: { readonly srid: number }
  readonly columns: readonly Column[]
  /** The column that names a feature to a person. */
  readonly label?: string
  /** Columns that search looks into, best first. */
  readonly searchable?: readonly string[]
  /** Rows that break a rule are rejected (`error`) or reported (`warning`). */
  readonly rules?: readonly Rule[]
  readonly style: Style
  /** Zooms of its vector tiles. */
  readonly zoom: { readonly min: number; readonly max: number }
  /** Larger is drawn, and kept in a crowded tile, first: a numeric column or `area` / `length`. */
  readonly importance?: string
  /** How features divide and merge, with lineage; without it they do neither. Polygons only. */
  readonly divides?: Division
  /** How attributes of known sources fill the columns. */
  readonly sources?: readonly SourceMapping[]
  readonly classification: Classification
  readonly licence: string
  readonly attribution?: string
  /** Who answers for the data, and how it is kept: what catalogues ask for. */
  readonly owner?: Localized
  readonly contact?: Contact
  readonly updateFrequency?: UpdateFrequency
  readonly keywords?: readonly Localized[]
  /** Where the data comes from and how it was made. */
  readonly lineage?: Localized
}

/** What a city may say of a layer otherwise than its file does. */
export type Metadata = Partial<Pick<Layer, 'title' | 'description' | 'licence' | 'attribution' | 'owner' | 'contact' | 'updateFrequency' | 'keywords' | 'lineage'>>

/** How to reach the owner; at least one way. */
export interface Contact {
  readonly email?: string
  /** In full, with the country: `+84…`. */
  readonly phone?: string
  readonly url?: string
}

export const UPDATE_FREQUENCIES = ['continual', 'daily', 'weekly', 'monthly', 'quarterly', 'annual', 'irregular', 'never'] as const
export type UpdateFrequency = (typeof UPDATE_FREQUENCIES)[number]

export interface Localized { readonly vi: string; readonly en: string }

export type LayerGroup =
  | 'administration' | 'land' | 'planning' | 'buildings' | 'transport' | 'water'
  | 'utilities' | 'services' | 'monitoring' | 'nature' | 'results' | 'quality' | 'published'

export type Classification = 'open' | 'internal' | 'restricted'

export type ColumnType = 'text' | 'integer' | 'number' | 'boolean' | 'date' | 'timestamp' | 'json'

export interface Column {
  /** `^[a-z][a-z0-9_]{0,50}$`, never one of the store's own columns. */
  readonly name: string
  readonly type: ColumnType
  readonly title: Localized
  readonly description?: Localized
  /** UCUM-like, as shown to people: `m`, `m²`, `mm`, `kV`, `%`. */
  readonly unit?: string
  readonly required?: boolean
  readonly min?: number
  readonly max?: number
  readonly maxLength?: number
  /** A regular expression the text must match. */
  readonly pattern?: string
  /** Known codes with their titles. Codes are data: an unknown code is a warning, not an error. */
  readonly codes?: Readonly<Record<string, Localized>>
  /** The value names a feature of this collection: by its id, or by this column of it. */
  readonly references?: { readonly collection: string; readonly by?: string }
  /** Of JSON: it holds a list, not an object. */
  readonly list?: true
  /** Default `open`. */
  readonly classification?: Classification
  /** Carried in vector tiles and glb property tables. */
  readonly inTiles?: boolean
}

export interface ThreeD {
  /** `extrude` footprint by height · `tube` line at depth · `embankment` bank or wall along a line · `instance` point. */
  readonly form: 'extrude' | 'tube' | 'embankment' | 'instance'
  /** Columns with the diameter of a tube and its level; of an instance, the level it stands at. */
  readonly diameter?: string
  readonly level?: string
  /** Tubes: column with the level at the line's other end; without it, `cover` (column with the depth under the ground) is followed where known. */
  readonly levelTo?: string
  readonly cover?: string
  /** Tubes: what the levels measure; default `axis`. */
  readonly levelOf?: 'axis' | 'invert'
  /** Extrusions that hang in the air, as bridges do: columns with the levels of their underside and top. Embankments: of toe and crest. */
  readonly base?: string
  readonly top?: string
  /** Embankments: column with the width of the crest, and which of them are upright walls. */
  readonly width?: string
  readonly walls?: { readonly by: string; readonly values: readonly string[] }
  /** Instances: column with their height where the row's own is not known; and the bearing of what looks somewhere, degrees clockwise from north. */
  readonly tall?: string
  readonly turn?: string
  /** Extrusions: column with the storeys, which stand in for a height that is not known. */
  readonly storeys?: string
}

/** What happens to attributes when a feature is divided, or several are merged. What is not named here is inherited. */
export interface Division {
  /** Columns that no successor inherits: identifiers, certificates, what a decision must say anew. */
  readonly own: readonly string[]
  /** The running number: successors get the next ones among features that share `within`. */
  readonly number?: { readonly column: string; readonly within: readonly string[] }
  /** The drawn area, computed anew in the city's CRS. */
  readonly area?: { readonly column: string; readonly unit: 'm²' | 'km²' }
  /** Where the parents' former identity is written, from these columns, with strokes between. */
  readonly former?: { readonly column: string; readonly of: readonly string[] }
  /** Features merge only where these are the same. */
  readonly same?: readonly string[]
}

export interface Rule {
  readonly id: string
  readonly severity: 'error' | 'warning'
  readonly title: Localized
  /** What to do about a row that breaks it; default: check the columns that it reads. */
  readonly suggestion?: Localized
  /** The columns that `holds` looks at, all of them: what a check fetches, and what the violation's classification follows from. */
  readonly reads: readonly string[]
  /** What a good row satisfies; the row's own columns and numbers only. */
  readonly holds: (row: Readonly<Record<string, unknown>>) => boolean
}

/** One visual language: the viewer and the MapLibre style are both made from it. Colours are `#rrggbb`. */
export interface Style {
  readonly fill?: Paint
  readonly line?: Paint
  readonly circle?: Paint
  readonly lineWidth?: number
  readonly circleRadius?: number
  readonly opacity?: number
  /** Zoom from which labels show. */
  readonly labelFrom?: number
  readonly visible?: boolean
}
export type Paint = string | {
  readonly by: string
  readonly categories: Readonly<Record<string, string>>
  readonly other: string
} | {
  readonly by: string
  /** Ascending thresholds with the colour from there on. */
  readonly steps: readonly (readonly [from: number, colour: string])[]
  readonly below: string
}

export interface SourceMapping {
  /** `osm` `cityjson` `citygml` `danang-wards` `dc` … */
  readonly source: string
  /** Which source features belong to this layer: tag → value, list of values, or `*`. */
  readonly when?: Readonly<Record<string, string | readonly string[]>>
  /**
   * Column → source attribute, the first present wins; `=text` is a constant.
   * `height` and `ground_z` may be mapped too, although they are the store's.
   */
  readonly columns: Readonly<Record<string, readonly string[] | string>>
  /** Column → source value → our code; `*` catches the rest. A column without a table keeps the source's value. */
  readonly values?: Readonly<Record<string, Readonly<Record<string, string | number | boolean>>>>
}

/** Columns that every city layer's table has; layer files may not use these names. */
export const STORE_COLUMNS = [
  'id', 'objectid', 'revision', 'retired_revision', 'valid_from', 'source', 'source_id', 'cell', 'geom', 'geom_3857', 'geom_native',
  'solid', 'ground_z', 'height', 'branch', 'deleted', 'base_revision', 'run',
] as const
