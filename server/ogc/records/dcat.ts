/**
 * The catalogue for open-data portals: DCAT-AP 3 (with GeoDCAT-AP's and DQV's words where DCAT has none), and schema.org
 * for searches of datasets; both as JSON-LD. Texts are in both languages, since portals choose.
 */
import type { BBox } from '../../../core/bbox.js'
import type { City } from '../../../core/city.js'
import type { Localized, UpdateFrequency } from '../../../layers/layer.js'
import type { Call } from '../../operations/operation.js'
import type { Language } from '../common/media.js'
import { catalogueUrl, LICENCES, recordUrl, rightsOf } from './geojson.js'
import { EU_AUTHORITY, EU_THEMES, THEME_TITLES, type CatalogueRecord } from './record.js'
import { RECORDS } from './search.js'

const IANA = 'https://www.iana.org/assignments/media-types/'

const CONTEXT = {
  dcat: 'http://www.w3.org/ns/dcat#', dct: 'http://purl.org/dc/terms/', foaf: 'http://xmlns.com/foaf/0.1/', vcard: 'http://www.w3.org/2006/vcard/ns#', xsd: 'http://www.w3.org/2001/XMLSchema#',
  locn: 'http://www.w3.org/ns/locn#', dqv: 'http://www.w3.org/ns/dqv#', prov: 'http://www.w3.org/ns/prov#', adms: 'http://www.w3.org/ns/adms#', skos: 'http://www.w3.org/2004/02/skos/core#', dcatap: 'http://data.europa.eu/r5r/', owl: 'http://www.w3.org/2002/07/owl#', rdfs: 'http://www.w3.org/2000/01/rdf-schema#',
} as const

const FREQUENCIES: Readonly<Record<UpdateFrequency, string>> = {
  continual: 'UPDATE_CONT', daily: 'DAILY', weekly: 'WEEKLY', monthly: 'MONTHLY', quarterly: 'QUARTERLY', annual: 'ANNUAL', irregular: 'IRREG', never: 'NEVER',
}
const SERVICE: Localized = { vi: 'Dịch vụ OGC API', en: 'OGC API' }
const ACCESS = { open: 'PUBLIC', internal: 'RESTRICTED', restricted: 'NON_PUBLIC' } as const

type Origin = Pick<Call, 'origin'>
const id = (uri: string) => ({ '@id': uri })
/** With its class, so that a validator needs no vocabularies besides. */
const of = (type: string, uri: string) => ({ '@id': uri, '@type': type })
const texts = ({ vi, en }: Localized) => [{ '@value': vi, '@language': 'vi' }, ...(en ? [{ '@value': en, '@language': 'en' }] : [])].filter(text => text['@value'] !== '')
const date = (at: Date) => ({ '@type': 'xsd:dateTime', '@value': at.toISOString() })

/** A catalogue with the records, as one document. */
export function dcatCatalogue(call: Origin, city: City, records: readonly CatalogueRecord[]): object {
  const datasets = records.map(record => datasetNode(call, record))
  return {
    '@context': CONTEXT, '@id': catalogueUrl(call), '@type': 'dcat:Catalog',
    'dct:title': texts({ vi: `${RECORDS.title.vi} – ${city.name}`, en: `${RECORDS.title.en} – ${city.name}` }), 'dct:description': texts(RECORDS.description),
    'dct:publisher': agent(call, { vi: city.name, en: city.name }),
    'dct:language': [of('dct:LinguisticSystem', `${EU_AUTHORITY}/language/VIE`), of('dct:LinguisticSystem', `${EU_AUTHORITY}/language/ENG`)],
    'foaf:homepage': of('foaf:Document', `${call.origin}/`), 'dct:license': of('dct:LicenseDocument', LICENCES[RECORDS.licence]!),
    'dcat:service': {
      '@id': `${call.origin}/ogc`, '@type': 'dcat:DataService', 'dct:title': texts(SERVICE), 'dcat:endpointURL': id(`${call.origin}/ogc`), 'dcat:endpointDescription': id(`${call.origin}/ogc/api`),
      'dcat:servesDataset': records.map(record => id(recordUrl(call, record.id))),
    },
    'dcat:dataset': datasets,
  }
}

/** One record, as a document of its own. */
export const dcatDataset = (call: Origin, record: CatalogueRecord): object => ({ '@context': CONTEXT, ...datasetNode(call, record) })

