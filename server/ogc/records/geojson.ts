/** Records as GeoJSON, as OGC API Records has them. */
import type { Localized } from '../../../layers/layer.js'
import type { Call } from '../../operations/operation.js'
import type { Link } from '../common/links.js'
import type { Language } from '../common/media.js'
import { CATALOGUE, EU_AUTHORITY, EU_THEMES, THEME_TITLES, TYPE_TITLES, type CatalogueRecord } from './record.js'
import { externalIds } from './search.js'

export const RECORDS_SPEC = 'http://www.opengis.net/spec/ogcapi-records-1/1.0/conf'
export const PROFILE_RECORD: Link = { href: 'http://www.opengis.net/def/profile/OGC/0/ogc-record', rel: 'profile', title: 'OGC API Records: record' }
export const PROFILE_CATALOG: Link = { href: 'http://www.opengis.net/def/profile/OGC/0/ogc-catalog', rel: 'profile', title: 'OGC API Records: catalogue' }

export const catalogueUrl = ({ origin }: Pick<Call, 'origin'>) => `${origin}/ogc/collections/${CATALOGUE}`
export const recordUrl = (call: Pick<Call, 'origin'>, id: string) => `${catalogueUrl(call)}/items/${encodeURIComponent(id)}`

/** Licences by their SPDX id, with where they can be read. */
export const LICENCES: Readonly<Record<string, string>> = {
  'CC-BY-4.0': 'https://creativecommons.org/licenses/by/4.0/', 'CC-BY-SA-4.0': 'https://creativecommons.org/licenses/by-sa/4.0/', 'CC0-1.0': 'https://creativecommons.org/publicdomain/zero/1.0/',
  'ODbL-1.0': 'https://opendatacommons.org/licenses/odbl/1-0/', 'ODC-By-1.0': 'https://opendatacommons.org/licenses/by/1-0/', 'PDDL-1.0': 'https://opendatacommons.org/licenses/pddl/1-0/',
}

/** A record with its own links (`own`: self, alternates) before those of the resource. */
export function toFeature(call: Pick<Call, 'origin'>, record: CatalogueRecord, lang: Language, own: readonly Link[] = []): object {
  const { id, type, title, description, keywords, theme, owner, contact, updateFrequency, lineage, licence, attribution, classification, created, updated, count, quality, distributions, label } = record
  const hasSpdx = licence in LICENCES
  return {
    id, type: 'Feature', conformsTo: [`${RECORDS_SPEC}/record-core`],
    time: { interval: record.time ? [record.time.start, record.time.end].map(at => at.toISOString()) : ['..', '..'] },
    geometry: geometryOf(record),
    properties: {
      created: created?.toISOString(), updated: updated?.toISOString(), type, title: title[lang], description: description[lang],
      language: LANGUAGES[lang], languages: Object.values(LANGUAGES), resourceLanguages: Object.values(LANGUAGES),
      keywords: keywords.map(word => word[lang]),
      themes: [
        { scheme: `${call.origin}/docs/layers`, concepts: [{ id: theme, title: THEME_TITLES[theme][lang] }] },
        { scheme: `${EU_AUTHORITY}/data-theme`, concepts: [{ id: EU_THEMES[theme] }] },
      ],
      formats: distributions.flatMap(({ format, type: mediaType }) => format ? [{ name: format, mediaType }] : []),
      externalIds: externalIds(record),
      contacts: contactsOf(owner, contact, lang),
      // An unknown licence is left out: a guess could be taken for a promise.
      license: hasSpdx ? licence : licence === 'unknown' ? undefined : 'other',
      rights: rightsOf(record, lang), classification,
      owner: owner?.[lang], updateFrequency, lineage: lineage?.[lang], attribution, count,
      quality: quality && { ...quality, checked: quality.checked.toISOString() },
      simulation: label?.[lang],
    },
    links: [...own, ...resourceLinks(call, record, lang)],
  }
}

const LANGUAGES: Readonly<Record<Language, { readonly code: string; readonly name: string; readonly alternate: string; readonly dir: string }>> = {
  vi: { code: 'vi', name: 'Tiếng Việt', alternate: 'Vietnamese', dir: 'ltr' }, en: { code: 'en', name: 'English', alternate: 'English', dir: 'ltr' },
}

function resourceLinks(call: Pick<Call, 'origin'>, { distributions, licence, partOf }: CatalogueRecord, lang: Language): Link[] {
  return [
    PROFILE_RECORD,
    { href: catalogueUrl(call), rel: 'collection', type: 'application/ogc-catalog+json', title: lang === 'vi' ? 'Danh mục dữ liệu' : 'Data catalogue' },
    ...distributions.map(({ path, rel, type, title }) => ({ href: call.origin + path, rel, type, title: title[lang] })),
    ...(partOf ? [{ href: recordUrl(call, partOf), rel: 'up', type: 'application/geo+json', title: TYPE_TITLES.scenario[lang] }] : []),
    ...(licence === 'unknown' ? [] : [{ href: LICENCES[licence] ?? `${call.origin}/docs/${lang}/rights`, rel: 'license', type: 'text/html', title: licence }]),
  ]
}

function contactsOf(owner: Localized | undefined, contact: CatalogueRecord['contact'], lang: Language) {
  if (!owner && !contact) return undefined
  return [{
    organization: owner?.[lang] ?? contact?.email ?? contact?.url ?? contact?.phone, roles: ['owner', 'pointOfContact'],
    ...(contact?.email && { emails: [{ value: contact.email }] }),
    ...(contact?.phone && { phones: [{ value: contact.phone }] }),
    ...(contact?.url && { links: [{ href: contact.url, rel: 'about', type: 'text/html' }] }),
  }]
}

const RIGHTS = {
  open: { vi: 'Dữ liệu mở: ai cũng được đọc.', en: 'Open data: everybody may read it.' },
  internal: { vi: 'Nội bộ: chỉ người của cơ quan được đọc.', en: 'Internal: for people of the administration only.' },
  restricted: { vi: 'Hạn chế: chỉ người được phép, mỗi lần đọc đều được ghi lại.', en: 'Restricted: for authorised people only; every read is logged.' },
} as const

export function rightsOf({ classification, licence }: CatalogueRecord, lang: Language): string {
  const unknown = licence === 'unknown' ? (lang === 'vi' ? ' Giấy phép chưa được nêu.' : ' The licence is not stated.') : ''
  return RIGHTS[classification][lang] + unknown
}

/** The extent as a polygon; over the antimeridian as two. */
function geometryOf({ bbox }: CatalogueRecord): object | null {
  if (!bbox) return null
  const [west, south, east, north] = bbox
  const ring = (from: number, to: number) => [[[from, south], [to, south], [to, north], [from, north], [from, south]]]
  return west <= east ? { type: 'Polygon', coordinates: ring(west, east) } : { type: 'MultiPolygon', coordinates: [ring(west, 180), ring(-180, east)] }
}
