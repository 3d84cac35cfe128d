/** OGC API Environmental Data Retrieval and OGC API Coverages. */
import { Type } from '@sinclair/typebox'
import type { Response } from 'express'
import { html, linkList, type Html } from '../ogc/common/html.js'
import { REL, selfLinks, type Link } from '../ogc/common/links.js'
import { HTML_MEDIA, JSON_MEDIA, language, negotiate, OPENAPI_MEDIA, type Language, type Media } from '../ogc/common/media.js'
import { openApi } from '../ogc/common/openapi.js'
import { AS_OF, BBOX_CRS, COLLECTION_ID, CURSOR, DATETIME, F, LANG, RUN } from '../ogc/common/parameters.js'
import { respond, sendText, vary } from '../ogc/common/respond.js'
import { answer, COLLECTION, COLLECTIONS, CONFORMANCE, jsonOrPage, LANDING_PAGE, LINKS, named } from '../ogc/common/schemas.js'
import type { OtherCollection } from '../ogc/features/collections.js'
import { encodeCursor, idAfter } from '../ogc/features/cursor.js'
import type { Answer, Call, Operation, Parameter } from '../operations/operation.js'
import { coverageOf, coveragesOf, describe, instancesOf, isCoverage, type Root } from './collections.js'
import type { Coverage } from './coverage.js'
import { locationQuery, queryOf, type QueryType } from './edr.js'
import { answers, F_GRID, F_POINT, F_POINTS, send } from './formats.js'
import { addressLayer, locationsNamed, locationsWhere } from './locations.js'
import { coverageQuery } from './ogc-coverage.js'
import { boxOf, unitParameter } from './shapes.js'
import { CRS84 } from '../../core/crs.js'
import { notFound } from '../errors.js'
import { instant } from './query.js'

const EDR_CLASSES = ['1.0', '1.1'].flatMap(version => ['core', 'collections', 'json', 'geojson', 'edr-geojson', 'covjson', 'html', 'oas30', ...(version === '1.1' ? ['queries'] : [])]
  .map(name => `http://www.opengis.net/spec/ogcapi-edr-1/${version}/conf/${name}`))
const COVERAGE_CLASSES = ['core', 'subsetting-spatial', 'subsetting-temporal', 'scaling-spatial', 'field-selection', 'crs', 'geotiff', 'cog', 'coveragejson', 'oas30'].map(name => `http://www.opengis.net/spec/ogcapi-coverages-1/1.0/conf/${name}`)
const COMMON_CLASSES = ['core', 'landing-page', 'json', 'html', 'oas30'].map(name => `http://www.opengis.net/spec/ogcapi-common-1/1.0/conf/${name}`)

const COVERAGE_JSON = named('CoverageJSON', Type.Object({
  type: Type.Literal('Coverage'), domain: Type.Object({ type: Type.Literal('Domain'), domainType: Type.String() }, { additionalProperties: true }),
  parameters: Type.Object({}, { additionalProperties: true }), ranges: Type.Object({}, { additionalProperties: true }),
}, { additionalProperties: true }))

const query = (name: string, description: string, schema: Parameter['schema'], required = false): Parameter => ({ name, in: 'query', description, schema, ...(required && { required }) })
const coords = (shape: string) => query('coords', `${shape} in well-known text, in the CRS of crs.`, Type.String({ minLength: 1, maxLength: 200_000 }), true)
const CRS = query('crs', 'CRS of coords or bbox and of the answer: a URI, a CURIE or CRS84 (the default).', Type.String({ maxLength: 200 }))
const NAMES = query('parameter-name', 'Only these parameters, comma-separated.', Type.Array(Type.String({ maxLength: 60 }), { maxItems: 50 }))
const Z = query('z', 'Of the elevation only what lies between these levels, `least/greatest` in metres; `..` is open.', Type.String({ maxLength: 60 }))
const MOMENT = { ...DATETIME, description: 'Moments of a run: an RFC 3339 instant (the nearest frame) or an interval `start/end` (`..` is open). Of the elevation: the ground at its end.' }
const RESOLUTION = ['x', 'y'].map(axis => query(`resolution-${axis}`, `How many positions along ${axis}, ends included; 0 or nothing is as fine as the coverage.`, Type.Integer({ minimum: 0, maximum: 20_000 })))
const INSTANCE_ID: Parameter = { name: 'instanceId', in: 'path', required: true, description: 'Id of a run.', schema: Type.String({ maxLength: 60 }) }
const LOCATION_ID: Parameter = { name: 'locationId', in: 'path', required: true, description: 'Id of an address.', schema: Type.String({ maxLength: 60 }) }
const BOX = (required: boolean) => query('bbox', 'West, south, east, north (six numbers: heights are left out), in the order of its CRS.', Type.Array(Type.Number(), { minItems: 4, maxItems: 6 }), required)
const length = (name: string, description: string, required: boolean) => query(name, description, Type.Number({ exclusiveMinimum: 0 }), required)

