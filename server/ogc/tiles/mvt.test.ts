/** Our tiles against those of PostGIS, and their bounds. */
import { gzipSync } from 'node:zlib'
import { VectorTile, type VectorTileFeature } from '@mapbox/vector-tile'
import fc from 'fast-check'
import { sql } from 'kysely'
import { PbfReader } from 'pbf'
import t from 'tap'
import { WEB_MERCATOR } from '../../../core/tile-grid.js'
import { lonLatAt, tileAt } from '../../../core/tile-matrix.js'
import type { Layer } from '../../../layers/layer.js'
import { PUBLIC, STEWARD, type Store } from '../../store/store.js'
import { insertFeatures, type FeatureEdit } from '../../store/writes.js'
import { testStore } from '../../testing/test-store.js'
import { CAP, MOST_GZIPPED } from './fit.js'
import { makeTile, type TileRequest } from './mvt.js'

const title = { vi: 'Thử', en: 'Test' }
const ZOOM = 16
const base = {
  title, description: title, group: 'land', kind: 'city', style: {}, zoom: { min: 0, max: ZOOM }, classification: 'open', licence: 'CC0-1.0',
  columns: [
    { name: 'name', type: 'text', title, inTiles: true }, { name: 'count', type: 'integer', title, inTiles: true }, { name: 'size', type: 'number', title, inTiles: true },
    { name: 'open', type: 'boolean', title, inTiles: true }, { name: 'since', type: 'date', title, inTiles: true }, { name: 'tags', type: 'json', title, inTiles: true },
    { name: 'at', type: 'timestamp', title, inTiles: true }, { name: 'hidden', type: 'text', title },
    { name: 'secret', type: 'text', title, inTiles: true, classification: 'restricted' },
  ],
} as const satisfies Partial<Layer>
const AREAS: Layer = { ...base, id: 'areas', geometry: 'polygon', importance: 'area' }
const LINES: Layer = { ...base, id: 'lines', geometry: 'line', importance: 'length' }
const POINTS: Layer = { ...base, id: 'points', geometry: 'point', importance: 'count' }
const ANY: Layer = { ...base, id: 'any', geometry: 'any', columns: [{ name: 'level', type: 'number', title, inTiles: true }] }
const LAYERS = [AREAS, LINES, POINTS, ANY]

/** The tile in whose units the test thinks. */
const TILE = tileAt(108.2, 16.05, ZOOM)
const place = (x: number, y: number) => lonLatAt(TILE.x + x / 4096, TILE.y + y / 4096, TILE.z)
const request = (layers: readonly Layer[], more: Partial<TileRequest> = {}): TileRequest =>
  ({ grid: WEB_MERCATOR, layers, tile: TILE, branch: 'main', asOf: 'now', reader: PUBLIC, run: undefined, ...more })

type Drawn = ReadonlyMap<number, VectorTileFeature>
function featuresOf(mvt: Uint8Array, layer: Layer): Drawn {
  const found = new VectorTile(new PbfReader(mvt)).layers[layer.id]
  const features = Array.from({ length: found?.length ?? 0 }, (_, i) => found!.feature(i))
  return new Map(features.map((feature) => [feature.id!, feature]))
}
const names = (drawn: Drawn) => [...new Set([...drawn.values()].flatMap(({ properties }) => Object.keys(properties)))].sort()

/** What PostGIS makes of the same rows. */
async function theirs(store: Store, layer: Layer): Promise<Drawn> {
  const { z, x, y } = TILE
  const { rows } = await sql<{ mvt: Buffer }>`
    select st_asmvt(t, ${layer.id}, 4096, 'geom', 'id') as mvt from (
      select id, name, count, size, open, since::text, tags::text, to_char(at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as at,
        st_asmvtgeom(geom_3857, st_tileenvelope(${z}::int, ${x}::int, ${y}::int), 4096, 64, true) as geom
      from ${sql.table(`city.${layer.id}`)} where geom_3857 && st_tileenvelope(${z}::int, ${x}::int, ${y}::int, margin => 64.0 / 4096)) as t where geom is not null`.execute(store.db)
  return featuresOf(rows[0]!.mvt, layer)
}

