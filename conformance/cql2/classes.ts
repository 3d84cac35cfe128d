/**
 * The abstract tests of CQL2 (OGC 21-065, annex A) as far as they can be tried on whatever a server has; those that need the
 * standard's own dataset are in dataset.ts. Each class is tried in each encoding that the server declares.
 * `in` over dates and timestamps is written with DATE(…) and TIMESTAMP(…), as the annex does in its figures but not in its methods.
 */
import type { Check, ConformanceClass, ConformanceTest } from '../suite.js'
import type { Server } from '../server.js'
import { datasetTest } from './dataset.js'
import { functionTest } from './functions.js'
import { disjoint, identical, isEmpty, quoted, select, sourcesOf, type DataType, type FilterLang, type Queryable, type ResultSet, type Source } from './source.js'

const URI = 'http://www.opengis.net/spec/cql2/1.0/conf'
/** Collections that are tried. */
const MOST_SOURCES = 3

const VALUES: Readonly<Partial<Record<DataType, string>>> = { String: "'foo'", Boolean: 'true', Number: '3.14', Integer: '1', Timestamp: "TIMESTAMP('2022-04-14T14:48:46Z')", Date: "DATE('2022-04-14')" }
const SCALARS = Object.keys(VALUES) as readonly DataType[]
const OPERATORS = ['=', '<>', '>', '<', '>=', '<='] as const

/** The conditions of a class that the server took, by collection: what logical expressions are made of. */
type Stored = Map<string, string[]>

/** One run over a server in one encoding. */
class Run {
  readonly stored: Stored = new Map()
  #sources: Promise<readonly Source[]> | undefined
  constructor(readonly lang: FilterLang) {}

  sources(server: Server): Promise<readonly Source[]> {
    return this.#sources ??= sourcesOf(server, MOST_SOURCES)
  }

  /** Evaluates a condition that the standard says can be evaluated. */
  async evaluate(server: Server, check: Check, { collection }: Source, condition: string): Promise<ResultSet> {
    const result = await select(server, collection, condition, this.lang)
    if (check.that(result.ok, `${collection}: ${condition} was answered ${result.status} ${result.said}`)) this.stored.set(collection, [...this.stored.get(collection) ?? [], condition])
    return result
  }

  /** For each queryable of these types, on each source. */
  async each(server: Server, types: readonly DataType[], run: (source: Source, queryable: Queryable, name: string) => Promise<void>): Promise<void> {
    for (const source of await this.sources(server))
      for (const queryable of source.queryables.filter(({ type }) => types.includes(type))) await run(source, queryable, quoted(queryable.name))
  }
}

type Make = (run: Run) => readonly ConformanceTest[]

/** A test that evaluates conditions on each queryable of some types, and compares what they select. */
function onQueryables(run: Run, id: string, purpose: string, types: readonly DataType[], conditions: (name: string, queryable: Queryable) => readonly string[],
  compare: (results: readonly ResultSet[], check: Check, said: string) => void = () => {}): ConformanceTest {
  return {
    id, purpose,
    run: (server, check) => run.each(server, types, async (source, queryable, name) => {
      const results: ResultSet[] = []
      for (const condition of conditions(name, queryable)) results.push(await run.evaluate(server, check, source, condition))
      if (results.every(({ ok }) => ok)) compare(results, check, `${source.collection}, ${queryable.name}`)
    }),
  }
}

const none = (a: ResultSet, b: ResultSet, check: Check, what: string) => check.that(disjoint(a, b), `${what} have items in common`)
const same = (a: ResultSet, b: ResultSet, check: Check, what: string) => check.that(identical(a, b), `${what} select different items (${a.matched ?? a.ids.size} and ${b.matched ?? b.ids.size})`)
const empty = (a: ResultSet, check: Check, what: string) => check.that(isEmpty(a), `${what} selects ${a.matched ?? a.ids.size} items instead of none`)

const opposites = ([eq, ne, gt, lt, ge, le]: readonly ResultSet[], check: Check, said: string) => {
  none(eq!, ne!, check, `${said}: = and <>`)
  none(gt!, le!, check, `${said}: > and <=`)
  none(lt!, ge!, check, `${said}: < and >=`)
}

