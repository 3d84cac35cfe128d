import fc from 'fast-check'
import { sql } from 'kysely'
import t from 'tap'
import { lonLatAt, HALF_WORLD_M, tileFraction, type Tile } from '../../core/tile-matrix.js'
import type { Layer } from '../../layers/layer.js'
import { LOTS, serve, SHOPS, TEST_LAYERS } from '../ogc/test-city.js'
import { testStore } from '../testing/test-store.js'
import { STEWARD, type Store } from './store.js'
import { deleteFeature, insertFeatures, revertFeature, updateFeature } from './writes.js'

const BY = { actor: 'me', reason: 'test' }
/** Where four tiles meet at every zoom from 10 on: margins matter most here. */
const [LON, LAT] = lonLatAt(820, 465, 10)
/** Width of a z16 tile, degrees. */
const STEP = 360 / 2 ** 16

/** All tiles of z10 to 16 that reach within three z16 tiles of the corner. */
const TILES: readonly Tile[] = [10, 11, 12, 13, 14, 15, 16].flatMap(z => {
  const [x0, y0] = tileFraction(LON - 3 * STEP, LAT + 3 * STEP, z).map(Math.floor) as [number, number]
  const [x1, y1] = tileFraction(LON + 3 * STEP, LAT - 3 * STEP, z).map(Math.floor) as [number, number]
  return Array.from({ length: x1 - x0 + 1 }, (_, i) => Array.from({ length: y1 - y0 + 1 }, (_, j) => ({ z, x: x0 + i, y: y0 + j }))).flat()
})

/** Offsets from the corner in z16 tiles: often within a margin, of any zoom. */
const offset = fc.oneof(fc.double({ min: -2.9, max: 2.9, noNaN: true }), fc.constantFrom(...[10, 12, 14, 16].flatMap(z => [-1.3, -1.01, -0.99, -0.5, 0.5, 0.99, 1.01, 1.3].map(k => k * 2 ** (16 - z) / 64))))
const edit = fc.record({
  kind: fc.constantFrom('insert', 'insert', 'move', 'rename', 'delete', 'revert'), lots: fc.boolean(), onBranch: fc.boolean(), pick: fc.nat(1000),
  dx: offset, dy: offset, size: fc.double({ min: 0.001, max: 0.6, noNaN: true }),
})
type Edit = typeof edit extends fc.Arbitrary<infer E> ? E : never

t.test('a tile whose bytes change has a new ETag, and a tile that an edit does not touch keeps it', async t => {
  const store = await testStore(t, { layers: TEST_LAYERS })
  const url = await serve(t, store)
  const branch = (await sql<{ id: string }>`insert into dothi.branches default values returning id`.execute(store.db)).rows[0]!.id
  await store.withRevision(BY, writer => insertFeatures(writer, SHOPS, 'main', Array.from({ length: 8 }, (_, i) => ({ geometry: point(i / 4 - 1, i / 3 - 1), properties: { name: `s${i}` } }))))
  const look = () => snapshot(url, branch)
  let before = await look()
  let [differing, kept, byMargin] = [0, 0, 0]
  await fc.assert(fc.asyncProperty(edit, async edit => {
    const boxes = await apply(store, branch, edit)
    if (!boxes) return
    const after = await look()
    for (const [key, { etag, body, tile, view }] of after) {
      const old = before.get(key)!
      if (body !== old.body) {
        differing++
        if (!boxes.some(box => reaches(box, tile, false))) byMargin++
        if (etag === old.etag) throw new Error(`${key} differs under the same ETag after ${JSON.stringify(edit)}`)
      }
      const touched = boxes.some(box => reaches(box, tile)) && (view === 'branch' || !edit.onBranch)
      if (!touched) {
        kept++
        if (etag !== old.etag) throw new Error(`${key} has a new ETag although ${JSON.stringify(edit)} does not touch it`)
      }
    }
    before = after
  }), { numRuns: 20, endOnFailure: true })
  t.ok(differing > 50 && kept > 500 && byMargin > 0, `${differing} tiles differed, ${byMargin} of them in their margin only; ${kept} were not touched`)
})