t.test('tiles are those of ST_AsMVT', async (t) => {
  const store = await testStore(t, { layers: LAYERS })
  const near = fc.integer({ min: -300, max: 4396 })
  const text = fc.string({ unit: fc.constantFrom(...'abc ÂđộĐ🌊"\\\'') })
  // Below −2^52 PostGIS writes what JavaScript cannot read exactly.
  const properties = fc.record({
    name: fc.option(text), count: fc.option(fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }).map((n) => n * 2 ** 20)), size: fc.option(fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e9, max: 1e9 })), open: fc.option(fc.boolean()),
    since: fc.option(fc.constantFrom('2020-01-15', '1999-12-31')), tags: fc.option(fc.constantFrom({ a: 1 }, [1, 'x'])), at: fc.option(fc.constant('2026-03-01T02:03:04Z')),
  })
  // Around its middle, so that it is valid; with a hole that follows it, sometimes.
  const area = fc.record({ x: near, y: near, radii: fc.array(fc.integer({ min: 8, max: 700 }), { minLength: 3, maxLength: 14 }), hole: fc.boolean() }).map(({ x, y, radii, hole }) => {
    const ring = (part: number) => [...radii, radii[0]!].map((radius, i) => place(x + part * radius * Math.cos((2 * Math.PI * i) / radii.length), y + part * radius * Math.sin((2 * Math.PI * i) / radii.length)))
    return { type: 'MultiPolygon', coordinates: [[ring(1), ...(hole ? [ring(0.4)] : [])]] }
  })
  const line = fc.array(fc.tuple(near, near), { minLength: 2, maxLength: 12 }).map((positions) => ({ type: 'MultiLineString', coordinates: [positions.map(([x, y]) => place(x, y))] }))
  const point = fc.tuple(near, near).map(([x, y]) => ({ type: 'Point', coordinates: place(x, y) }))
  const rowsOf = (geometry: fc.Arbitrary<object>) => fc.array(fc.record({ geometry, properties }), { minLength: 10, maxLength: 25 }) as fc.Arbitrary<FeatureEdit[]>

  for (const [layer, geometry] of [[AREAS, area], [LINES, line], [POINTS, point]] as const) {
    let compared = 0
    await fc.assert(fc.asyncProperty(rowsOf(geometry), async (rows) => {
      await store.withRevision({ actor: 'test', reason: 'random' }, async (writer) => {
        await sql`delete from ${sql.table(`city.${layer.id}`)}`.execute(writer.tx)
        await insertFeatures(writer, layer, 'main', rows)
      })
      const ours = featuresOf((await makeTile(store, request([layer]))).mvt, layer)
      const reference = await theirs(store, layer)
      for (const id of new Set([...ours.keys(), ...reference.keys()])) {
        const [a, b] = [ours.get(id), reference.get(id)]
        if (!a || !b) {
          // What is left of a shape at the very edge may round to something or to nothing.
          const alone = (a ?? b)!
          if (extentOf(alone) > 3) throw new Error(`Feature ${id} is only in ${a ? 'our' : 'their'} tile: ${JSON.stringify(alone.loadGeometry())}`)
          continue
        }
        compared++
        const sorted = (feature: VectorTileFeature) => JSON.stringify(Object.entries(feature.properties).sort())
        if (sorted(a) !== sorted(b)) throw new Error(`${sorted(a)} is not ${sorted(b)}`)
        const apart = difference(a, b)
        if (apart) throw new Error(`Feature ${id}: ${apart}\n${JSON.stringify(a.loadGeometry())}\n${JSON.stringify(b.loadGeometry())}`)
      }
    }), { numRuns: 25 })
    t.ok(compared > 100, `${layer.id}: ${compared} features compared`)
  }
})

/** What tells two drawings of one thing apart by more than rounding can; undefined where nothing does. */
function difference(a: VectorTileFeature, b: VectorTileFeature): string | undefined {
  if (a.type !== b.type) return `type ${a.type}, not ${b.type}`
  if (a.type === 1) return pointsOf(a).every(([x, y], i) => Math.abs(x - pointsOf(b)[i]![0]) <= 1 && Math.abs(y - pointsOf(b)[i]![1]) <= 1) ? undefined : 'elsewhere'
  for (const [one, other] of [[a, b], [b, a]] as const) {
    const far = solidPointsOf(one).find((position) => distanceTo(position, other) > 2)
    // Where a ring runs along the edge of the margin is a matter of how it was cut.
    if (far && !(a.type === 3 && far.some((v) => v === -64 || v === 4160))) return `${far} is nowhere near the other`
  }
  if (a.type === 2) return undefined
  for (let i = 0; i < 60; i++) {
    const probe = [-60 + ((i * 997) % 4216), -60 + ((i * 1733) % 4216)] as const
    if (distanceTo(probe, a) > 2 && distanceTo(probe, b) > 2 && isInside(probe, a) !== isInside(probe, b)) return `${probe} is inside one of them only`
  }
  const [ours, theirs] = [areaOf(a), areaOf(b)]
  if (ours <= 0) return `area ${ours}`
  return Math.abs(ours - theirs) > 2 * lengthOf(b) + 4 ? `area ${ours}, not ${theirs}` : undefined
}

