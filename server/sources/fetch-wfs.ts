/** WFS 2.0 (ISO 19142): what it can do, what its features have, then the features page by page, as GeoJSON or GML as it offers. */
import { createWriteStream } from 'node:fs'
import { mkdir, mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { badParameter, Problem } from '../errors.js'
import type { Feature } from '../../core/feature.js'
import { isGeographic } from '../import/axes.js'
import { parseCrs, userCrs } from '../import/crs.js'
import { openAny } from '../import/open-source.js'
import { ask, askJson } from './ask.js'
import { swapped } from './swap-axes.js'
import { refuseIncomplete, spooled, type Delivery, type Fetching, type Spool } from './delivery.js'
import { toFeature } from './fetch-ogc-features.js'
import { DEFAULT_MAX_BYTES, type SourceDefinition } from './source.js'
import { child, descendants, parseXml, textOf, type XmlElement } from './xml.js'

const PAGE = 1000
const PAGE_BYTES = 512 * 2 ** 20

/** What the capabilities say of one feature type. */
interface FeatureType {
  readonly name: string
  readonly version: string
  readonly srid: number | null
  readonly otherSrids: readonly number[]
  /** The name of the JSON output, if there is one, and of GML 3.2. */
  readonly json: string | undefined
  readonly gml: string
  /** Features that one answer holds at most. */
  readonly page: number
  readonly pages: boolean
}

export async function fetchWfs(source: SourceDefinition, fetching: Fetching): Promise<Delivery> {
  const wfs = new Wfs(source, fetching)
  fetching.progress(0, 'asking for the capabilities')
  const type = featureType(await wfs.xml('GetCapabilities', { acceptVersions: '2.0.0,2.0.2' }), source)
  const attributes = attributesOf(await wfs.xml('DescribeFeatureType', { version: type.version, typeNames: type.name }))
  if (source.identity && attributes.length && !attributes.includes(source.identity))
    throw badParameter('identity', `The feature type “${type.name}” has no attribute “${source.identity}”. It has ${attributes.slice(0, 40).join(', ')}.`)
  const counted = numberMatched(await wfs.xml('GetFeature', { version: type.version, typeNames: type.name, resultType: 'hits' }))
  return spooled(fetching.folder, source.maxBytes ?? DEFAULT_MAX_BYTES, async spool => {
    const srid = await wfs.readPages(spool, type, attributes, counted)
    refuseIncomplete(spool.count, counted)
    return spool.keep(type.name, srid)
  })
}

class Wfs {
  constructor(readonly source: SourceDefinition, readonly fetching: Fetching) {}

  async xml(request: string, parameters: Readonly<Record<string, string>>): Promise<XmlElement> {
    const { headers, signal } = this.fetching
    const answer = await ask(this.#url(request, parameters), { headers, signal, maxBytes: 32 * 2 ** 20 })
    return parseXml(await answer.text(), answer.url)
  }

  /** The addresses in capabilities are often those of an inner network: only the one that was declared is asked. */
  #url(request: string, parameters: Readonly<Record<string, string>>): string {
    const url = new URL(this.source.location)
    const ours = new Set(['service', 'request', ...Object.keys(parameters).map(name => name.toLowerCase()), 'version', 'typenames', 'typename', 'outputformat'])
    for (const name of [...url.searchParams.keys()]) if (ours.has(name.toLowerCase())) url.searchParams.delete(name)
    for (const [name, value] of Object.entries({ service: 'WFS', request, ...parameters })) url.searchParams.set(name, value)
    return url.href
  }

  /** All features into the spool; the EPSG code of their coordinates. Without paging there is one page. */
  async readPages(spool: Spool, type: FeatureType, attributes: readonly string[], counted: number | undefined): Promise<number> {
    const { source, fetching } = this
    const wanted = source.crs ? userCrs(source.crs) : type.srid
    if (source.crs && wanted !== type.srid && !type.otherSrids.includes(wanted!))
      throw badParameter('crs', `The feature type “${type.name}” is not served in EPSG:${wanted}. It has ${[type.srid, ...type.otherSrids].filter(Boolean).map(code => `EPSG:${code}`).join(', ')}.`)
    let srid: number | undefined
    let former = ''
    for (let start = 0; ;) {
      const before = spool.count
      const parameters = {
        version: type.version, typeNames: type.name, outputFormat: type.json ?? type.gml, ...(wanted ? { srsName: `urn:ogc:def:crs:EPSG::${wanted}` } : {}),
        ...(type.pages ? { startIndex: String(start), count: String(type.page) } : {}),
        // Without an order a server may give pages that overlap.
        ...(source.identity && attributes.includes(source.identity) ? { sortBy: `${source.identity} ASC` } : {}),
      }
      const page = type.json ? await this.#jsonPage(spool, parameters, wanted) : await this.#gmlPage(spool, parameters)
      if (srid !== undefined && page.features > 0 && page.srid !== srid) throw new Problem(502, 'upstream', `${type.name} comes in EPSG:${srid} on one page and in EPSG:${page.srid} on another.`)
      srid ??= page.srid
      if (!type.pages || page.features === 0) return srid
      const repeated = spool.count === before || page.first === former
      if (repeated && counted && before >= counted) return srid
      if (repeated) throw new Problem(502, 'upstream', `${type.name} gives the same page again and again: the service does not keep to startIndex.`)
      former = page.first
      start += page.features
      fetching.progress(counted ? Math.min(1, spool.count / counted) : 0.5, `${spool.count}${counted ? ` of ${counted}` : ''} features`)
      // A full page may be followed by more, whatever was counted: some services count wrongly, and what is not read would be deleted.
      if (page.features < type.page && counted && start >= counted) return srid
    }
  }

  async #jsonPage(spool: Spool, parameters: Readonly<Record<string, string>>, wanted: number | null) {
    const { headers, signal } = this.fetching
    const { body, answer } = await askJson(this.#url('GetFeature', parameters), { headers, signal, maxBytes: PAGE_BYTES })
    if (!Array.isArray(body.features)) throw new Problem(502, 'upstream', `${new URL(answer.url).origin} gave JSON that is no FeatureCollection.`)
    const named = body.crs?.properties?.name
    const told = typeof named === 'string' ? parseCrs(named) : null
    // GeoJSON of RFC 7946 is in degrees whatever was asked for.
    const srid = told ?? (wanted !== null && (!looksGeographic(body.features) || isGeographic(wanted)) ? wanted : 4326)
    // Services write GeoJSON x first, also where the URN of the CRS has it otherwise.
    const swap = this.source.axisOrder === 'yx' || (this.source.axisOrder === undefined && srid === 4326 && latitudesFirst(body.features))
    for (const feature of body.features) await spool.write(this.#named(toFeature(feature, swap)))
    return { features: body.features.length, srid, first: JSON.stringify(body.features[0] ?? null) }
  }

  /** Under the declared identity, so that a feature that comes on two pages is seen. */
  #named(feature: Feature): Feature {
    const value = this.source.identity === undefined ? undefined : feature.properties[this.source.identity]
    return value === undefined || value === null ? feature : { ...feature, sourceId: String(value) }
  }

  /** GML is read by the reader of GML files, which knows its axes. */
  async #gmlPage(spool: Spool, parameters: Readonly<Record<string, string>>) {
    const { headers, signal, folder } = this.fetching
    await mkdir(folder, { recursive: true })
    const scratch = await mkdtemp(join(folder, 'page-'))
    try {
      const answer = await ask(this.#url('GetFeature', parameters), { headers: { Accept: 'application/gml+xml, text/xml;q=0.9', ...headers }, signal, maxBytes: PAGE_BYTES, timeoutMs: 600_000 })
      const path = join(scratch, 'page.gml')
      await pipeline(answer.body, createWriteStream(path))
      if (await isEmptyGml(path, answer.url)) return { features: 0, first: '', srid: 4326 }
      const opened = await openAny(path, 'page.gml')
      try {
        if (opened.kind !== 'features') throw new Problem(502, 'upstream', 'The service gave no features.')
        const layers = opened.source.layers
        let features = 0
        let first = ''
        for (const layer of layers) for await (const feature of layer.features()) {
          if (features++ === 0) first = JSON.stringify([feature.sourceId, feature.geometry, feature.properties])
          await spool.write(this.#named(this.source.axisOrder === 'yx' && feature.geometry ? { ...feature, geometry: swapped(feature.geometry) } : feature))
        }
        return { features, first, srid: layers.find(layer => layer.srid !== null)?.srid ?? (this.source.crs ? userCrs(this.source.crs) : 4326) }
      } finally {
        await (opened.kind === 'features' ? opened.source.close() : opened.close())
      }
    } finally {
      await rm(scratch, { recursive: true, force: true })
    }
  }
}

const JSON_FORMATS = ['application/json', 'application/geo+json', 'application/vnd.geo+json', 'geojson', 'json', 'application/json; subtype=geojson', 'geojson; subtype=geojson']

function featureType(capabilities: XmlElement, { collection }: SourceDefinition): FeatureType {
  const version = capabilities.attributes.version ?? '2.0.0'
  if (!version.startsWith('2.')) throw badParameter('location', `The service speaks WFS ${version}; dothi reads WFS 2.0.`)
  const types = descendants(capabilities, 'FeatureType')
  const nameOf = (type: XmlElement) => textOf(child(type, 'Name'))
  const found = types.find(type => nameOf(type) === collection) ?? types.find(type => nameOf(type).split(':').at(-1) === collection)
  if (!found) throw badParameter('collection', `The service has no feature type “${collection}”. It has ${types.map(nameOf).slice(0, 40).join(', ')}.`)
  const getFeature = descendants(capabilities, 'Operation').find(({ attributes }) => attributes.name === 'GetFeature')
  const formats = [...outputFormats(getFeature), ...descendants(found, 'Format').map(textOf)]
  const constraint = (name: string) => descendants(capabilities, 'Constraint').find(({ attributes }) => attributes.name === name)
  const valueOf = (name: string) => textOf(descendants(constraint(name) ?? EMPTY, 'DefaultValue')[0] ?? descendants(constraint(name) ?? EMPTY, 'Value')[0])
  const countDefault = Number(valueOf('CountDefault'))
  return {
    name: nameOf(found), version, srid: parseCrs(textOf(child(found, 'DefaultCRS')) || textOf(child(found, 'DefaultSRS'))),
    otherSrids: ['OtherCRS', 'OtherSRS'].flatMap(name => descendants(found, name)).map(crs => parseCrs(textOf(crs))).filter(srid => srid !== null),
    json: JSON_FORMATS.map(format => formats.find(offered => offered.toLowerCase() === format)).find(Boolean) ?? formats.find(format => /geo\+?json|^json/i.test(format)),
    gml: formats.find(format => /gml.*3\.2/i.test(format)) ?? 'application/gml+xml; version=3.2',
    page: countDefault > 0 ? Math.min(PAGE, countDefault) : PAGE, pages: valueOf('ImplementsResultPaging').toUpperCase() !== 'FALSE',
  }
}
const EMPTY: XmlElement = { name: '', attributes: {}, children: [], text: '' }

function outputFormats(getFeature: XmlElement | undefined): string[] {
  const parameter = getFeature && descendants(getFeature, 'Parameter').find(({ attributes }) => attributes.name?.toLowerCase() === 'outputformat')
  return parameter ? descendants(parameter, 'Value').map(textOf) : []
}

/** Names of the elements that DescribeFeatureType declares inside complex types. */
function attributesOf(schema: XmlElement): string[] {
  return descendants(schema, 'complexType').flatMap(type => descendants(type, 'element')).map(({ attributes }) => attributes.name ?? attributes.ref ?? '').filter(Boolean)
}

function numberMatched({ attributes }: XmlElement): number | undefined {
  const counted = Number(attributes.numberMatched ?? NaN)
  return Number.isInteger(counted) ? counted : undefined
}

/** A page behind the last holds no member. Throws where it is an exception report. */
async function isEmptyGml(path: string, url: string): Promise<boolean> {
  if ((await stat(path)).size > 1 << 16) return false
  const text = await readFile(path, 'utf8')
  return !/<(?:\w+:)?(?:featureM|m)embers?\b/.test(text) && parseXml(text, url).name !== ''
}

function firstPosition(features: readonly { geometry?: Feature['geometry'] }[]): readonly number[] | undefined {
  let first: unknown = features.find(feature => feature?.geometry)?.geometry?.coordinates
  while (Array.isArray(first) && Array.isArray(first[0])) first = first[0]
  return Array.isArray(first) ? first as number[] : undefined
}

function looksGeographic(features: readonly { geometry?: Feature['geometry'] }[]): boolean {
  const first = firstPosition(features)
  return first !== undefined && Math.abs(first[0]!) <= 180 && Math.abs(first[1]!) <= 180
}

/** A few services do write GeoJSON in the order of the URN: seen where the second number can be no latitude. */
function latitudesFirst(features: readonly { geometry?: Feature['geometry'] }[]): boolean {
  const first = firstPosition(features)
  return first !== undefined && Math.abs(first[1]!) > 90 && Math.abs(first[0]!) <= 90
}
