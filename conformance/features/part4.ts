/**
 * OGC API Features Part 4 (draft 20-002): create, replace, delete, update, features, optimistic locking by ETag and timestamp.
 * The draft’s locking classes have requirements but no abstract tests yet; these test what they require of a server.
 * Works on one collection that was named for it, with a feature made from one that is there or from the schema, and takes away what it made.
 */
import { linkOf, type Answer, type Collection, type Feature, type Server } from '../server.js'
import { Skip, type Check, type ConformanceClass, type ConformanceTest } from '../suite.js'

const uri = (name: string) => `http://www.opengis.net/spec/ogcapi-features-4/1.0/conf/${name}`
const GEOJSON = 'application/geo+json'
const MERGE_PATCH = 'application/merge-patch+json'
const NOT_THERE = 'no-such-feature-9007199254740'

type Body = Omit<Feature, 'id'> & { readonly id?: string | number }

/** The collection that may be written to, and what has been made in it. */
class Workbench {
  readonly made = new Set<string>()
  private constructor(readonly server: Server, readonly collection: Collection, readonly template: Body, readonly schema: any, readonly editable: readonly string[]) {}

  static async open(server: Server): Promise<Workbench | string> {
    const name = server.options.writable
    if (!name) return 'No collection was named that may be written to (--write COLLECTION).'
    const collection = server.collections.find(({ id }) => id === name)
    if (!collection) return `There is no collection “${name}”.`
    const { body: schema } = await server.request(linkOf(collection, 'schema')?.href ?? `/collections/${encodeURIComponent(name)}/schema`, { headers: { accept: 'application/schema+json, application/json;q=0.9' } })
    const { body: page } = await server.request(server.items(name, { limit: '1' }), { headers: { accept: GEOJSON } })
    const template = templateOf(page?.features?.[0], schema?.properties ?? {})
    if (!template) return `“${name}” has neither a feature nor a schema to make one from.`
    const properties: Record<string, any> = schema?.properties ?? {}
    const editable = Object.keys(properties).filter(one => { const { type, readOnly, enum: values, pattern, format, oneOf } = properties[one]; return type === 'string' && !readOnly && !values && !pattern && !format && !oneOf && !('x-ogc-role' in properties[one]) && !('x-codes' in properties[one]) })
    return new Workbench(server, collection, template, schema, editable)
  }

  get items(): string { return `/collections/${encodeURIComponent(this.collection.id)}/items` }

  /** A property of text whose value can be seen to change. Those that must be there come last: they cannot be unset. */
  get label(): string | undefined {
    const required: string[] = this.schema?.required ?? []
    return this.editable.find(name => !required.includes(name)) ?? this.editable[0]
  }

  with(value: string, geometry = this.template.geometry): Body {
    return { ...this.template, geometry, properties: { ...this.template.properties, ...(this.label && { [this.label]: value }) } }
  }

  async create(body: unknown = this.with('conformance'), headers: Record<string, string> = {}): Promise<Answer & { readonly at: string | undefined }> {
    const answer = await this.server.request(this.items, { method: 'POST', headers: { 'content-type': GEOJSON, ...headers }, body: typeof body === 'string' ? body : JSON.stringify(body) })
    const location = answer.headers.get('location') ?? undefined
    const at = location === undefined ? undefined : new URL(location, `${this.server.url}${this.items}/`).href
    if (at && answer.status === 201) this.made.add(at)
    return { ...answer, at }
  }

  get(at: string): Promise<Answer> {
    return this.server.request(at, { headers: { accept: GEOJSON } })
  }