type Position = readonly [x: number, y: number]
const pointsOf = (feature: VectorTileFeature): Position[] => feature.loadGeometry().flat().map(({ x, y }) => [x, y])
/** Without those of rings so thin that rounding alone decides whether there is anything between their sides. */
const solidPointsOf = (feature: VectorTileFeature): Position[] => feature.loadGeometry().filter((ring) => feature.type !== 3 || widthOf(ring) >= 2).flat().map(({ x, y }) => [x, y])
/** Of a long thin ring, twice its area by its length. */
function widthOf(ring: readonly { readonly x: number; readonly y: number }[]): number {
  let [area, length] = [0, 0]
  for (const [i, b] of ring.entries()) {
    const a = ring[i - 1] ?? ring[ring.length - 1]!
    area += a.x * b.y - a.y * b.x
    length += Math.hypot(b.x - a.x, b.y - a.y)
  }
  return Math.abs(area) / (length || 1)
}
const stepsOf = (feature: VectorTileFeature) => feature.loadGeometry().flatMap((path) => path.slice(1).map((to, i) => [path[i]!, to] as const))
const areaOf = (feature: VectorTileFeature) => stepsOf(feature).reduce((sum, [a, b]) => sum + a.x * b.y - a.y * b.x, 0) / 2
const lengthOf = (feature: VectorTileFeature) => stepsOf(feature).reduce((sum, [a, b]) => sum + Math.hypot(b.x - a.x, b.y - a.y), 0)
const isInside = ([x, y]: Position, feature: VectorTileFeature) =>
  stepsOf(feature).filter(([a, b]) => (a.y > y) !== (b.y > y) && x < a.x + ((y - a.y) / (b.y - a.y)) * (b.x - a.x)).length % 2 === 1
const distanceTo = ([x, y]: Position, feature: VectorTileFeature) => Math.min(...stepsOf(feature).map(([a, b]) => {
  const length2 = (b.x - a.x) ** 2 + (b.y - a.y) ** 2
  const along = length2 === 0 ? 0 : Math.max(0, Math.min(1, ((x - a.x) * (b.x - a.x) + (y - a.y) * (b.y - a.y)) / length2))
  return Math.hypot(a.x + along * (b.x - a.x) - x, a.y + along * (b.y - a.y) - y)
}))
function extentOf(feature: VectorTileFeature): number {
  const all = pointsOf(feature)
  const side = (of: (position: Position) => number) => Math.max(...all.map(of)) - Math.min(...all.map(of))
  return Math.min(side(([x]) => x), side(([, y]) => y))
}

t.test('attributes: those asked for, those that the reader may see, of each layer its own', async (t) => {
  const store = await testStore(t, { layers: LAYERS })
  await store.withRevision({ actor: 'test', reason: 'rows' }, async (writer) => {
    await insertFeatures(writer, POINTS, 'main', [{ geometry: { type: 'Point', coordinates: place(9, 9) }, properties: { name: 'Chợ', count: -3, size: 0.1, open: false, hidden: 'x', secret: 'y' } }])
    await insertFeatures(writer, ANY, 'main', [
      { geometry: { type: 'Point', coordinates: place(5, 5) }, properties: { level: 2 } },
      { geometry: { type: 'LineString', coordinates: [place(0, 0), place(50, 50)] }, properties: { level: 2.5 } },
    ])
  })
  const read = async (more: Partial<TileRequest>) => (await makeTile(store, request([POINTS, ANY], more))).mvt
  const first = (mvt: Uint8Array) => [...featuresOf(mvt, POINTS).values()][0]!.properties
  t.strictSame({ ...first(await read({})) }, { name: 'Chợ', count: -3, size: 0.1, open: false })
  t.strictSame({ ...first(await read({ reader: STEWARD })) }, { name: 'Chợ', count: -3, size: 0.1, open: false, secret: 'y' })
  t.strictSame({ ...first(await read({ properties: ['count', 'secret', 'hidden', 'level'] })) }, { count: -3 }, 'asking for what is closed, or does not travel, opens nothing')
  t.strictSame({ ...first(await read({ properties: [] })) }, {})
  t.notOk(Buffer.from(await read({})).includes('secret'), 'not even the name of a closed attribute')
  const levels = featuresOf(await read({}), ANY)
  t.strictSame([...levels.values()].map(({ type, properties }) => [type, properties.level]).sort(), [[1, 2], [2, 2.5]])
  t.strictSame(names(featuresOf(await read({ properties: ['level'] }), ANY)), ['level'])
})