t.test('a 304 reads no geometry table; a bulk write and a large feature reach every tile they touch', async t => {
  const store = await testStore(t, { layers: TEST_LAYERS })
  const url = await serve(t, store)
  const branch = (await sql<{ id: string }>`insert into dothi.branches default values returning id`.execute(store.db)).rows[0]!.id
  await store.withRevision(BY, writer => insertFeatures(writer, SHOPS, 'main', [{ geometry: point(0.5, 0.5), properties: { name: 'a' } }]))
  await store.withRevision(BY, writer => insertFeatures(writer, LOTS, 'main', [{ geometry: square(0.2, 0.2, 0.1), properties: { so_to: '1' } }]))
  const paths = ['', `/scenarios/${branch}`].flatMap(base => [`${base}/tiles/shops,lots/14/13120/7440.mvt`, `${base}/ogc/collections/shops/tiles/WebMercatorQuad/14/7439/13120`, `${base}/ogc/tiles/WebMercatorQuad/14/7439/13120`])
  const tags = await Promise.all(paths.map(async path => (await fetch(url + path)).headers.get('etag')!))
  const calm = await reads(store)
  for (const [i, path] of paths.entries()) t.equal((await fetch(url + path, { headers: { 'if-none-match': tags[i]! } })).status, 304, path)
  t.equal(await reads(store), calm, 'no geometry table was read')
  await (await fetch(`${url}/tiles/shops/13/6559/3719.mvt`)).arrayBuffer()
  t.ok(await reads(store) > calm, 'and this would have been seen')

  const [here, far] = [{ z: 16, x: 820 * 64, y: 465 * 64 }, { z: 16, x: 823 * 64, y: 465 * 64 }]
  const revision = (tile: Tile) => store.tileRevision(SHOPS, 'main', tile)
  await store.withRevision(BY, ({ tx }) => sql`insert into city.shops (name, geom) select 's', st_setsrid(st_makepoint(${LON}::float8 + ${STEP}::float8 * (i % 100) / 100, ${LAT}::float8 - ${STEP}::float8 * (i / 100) / 100), 4326) from generate_series(0, 6000) i`.execute(tx))
  t.strictSame([await revision(here), await revision(far)], [3, 0], 'many rows at once')
  await store.withRevision(BY, writer => insertFeatures(writer, LOTS, 'main', [{ geometry: square(-60, -60, 300), properties: { so_to: '2' } }]))
  t.strictSame(await store.tileRevisions([LOTS, SHOPS], 'main', far), [4, 0], 'a lot as large as a province, of several layers each its own')
  t.equal(await store.tileRevision(LOTS, 'main', { z: 19, x: 823 * 512 + 5, y: 465 * 512 + 5 }), 4, 'deep tiles ask for the one above')
  t.equal(await store.tileRevision(LOTS, 'main', { z: 8, x: 205, y: 116 }), 4)
})

const point = (dx: number, dy: number) => ({ type: 'Point', coordinates: [LON + dx * STEP, LAT + dy * STEP] })
function square(dx: number, dy: number, size: number) {
  const [w, s, d] = [LON + dx * STEP, LAT + dy * STEP, size * STEP]
  return { type: 'Polygon', coordinates: [[[w, s], [w + d, s], [w + d, s + d], [w, s + d], [w, s]]] }
}

type Box = readonly [number, number, number, number]

