import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import { sql } from 'kysely'
import t from 'tap'
import { encodeMvt } from '../../core/mvt/encode.js'
import { intersects } from '../../core/bbox.js'
import { HALF_WORLD_M, lonLatAt, tileBounds3857, type Tile } from '../../core/tile-matrix.js'
import type { Layer } from '../../layers/layer.js'
import { testStore } from '../testing/test-store.js'
import { start as startCells } from './cell-builder.js'
import { decodeCell } from './cell-codec.js'
import { recipeFor } from './cell-recipe.js'
import { generalisedFeatures, generalises } from './generalised.js'
import { KeptCells, sceneOf, type Scene } from './kept-cells.js'
import { PUBLIC, STEWARD, type AsOf, type Branch, type Reader, type Store } from './store.js'
import { deleteFeature, insertFeatures, revertFeature, updateFeature, type FeatureEdit } from './writes.js'

type Geometry = FeatureEdit['geometry']

const title = (en: string) => ({ vi: en, en })
const published = { group: 'published', kind: 'city', classification: 'open', licence: 'test', zoom: { min: 5, max: 18 } } as const

/** Areas by use, whose owner is nobody's business. */
const LOTS: Layer = {
  ...published, id: 'lots', title: title('Lots'), description: title('Lots'), geometry: 'polygon', importance: 'area',
  columns: [
    { name: 'use', type: 'text', title: title('Use'), inTiles: true },
    { name: 'owner', type: 'text', title: title('Owner'), inTiles: true, classification: 'restricted' },
  ],
  style: { fill: { by: 'use', categories: { park: '#bcd1a4', water: '#b9d0d0' }, other: '#eeeeee' } },
}
/** The same, told apart by what only insiders know. */
const RISKS: Layer = {
  ...LOTS, id: 'risks', columns: [{ name: 'risk', type: 'integer', title: title('Risk'), inTiles: true, classification: 'internal' }],
  style: { fill: { by: 'risk', steps: [[1, '#ffff00'], [5, '#ff0000']], below: '#ffffff' } },
}
const STREETS: Layer = {
  ...published, id: 'streets', title: title('Streets'), description: title('Streets'), geometry: 'line', importance: 'width', label: 'name',
  columns: [
    { name: 'name', type: 'text', title: title('Name'), inTiles: true },
    { name: 'class', type: 'text', title: title('Class'), inTiles: true },
    { name: 'width', type: 'number', title: title('Width'), inTiles: true },
  ],
  style: { line: { by: 'class', categories: { main: '#ffcc00' }, other: '#ffffff' } },
}
const POLES: Layer = {
  ...published, id: 'poles', title: title('Poles'), description: title('Poles'), geometry: 'point', importance: 'height_m',
  columns: [
    { name: 'code', type: 'text', title: title('Code'), inTiles: true },
    { name: 'height_m', type: 'number', title: title('Height'), inTiles: true },
  ],
  style: { circle: '#333333' },
}
const LAYERS = [LOTS, RISKS, STREETS, POLES]
const BY = { actor: 'me', reason: 'test' }
const INSIDER: Reader = { ...PUBLIC, subject: 'insider', clearance: 'internal' }

/** Metres of Web Mercator from where four tiles meet at every zoom from 10 on, east and south. */
const at = (east: number, south: number): [number, number] => lonLatAt(820 + east / CELL, 465 + south / CELL, 10)
const CELL = (2 * HALF_WORLD_M) / 1024
const box = (east: number, south: number, width: number, depth = width): Geometry =>
  ({ type: 'Polygon', coordinates: [[at(east, south), at(east + width, south), at(east + width, south + depth), at(east, south + depth), at(east, south)]] })
const line = (...places: readonly (readonly [number, number])[]): Geometry => ({ type: 'LineString', coordinates: places.map(([e, s]) => at(e, s)) })
const point = (east: number, south: number): Geometry => ({ type: 'Point', coordinates: at(east, south) })
const SOUTH_EAST: Tile = { z: 13, x: 820 * 8, y: 465 * 8 }

const seen = (store: Store, layer: Layer, tile: Tile, reader = PUBLIC, branch: Branch = 'main', asOf: AsOf = 'now', properties?: readonly string[]) =>
  generalisedFeatures(store, { layer, branch, asOf, reader, tile, properties })