function datasetNode(call: Origin, record: CatalogueRecord): object {
  const { title, description, keywords, owner, contact, updateFrequency, lineage, attribution, bbox, time, created, updated, quality, theme, partOf, label } = record
  const url = recordUrl(call, record.id)
  return {
    '@id': url, '@type': 'dcat:Dataset', 'dct:identifier': record.id, 'dct:title': texts(title), 'dct:description': texts(description.vi || description.en ? description : title),
    'dcat:landingPage': { '@id': `${url}?f=html`, '@type': 'foaf:Document' },
    'dcat:keyword': keywords.flatMap(texts), 'dcat:theme': { ...id(`${EU_AUTHORITY}/data-theme/${EU_THEMES[theme]}`), '@type': 'skos:Concept', 'skos:prefLabel': texts(THEME_TITLES[theme]) },
    'dct:publisher': agent(call, owner), ...(contact && { 'dcat:contactPoint': contactPoint(owner, contact) }),
    'dct:accessRights': of('dct:RightsStatement', `${EU_AUTHORITY}/access-right/${ACCESS[record.classification]}`), 'dct:rights': { '@type': 'dct:RightsStatement', 'rdfs:label': texts({ vi: rightsOf(record, 'vi'), en: rightsOf(record, 'en') }) },
    ...(updateFrequency && { 'dct:accrualPeriodicity': of('dct:Frequency', `${EU_AUTHORITY}/frequency/${FREQUENCIES[updateFrequency]}`) }),
    ...(lineage && { 'dct:provenance': { '@type': 'dct:ProvenanceStatement', 'rdfs:label': texts(lineage) } }),
    ...(attribution && { 'dct:source': { 'rdfs:label': attribution } }),
    ...(label && { 'adms:versionNotes': texts(label) }),
    ...(created && { 'dct:issued': date(created) }), ...(updated && { 'dct:modified': date(updated) }),
    ...(bbox && { 'dct:spatial': { '@type': 'dct:Location', 'dcat:bbox': { '@type': 'http://www.opengis.net/ont/geosparql#wktLiteral', '@value': wkt(bbox) } } }),
    ...(time && { 'dct:temporal': { '@type': 'dct:PeriodOfTime', 'dcat:startDate': date(time.start), 'dcat:endDate': date(time.end) } }),
    ...(partOf && { 'dct:isPartOf': id(recordUrl(call, partOf)) }),
    ...(quality && { 'dqv:hasQualityMeasurement': ([['errors', quality.errors], ['findings', quality.findings]] as const).map(([name, value]) => ({
      '@type': 'dqv:QualityMeasurement', 'dqv:isMeasurementOf': id(`${call.origin}/quality#${name}`), 'dqv:value': value, 'prov:generatedAtTime': date(quality.checked),
    })) }),
    'dcat:distribution': record.distributions.filter(({ format }) => format).map((_, i, all) => distributionNode(call, record, all[i]!)),
  }
}

function distributionNode(call: Origin, { licence }: CatalogueRecord, { path, type, title, format, isFile }: CatalogueRecord['distributions'][number]): object {
  const url = call.origin + path
  return {
    '@id': `${url}#distribution`, '@type': 'dcat:Distribution', 'dct:title': texts(title), 'dcat:accessURL': id(url),
    'dcat:mediaType': of('dct:MediaType', IANA + type.split(';')[0]), 'dct:format': { '@type': 'dct:MediaTypeOrExtent', 'rdfs:label': format },
    ...(LICENCES[licence] && { 'dct:license': of('dct:LicenseDocument', LICENCES[licence]) }),
    ...(isFile ? { 'dcat:downloadURL': id(url) } : { 'dcat:accessService': { '@id': `${call.origin}/ogc`, '@type': 'dcat:DataService', 'dct:title': texts(SERVICE), 'dcat:endpointURL': id(`${call.origin}/ogc`) } }),
  }
}

/** Who publishes; where nobody is named, whoever runs the server. */
function agent({ origin }: Origin, owner: Localized | undefined): object {
  return owner ? { '@type': 'foaf:Agent', 'foaf:name': texts(owner) } : { '@type': 'foaf:Agent', 'foaf:name': new URL(origin).host }
}

function contactPoint(owner: Localized | undefined, { email, phone, url }: NonNullable<CatalogueRecord['contact']>): object {
  return {
    '@type': 'vcard:Organization', ...(owner && { 'vcard:fn': texts(owner) }),
    ...(email && { 'vcard:hasEmail': id(`mailto:${email}`) }), ...(phone && { 'vcard:hasTelephone': id(`tel:${phone}`) }), ...(url && { 'vcard:hasURL': id(url) }),
  }
}

function wkt([west, south, east, north]: BBox): string {
  return `POLYGON((${west} ${south}, ${east} ${south}, ${east} ${north}, ${west} ${north}, ${west} ${south}))`
}

/** schema.org's Dataset, as searches of datasets read it. */
export function schemaOrgDataset(call: Origin, record: CatalogueRecord, lang: Language): object {
  const { title, description, keywords, owner, contact, licence, attribution, bbox, time, created, updated, distributions, classification, partOf } = record
  const url = recordUrl(call, record.id)
  return {
    '@context': 'https://schema.org', '@type': 'Dataset', '@id': url, url: `${url}?f=html`, identifier: record.id, name: title[lang], description: description[lang] || title[lang],
    inLanguage: ['vi', 'en'], keywords: keywords.map(word => word[lang]), isAccessibleForFree: classification === 'open',
    license: LICENCES[licence], creditText: attribution, dateCreated: created?.toISOString(), dateModified: updated?.toISOString(),
    creator: owner && { '@type': 'Organization', name: owner[lang], ...(contact && { contactPoint: { '@type': 'ContactPoint', email: contact.email, telephone: contact.phone, url: contact.url } }) },
    spatialCoverage: bbox ? { '@type': 'Place', geo: { '@type': 'GeoShape', box: `${bbox[1]} ${bbox[0]} ${bbox[3]} ${bbox[2]}` } } : undefined,
    temporalCoverage: time ? `${time.start.toISOString()}/${time.end.toISOString()}` : undefined,
    isPartOf: partOf && { '@id': recordUrl(call, partOf) }, includedInDataCatalog: { '@type': 'DataCatalog', '@id': catalogueUrl(call), url: catalogueUrl(call) },
    distribution: distributions.filter(({ format }) => format).map(({ path, type, title: name }) => ({ '@type': 'DataDownload', name: name[lang], encodingFormat: type, contentUrl: call.origin + path })),
  }
}

export function schemaOrgCatalogue(call: Origin, city: City, records: readonly CatalogueRecord[], lang: Language): object {
  return {
    '@context': 'https://schema.org', '@type': 'DataCatalog', '@id': catalogueUrl(call), url: catalogueUrl(call), name: `${RECORDS.title[lang]} – ${city.name}`, description: RECORDS.description[lang], inLanguage: ['vi', 'en'],
    dataset: records.map(record => { const { '@context': _context, ...node } = schemaOrgDataset(call, record, lang) as Record<string, unknown>; return node }),
  }
}