  /** PUT, PATCH or DELETE with the validators of what is there now, unless others are given. */
  async change(method: 'PUT' | 'PATCH' | 'DELETE', at: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer> {
    const current = 'if-match' in headers || 'if-unmodified-since' in headers ? undefined : (await this.get(at)).headers.get('etag')
    return this.server.request(at, {
      method, headers: { ...(body === undefined ? {} : { 'content-type': method === 'PATCH' ? MERGE_PATCH : GEOJSON }), ...(current && { 'if-match': current }), ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
  }

  async cleanUp(): Promise<readonly string[]> {
    const left: string[] = []
    for (const at of this.made) {
      if ((await this.get(at)).status === 200 && !((await this.change('DELETE', at)).status < 300)) left.push(at)
    }
    this.made.clear()
    return left
  }
}

/** What a new feature can look like: an existing one without what the server gives, or the least that the schema wants. */
function templateOf(feature: Feature | undefined, properties: Readonly<Record<string, any>>): Body | undefined {
  const writable = (name: string) => properties[name] ? properties[name].readOnly !== true && properties[name]['x-ogc-role'] !== 'id' : Object.keys(properties).length === 0
  if (feature) return { type: 'Feature', geometry: feature.geometry, properties: Object.fromEntries(Object.entries(feature.properties ?? {}).filter(([name, value]) => writable(name) && value !== null)) }
  const format = Object.values(properties).map(property => /^geometry-(.+)/.exec(property.format ?? '')?.[1]).find(Boolean)
  return format ? { type: 'Feature', geometry: GEOMETRIES[format] ?? GEOMETRIES.point!, properties: {} } : undefined
}
const RING = [[[0.001, 0.001], [0.002, 0.001], [0.002, 0.002], [0.001, 0.002], [0.001, 0.001]]]
const GEOMETRIES: Readonly<Record<string, { readonly type: string; readonly coordinates: unknown }>> = {
  point: { type: 'Point', coordinates: [0.001, 0.001] }, multipoint: { type: 'MultiPoint', coordinates: [[0.001, 0.001]] }, linestring: { type: 'LineString', coordinates: RING[0]!.slice(0, 3) },
  multilinestring: { type: 'MultiLineString', coordinates: [RING[0]!.slice(0, 3)] }, polygon: { type: 'Polygon', coordinates: RING }, multipolygon: { type: 'MultiPolygon', coordinates: [RING] },
}

/** A test that has the workbench, and leaves it clean. */
function atBench(id: string, purpose: string, run: (bench: Workbench, check: Check) => Promise<void>): ConformanceTest {
  return {
    id, purpose,
    run: async (server, check) => {
      const bench = await Workbench.open(server)
      if (typeof bench === 'string') throw new Skip(bench)
      try {
        await run(bench, check)
      } finally {
        const left = await bench.cleanUp()
        check.that(left.length === 0, `What the test made could not be deleted: ${left.join(', ')}`)
      }
    },
  }
}

/** A feature made for a test; without one there is no test. */
async function made(bench: Workbench, check: Check): Promise<string> {
  const { status, at, text } = await bench.create()
  if (!check.that(status === 201 && at !== undefined, `POST answered ${status}${at ? '' : ' without Location'} ${status === 201 ? '' : text.slice(0, 200)}`)) throw new Error('no feature could be made')
  return at!
}

const done = (status: number) => status === 200 || status === 204
const refused = (status: number) => status >= 400 && status < 500
const label = (bench: Workbench, { body }: Answer) => bench.label && body?.properties?.[bench.label]

const createReplaceDelete: readonly ConformanceTest[] = [
  atBench('/conf/create-replace-delete/options', 'OPTIONS tells the methods (200 with Allow)', async (bench, check) => {
    for (const [path, wanted] of [[bench.items, ['POST']], [await made(bench, check), ['PUT', 'DELETE']]] as const) {
      const { status, headers } = await bench.server.request(path, { method: 'OPTIONS' })
      check.equal(status, 200, `OPTIONS ${path}`)
      const allow = (headers.get('allow') ?? '').split(',').map(method => method.trim().toUpperCase())
      for (const method of wanted) check.that(allow.includes(method), `OPTIONS ${path}: Allow is “${headers.get('allow') ?? ''}”, without ${method}`)
    }
  }),
  atBench('/conf/create-replace-delete/create', 'POST makes a feature: 201, Location, an id of its own', async (bench, check) => {
    const first = await made(bench, check)
    const second = await made(bench, check)
    check.that(first !== second, 'two features got the same address')
    const found = await bench.get(first)
    check.equal(found.status, 200, `GET ${first}`)
    if (bench.label) check.equal(label(bench, found), 'conformance', `${bench.label} of the new feature`)
    check.equal(found.body?.geometry?.type?.replace('Multi', ''), bench.template.geometry?.type.replace('Multi', ''), 'the type of its geometry')
  }),
  atBench('/conf/create-replace-delete/create (refused)', 'What is no feature is refused with 4xx', async (bench, check) => {
    for (const [body, type] of [['{"type":"Feature",', GEOJSON], ['{"type":"Nonsense"}', GEOJSON], [JSON.stringify(bench.template), 'text/plain']] as const) {
      const { status } = await bench.create(body, { 'content-type': type })
      check.that(refused(status), `POST of ${body.slice(0, 40)} as ${type} answered ${status}`)
    }
  }),
  atBench('/conf/create-replace-delete/replace', 'PUT replaces the whole feature: 200 or 204', async (bench, check) => {
    const at = await made(bench, check)
    const { status, text } = await bench.change('PUT', at, bench.with('replaced'))
    check.that(done(status), `PUT answered ${status} ${done(status) ? '' : text.slice(0, 200)}`)
    const found = await bench.get(at)
    if (bench.label) check.equal(label(bench, found), 'replaced', `${bench.label} after PUT`)
  }),
  atBench('/conf/create-replace-delete/replace/rid', 'An id in the body is ignored, or refused where it differs', async (bench, check) => {
    const at = await made(bench, check)
    const { status } = await bench.change('PUT', at, { ...bench.with('renamed'), id: 'another-id' })
    check.that(done(status) || refused(status), `PUT with another id answered ${status}`)
    check.equal((await bench.get(at)).status, 200, `GET ${at} afterwards`)
  }),
  atBench('/conf/create-replace-delete/replace/rid-exception', 'PUT where nothing is: 404, or 412 with If-Match', async (bench, check) => {
    const at = bench.server.absolute(`${bench.items}/${NOT_THERE}`)
    const body = JSON.stringify(bench.with('nothing'))
    const put = (headers: Record<string, string>) => bench.server.request(at, { method: 'PUT', headers: { 'content-type': GEOJSON, ...headers }, body })
    if (!bench.collection.supportsNonAutogeneratedResourceIds) check.equal((await put({})).status, 404, 'PUT')
    check.equal((await put({ 'if-match': '"1"' })).status, 412, 'PUT with If-Match')
  }),
  atBench('/conf/create-replace-delete/delete', 'DELETE takes it away: 200 or 204, then 404 or 410', async (bench, check) => {
    const at = await made(bench, check)
    const { status } = await bench.change('DELETE', at)
    check.that(done(status), `DELETE answered ${status}`)
    const after = (await bench.get(at)).status
    check.that(after === 404 || after === 410, `GET afterwards answered ${after}`)
    const again = (await bench.server.request(at, { method: 'DELETE' })).status
    check.that(again === 404 || again === 410, `a second DELETE answered ${again}`)
  }),
]

const update: readonly ConformanceTest[] = [
  atBench('/conf/update/methods', 'OPTIONS tells PATCH', async (bench, check) => {
    const { headers } = await bench.server.request(await made(bench, check), { method: 'OPTIONS' })
    check.that(/\bPATCH\b/i.test(headers.get('allow') ?? ''), `Allow is “${headers.get('allow') ?? ''}”, without PATCH`)
  }),
  atBench('/conf/update/patch', 'PATCH with a merge patch changes what it names, and nothing else', async (bench, check) => {
    const at = await made(bench, check)
    if (!bench.label) throw new Skip('The collection has no property of text that can be changed.')
    const before = await bench.get(at)
    const { status, text } = await bench.change('PATCH', at, { properties: { [bench.label]: 'patched' } })
    check.that(done(status), `PATCH answered ${status} ${done(status) ? '' : text.slice(0, 200)}`)
    const after = await bench.get(at)
    check.equal(label(bench, after), 'patched', bench.label)
    check.equal(JSON.stringify(after.body?.geometry), JSON.stringify(before.body?.geometry), 'the geometry')
    for (const name of bench.editable.filter(name => name !== bench.label)) check.equal(after.body?.properties?.[name], before.body?.properties?.[name], name)
  }),
  atBench('/conf/update/patch (null)', 'null unsets a property', async (bench, check) => {
    const at = await made(bench, check)
    if (!bench.label || (bench.schema?.required ?? []).includes(bench.label)) throw new Skip('The collection has no optional property of text.')
    const { status } = await bench.change('PATCH', at, { properties: { [bench.label]: null } })
    check.that(done(status), `PATCH answered ${status}`)
    check.equal(label(bench, await bench.get(at)) ?? null, null, bench.label)
  }),
  atBench('/conf/update/rid', 'The id cannot be changed', async (bench, check) => {
    const at = await made(bench, check)
    const { status } = await bench.change('PATCH', at, { id: 'another-id' })
    check.that(refused(status) || done(status), `PATCH of the id answered ${status}`)
    check.equal((await bench.get(at)).status, 200, `GET ${at} afterwards`)
  }),
  atBench('/conf/update (not there)', 'PATCH where nothing is answers 404', async (bench, check) => {
    const { status } = await bench.server.request(`${bench.items}/${NOT_THERE}`, { method: 'PATCH', headers: { 'content-type': MERGE_PATCH }, body: '{"properties":{}}' })
    check.equal(status, 404, 'PATCH')
  }),
]

const CRS_3857 = 'http://www.opengis.net/def/crs/EPSG/0/3857'
const features: readonly ConformanceTest[] = [
  atBench('/conf/features/schema', 'What the schema does not allow is refused', async (bench, check) => {
    if (bench.schema?.additionalProperties !== false) throw new Skip('The schema allows properties that it does not name.')
    const { status } = await bench.create({ ...bench.template, properties: { ...bench.template.properties, no_such_property_here: 1 } })
    check.that(refused(status), `POST with an unknown property answered ${status}`)
  }),
  atBench('/conf/features/crs/content-crs-header', 'Content-Crs says what the coordinates are in', async (bench, check) => {
    const { geometry } = bench.template
    if (!geometry || !bench.collection.crs?.includes(CRS_3857)) throw new Skip('The collection has no geometry in EPSG:3857.')
    const { status, at, text } = await bench.create(bench.with('mercator', mercator(geometry)), { 'content-crs': `<${CRS_3857}>` })
    if (!check.that(status === 201 && at !== undefined, `POST in EPSG:3857 answered ${status} ${text.slice(0, 200)}`)) return
    const found = firstPosition((await bench.get(at!)).body?.geometry)
    const wanted = firstPosition(geometry)
    check.that(Math.hypot(found[0] - wanted[0], found[1] - wanted[1]) < 1e-5, `it came back at ${found.join(', ')} instead of ${wanted.join(', ')}`)
  }),
  atBench('/conf/features/crs/other-crs', 'A CRS that is not supported is refused', async (bench, check) => {
    const { status } = await bench.create(bench.with('nowhere'), { 'content-crs': '<http://www.opengis.net/def/crs/EPSG/0/999999>' })
    check.that(refused(status), `POST with an unknown Content-Crs answered ${status}`)
  }),
]

const EARTH_RADIUS = 6378137
function mercator(geometry: { readonly type: string }): { readonly type: string } {
  const project = (part: unknown): unknown => {
    if (!Array.isArray(part)) return part
    if (typeof part[0] !== 'number') return part.map(project)
    const [lon, lat, ...rest] = part as number[]
    return [EARTH_RADIUS * lon! * Math.PI / 180, EARTH_RADIUS * Math.log(Math.tan(Math.PI / 4 + lat! * Math.PI / 360)), ...rest]
  }
  return { ...geometry, coordinates: project((geometry as any).coordinates) } as { readonly type: string }
}
function firstPosition(geometry: any): readonly [number, number] {
  let part = geometry?.coordinates
  while (Array.isArray(part) && typeof part[0] !== 'number') part = part[0]
  return [part?.[0] ?? NaN, part?.[1] ?? NaN]
}

const etags: readonly ConformanceTest[] = [
  atBench('/conf/optimistic-locking-etags/get-response', 'GET tells an ETag', async (bench, check) => {
    check.that(Boolean((await bench.get(await made(bench, check))).headers.get('etag')), 'GET has no ETag')
  }),
  atBench('/conf/optimistic-locking-etags/response', 'PUT and PATCH tell the ETag of what is there then', async (bench, check) => {
    const at = await made(bench, check)
    for (const [method, body] of [['PUT', bench.with('locked')], ['PATCH', { properties: bench.label ? { [bench.label]: 'locked again' } : {} }]] as const) {
      if (method === 'PATCH' && !bench.server.conformsTo.has(uri('update'))) continue
      const { status, headers } = await bench.change(method, at, body)
      check.that(done(status), `${method} answered ${status}`)
      const etag = headers.get('etag')
      if (check.that(Boolean(etag), `${method} has no ETag`)) check.that(done((await bench.change('PUT', at, bench.with('locked'), { 'if-match': etag! })).status), `the ETag of ${method} is not that of what is there then`)
    }
  }),
  atBench('/conf/optimistic-locking-etags/ifmatch', 'If-Match is looked at before anything is changed: 412', async (bench, check) => {
    const at = await made(bench, check)
    const stale = (await bench.get(at)).headers.get('etag') ?? '"stale"'
    await bench.change('PUT', at, bench.with('newer'))
    for (const [method, body] of [['PUT', bench.with('too late')], ['PATCH', { properties: {} }]] as const) {
      if (method === 'PATCH' && !bench.server.conformsTo.has(uri('update'))) continue
      check.equal((await bench.change(method, at, body, { 'if-match': stale })).status, 412, `${method} with a stale If-Match`)
    }
    if (bench.label) check.equal(label(bench, await bench.get(at)), 'newer', bench.label)
  }),
]

const timestamps: readonly ConformanceTest[] = [
  atBench('/conf/optimistic-locking-timestamps/response', 'GET, PUT and PATCH tell Last-Modified', async (bench, check) => {
    const at = await made(bench, check)
    check.that(isDate((await bench.get(at)).headers.get('last-modified')), 'GET has no Last-Modified')
    const { status, headers } = await bench.change('PUT', at, bench.with('dated'))
    check.that(done(status) && isDate(headers.get('last-modified')), `PUT answered ${status}, Last-Modified is ${headers.get('last-modified')}`)
  }),
  atBench('/conf/optimistic-locking-timestamps/ifunmodifiedsince', 'If-Unmodified-Since is looked at before anything is changed: 412', async (bench, check) => {
    const at = await made(bench, check)
    const current = (await bench.get(at)).headers.get('last-modified') ?? ''
    const old = new Date(Date.parse(current) - 3_600_000).toUTCString()
    for (const [method, body] of [['PUT', bench.with('too late')], ['PATCH', { properties: {} }]] as const) {
      if (method === 'PATCH' && !bench.server.conformsTo.has(uri('update'))) continue
      check.equal((await bench.change(method, at, body, { 'if-unmodified-since': old })).status, 412, `${method} with an If-Unmodified-Since of an hour before`)
    }
    check.that(done((await bench.change('PUT', at, bench.with('in time'), { 'if-unmodified-since': current })).status), `PUT with If-Unmodified-Since ${current}, as GET told it, was refused`)
  }),
]
const isDate = (text: string | null) => text !== null && !Number.isNaN(Date.parse(text))

export function part4Classes(): readonly ConformanceClass[] {
  return ([['create-replace-delete', 'Create/Replace/Delete', createReplaceDelete], ['update', 'Update', update], ['features', 'Features', features],
    ['optimistic-locking-etags', 'Optimistic Locking using ETags', etags], ['optimistic-locking-timestamps', 'Optimistic Locking using Timestamps', timestamps]] as const)
    .map(([name, title, tests]) => ({ title: `Features Part 4 ${title}`, uris: [uri(name)], tests }))
}
