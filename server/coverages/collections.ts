/** The coverages that a reader finds on a branch, and how collections and instances tell of them. */
import { CRS84_URI } from '../../core/crs.js'
import { nearMisses } from '../../core/text.js'
import { notFound } from '../errors.js'
import type { Link } from '../ogc/common/links.js'
import { HTML_MEDIA, JSON_MEDIA, type Language } from '../ogc/common/media.js'
import { asOfEnd, parseAsOf, parseDatetime } from '../ogc/common/time.js'
import type { Call } from '../operations/operation.js'
import type { Coverage } from './coverage.js'
import { crssOf } from './crs.js'
import { extentIn } from './domain.js'
import { ELEVATION, elevation } from './elevation.js'
import { DEFAULT_FORMAT, FORMATS, GRID_FORMATS } from './formats.js'
import { addressLayer } from './locations.js'
import { instant } from './query.js'
import { RUN_DEPTH, RUN_MAXIMUM, runDepth, runIdOf, runMaximum, runsOf, type RunOf } from './runs.js'
import { LENGTH_UNITS } from './shapes.js'

/** Where EDR is served: by itself, where every collection is one of coverages, and among all collections. */
export type Root = '/edr' | '/ogc'

const IDS = [ELEVATION, RUN_DEPTH, RUN_MAXIMUM] as const
export const hasRuns = (id: string) => id === RUN_DEPTH || id === RUN_MAXIMUM
/** Such requests name a run by path (an instance), or by `run`; else it is the latest successful one. */
const wantedRun = ({ params }: Call): string | undefined => params.instanceId ?? params.run

/** All that there are now; the run's by the latest. */
export async function coveragesOf(call: Call): Promise<readonly Coverage[]> {
  const found = await Promise.all(IDS.map(id => find(call, id)))
  return found.filter(coverage => coverage !== undefined)
}

/** Whether a collection is one of these, there or not. */
export const isCoverage = (id: string): boolean => (IDS as readonly string[]).includes(id)

/** The coverage of a request. Throws a 404 Problem. */
export async function coverageOf(call: Call): Promise<Coverage> {
  const coverage = await coverageThen(call)
  if (coverage) return coverage
  throw notFound('There is no terrain. Import a GeoTIFF, HGT or ASC file with “dothi import”.')
}

/** The same; undefined where there was no terrain at the request's datetime or asOf. */
export async function coverageThen(call: Call): Promise<Coverage | undefined> {
  const id: string = call.params.collectionId
  if (!isCoverage(id)) {
    const [near] = nearMisses(id, IDS)
    throw notFound(`There is no coverage “${id.slice(0, 60)}”.${near ? ` Did you mean “${near}”?` : ''} There are ${IDS.join(', ')}.`)
  }
  if (call.params.instanceId !== undefined && !hasRuns(id)) throw notFound(`${id} has no instances.`)
  const coverage = await find(call, id)
  if (!coverage && hasRuns(id)) throw notFound('No run has ended yet: run a scenario, then its results are here.')
  return coverage
}

async function find(call: Call, id: string): Promise<Coverage | undefined> {
  const { app: { store }, reader, branch, params } = call
  if (id === ELEVATION) return elevation(store, { branch, asOf: asOfEnd(parseAsOf(params.asOf), parseDatetime(params.datetime)) })
  const run = await runIdOf(store, branch, wantedRun(call))
  if (run === undefined) return undefined
  return id === RUN_DEPTH ? runDepth(store, reader, branch, run) : runMaximum(store, reader, branch, run)
}

/** Runs of a collection, as its instances. */
export const instancesOf = (call: Call): Promise<readonly RunOf[]> => runsOf(call.app.store, call.branch)

const QUERIES = ['position', 'radius', 'area', 'cube', 'trajectory', 'corridor'] as const
const GRIDS: ReadonlySet<string> = new Set(['radius', 'area', 'cube', 'corridor'])

/**
 * A collection, or with `instance` one of its instances. Among all collections it tells what OGC API Coverages wants besides;
 * alone it keeps to the members of EDR, since some of its clients take no others.
 */