const basic: Make = run => [
  {
    id: '/conf/basic-cql2/basic-test', purpose: 'Queryables are told, with their types',
    run: async (server, check) => {
      const sources = await run.sources(server)
      check.that(sources.length > 0, 'No collection has queryables and items')
      for (const { collection, queryables, untyped } of sources) {
        check.that(queryables.some(({ type }) => SCALARS.includes(type)), `${collection} has no queryable of a scalar type`)
        check.that(untyped.length === 0, `${collection} does not tell the type of ${untyped.join(', ')}`)
      }
    },
  },
  onQueryables(run, '/conf/basic-cql2/comparison', 'Comparison predicates', SCALARS, (name, { type }) => OPERATORS.map(operator => `${name} ${operator} ${VALUES[type]}`), opposites),
  onQueryables(run, '/conf/basic-cql2/is-null', 'IS NULL', [...SCALARS, 'Array', 'Geometry'], name => [`${name} IS NULL`, `${name} is not null`], ([a, b], check, said) => none(a!, b!, check, `${said}: IS NULL and IS NOT NULL`)),
  {
    id: '/conf/basic-cql2/boolean', purpose: 'TRUE and FALSE',
    run: async (server, check) => {
      for (const source of await run.sources(server)) {
        await run.evaluate(server, check, source, 'true')
        const result = await run.evaluate(server, check, source, 'false')
        if (result.ok) empty(result, check, `${source.collection}: false`)
      }
    },
  },
  datasetTest('basic-cql2', run.lang),
  logical('basic-cql2', run),
  {
    id: '/conf/basic-cql2/malformed', purpose: 'What is no filter is refused as the client’s mistake (Features Part 3, parameter filter)',
    run: async (server, check) => {
      for (const { collection } of (await run.sources(server)).slice(0, 1)) {
        for (const filter of run.lang === 'cql2-text' ? ['=', "name = 'x", '((1 = 1)', 'no_such_property_here = 1'] : ['{', '{"op":"="}', '{"op":"no such operator","args":[]}', '{"op":"=","args":[{"property":"no_such_property_here"},1]}']) {
          const { status } = await server.request(server.items(collection, { filter, 'filter-lang': run.lang }))
          check.that(status >= 400 && status < 500, `${filter} was answered ${status} instead of 400`)
        }
      }
    },
  },
]

const comparison: Make = run => [
  onQueryables(run, '/conf/advanced-comparison-operators/like', 'LIKE', ['String'], name => [`${name} LIKE '%'`, `${name} like '_%'`, `${name} like ''`, `${name} like '%%'`, `${name} like '\\%\\_'`], ([any, some, nothing, anyToo], check, said) => {
    none(some!, nothing!, check, `${said}: like '_%' and like ''`)
    same(any!, anyToo!, check, `${said}: like '%' and like '%%'`)
  }),
  onQueryables(run, '/conf/advanced-comparison-operators/between', 'BETWEEN', ['Number', 'Integer'], name => [`${name} BETWEEN 0 AND 100`, `${name} between 100.0 and 1.0`]),
  onQueryables(run, '/conf/advanced-comparison-operators/in', 'IN', SCALARS, (name, { type }) => [`${name} in ${LISTS[type]}`]),
  datasetTest('advanced-comparison-operators', run.lang), logical('advanced-comparison-operators', run),
]
const LISTS: Readonly<Partial<Record<DataType, string>>> = {
  Number: '(1, 2, 3)', Integer: '(1, 2, 3)', String: "('foo', 'bar')", Boolean: '(true)', Timestamp: "(TIMESTAMP('2022-04-14T14:52:56Z'), TIMESTAMP('2022-04-14T15:52:56Z'))", Date: "(DATE('2022-04-14'), DATE('2022-04-15'))",
}

/** A pair of conditions on texts that select the same, or nothing in common. */
const onTexts = (run: Run, id: string, purpose: string, conditions: (name: string) => readonly [string, string], compare: typeof same): ConformanceTest =>
  onQueryables(run, id, purpose, ['String'], conditions, ([a, b], check, said) => { compare(a!, b!, check, said) })