const QUERIES: Readonly<Record<QueryType, { readonly summary: string; readonly parameters: readonly Parameter[]; readonly grid: boolean }>> = {
  position: { summary: 'Values at a place, over time.', parameters: [coords('POINT or MULTIPOINT')], grid: false },
  radius: { summary: 'Values within a distance of a place.', parameters: [coords('POINT or MULTIPOINT'), length('within', 'The distance.', true), unitParameter('within-units', true), ...RESOLUTION], grid: true },
  area: { summary: 'Values within a polygon.', parameters: [coords('POLYGON or MULTIPOLYGON'), ...RESOLUTION], grid: true },
  cube: { summary: 'Values within a box.', parameters: [BOX(true), ...RESOLUTION], grid: true },
  trajectory: { summary: 'Values along a line; with times (LINESTRINGM) each where it is then.', parameters: [coords('LINESTRING (Z, M, ZM) or MULTILINESTRING')], grid: false },
  corridor: {
    summary: 'Values along a line, so far to both sides.', grid: true,
    parameters: [coords('LINESTRING or MULTILINESTRING'), length('corridor-width', 'Width of the whole corridor.', true), unitParameter('width-units', true), length('corridor-height', 'Height of the corridor; what lies on the ground is told whatever it is.', false), unitParameter('height-units', false), ...RESOLUTION],
  },
}

/** A query once over the collection (with `run`), once over an instance. */
function queryOperations(root: Root, prefix: string): Operation[] {
  return [false, true].flatMap(ofInstance => {
    const path = `${root}/collections/{collectionId}${ofInstance ? '/instances/{instanceId}' : ''}`
    const own = [COLLECTION_ID, ...(ofInstance ? [INSTANCE_ID] : [])]
    const shared = [NAMES, MOMENT, Z, CRS, ...(ofInstance ? [] : [RUN, AS_OF])]
    const id = (name: string) => `${prefix}${ofInstance ? 'Instance' : ''}${name}`
    const common = { method: 'get', branched: true, tags: ['Environmental data'] } as const
    return [
      ...(Object.entries(QUERIES) as [QueryType, (typeof QUERIES)[QueryType]][]).map(([type, { summary, parameters, grid }]): Operation => ({
        ...common, id: id(capital(type)), path: `${path}/${type}`, summary, parameters: [...own, ...parameters, ...shared, ...(type === 'position' ? [F_POINT, LANG] : [grid ? F_GRID : F_POINTS])],
        responses: answers({ grid, page: type === 'position' }, COVERAGE_JSON), handler: async (call, response) => send(call, response, await queryOf(call, type)),
      })),
      {
        ...common, id: id('Locations'), path: `${path}/locations`, summary: 'Addresses that there are values for; q finds them by name.',
        parameters: [...own, query('q', 'An address, or part of it, with or without diacritics.', Type.String({ minLength: 1, maxLength: 200 })), BOX(false), MOMENT, query('limit', 'How many at most.', Type.Integer({ minimum: 1, maximum: 10_000, default: 100 })), CURSOR, ...(ofInstance ? [] : [RUN]), query('f', 'Format, instead of the Accept header.', Type.Union(['GeoJSON', 'json', 'html'].map(name => Type.Literal(name)))), LANG, NAMES, CRS],
        responses: { 200: jsonOrPage('Addresses, a page of them.', LOCATIONS, LOCATIONS_MEDIA.type) }, handler: sendLocations,
      },
      {
        ...common, id: id('Location'), path: `${path}/locations/{locationId}`, summary: 'Values at an address, over time.', parameters: [...own, LOCATION_ID, ...shared, F_POINT, LANG],
        responses: answers({ page: true }, COVERAGE_JSON), handler: async (call, response) => send(call, response, await locationQuery(call)),
      },
    ]
  })
}