t.test('crowded and heavy tiles keep what is most important, and say so', async (t) => {
  const store = await testStore(t, { layers: LAYERS })
  const [west, north] = place(0, 0)
  const [east, south] = place(4096, 4096)
  const somewhere = sql`st_setsrid(st_makepoint(${west}::float8 + (i::int8 * 7919 % 10007) / 10007.0 * (${east}::float8 - ${west}::float8), ${south}::float8 + (i::int8 * 104729 % 9973) / 9973.0 * (${north}::float8 - ${south}::float8)), 4326)`
  const fill = (layer: Layer, from: number, to: number, geometry: ReturnType<typeof sql>, name: ReturnType<typeof sql>) => store.withRevision({ actor: 'test', reason: 'many' }, ({ tx }) =>
    sql`insert into ${sql.table(`city.${layer.id}`)} (name, count, geom) select ${name}, i, ${geometry} from generate_series(${from}::int, ${to}::int) as i`.execute(tx))
  const weigh = (mvt: Uint8Array) => gzipSync(mvt, { level: 4 }).length

  await fill(LINES, 1, 3, sql`st_multi(st_makeline(${somewhere}, st_translate(${somewhere}, 0.0001, 0)))`, sql`null`)
  await fill(POINTS, 1, CAP + 500, somewhere, sql`null`)
  const crowded = await makeTile(store, request([LINES, POINTS]))
  t.strictSame(crowded.truncated, ['points'])
  const kept = [...featuresOf(crowded.mvt, POINTS).values()].map(({ properties }) => properties.count as number)
  t.strictSame([kept.length, Math.min(...kept), kept[0]], [CAP, 501, CAP + 500], 'the most important, the very first of them first')
  t.equal(featuresOf(crowded.mvt, LINES).size, 3)

  await fill(POINTS, CAP + 501, 52_000, somewhere, sql`null`)
  const flooded = await makeTile(store, request([LINES, POINTS]))
  const best = [...featuresOf(flooded.mvt, POINTS).values()].map(({ properties }) => properties.count as number)
  t.strictSame([flooded.truncated, Math.max(...best), Math.min(...best)], [['points'], 52_000, 52_001 - CAP], 'more rows than are taken in as they come')
  t.equal(featuresOf(flooded.mvt, LINES).size, 3, 'the other layer is whole')

  const noise = sql`(select string_agg(md5((i * 10 + k)::text), '') from generate_series(1, 4) as k)`
  await fill(AREAS, 1, 9000, sql`st_multi(st_expand(${somewhere}, 0.000002 + i * 1e-9))`, noise)
  const heavy = await makeTile(store, request([AREAS, LINES]))
  const shown = featuresOf(heavy.mvt, AREAS)
  t.ok(weigh(heavy.mvt) <= MOST_GZIPPED && weigh(heavy.mvt) > MOST_GZIPPED / 2, `${weigh(heavy.mvt)} bytes`)
  t.strictSame(heavy.truncated, ['areas'])
  t.equal(featuresOf(heavy.mvt, LINES).size, 3, 'light layers stay whole')
  const smallest = Math.min(...[...shown.values()].map(areaOf))
  const whole = await theirs(store, AREAS)
  const larger = [...whole.values()].filter((feature) => areaOf(feature) > smallest + 4 && ![...feature.loadGeometry().flat()].some(({ x, y }) => Math.min(x, y) < 0 || Math.max(x, y) > 4096))
  t.ok(larger.every(({ id }) => shown.has(id!)), 'none that is larger was left out')
  t.strictSame((await makeTile(store, request([AREAS, LINES], { properties: [] }))).truncated, [], 'without its texts all of it has room')
})

t.test('who leaves is not waited for', async (t) => {
  const store = await testStore(t, { layers: LAYERS })
  const gone = new Error('gone')
  await t.rejects(makeTile(store, request([AREAS]), AbortSignal.abort(gone)), gone)
  await store.db.transaction().execute(async (tx) => {
    await sql`lock table city.areas in access exclusive mode`.execute(tx)
    // At once, while the statement is on its way, or while it waits for the lock.
    for (const patience of [0, 1, 5, 200]) {
      const leaving = new AbortController()
      const tile = makeTile(store, request([AREAS]), leaving.signal)
      setTimeout(() => leaving.abort(gone), patience)
      await t.rejects(tile, gone, 'cancelled')
    }
    const { rows } = await sql<{ n: number }>`select count(*) as n from pg_stat_activity where query like '/* tile */%' and state = 'active' and datname = current_database()`.execute(tx)
    t.equal(rows[0]!.n, 0, 'no statement goes on')
  })
  t.equal((await makeTile(store, request([AREAS]))).mvt.length, 0, 'the connection goes on to serve')
})