/** Does the edit; the mercator boxes of what it touches, or undefined where there is nothing to edit. */
async function apply(store: Store, branch: string, { kind, lots, onBranch, pick, dx, dy, size }: Edit): Promise<readonly Box[] | undefined> {
  const layer: Layer = lots ? LOTS : SHOPS
  const where = onBranch ? branch : 'main'
  const geometry = lots ? square(dx, dy, size) : point(dx, dy)
  const ids = async () => kind === 'revert'
    ? (await sql<{ id: number }>`select id from ${sql.table(`branch.${layer.id}`)} where branch = ${branch}::uuid and retired_revision is null order by id`.execute(store.db)).rows
    : await (await store.view({ layer, branch: where, asOf: 'now', reader: STEWARD, columns: [] })).orderBy('id').execute() as { id: number }[]
  const known = kind === 'insert' ? [] : await ids()
  if (kind !== 'insert' && known.length === 0 || kind === 'revert' && !onBranch) return undefined
  const id = known[pick % Math.max(1, known.length)]?.id
  const boxOf = async () => id === undefined ? [] : (await sql<{ box: Box | null }>`
    select array[st_xmin(geom_3857), st_ymin(geom_3857), st_xmax(geom_3857), st_ymax(geom_3857)] as box from (
      select geom_3857 from ${sql.table(`city.${layer.id}`)} where id = ${id}::int8
      union all select geom_3857 from ${sql.table(`branch.${layer.id}`)} where branch = ${branch}::uuid and id = ${id}::int8) as rows`.execute(store.db)).rows.flatMap(({ box }) => box ? [box] : [])
  const old = await boxOf()
  const { result } = await store.withRevision({ ...BY, branch: where }, async writer => {
    switch (kind) {
      case 'insert': return (await insertFeatures(writer, layer, where, [{ geometry, properties: lots ? { so_to: '9' } : { name: 'new' } }]))[0]
      case 'move': return void await updateFeature(writer, layer, where, id!, { geometry })
      case 'rename': return void await updateFeature(writer, layer, where, id!, { properties: lots ? { so_to: `${pick}` } : { name: `${pick}` } })
      case 'delete': return void await deleteFeature(writer, layer, where, id!)
      default: return void await revertFeature(writer, layer, branch, id!)
    }
  })
  if (result === undefined) return [...old, ...await boxOf()]
  const [x, y] = (lots ? geometry.coordinates[0] as number[][] : [geometry.coordinates as number[]]).reduce((box, [lon, lat]) => [[...box[0], lon!], [...box[1], lat!]], [[], []] as [number[], number[]])
  const { rows: [box] } = await sql<{ box: Box }>`select array[st_xmin(g), st_ymin(g), st_xmax(g), st_ymax(g)] as box from st_transform(st_makeenvelope(${Math.min(...x)}, ${Math.min(...y)}, ${Math.max(...x)}, ${Math.max(...y)}, 4326), 3857) as g`.execute(store.db)
  return [box!.box]
}

/** Whether a tile shows, or nearly shows, a box: its margin is 64 of 4096 units, told with 68, and PostGIS keeps boxes to a metre. */
function reaches([west, south, east, north]: Box, { z, x, y }: Tile, withMargin = true): boolean {
  const size = 2 * HALF_WORLD_M / 2 ** z
  const margin = withMargin ? size * 17 / 1024 + 2 : 0
  const [left, top] = [x * size - HALF_WORLD_M, HALF_WORLD_M - y * size]
  return west <= left + size + margin && east >= left - margin && south <= top + margin && north >= top - size - margin
}

interface Seen { readonly tile: Tile; readonly view: 'main' | 'branch'; readonly etag: string; readonly body: string }

/** Every tile of main and of the branch: bytes and ETag. */
async function snapshot(url: string, branch: string): Promise<Map<string, Seen>> {
  const seen = new Map<string, Seen>()
  const queue = (['main', 'branch'] as const).flatMap(view => TILES.map(tile => ({ view, tile }))).values()
  await Promise.all(Array.from({ length: 4 }, async () => {
    for (const { view, tile } of queue) {
      const response = await fetch(`${url}${view === 'branch' ? `/scenarios/${branch}` : ''}/tiles/shops,lots/${tile.z}/${tile.x}/${tile.y}.mvt`)
      seen.set(`${view} ${tile.z}/${tile.x}/${tile.y}`, { tile, view, etag: response.headers.get('etag')!, body: Buffer.from(await response.arrayBuffer()).toString('base64') })
    }
  }))
  return seen
}

/** Scans of all tables with geometry so far, of every connection that the server has. */
async function reads(store: Store): Promise<number> {
  // Connections keep their counts for a while; each is made to tell, all of them at once so that none is asked twice.
  for (const pool of [store.db, store.pool('open'), store.pool('internal'), store.pool('restricted')])
    await Promise.all(Array.from({ length: 8 }, () => sql`select pg_stat_force_next_flush(), pg_sleep(0.03)`.execute(pool)))
  const { rows: [sum] } = await sql<{ n: number }>`
    select sum(seq_scan + coalesce(idx_scan, 0))::int8 as n from pg_stat_user_tables where schemaname in ('city', 'history', 'branch', 'runs')`.execute(store.db)
  return sum!.n
}