const capital = (word: string) => word[0]!.toUpperCase() + word.slice(1)

const LOCATIONS_MEDIA: Media = { f: 'GeoJSON', type: 'application/geo+json' }
const LOCATIONS = named('EdrLocations', Type.Object({
  type: Type.Literal('FeatureCollection'), numberReturned: Type.Integer({ minimum: 0 }), links: LINKS,
  features: Type.Array(Type.Object({ type: Type.Literal('Feature'), id: Type.String(), geometry: Type.Object({}, { additionalProperties: true }), properties: Type.Object({}, { additionalProperties: true }) })),
}))

async function sendLocations(call: Call, response: Response): Promise<void> {
  const { limit, q, bbox, cursor } = call.params
  const coverage = await coverageOf(call)
  const found = q === undefined
    ? await locationsWhere(call, { limit: limit + 1, after: idAfter(cursor), ...(bbox && { bbox: boxOf(bbox, CRS84) }) })
    : await locationsNamed(call, q, Math.min(limit, 100))
  const locations = found.slice(0, limit)
  const at = `${call.origin}${call.request.originalUrl.split('?')[0]}`
  const more = found.length > limit && cursorLink(call, at, locations.at(-1)!.id)
  const common = {
    'parameter-name': coverage.quantities.map(({ name }) => name),
    datetime: `${instant(coverage.times[0]!)}/${instant(coverage.times.at(-1)!)}`,
    ...(coverage.label && { simulation: coverage.label.en, run: coverage.run }),
  }
  const lang = language(call.request, call.params.lang)
  respond(call, response, {
    title: lang === 'vi' ? 'Địa chỉ' : 'Addresses', crumbs: [...crumbs(call, lang), [coverage.title[lang], `${call.base}/edr/collections/${coverage.id}`]], links: more ? [more] : [],
    json: links => ({
      type: 'FeatureCollection', numberReturned: locations.length, links,
      features: locations.map(({ id, name, lon, lat }) => ({
        type: 'Feature', id: String(id), geometry: { type: 'Point', coordinates: [lon, lat] },
        properties: { label: name, ...common, edrqueryendpoint: `${at}/${id}` },
      })),
    }),
    html: () => html`${coverage.label ? html`<p><b>${coverage.label[lang]}</b></p>` : ''}${addressForm(at, q, lang)}
      ${linkList(locations.map(({ id, name }) => [name, `${at}/${id}?f=html`]))}${more ? html`<p><a href="${more.href}">${lang === 'vi' ? 'Trang sau' : 'Next page'}</a></p>` : ''}`,
  }, LOCATIONS_MEDIA)
}

function addressForm(action: string, q: string | undefined, lang: Language): Html {
  return html`<form class="inline" action="${action}"><input type="hidden" name="f" value="html"><input type="hidden" name="lang" value="${lang}">
    <input name="q" type="search" required maxlength="200" size="32" value="${q}" placeholder="${lang === 'vi' ? 'Số nhà, tên đường' : 'House number, street'}" aria-label="${lang === 'vi' ? 'Địa chỉ' : 'Address'}"><button>${lang === 'vi' ? 'Tìm' : 'Find'}</button></form>`
}

function cursorLink(call: Call, at: string, id: number): Link {
  const search = new URLSearchParams(call.request.originalUrl.split('?')[1] ?? '')
  search.set('cursor', encodeCursor({ side: 'after', place: { values: [], id } }))
  for (const secret of ['token', '_']) search.delete(secret)
  return { href: `${at}?${search}`, rel: 'next', type: 'application/geo+json', title: 'Next' }
}

const crumbs = (call: Call, lang: Language): [string, string][] => [['dothi', `${call.base}/ogc`], ['EDR', `${call.base}/edr`], [lang === 'vi' ? 'Tập dữ liệu' : 'Collections', `${call.base}/edr/collections`]]