t.test('Houses read as blocks, what is prominent is itself, and nothing is drawn twice', async t => {
  const store = await testStore(t, { layers: LAYERS })
  // A block of 400 houses of 15 m, a hall of 200 m beside it, and a lone house in the fields.
  await store.withRevision(BY, async writer => {
    await insertFeatures(writer, LOTS, 'main', Array.from({ length: 400 }, (_, i) => ({ geometry: box(1000 + (i % 20) * 16, 1000 + Math.floor(i / 20) * 16, 15), properties: { use: 'house', owner: `owner ${i}` } })))
    await insertFeatures(writer, LOTS, 'main', [{ geometry: box(1320, 1000, 200), properties: { use: 'house' } }, { geometry: box(1100, 1400, 300), properties: { use: 'park' } }, { geometry: box(4000, 4000, 10), properties: {} }])
  })
  const { features, truncated } = await seen(store, LOTS, SOUTH_EAST)
  t.equal(truncated, false)
  t.strictSame(features.filter(({ id }) => id !== null).map(({ properties }) => properties), [{ use: 'park' }, { use: 'house' }], 'the largest first, as they are')
  const [block, ...others] = features.filter(({ id }) => id === null)
  t.strictSame(others, [])
  t.strictSame(block!.properties, { merged: 401 }, 'uses without a colour of their own stand together; the lone house counts, but is not seen')
  const [w, n, e, s] = [0, 1, 2, 3].map(side => extreme(block!.parts[0]!, side))
  const unit = CELL / 8 / 4096
  t.ok([w! - 1000 / unit, n! - 1000 / unit, e! - 1320 / unit, s! - 1320 / unit].every(off => Math.abs(off) < 16), `the block lies within a pixel of its houses: ${[w, n, e, s]}`)
  t.ok(encodeMvt([{ name: 'lots', features }]).length < 600)
  t.strictSame(generalises(LOTS, 403, 13), false, 'a layer with so few features is drawn from its rows')
  t.strictSame([generalises(LOTS, 5001, 13), generalises(LOTS, 5001, 14)], [true, false])
})

t.test('Streets go on under their name, poles stand for those around them', async t => {
  const store = await testStore(t, { layers: LAYERS })
  await store.withRevision(BY, async writer => {
    // Thirty pieces of 30 m of one street across the edge of a tile, and a motorway.
    await insertFeatures(writer, STREETS, 'main', Array.from({ length: 30 }, (_, i) => ({ geometry: line([i * 30 - 450, 300], [i * 30 - 420, 300]), properties: { name: 'Hải Phòng', class: 'side', width: 8 } })))
    await insertFeatures(writer, STREETS, 'main', [{ geometry: line([0, 900], [3000, 900]), properties: { class: 'main', width: 30 } }])
    await insertFeatures(writer, POLES, 'main', [...Array.from({ length: 50 }, (_, i) => ({ geometry: point(2000 + i, 2000), properties: { code: `p${i}`, height_m: i } })), { geometry: point(100, 100), properties: { code: 'lone' } }])
  })
  const { features } = await seen(store, STREETS, SOUTH_EAST)
  t.strictSame(features.map(({ id, properties, parts }) => ({ own: id !== null, properties, positions: parts.map(part => part.length / 2) })), [
    { own: false, properties: { merged: 15, name: 'Hải Phòng', width: 8 }, positions: [3] },
    { own: true, properties: { name: null, class: 'main', width: 30 }, positions: [2] },
  ], 'one line, and a little beyond the edge')
  const poles = (await seen(store, POLES, SOUTH_EAST)).features
  t.strictSame(poles.map(({ id, properties }) => [id !== null, properties]), [[true, { code: 'lone', height_m: null }], [false, { merged: poles[1]!.properties.merged }], [false, { merged: 50 - Number(poles[1]!.properties.merged) }]].slice(0, poles.length))
  t.strictSame((await seen(store, POLES, SOUTH_EAST, PUBLIC, 'main', 'now', ['height_m'])).features[0]!.properties, { height_m: null }, 'only what is asked for')
})