export function describe(call: Call, root: Root, coverage: Coverage, lang: Language, own: readonly Link[], instance?: string) {
  const { id, crs, resolutionM, label, times, quantities } = coverage
  const at = `${call.base}${root}/collections/${id}`
  const here = instance === undefined ? at : `${at}/instances/${instance}`
  const vi = lang === 'vi'
  const queries = [...QUERIES, ...(addressLayer(call) ? ['locations' as const] : [])]
  const offered = crssOf(crs)
  const step = resolutionM / 111_320
  return {
    id: instance ?? id, title: coverage.title[lang], description: coverage.description[lang],
    ...(root === '/ogc' && { storageCrs: crs.uri, ...(label && { simulation: label, run: coverage.run }) }),
    keywords: quantities.map(quantity => quantity.title[lang]),
    extent: {
      spatial: { bbox: [coverage.bbox], crs: CRS84_URI, ...(root === '/ogc' && { storageCrsBbox: [extentIn(coverage, crs)], grid: [{ resolution: step }, { resolution: step }] }) },
      temporal: { interval: [intervalOf(coverage)], values: times.map(instant), trs: 'http://www.opengis.net/def/uom/ISO-8601/0/Gregorian' },
    },
    crs: offered.map(({ uri }) => uri),
    output_formats: GRID_FORMATS,
    links: [
      ...(own.length > 0 ? own : [
        { href: `${here}?f=json`, rel: 'self', type: JSON_MEDIA.type, title: coverage.title[lang] },
        { href: `${here}?f=html`, rel: 'alternate', type: HTML_MEDIA.type, title: coverage.title[lang] },
      ]),
      ...queries.map(query => ({ href: `${here}/${query}`, rel: 'data', type: 'application/vnd.cov+json', title: `${coverage.title[lang]} (${query})` })),
      ...(instance === undefined ? coverageLinks(call, id, coverage.title[lang]) : [{ href: at, rel: 'collection', type: JSON_MEDIA.type, title: coverage.title[lang] }]),
      ...(hasRuns(id) && instance === undefined ? [{ href: `${at}/instances`, rel: 'instances', type: JSON_MEDIA.type, title: vi ? 'Các lần chạy' : 'Runs' }] : []),
    ],
    data_queries: {
      ...Object.fromEntries(queries.map(query => {
        const formats = GRIDS.has(query) ? GRID_FORMATS : FORMATS
        return [query, { link: { href: `${here}/${query}`, rel: 'data', title: query, variables: {
          title: query, query_type: query, output_formats: formats, default_output_format: query === 'locations' ? 'GeoJSON' : DEFAULT_FORMAT,
          crs_details: offered.map(one => ({ crs: one.uri, wkt: one.uri })),
          ...(query === 'radius' && { within_units: LENGTH_UNITS }), ...(query === 'corridor' && { width_units: LENGTH_UNITS, height_units: LENGTH_UNITS }), ...(query === 'cube' && { height_units: ['m'] }),
        } } }]
      })),
      ...(hasRuns(id) && instance === undefined && { instances: { link: { href: `${at}/instances`, rel: 'data', title: 'instances', variables: { title: 'instances', query_type: 'instances', output_formats: ['json'], default_output_format: 'json' } } } }),
    },
    parameter_names: Object.fromEntries(quantities.map(quantity => [quantity.name, {
      type: 'Parameter', id: quantity.name, label: quantity.title[lang], description: quantity.description[lang], 'data-type': 'float',
      unit: { label: quantity.unit.label[lang], symbol: { value: quantity.unit.symbol, type: 'http://www.opengis.net/def/uom/UCUM/' } },
      observedProperty: { id: quantity.property, label: quantity.title[lang] },
    }])),
  }
}

function coverageLinks(call: Call, id: string, title: string): Link[] {
  const at = `${call.base}/ogc/collections/${id}`
  return [
    { href: `${at}/coverage?f=GeoTIFF`, rel: COVERAGE_REL, type: 'image/tiff; application=geotiff', title: `${title} (GeoTIFF)` },
    { href: `${at}/coverage?f=CoverageJSON`, rel: COVERAGE_REL, type: 'application/vnd.cov+json', title: `${title} (CoverageJSON)` },
    { href: `${call.base}/edr/collections/${id}`, rel: 'collection', type: JSON_MEDIA.type, title: `${title} (EDR)` },
  ]
}
const COVERAGE_REL = 'http://www.opengis.net/def/rel/ogc/1.0/coverage'

/** To whole seconds, outwards: the database knows its moments more finely than clients do. */
function intervalOf({ times }: Coverage): [string, string] {
  return [instant(Math.floor(times[0]! / 1000) * 1000), instant(Math.ceil((times.at(-1)! + 1) / 1000) * 1000)]
}
