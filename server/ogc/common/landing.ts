import type { Operation } from '../../operations/operation.js'
import { cityBackdrop } from '../features/backdrop.js'
import { landingHtml } from './landing-html.js'
import { REL, type Link } from './links.js'
import { GEOJSON_MEDIA, HTML_MEDIA, JSON_MEDIA, OPENAPI31_MEDIA, OPENAPI_MEDIA } from './media.js'
import { F, LANG } from './parameters.js'
import { respond } from './respond.js'
import { jsonOrPage, LANDING_PAGE } from './schemas.js'

const COMMON = 'http://www.opengis.net/spec/ogcapi-common-1/1.0/conf/'

export const landingOperations: readonly Operation[] = [
  {
    id: 'getLandingPage', method: 'get', path: '/ogc', branched: true, tags: ['Capabilities'],
    summary: 'Landing page: where everything is.', parameters: [F, LANG], responses: { 200: jsonOrPage('The landing page.', LANDING_PAGE) },
    conformsTo: ['core', 'json', 'html', 'oas30', 'landing-page'].map((name) => COMMON + name),
    handler: async (call, response) => {
      const city = await call.app.store.city()
      const ogc = `${call.base}/ogc`
      const links: Link[] = [
        { href: `${ogc}/api`, rel: 'service-desc', type: OPENAPI_MEDIA.type, title: 'This API as OpenAPI 3.0' },
        { href: `${ogc}/api?f=${OPENAPI31_MEDIA.f}`, rel: 'service-desc', type: OPENAPI31_MEDIA.type, title: 'This API as OpenAPI 3.1' },
        { href: `${ogc}/api?f=html`, rel: 'service-doc', type: HTML_MEDIA.type, title: 'This API as a page' },
        { href: `${ogc}/conformance`, rel: 'conformance', type: JSON_MEDIA.type, title: 'Conformance classes' },
        { href: `${ogc}/conformance`, rel: REL.conformance, type: JSON_MEDIA.type, title: 'Conformance classes' },
        { href: `${ogc}/collections`, rel: 'data', type: JSON_MEDIA.type, title: 'Collections' },
        { href: `${ogc}/collections`, rel: REL.data, type: JSON_MEDIA.type, title: 'Collections' },
        { href: `${call.origin}/ogc/collections/catalogue/items`, rel: 'http://www.opengis.net/def/rel/ogc/1.0/ogc-catalog', type: GEOJSON_MEDIA.type, title: 'Data catalogue' },
        { href: `${call.base}/edr`, rel: 'related', type: JSON_MEDIA.type, title: 'Environmental data: elevation and floods at places (EDR)' },
        { href: `${ogc}/functions`, rel: REL.functions, type: JSON_MEDIA.type, title: 'Functions of filters' },
        { href: `${ogc}/tiles`, rel: REL.tilesetsVector, type: JSON_MEDIA.type, title: 'Vector tiles of all collections' },
        { href: `${ogc}/map/tiles`, rel: REL.tilesetsMap, type: JSON_MEDIA.type, title: 'Map tiles of all collections' },
        { href: `${ogc}/styles`, rel: REL.styles, type: JSON_MEDIA.type, title: 'Styles' },
        { href: `${ogc}/tileMatrixSets`, rel: REL.tilingSchemes, type: JSON_MEDIA.type, title: 'Tile matrix sets' },
        { href: `${ogc}/processes`, rel: REL.processes, type: JSON_MEDIA.type, title: 'Processes' },
        { href: `${ogc}/jobs`, rel: REL.jobList, type: JSON_MEDIA.type, title: 'Jobs' },
      ]
      const backdrop = await cityBackdrop(call)
      const description = 'The city as synchronised layers: features, tiles, 3D, terrain and flood scenarios.'
      respond(call, response, {
        title: city.name, crumbs: [['dothi', ogc]], links,
        json: (all) => ({ title: city.name, description, attribution: city.sample ? 'Synthetic sample data' : undefined, links: all }),
        html: (lang) => landingHtml(call, city, backdrop, lang),
        jsonLd: { '@context': 'https://schema.org', '@type': 'DataCatalog', name: city.name, description, url: ogc, encodingFormat: GEOJSON_MEDIA.type },
      })
    },
  },
]