t.test('What a reader may not see is in none of the cells that are kept for them', async t => {
  const store = await testStore(t, { layers: LAYERS })
  await store.withRevision(BY, async writer => {
    await insertFeatures(writer, RISKS, 'main', Array.from({ length: 100 }, (_, i) => ({ geometry: box(1000 + (i % 10) * 16, 1000 + Math.floor(i / 10) * 16, 16), properties: { risk: i < 50 ? 3 : 7 } })))
    await insertFeatures(writer, LOTS, 'main', [{ geometry: box(1000, 1000, 100), properties: { use: 'park', owner: 'Mrs Hồ' } }])
  })
  const [open, inside] = [await seen(store, RISKS, SOUTH_EAST), await seen(store, RISKS, SOUTH_EAST, INSIDER)]
  t.strictSame(open.features.map(({ properties }) => properties), [{ merged: 100 }])
  t.strictSame(inside.features.map(({ properties }) => properties), [{ risk: 1, merged: 50 }, { risk: 5, merged: 50 }])
  t.strictSame(await seen(store, RISKS, SOUTH_EAST, STEWARD), inside, 'who sees no more shares the same cells')
  const { rows } = await sql<{ body: Buffer }>`select body from tiles.open`.execute(store.pool('open'))
  t.ok(rows.length > 0)
  for (const { body } of rows) t.notMatch(JSON.stringify(decodeCell(body), (key, value) => (key === 'shares' ? 0 : value)), /"category":[0-9]/)
  await t.rejects(sql`select * from tiles.internal`.execute(store.pool('open')), /permission denied/)
  await t.rejects(sql`delete from tiles.open`.execute(store.pool('open')))
  t.strictSame((await seen(store, LOTS, SOUTH_EAST)).features.map(({ properties }) => properties), [{ use: 'park' }], 'the owner is for others')
  t.strictSame((await seen(store, LOTS, SOUTH_EAST, STEWARD)).features.map(({ properties }) => properties), [{ use: 'park', owner: 'Mrs Hồ' }])
})

const place = fc.record({ east: fc.double({ min: -3000, max: 3000, noNaN: true }), south: fc.double({ min: -3000, max: 3000, noNaN: true }), size: fc.oneof(fc.double({ min: 5, max: 60, noNaN: true }), fc.double({ min: 5, max: 1500, noNaN: true })) })
const edit = fc.record({ kind: fc.constantFrom('insert', 'insert', 'move', 'tell', 'delete', 'revert'), layer: fc.constantFrom(LOTS, STREETS, POLES), place, pick: fc.nat(1000), onBranch: fc.boolean() })
type Edit = typeof edit extends fc.Arbitrary<infer E> ? E : never
/** The corner is in the middle of everything: a tile of zoom 13, some above it, and one that nothing reaches. */
const LOOKED_AT: readonly Tile[] = [SOUTH_EAST, { z: 12, x: 820 * 4 - 1, y: 465 * 4 - 1 }, { z: 9, x: 410, y: 232 }, { z: 13, x: 100, y: 100 }]

t.test('After any edits kept cells are what they would be if made anew, for main, for branches and for the past', async t => {
  const store = await testStore(t, { layers: LAYERS })
  const branch = (await sql<{ id: string }>`insert into dothi.branches default values returning id`.execute(store.db)).rows[0]!.id
  let last = 0
  const revisions: number[] = []
  await fc.assert(fc.asyncProperty(fc.array(edit, { minLength: 1, maxLength: 5 }), fc.nat(1000), async (edits, when) => {
    for (const each of edits) last = (await apply(store, branch, each)) ?? last
    revisions.push(last)
    const asOf = revisions[when % revisions.length]!
    for (const layer of [LOTS, STREETS, POLES]) {
      for (const [name, of, time] of [['main', 'main', 'now'], ['branch', branch, 'now'], ['past', 'main', asOf], ['past of the branch', branch, asOf]] as const) {
        for (const tile of LOOKED_AT) {
          const scene = await sceneOf(store, layer, recipeFor(layer, 'open'), of, time, tile)
          const kept = await new KeptCells(store).cell(scene, tile)
          const anew = await new KeptCells(store).cell(fromRowsAlone(scene), tile)
          if (JSON.stringify(kept) !== JSON.stringify(anew)) throw new Error(`${name} (${String(time)}) of ${layer.id} in ${tile.z}/${tile.x}/${tile.y} after ${JSON.stringify(edits)}`)
        }
      }
    }
  }), { numRuns: 8, endOnFailure: true })
  const { rows: [count] } = await sql<{ cells: number; taken: number }>`select count(*)::int as cells, count(*) filter (where revision = ${last}::int8)::int as taken from tiles.open`.execute(store.db)
  t.ok(count!.cells > 3 && count!.taken < count!.cells, `${count!.taken} of ${count!.cells} cells were made at the last revision`)
})