const casei: Make = run => [
  onTexts(run, '/conf/case-insensitive-comparison/casei', 'CASEI in comparisons', name => [`CASEI(${name}) = casei('foo')`, `CASEI(${name}) <> casei('FOO')`], none),
  onTexts(run, '/conf/case-insensitive-comparison/casei-like', 'CASEI in LIKE', name => [`CASEI(${name}) LIKE casei('foo%')`, `CASEI(${name}) LIKE casei('FOO%')`], same),
  datasetTest('case-insensitive-comparison', run.lang), logical('case-insensitive-comparison', run),
]
const accenti: Make = run => [
  onTexts(run, '/conf/accent-insensitive-comparison/accenti', 'ACCENTI in comparisons', name => [`ACCENTI(${name}) = accenti('äöüéáí')`, `ACCENTI(${name}) <> accenti('aoueai')`], none),
  onTexts(run, '/conf/accent-insensitive-comparison/accenti-like', 'ACCENTI in LIKE', name => [`ACCENTI(${name}) LIKE accenti('Ä%')`, `ACCENTI(${name}) LIKE accenti('A%')`], same),
  onTexts(run, '/conf/accent-insensitive-comparison/accenti-casei', 'ACCENTI with CASEI', name => [`ACCENTI(CASEI(${name})) = accenti(casei('ÄÉ'))`, `ACCENTI(CASEI(${name})) = accenti(casei('ae'))`], same),
  onTexts(run, '/conf/accent-insensitive-comparison/accenti-casei-like', 'ACCENTI with CASEI in LIKE', name => [`ACCENTI(CASEI(${name})) LIKE accenti(casei('Ä%'))`, `ACCENTI(CASEI(${name})) LIKE accenti(casei('a%'))`], same),
  datasetTest('accent-insensitive-comparison', run.lang), logical('accent-insensitive-comparison', run),
]

const WORLD = 'BBOX(-180,-90,180,90)'
const WORLD_POLYGON = 'POLYGON((-180 -90,180 -90,180 90,-180 90,-180 -90))'
const LINE = 'LINESTRING(7 50, 10 51)'
const POINT = 'POINT(7.02 49.92)'
const POINTS = 'MULTIPOINT(7 50,10 51)'
/** No place on earth. */
const NOWHERE = 'POINT(90 180)'
const isCurve = ({ geometry = 'any' }: Queryable) => /^(multi)?(point|linestring)$/.test(geometry)

/** A geometry that the standard wants refused. */
function refused(run: Run, id: string, operator: string, geometry: string): ConformanceTest {
  return {
    id, purpose: `${operator} with an invalid coordinate is refused`,
    run: (server, check) => run.each(server, ['Geometry'], async ({ collection }, _, name) => {
      const { status } = await select(server, collection, `${operator}(${name},${geometry})`, run.lang)
      check.that(status >= 400 && status < 500, `${collection}: ${geometry} was answered ${status} instead of 400`)
    }),
  }
}

const spatialBasic: Make = run => [
  onQueryables(run, '/conf/basic-spatial-functions/s_intersects', 'S_INTERSECTS with points and boxes', ['Geometry'], name => [`S_INTERSECTS(${name},${WORLD})`, `S_INTERSECTS(${name},${POINT})`, `S_INTERSECTS(${name},BBOX(-180,-90,-90,90)) AND S_INTERSECTS(${name},BBOX(90,-90,180,90))`]),
  refused(run, '/conf/basic-spatial-functions/s_intersects (invalid)', 'S_INTERSECTS', NOWHERE),
  datasetTest('basic-spatial-functions', run.lang), logical('basic-spatial-functions', run),
]
const RING = '(-180 -90, -90 -90, -90 90, -180 90, -180 -90), (-120 -50, -100 -50, -100 -40, -120 -40, -120 -50)'
const spatialPlus: Make = run => [
  onQueryables(run, '/conf/basic-spatial-functions-plus/s_intersects', 'S_INTERSECTS with all geometries', ['Geometry'], name => [
    'LINESTRING(-180 -45, 0 -45)', 'MULTILINESTRING((-180 -45, 0 -45), (0 45, 180 45))', `POLYGON(${RING})`, `MULTIPOLYGON((${RING}),((0 0, 10 0, 10 10, 0 10, 0 0)))`, 'GEOMETRYCOLLECTION(POINT(7.02 49.92), POLYGON((0 0, 10 0, 10 10, 0 10, 0 0)))',
  ].map(geometry => `S_INTERSECTS(${name},${geometry})`)),
  refused(run, '/conf/basic-spatial-functions-plus/s_intersects (invalid)', 'S_INTERSECTS', 'MULTIPOINT(7.02 49.92, 90 180)'),
  datasetTest('basic-spatial-functions-plus', run.lang),
]