function instanceOperations(root: Root, prefix: string): Operation[] {
  const common = { method: 'get', branched: true, tags: ['Environmental data'] } as const
  return [
    {
      ...common, id: `${prefix}Instances`, path: `${root}/collections/{collectionId}/instances`, summary: 'Runs whose results the collection holds, the latest first.', parameters: [COLLECTION_ID, F, LANG],
      responses: { 200: jsonOrPage('Instances.', Type.Object({ instances: Type.Array(COLLECTION), links: LINKS })) },
      handler: async (call, response) => {
        const coverage = await coverageOf(call)
        if (!coverage.run) throw notFound(`${coverage.id} has no instances.`)
        const lang = language(call.request, call.params.lang)
        const runs = await instancesOf(call)
        const all = await Promise.all(runs.map(async ({ id }) => describe(call, root, await coverageOf({ ...call, params: { ...call.params, instanceId: id } }), lang, [], id)))
        respond(call, response, {
          title: lang === 'vi' ? 'Các lần chạy' : 'Runs', crumbs: [...crumbs(call, lang), [coverage.title[lang], `${call.base}${root}/collections/${coverage.id}`]],
          json: links => ({ instances: all, links }),
          html: () => linkList(runs.map(({ id, manifest, created }) => [manifest.title[lang], `${call.base}${root}/collections/${coverage.id}/instances/${id}`, `${manifest.label[lang]} · ${created.toISOString()}`])),
        })
      },
    },
    {
      ...common, id: `${prefix}Instance`, path: `${root}/collections/{collectionId}/instances/{instanceId}`, summary: 'One run.', parameters: [COLLECTION_ID, INSTANCE_ID, F, LANG],
      responses: { 200: jsonOrPage('The instance, as a collection.', COLLECTION) },
      handler: async (call, response) => {
        const lang = language(call.request, call.params.lang)
        const coverage = await coverageOf(call)
        respondCoverage(call, response, root, coverage, lang, coverage.run)
      },
    },
  ]
}

function respondCoverage(call: Call, response: Response, root: Root, coverage: Coverage, lang: Language, instance?: string): void {
  const { links: own, title, ...rest } = describe(call, root, coverage, lang, [], instance)
  respond(call, response, {
    title, crumbs: crumbs(call, lang), links: own.filter(({ rel }) => rel !== 'self' && rel !== 'alternate'),
    json: links => ({ ...rest, title, links }), html: () => html`<p>${rest.description}</p>${coverageHtml(call, root, coverage, lang, instance)}`,
  })
}

/** Below the description of a coverage: its parameters, and addresses to try. */
function coverageHtml(call: Call, root: Root, { id, bbox, quantities, run }: Coverage, lang: Language, instance?: string): Html {
  const vi = lang === 'vi'
  const at = `${call.base}${root}/collections/${id}${instance ? `/instances/${instance}` : ''}`
  const [lon, lat] = [(bbox[0] + bbox[2]) / 2, (bbox[1] + bbox[3]) / 2].map(value => value.toFixed(4))
  return html`
    <div class="scroll"><table>${quantities.map(quantity => html`<tr><td><code>${quantity.name}</code></td><td>${quantity.title[lang]}</td><td>${quantity.unit.symbol}</td><td>${quantity.description[lang]}</td></tr>`)}</table></div>
    ${addressLayer(call) ? html`<h2>${vi ? 'Theo địa chỉ' : 'By address'}</h2>${addressForm(`${at}/locations`, undefined, lang)}` : ''}
    <h2>${vi ? 'Hỏi dữ liệu' : 'Ask it'}</h2>
    ${linkList([
      [vi ? 'Tại một điểm' : 'At a place', `${at}/position?coords=POINT(${lon} ${lat})&f=html`, 'HTML'],
      [vi ? 'Tại một điểm' : 'At a place', `${at}/position?coords=POINT(${lon} ${lat})&f=CoverageJSON`, 'CoverageJSON'],
      [vi ? 'Tại một điểm' : 'At a place', `${at}/position?coords=POINT(${lon} ${lat})&f=CSV`, 'CSV'],
      [vi ? 'Trong 500 m' : 'Within 500 m', `${at}/radius?coords=POINT(${lon} ${lat})&within=500&within-units=m`, 'CoverageJSON'],
      ['GeoTIFF (COG)', `${call.base}/ogc/collections/${id}/coverage?f=GeoTIFF${run ? `&run=${run}` : ''}`],
    ])}`
}