t.test('A tile from afar whose features change has a new revision, its margin included', async t => {
  const store = await testStore(t, { layers: LAYERS })
  const tiles = [13, 12, 11].flatMap(z => [0, -1].flatMap(dx => [0, -1].map(dy => ({ z, x: 820 * 2 ** (z - 10) + dx, y: 465 * 2 ** (z - 10) + dy }))))
  const look = async () => new Map(await Promise.all([LOTS, STREETS, POLES].flatMap(layer => tiles.map(async tile => [
    `${layer.id} ${tile.z}/${tile.x}/${tile.y}`, { revision: await store.tileRevision(layer, 'main', tile), features: JSON.stringify((await seen(store, layer, tile)).features.map(feature => ({ ...feature, parts: feature.parts.map(part => [...part]) }))) },
  ] as const))))
  let before = await look()
  let [changed, kept] = [0, 0]
  // Mostly near the edges, where a tile shows what lies beside it.
  const nearEdge = fc.record({ edit, along: fc.double({ min: -100, max: 100, noNaN: true }) }).map(({ edit, along }) => ({ ...edit, onBranch: false, kind: edit.kind === 'revert' ? 'insert' as const : edit.kind, place: { ...edit.place, east: along } }))
  await fc.assert(fc.asyncProperty(nearEdge, async edit => {
    await apply(store, 'main', edit)
    const after = await look()
    for (const [key, { revision, features }] of after) {
      const old = before.get(key)!
      if (features !== old.features) changed++
      if (revision === old.revision) kept++
      if (features !== old.features && revision === old.revision) throw new Error(`${key} differs under the same revision after ${JSON.stringify(edit)}`)
    }
    before = after
  }), { numRuns: 16, endOnFailure: true })
  t.ok(changed > 0 && kept > 50, `${changed} changed, ${kept} did not`)
})

t.test('An edit makes one smallest cell and its ancestors anew, and what did not change is read as it is kept', async t => {
  const store = await testStore(t, { layers: LAYERS })
  const { result: ids } = await store.withRevision(BY, writer => insertFeatures(writer, LOTS, 'main', Array.from({ length: 64 }, (_, i) => ({ geometry: box(300 + (i % 8) * 600, 300 + Math.floor(i / 8) * 600, 15), properties: { use: 'park' } }))))
  await seen(store, LOTS, SOUTH_EAST)
  const kept = async () => new Map((await sql<{ tile: string; revision: number }>`select z || '/' || x || '/' || y as tile, revision from tiles.open`.execute(store.db)).rows.map(({ tile, revision }) => [tile, revision]))
  const before = await kept()
  const { revision } = await store.withRevision(BY, writer => updateFeature(writer, LOTS, 'main', ids[9]!, { geometry: box(910, 910, 15) }))
  await seen(store, LOTS, SOUTH_EAST)
  const after = await kept()
  const made = [...after].filter(([tile, at]) => before.get(tile) !== at).sort()
  t.strictSame(made.map(([tile, at]) => [tile.slice(0, 3), at]), [['13/', revision.revision], ['15/', revision.revision]])
  t.ok(after.size > 16)
})

t.test('A past in which everything was otherwise shows what was prominent then, and says that more is missing', async t => {
  const store = await testStore(t, { layers: LAYERS })
  const side = CELL / 32
  const { revision: before, result: ids } = await store.withRevision(BY, writer => insertFeatures(writer, LOTS, 'main', [
    { geometry: box(0, 0, 900), properties: { use: 'park' } },
    ...Array.from({ length: 800 }, (_, i) => ({ geometry: box((Math.floor(i / 2) % 20) * side + 1000 + 37 * (i % 2), Math.floor(i / 40) * side + 1000, 37), properties: { use: 'water' } })),
  ]))
  await store.withRevision(BY, async writer => { for (const id of ids) await updateFeature(writer, LOTS, 'main', id, { properties: { use: 'house' } }) })
  const z10: Tile = { z: 10, x: 820, y: 465 }
  const past = await seen(store, LOTS, z10, PUBLIC, 'main', before.revision)
  t.strictSame(past.features.map(({ id, properties }) => [id, properties]), [[ids[0], { use: 'park' }]])
  t.equal(past.truncated, true)
  t.equal((await seen(store, LOTS, z10)).truncated, false, 'the present has all of it')
  const near = await seen(store, LOTS, SOUTH_EAST, PUBLIC, 'main', before.revision)
  t.equal(near.truncated, false)
  t.match(near.features.map(({ properties }) => properties), [{ use: 'water', merged: 32 }, { use: 'park' }])
})

