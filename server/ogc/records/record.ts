/** What the catalogue knows of one resource: language-neutral, before it becomes GeoJSON, JSON-LD or a page. */
import type { BBox } from '../../../core/bbox.js'
import { GROUPS } from '../../../layers/groups.js'
import type { Classification, Contact, LayerGroup, Localized, UpdateFrequency } from '../../../layers/layer.js'

export const CATALOGUE = 'catalogue'

export const RECORD_TYPES = ['dataset', 'coverage', 'scenario', 'run'] as const
export type RecordType = (typeof RECORD_TYPES)[number]
export const TYPE_TITLES: Readonly<Record<RecordType, Localized>> = {
  dataset: { vi: 'Tập dữ liệu', en: 'Dataset' }, coverage: { vi: 'Lưới phủ', en: 'Coverage' },
  scenario: { vi: 'Kịch bản', en: 'Scenario' }, run: { vi: 'Lần mô phỏng', en: 'Simulation run' },
}

export type Theme = LayerGroup | 'terrain'
export const THEME_TITLES: Readonly<Record<Theme, Localized>> = { ...GROUPS, terrain: { vi: 'Địa hình', en: 'Terrain' } }

/** The same in the words of the EU's data portal. */
export const EU_THEMES: Readonly<Record<Theme, string>> = {
  administration: 'GOVE', land: 'GOVE', planning: 'REGI', buildings: 'REGI', transport: 'TRAN', water: 'ENVI', utilities: 'ENER', services: 'SOCI',
  monitoring: 'ENVI', nature: 'ENVI', results: 'ENVI', quality: 'GOVE', published: 'REGI', terrain: 'ENVI',
}
export const EU_AUTHORITY = 'http://publications.europa.eu/resource/authority'

export interface CatalogueRecord {
  /** A layer's id, `elevation`, `scenario-{uuid}` or `run-{uuid}`. */
  readonly id: string
  readonly type: RecordType
  readonly title: Localized
  readonly description: Localized
  readonly theme: Theme
  readonly keywords: readonly Localized[]
  readonly owner?: Localized
  readonly contact?: Contact
  readonly updateFrequency?: UpdateFrequency
  readonly lineage?: Localized
  readonly licence: string
  readonly attribution?: string
  readonly classification: Classification
  /** CRS84. */
  readonly bbox: BBox | null
  /** What time the resource is about; null where it follows the present, open at both ends. */
  readonly time: { readonly start: Date; readonly end: Date } | null
  readonly created?: Date
  readonly updated?: Date
  /** Features that there are. */
  readonly count?: number
  readonly quality?: Quality
  /** Where the resource itself is: below `{origin}`. */
  readonly distributions: readonly Distribution[]
  /** What else belongs to it, as record ids: a run's scenario. */
  readonly partOf?: string
  /** An identifier from elsewhere: the job's or the scenario's UUID. */
  readonly uuid?: string
  /** Shown wherever the record is, for what is computed. */
  readonly label?: Localized
}

/** What the checks of the data found, as far as the reader may see it. */
export interface Quality {
  readonly findings: number
  readonly errors: number
  readonly waived: number
  readonly checked: Date
  /** False where the city has changed since the check. */
  readonly isCurrent: boolean
}

export interface Distribution {
  readonly path: string
  readonly rel: string
  readonly type: string
  readonly title: Localized
  /** A file or service of the data itself, for a list of formats; else a page or a description about it. */
  readonly format?: string
  /** A download of the whole, rather than a service. */
  readonly isFile?: boolean
}