/** Coverages among all collections. */
export async function coverageCollections(call: Call): Promise<readonly OtherCollection[]> {
  const { collectionId } = call.params
  if (collectionId !== undefined && !isCoverage(collectionId)) return []
  return (await coveragesOf(call)).map((coverage): OtherCollection => ({
    id: coverage.id,
    describe: (_, lang, own) => describe(call, '/ogc', coverage, lang, own),
    html: (_, lang) => coverageHtml(call, '/ogc', coverage, lang),
    schema: (_, lang) => coverageSchema(call, coverage, lang),
  }))
}

/** What a coverage tells, as JSON Schema; its order is that of bands. */
function coverageSchema(call: Call, { id, title, quantities }: Coverage, lang: Language) {
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema', $id: `${call.base}/ogc/collections/${id}/schema`, type: 'object', title: title[lang],
    properties: Object.fromEntries(quantities.map((quantity, i) => [quantity.name, {
      type: 'number', title: quantity.title[lang], description: quantity.description[lang], 'x-ogc-unit': quantity.unit.symbol, 'x-ogc-unitLang': 'UCUM', 'x-ogc-definition': quantity.property, 'x-ogc-propertySeq': i + 1,
    }])),
  }
}

const COVERAGE: Operation = {
  id: 'getCoverage', method: 'get', path: '/ogc/collections/{collectionId}/coverage', branched: true, tags: ['Coverages'], conformsTo: COVERAGE_CLASSES,
  summary: 'A coverage, or what is cut out of it, in its own CRS unless another is asked for.',
  parameters: [
    COLLECTION_ID, BOX(false), BBOX_CRS, query('subset', 'Cuts along axes: `Lat(16:16.1),Lon(108.2:108.3),time("2022-10-14T12:00:00Z":*)`; E and N in metres.', Type.String({ maxLength: 500 })),
    query('subset-crs', 'CRS of subset, by URI; default CRS84.', Type.String({ maxLength: 200 })), MOMENT,
    query('scale-factor', 'How many times coarser.', Type.Number({ minimum: 0.01, maximum: 10_000 })), query('scale-size', 'How many cells along axes: `Lon(200),Lat(100)`.', Type.String({ maxLength: 100 })),
    query('resolution', 'Size of cells along axes, in units of the answer’s CRS: `Lon(0.001),Lat(0.001)` or `E(100),N(100)`; empty is the coverage’s own.', Type.String({ maxLength: 100 })),
    query('properties', 'Only these properties, comma-separated.', Type.Array(Type.String(), { maxItems: 50 })), query('exclude-properties', 'All but these properties.', Type.Array(Type.String(), { maxItems: 50 })),
    query('crs', 'CRS of the answer, by URI; default the coverage’s own (storageCrs).', Type.String({ maxLength: 200 })), Z, RUN, AS_OF, F_GRID,
  ],
  responses: answers({ grid: true }, COVERAGE_JSON),
  handler: async (call, response) => send(call, response, await coverageQuery(call)),
}

// ── An EDR service of its own ────────────────────────────────────────────────────────────────────
// Clients of EDR, its conformance suite among them, take every collection for one that has data_queries.