t.test('Cells of crowded layers are made ready by themselves, and again after a commit', async t => {
  const store = await testStore(t, { layers: LAYERS })
  const { result: ids } = await store.withRevision(BY, writer => insertFeatures(writer, POLES, 'main', Array.from({ length: 5001 }, (_, i) => ({ geometry: point((i % 70) * 20, Math.floor(i / 70) * 20), properties: { height_m: i % 9 } }))))
  await store.withRevision(BY, writer => insertFeatures(writer, LOTS, 'main', [{ geometry: box(0, 0, 10), properties: {} }]))
  const builder = startCells({ store }, { settleMs: 10, onError: error => t.fail(String(error)) })
  t.teardown(() => builder.stop())
  const made = async () => (await sql<{ layer: string; z: number; revision: number }>`select layer, z, max(revision)::int as revision from tiles.open group by layer, z order by z`.execute(store.db)).rows
  const until = async (revision: number) => { while (!(await made()).some(row => row.z === 5 && row.revision === revision)) await sleep(50) }
  await until(1)
  t.strictSame(await made(), [5, 6, 7, 8, 9, 10, 11, 12, 13, 15].map(z => ({ layer: 'poles', z, revision: 1 })), 'the few lots need none')
  const { revision } = await store.withRevision(BY, writer => deleteFeature(writer, POLES, 'main', ids[0]!))
  await store.withRevision(BY, writer => insertFeatures(writer, POLES, 'main', [{ geometry: point(5, 5), properties: { height_m: 99 } }]))
  await until(revision.revision + 1)
  await builder.stop()
})

/** The same scene, as if nothing of it were kept. */
const fromRowsAlone = (scene: Scene): Scene => ({ ...scene, differs: tile => intersects(tileBounds3857(tile), REACHED) })
const [CORNER_EAST, CORNER_NORTH] = [-HALF_WORLD_M + 820 * CELL, HALF_WORLD_M - 465 * CELL]
const REACHED = [CORNER_EAST - 3001, CORNER_NORTH - 4501, CORNER_EAST + 4501, CORNER_NORTH + 3001] as const

async function apply(store: Store, branch: string, { kind, layer, place: { east, south, size }, pick, onBranch }: Edit): Promise<number | undefined> {
  const of = onBranch ? branch : 'main'
  const geometry = layer === POLES ? point(east, south) : layer === STREETS ? line([east, south], [east + size, south + size / 3]) : box(east, south, size)
  const properties = layer === LOTS ? { use: ['park', 'water', 'house'][pick % 3] } : layer === STREETS ? { class: pick % 2 ? 'main' : 'side', name: `street ${pick % 4}`, width: pick % 9 } : { height_m: pick % 7 }
  const { rows } = await (await store.view({ layer, branch: of, asOf: 'now', reader: STEWARD })).execute().then(rows => ({ rows: rows as { id: number }[] }))
  const id = rows.length > 0 ? rows.map(row => row.id).sort((a, b) => a - b)[pick % rows.length]! : undefined
  if (kind === 'revert') {
    const { rows: overlays } = await sql<{ id: number }>`select id from ${sql.table(`branch.${layer.id}`)} where retired_revision is null order by id`.execute(store.db)
    if (overlays.length === 0) return undefined
    return (await store.withRevision({ ...BY, branch }, writer => revertFeature(writer, layer, branch, overlays[pick % overlays.length]!.id))).revision.revision
  }
  if (kind !== 'insert' && id === undefined) return undefined
  return (await store.withRevision({ ...BY, branch: of }, async writer => {
    if (kind === 'insert') await insertFeatures(writer, layer, of, [{ geometry, properties }])
    else if (kind === 'delete') await deleteFeature(writer, layer, of, id!)
    else await updateFeature(writer, layer, of, id!, kind === 'move' ? { geometry } : { properties })
  })).revision.revision
}

/** West, north, east or south end of a ring. */
function extreme(ring: Int32Array, side: number): number {
  const values = ring.filter((_, i) => i % 2 === side % 2)
  return side < 2 ? Math.min(...values) : Math.max(...values)
}