const call = (operator: string, name: string, ...geometries: readonly string[]) => geometries.map(geometry => `${operator}(${name},${geometry})`)
const spatial: Make = run => {
  const on = (operator: string, geometries: readonly string[], compare?: Parameters<typeof onQueryables>[5]) =>
    onQueryables(run, `/conf/spatial-functions/${operator.toLowerCase()}`, operator, ['Geometry'], name => call(operator, name, ...geometries), compare)
  const firstTwo: NonNullable<Parameters<typeof onQueryables>[5]> = ([a, b], check, said) => { same(a!, b!, check, `${said}: the box and the polygon of the world`) }
  return [
    on('S_INTERSECTS', [WORLD, WORLD_POLYGON, LINE, POINT], firstTwo), refused(run, '/conf/spatial-functions/s_intersects (invalid)', 'S_INTERSECTS', NOWHERE),
    onQueryables(run, '/conf/spatial-functions/s_disjoint', 'S_DISJOINT', ['Geometry'], name => [...call('S_DISJOINT', name, WORLD, WORLD_POLYGON, LINE, POINT), ...call('S_INTERSECTS', name, LINE, POINT)], ([box, polygon, line, point, onLine, onPoint], check, said) => {
      empty(box!, check, `${said}: disjoint with the world`)
      empty(polygon!, check, `${said}: disjoint with the world’s polygon`)
      none(line!, onLine!, check, `${said}: S_DISJOINT and S_INTERSECTS of a line`)
      none(point!, onPoint!, check, `${said}: S_DISJOINT and S_INTERSECTS of a point`)
    }),
    refused(run, '/conf/spatial-functions/s_disjoint (invalid)', 'S_DISJOINT', NOWHERE),
    on('S_EQUALS', [WORLD_POLYGON, LINE, POINT]), on('S_TOUCHES', [WORLD, WORLD_POLYGON, LINE]),
    onQueryables(run, '/conf/spatial-functions/s_crosses', 'S_CROSSES', ['Geometry'], (name, queryable) => isCurve(queryable) ? call('S_CROSSES', name, WORLD, WORLD_POLYGON, LINE) : []),
    on('S_WITHIN', [WORLD, WORLD_POLYGON, LINE, POINTS], firstTwo),
    on('S_CONTAINS', [WORLD, WORLD_POLYGON, LINE, POINTS], firstTwo),
    onQueryables(run, '/conf/spatial-functions/s_overlaps', 'S_OVERLAPS', ['Geometry'], (name, { geometry = 'any' }) => call('S_OVERLAPS', name, /point/.test(geometry) ? POINTS : /line/.test(geometry) ? LINE : WORLD_POLYGON)),
    datasetTest('spatial-functions', run.lang), logical('spatial-functions', run),
  ]
}

const INSTANT_OPERATORS = ['T_AFTER', 'T_BEFORE', 'T_DISJOINT', 'T_EQUALS', 'T_INTERSECTS']
const INTERVAL_OPERATORS = [...INSTANT_OPERATORS, 'T_CONTAINS', 'T_DURING', 'T_FINISHEDBY', 'T_FINISHES', 'T_MEETS', 'T_METBY', 'T_OVERLAPPEDBY', 'T_OVERLAPS', 'T_STARTEDBY', 'T_STARTS']
const YEAR: Readonly<Partial<Record<DataType, string>>> = { Timestamp: "INTERVAL('2021-01-01T00:00:00Z','2021-12-31T23:59:59Z')", Date: "INTERVAL('2021-01-01','2021-12-31')" }
const temporal: Make = run => [
  onQueryables(run, '/conf/temporal-functions/temporal-functions-1', 'Temporal functions of instants', ['Timestamp', 'Date'], (name, { type }) => INSTANT_OPERATORS.flatMap(operator => [`${operator}(${name},${VALUES[type]})`, `${operator}(${name},${YEAR[type]})`]), ([after, , before, , apart], check, said) => {
    none(after!, before!, check, `${said}: T_AFTER and T_BEFORE`)
    check.that([...after!.ids].every(id => apart!.ids.has(id) || !apart!.complete), `${said}: what is after an instant is disjoint with it`)
  }),
  {
    id: '/conf/temporal-functions/temporal-functions-2', purpose: 'Temporal functions of intervals',
    run: async (server, check) => {
      for (const source of await run.sources(server)) for (const type of ['Timestamp', 'Date'] as const) {
        const names = source.queryables.filter(queryable => queryable.type === type).map(({ name }) => quoted(name))
        for (const first of names) for (const second of names.filter(name => name !== first).slice(0, 1))
          for (const operator of INTERVAL_OPERATORS) await run.evaluate(server, check, source, `${operator}(INTERVAL(${first},${second}),${YEAR[type]})`)
      }
    },
  },
  datasetTest('temporal-functions', run.lang), logical('temporal-functions', run),
]

const arrays: Make = run => [
  onQueryables(run, '/conf/array-functions/array-predicates', 'Array functions', ['Array'], name => ['A_CONTAINS', 'A_CONTAINEDBY', 'A_EQUALS', 'A_OVERLAPS'].map(operator => `${operator}(${name},('foo','bar'))`)),
  logical('array-functions', run),
]

