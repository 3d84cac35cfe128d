import type { Operation } from '../../operations/operation.js'
import { commandLine, html, linkList } from './html.js'
import { REL, type Link } from './links.js'
import { GEOJSON_MEDIA, HTML_MEDIA, JSON_MEDIA, OPENAPI_MEDIA } from './media.js'
import { F, LANG } from './parameters.js'
import { respond } from './respond.js'

const FEATURES = 'http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/'
const FILTERING = 'http://www.opengis.net/spec/ogcapi-features-3/1.0/conf/'
const CQL2 = 'http://www.opengis.net/spec/cql2/1.0/conf/'
const TILES = 'http://www.opengis.net/spec/ogcapi-tiles-1/1.0/conf/'

/** Exactly what runs, and no more. */
export const CONFORMANCE: readonly string[] = [
  ...['core', 'json', 'html', 'oas30', 'landing-page'].map((name) => `http://www.opengis.net/spec/ogcapi-common-1/1.0/conf/${name}`),
  'http://www.opengis.net/spec/ogcapi-common-2/1.0/conf/collections',
  ...['core', 'geojson', 'html', 'oas30'].map((name) => FEATURES + name),
  'http://www.opengis.net/spec/ogcapi-features-2/1.0/conf/crs',
  ...['filter', 'features-filter', 'queryables', 'queryables-query-parameters'].map((name) => FILTERING + name),
  ...['cql2-text', 'cql2-json', 'basic-cql2', 'advanced-comparison-operators', 'case-insensitive-comparison', 'accent-insensitive-comparison', 'basic-spatial-functions', 'basic-spatial-functions-plus', 'spatial-functions', 'temporal-functions', 'array-functions', 'property-property', 'functions', 'arithmetic'].map((name) => CQL2 + name),
  ...['create-replace-delete', 'update', 'features', 'optimistic-locking-etags', 'optimistic-locking-timestamps'].map((name) => `http://www.opengis.net/spec/ogcapi-features-4/1.0/conf/${name}`),
  // QGIS reads the schema only under the first of these twins, others only under the second.
  'http://www.opengis.net/spec/ogcapi-features-5/1.0/conf/schemas',
  'http://www.opengis.net/spec/ogcapi-common-3/1.0/conf/schemas',
  ...['core', 'tileset', 'tilesets-list', 'dataset-tilesets', 'geodata-tilesets', 'collections-selection', 'mvt', 'oas30'].map((name) => TILES + name),
  ...['tilematrixset', 'tilesetmetadata', 'tilematrixsetlimits', 'json-tilematrixset', 'json-tilesetmetadata', 'json-tilematrixsetlimits'].map((name) => `http://www.opengis.net/spec/tms/2.0/conf/${name}`),
]

export const landingOperations: readonly Operation[] = [
  {
    id: 'getLandingPage', method: 'get', path: '/ogc', branched: true, tags: ['Capabilities'],
    summary: 'Landing page: where everything is.', parameters: [F, LANG],
    handler: async (call, response) => {
      const city = await call.app.store.city()
      const ogc = `${call.base}/ogc`
      const links: Link[] = [
        { href: `${ogc}/api`, rel: 'service-desc', type: OPENAPI_MEDIA.type, title: 'This API as OpenAPI 3.0' },
        { href: `${ogc}/api?f=html`, rel: 'service-doc', type: HTML_MEDIA.type, title: 'This API as a page' },
        { href: `${ogc}/conformance`, rel: 'conformance', type: JSON_MEDIA.type, title: 'Conformance classes' },
        { href: `${ogc}/conformance`, rel: REL.conformance, type: JSON_MEDIA.type, title: 'Conformance classes' },
        { href: `${ogc}/collections`, rel: 'data', type: JSON_MEDIA.type, title: 'Collections' },
        { href: `${ogc}/collections`, rel: REL.data, type: JSON_MEDIA.type, title: 'Collections' },
        { href: `${ogc}/functions`, rel: REL.functions, type: JSON_MEDIA.type, title: 'Functions of filters' },
        { href: `${ogc}/tiles`, rel: REL.tilesetsVector, type: JSON_MEDIA.type, title: 'Vector tiles of all collections' },
        { href: `${ogc}/tileMatrixSets`, rel: REL.tilingSchemes, type: JSON_MEDIA.type, title: 'Tile matrix sets' },
        { href: `${ogc}/processes`, rel: REL.processes, type: JSON_MEDIA.type, title: 'Processes' },
        { href: `${ogc}/jobs`, rel: REL.jobList, type: JSON_MEDIA.type, title: 'Jobs' },
      ]
      const description = 'The city as synchronised layers: features, tiles, 3D, terrain and flood scenarios.'
      respond(call, response, {
        title: city.name, crumbs: [['dothi', ogc]], links,
        json: (all) => ({ title: city.name, description, attribution: city.sample ? 'Synthetic sample data' : undefined, links: all }),
        html: (lang) => html`
          <p>${lang === 'vi' ? 'Thành phố dưới dạng các lớp dữ liệu đồng bộ: đối tượng, ô bản đồ, 3D, địa hình và kịch bản ngập.' : description}</p>
          ${linkList([
            [lang === 'vi' ? 'Tập dữ liệu' : 'Collections', `${ogc}/collections`],
            [lang === 'vi' ? 'Bản đồ 3D' : '3D viewer', `${call.origin}/`],
            ['API', `${ogc}/api`], [lang === 'vi' ? 'Lớp tuân thủ' : 'Conformance', `${ogc}/conformance`],
            [lang === 'vi' ? 'Ô bản đồ véc-tơ' : 'Vector tiles', `${ogc}/tiles`], [lang === 'vi' ? 'Quy trình' : 'Processes', `${ogc}/processes`],
          ])}
          <h2>${lang === 'vi' ? 'Dùng trong GIS' : 'Use it in a GIS'}</h2>
          ${commandLine('QGIS', `${ogc}`)}${commandLine('GDAL', `ogrinfo OAPIF:${ogc}`)}${commandLine('curl', `curl -H 'Accept: application/json' ${ogc}/collections`)}`,
        jsonLd: { '@context': 'https://schema.org', '@type': 'DataCatalog', name: city.name, description, url: ogc, encodingFormat: GEOJSON_MEDIA.type },
      })
    },
  },
  {
    id: 'getConformanceDeclaration', method: 'get', path: '/ogc/conformance', branched: true, tags: ['Capabilities'],
    summary: 'Conformance classes that this API implements.', parameters: [F, LANG],
    handler: (call, response) => respond(call, response, {
      title: 'Conformance', crumbs: [['dothi', `${call.base}/ogc`]],
      json: (links) => ({ links, conformsTo: CONFORMANCE }),
      html: () => html`<ul>${CONFORMANCE.map((uri) => html`<li><code>${uri}</code></li>`)}</ul>`,
    }),
  },
]