const SERVICE: readonly Operation[] = [
  {
    id: 'getEdrLandingPage', method: 'get', path: '/edr', branched: true, tags: ['Environmental data'], summary: 'Landing page of the environmental data.', parameters: [F, LANG], conformsTo: [...EDR_CLASSES, 'http://www.opengis.net/spec/ogcapi-edr-1/1.0/req/edr-geojson'],
    responses: { 200: jsonOrPage('Links to everything.', LANDING_PAGE) },
    handler: async (call, response) => {
      const { name } = await call.app.store.city()
      const at = `${call.base}/edr`
      const description = 'Ground elevation and results of flood simulations at places, over areas and along ways, by OGC API Environmental Data Retrieval.'
      const links: Link[] = [
        { href: `${at}/api`, rel: 'service-desc', type: OPENAPI_MEDIA.type, title: 'This API as OpenAPI 3.0' },
        { href: `${call.base}/ogc/api?f=html`, rel: 'service-doc', type: HTML_MEDIA.type, title: 'The whole API as a page' },
        { href: `${at}/conformance`, rel: 'conformance', type: JSON_MEDIA.type, title: 'Conformance classes' },
        { href: `${at}/conformance`, rel: REL.conformance, type: JSON_MEDIA.type, title: 'Conformance classes' },
        { href: `${at}/collections`, rel: 'data', type: JSON_MEDIA.type, title: 'Collections' },
        { href: `${at}/collections`, rel: REL.data, type: JSON_MEDIA.type, title: 'Collections' },
      ]
      respond(call, response, {
        title: `${name}: EDR`, crumbs: [['dothi', `${call.base}/ogc`]], links, json: all => ({ title: `${name}: EDR`, description, links: all }),
        html: lang => html`<p>${lang === 'vi' ? 'Cao độ mặt đất và kết quả mô phỏng ngập tại một điểm, trong một vùng, dọc một tuyến.' : description}</p>${linkList([[lang === 'vi' ? 'Tập dữ liệu' : 'Collections', `${at}/collections`], ['Conformance', `${at}/conformance`], ['API', `${at}/api`]])}`,
      })
    },
  },
  {
    id: 'getEdrConformance', method: 'get', path: '/edr/conformance', branched: true, tags: ['Environmental data'], summary: 'Conformance classes of the environmental data.', parameters: [F, LANG],
    responses: { 200: jsonOrPage('The classes.', CONFORMANCE) },
    handler: (call, response) => {
      const conformsTo = [...COMMON_CLASSES, 'http://www.opengis.net/spec/ogcapi-common-2/1.0/conf/collections', ...(SERVICE[0]!.conformsTo ?? [])]
      respond(call, response, { title: 'Conformance', crumbs: crumbs(call, 'en').slice(0, 2), json: links => ({ links, conformsTo }), html: () => html`<ul>${conformsTo.map(uri => html`<li><code>${uri}</code></li>`)}</ul>` })
    },
  },
  {
    id: 'getEdrApi', method: 'get', path: '/edr/api', branched: true, tags: ['Environmental data'], summary: 'The API of the environmental data as OpenAPI 3.0.',
    parameters: [query('f', 'Format; only json.', Type.Literal('json'))], responses: { 200: answer('The document.', OPENAPI_MEDIA.type, {}) as Answer },
    handler: (call, response) => {
      negotiate(call.request, call.params.f, [OPENAPI_MEDIA])
      const below = edrOperations.map(operation => ({ ...operation, path: operation.path.replace(/^\/edr/, '/ogc') }))
      vary(response)
      sendText(response, OPENAPI_MEDIA.type, JSON.stringify({ ...openApi({ base: call.base, branch: call.branch !== 'main' }, below) as object, servers: [{ url: `${call.base}/edr` }] }))
    },
  },
  {
    id: 'getEdrCollections', method: 'get', path: '/edr/collections', branched: true, tags: ['Environmental data'], summary: 'Collections of environmental data.', parameters: [F, LANG],
    responses: { 200: jsonOrPage('The collections.', COLLECTIONS) },
    handler: async (call, response) => {
      const lang = language(call.request, call.params.lang)
      const coverages = await coveragesOf(call)
      respond(call, response, {
        title: lang === 'vi' ? 'Tập dữ liệu' : 'Collections', crumbs: crumbs(call, 'en').slice(0, 2),
        json: links => ({ links, collections: coverages.map(coverage => describe(call, '/edr', coverage, lang, [])) }),
        html: () => html`<div class="cards">${coverages.map(({ id, title, description }) => html`<a class="card" href="${call.base}/edr/collections/${id}"><b>${title[lang]}</b> <small>${id}</small><br>${description[lang]}</a>`)}</div>`,
      })
    },
  },
  {
    id: 'getEdrCollection', method: 'get', path: '/edr/collections/{collectionId}', branched: true, tags: ['Environmental data'], summary: 'One collection of environmental data.', parameters: [COLLECTION_ID, F, LANG],
    responses: { 200: jsonOrPage('The collection.', COLLECTION) },
    handler: async (call, response) => respondCoverage(call, response, '/edr', await coverageOf(call), language(call.request, call.params.lang)),
  },
]

const edrOperations: readonly Operation[] = [...SERVICE, ...queryOperations('/edr', 'edr'), ...instanceOperations('/edr', 'edr')]

export const operations: readonly Operation[] = [...edrOperations, ...queryOperations('/ogc', 'ogcEdr'), ...instanceOperations('/ogc', 'ogcEdr'), COVERAGE]