const properties: Make = run => [
  onQueryables(run, '/conf/property-property/comparison-value-property', 'A value before the operator, a property behind it', SCALARS, (name, { type }) => OPERATORS.map(operator => `${VALUES[type]} ${operator} ${name}`), opposites),
  onQueryables(run, '/conf/property-property/comparison-property-property', 'Properties on both sides', SCALARS, name => OPERATORS.map(operator => `${name} ${operator} ${name}`), selfCompared),
  {
    id: '/conf/property-property/comparison-value-value', purpose: 'Values on both sides',
    run: async (server, check) => {
      for (const source of await run.sources(server)) for (const value of Object.values(VALUES)) {
        const results: ResultSet[] = []
        for (const operator of OPERATORS) results.push(await run.evaluate(server, check, source, `${value} ${operator} ${value}`))
        if (results.every(({ ok }) => ok)) selfCompared(results, check, `${source.collection}, ${value}`)
      }
    },
  },
  datasetTest('property-property', run.lang),
]
function selfCompared([eq, ne, gt, lt, ge, le]: readonly ResultSet[], check: Check, said: string): void {
  for (const [operator, result] of [['<>', ne], ['>', gt], ['<', lt]] as const) empty(result!, check, `${said}: ${operator} itself`)
  for (const [operator, result] of [['>=', ge], ['<=', le]] as const) same(eq!, result!, check, `${said}: = itself and ${operator} itself`)
}

const arithmetic: Make = run => [
  onQueryables(run, '/conf/arithmetic/arithmetic', 'Arithmetic expressions', ['Number', 'Integer'], name => [`${name} > 1 + 2 * 3`, `${name} <> 7 - 2 ^ 2`, `${name} < 10 div 3 + 7 % 4`, `${name} >= -(1.5 / 2)`]),
  datasetTest('arithmetic', run.lang), logical('arithmetic', run),
]

/** Ten combinations of four conditions that were taken, the same ones each time. */
function logical(name: string, run: Run): ConformanceTest {
  return {
    id: `/conf/${name}/logical`, purpose: 'AND, OR, NOT and brackets over the conditions so far',
    run: async (server, check) => {
      for (const source of await run.sources(server)) {
        const stored = run.stored.get(source.collection) ?? []
        if (stored.length < 4) continue
        const pick = shuffled(stored.length)
        for (let i = 0; i < 10; i++) {
          const [p1, p2, p3, p4] = [0, 1, 2, 3].map(k => `(${stored[pick(i * 4 + k)]!})`)
          const { ok, status, said } = await select(server, source.collection, `((NOT ${p1} AND ${p2}) OR (${p3} and NOT ${p4}) or not (${p1} AND ${p4}))`, run.lang, '10')
          check.that(ok, `${source.collection}: a combination of four conditions was answered ${status} ${said}`)
        }
      }
    },
  }
}
/** Indexes that look random and are always the same, so that a report can be repeated. */
const shuffled = (length: number) => (i: number): number => (Math.imul(i + 1, 2654435761) >>> 0) % length

const CLASSES: readonly (readonly [name: string, title: string, make: Make])[] = [
  ['basic-cql2', 'Basic CQL2', basic], ['advanced-comparison-operators', 'Advanced Comparison Operators', comparison], ['case-insensitive-comparison', 'Case-insensitive Comparison', casei],
  ['accent-insensitive-comparison', 'Accent-insensitive Comparison', accenti], ['basic-spatial-functions', 'Basic Spatial Functions', spatialBasic], ['basic-spatial-functions-plus', 'Basic Spatial Functions with additional Spatial Literals', spatialPlus],
  ['spatial-functions', 'Spatial Functions', spatial], ['temporal-functions', 'Temporal Functions', temporal], ['array-functions', 'Array Functions', arrays], ['property-property', 'Property-Property Comparisons', properties],
  ['functions', 'Functions', run => [functionTest(run)]], ['arithmetic', 'Arithmetic Expressions', arithmetic],
]

/** Every class of CQL2, in the encodings given. */
export function cql2Classes(langs: readonly FilterLang[]): readonly ConformanceClass[] {
  return langs.flatMap(lang => {
    const run = new Run(lang)
    return CLASSES.map(([name, title, make]) => ({ title: `CQL2 ${title} (${lang === 'cql2-text' ? 'Text' : 'JSON'})`, uris: [`${URI}/${name}`], tests: make(run) }))
  })
}
export type { Run }
