import fc from 'fast-check'
import { sql } from 'kysely'
import { gunzipSync } from 'node:zlib'
import t from 'tap'
import * as cesium from 'cesium'
import { tileBounds } from '../../core/tile-matrix.js'
import { geodetic } from '../../core/geometry/geocentric.js'
import type { Layer } from '../../layers/layer.js'
import { PUBLIC, type AsOf, type Branch, type Store } from '../store/store.js'
import { exampleStore } from '../store/example-store.js'
import { readGlb, vertices } from '../testing/read-glb.js'
import { inTile, keyOf, leastProminenceM, tileOfKey, type TilePart } from '../store/tile-keys.js'
import { storeTerrain } from '../terrain/terrain-store.js'
import { implicitRoots, implicitSubtree, implicitTilesetJson, tileOfImplicit } from './implicit.js'
import { Tiles3d } from './service.js'
import { regionOf, tilesetJson, tilesetNews } from './tileset.js'
import { eachTile, emptySince, joined, tilesOf, withKeys, type KeyStats, type Stats, type TreeTile } from './tree.js'
import { Trees } from './trees.js'

/** CesiumJS's own reader of implicit tilesets, which its types leave out. */
const { ImplicitSubtree, ImplicitTileCoordinates, ImplicitTileset, MetadataSchema, Resource } = cesium as any

// ── The tree by itself ──

const stats = (key: number, count: number, since: number): Stats => {
  const tile = tileOfKey(key)
  const [west, south, east, north] = tileBounds(tile)
  const size = leastProminenceM(tile.z - 1) * 0.9
  return count === 0 ? emptySince(since) : { count, west, south, east, north, low: -3, high: size / 4, size, since, draped: count % 3 === 0 }
}
/** Keys of z9 to z17 around one place, so that they lie above and below each other. */
const anyKey = fc.tuple(fc.integer({ min: 9, max: 17 }), fc.double({ min: 0, max: 1, noNaN: true }), fc.double({ min: 0, max: 1, noNaN: true }))
  .map(([z, dx, dy]) => keyOf({ z, x: Math.floor((204.85 + dx * 0.3) * 2 ** (z - 8)), y: Math.floor((116.3 + dy * 0.3) * 2 ** (z - 8)) }))
const anyStats = fc.array(fc.tuple(anyKey, fc.integer({ min: 0, max: 60 }), fc.integer({ min: 1, max: 50 })), { maxLength: 80 })
  .map(all => new Map(all.map(([key, count, since]) => [key, stats(key, count, since)])))
const LIMITS = { leaf: 100 }

const inside = (outer: Stats, inner: Stats) => outer.west <= inner.west && outer.south <= inner.south && outer.east >= inner.east && outer.north >= inner.north
  && outer.low <= inner.low && outer.high >= inner.high && outer.size >= inner.size && outer.since >= inner.since

t.test('a tree that is kept in step is the tree built anew', async t => {
  fc.assert(fc.property(anyStats, anyStats, (first, second) => {
    const [kept, anew] = [withKeys(withKeys(null, first), second), withKeys(null, new Map([...first, ...second]))]
    t.strictSame(kept, anew)
    return JSON.stringify(kept) === JSON.stringify(anew)
  }), { numRuns: 60 })
})

t.test('each feature is in one tile, within boxes that hold all below; what is left out is no larger than the error', async t => {
  fc.assert(fc.property(anyStats, all => {
    const root = tilesOf(withKeys(null, all), LIMITS)
    const tiles = [...eachTile(root)]
    const total = [...all.values()].reduce((sum, { count }) => sum + count, 0)
    const shown = tiles.reduce((sum, { content }) => sum + (content?.count ?? 0), 0)
    return shown === total && tiles.every(tile => (!tile.content || inside(tile.all, tile.content))
      && (tile.part === 'own' || (tile.content!.count <= LIMITS.leaf && tile.children.length === 0))
      && tile.children.every(child => inside(tile.all, child.all) && child.geometricError <= tile.geometricError && child.all.size <= tile.geometricError)
      && (tile.content !== null || tile.children.length > (tile === root ? 1 : 0)))
  }), { numRuns: 100 })
  t.equal(tilesOf(null, LIMITS), null)
  t.equal(tilesOf(withKeys(null, new Map([[keyOf({ z: 12, x: 5, y: 5 }), emptySince(3)]])), LIMITS), null, 'nothing left is no tile')
})

t.test('one changed key changes the tile it is in and no other, unless a cell becomes one tile or stops being one', async t => {
  fc.assert(fc.property(anyStats, anyKey, (all, key) => {
    const before = withKeys(null, all)
    const own = all.get(key) ?? emptySince(0)
    const changed = withKeys(before, new Map([[key, joined(own, stats(key, 1, 99))]]))
    const addresses = (root: ReturnType<typeof withKeys>) => new Set([...eachTile(tilesOf(root, LIMITS))].flatMap(({ z, x, y, part, content }) => content ? [`${z}/${x}/${y} ${part} ${content.since}`] : []))
    const parts = (names: Set<string>) => new Set([...names].map(name => name.replace(/ \d+$/, '')))
    const [was, is] = [addresses(before), addresses(changed)]
    const fresh = [...is].filter(name => !was.has(name))
    const sameTiles = [...parts(is)].every(name => parts(was).has(name)) && parts(is).size === parts(was).size
    // A cell that is divided may have all in one quarter, and that again: an own tile a level, and four leaves.
    return sameTiles ? fresh.length === 1 : fresh.length <= 17 - 9 + 4
  }), { numRuns: 200 })
})

// ── Tilesets ──

interface Tester { ok(value: unknown): unknown; strictSame(a: unknown, b: unknown): unknown; match(value: unknown, pattern: RegExp): unknown; notOk(value: unknown): unknown }

/** What 3D Tiles 1.1 asks of explicit tiles; returns how many there are. */
function checkTileset(t: Tester, tile: any, parent?: any): number {
  const [west, south, east, north, low, high] = tile.boundingVolume.region
  t.ok(west <= east && south <= north && low <= high && Math.abs(west) <= Math.PI && Math.abs(north) <= Math.PI / 2)
  t.ok(tile.geometricError >= 0)
  if (parent) {
    const outer = parent.boundingVolume.region
    t.ok(outer[0] <= west && outer[1] <= south && outer[2] >= east && outer[3] >= north && outer[4] <= low && outer[5] >= high)
    t.ok(tile.geometricError <= parent.geometricError)
  }
  return 1 + (tile.children ?? []).reduce((sum: number, child: any) => sum + checkTileset(t, child, tile), 0)
}

t.test('a tileset names its tiles relatively, ends them in .glb, and stays within the rules of 3D Tiles 1.1', async t => {
  fc.assert(fc.property(anyStats, all => {
    const root = tilesOf(withKeys(null, all), LIMITS)
    const json: any = tilesetJson(root, { query: () => '?rev=7', revision: 7, geoidOffset: -10, generator: 'dothi', title: 'Houses' })
    if (!root) return json.root.content === undefined
    const named = (tile: any): string[] => [...(tile.content ? [tile.content.uri] : []), ...(tile.children ?? []).flatMap(named)]
    return json.asset.version === '1.1' && json.root.refine === 'ADD' && json.geometricError >= json.root.geometricError
      && checkTileset(t, json.root) === [...eachTile(root)].length && named(json.root).every(uri => /^\d+\/\d+\/\d+\.glb\?rev=7$/.test(uri))
  }), { numRuns: 20 })
})

interface Found { readonly name: string; readonly tile: readonly number[]; readonly content: readonly number[]; readonly error: number }

/** All contents that CesiumJS finds, with the boxes that the metadata say they have. */
async function followImplicit(t: Tester, tree: TreeTile | null, json: any): Promise<Found[]> {
  const found: Found[] = []
  const schema = MetadataSchema.fromJson(json.schema)
  const follow = async (tile: any): Promise<void> => {
    for (const child of tile.children ?? []) await follow(child)
    if (!tile.implicitTiling) {
      const { content, boundingVolume: { region }, geometricError } = tile
      if (content) found.push({ name: content.uri.replace(/^\.\.\/|\.glb.*$/g, ''), tile: region, content: region, error: geometricError })
      return
    }
    const [z, x, y] = tile.content.uri.split('/').map(Number)
    const root = { z, x, y }
    const { all } = [...eachTile(tree)].find(each => each.z === z && each.x === x && each.y === y)!
    // By its true box it is culled before its subtree is there.
    t.strictSame(tile.metadata.properties.region, regionOf(all, -10))
    if (tile.implicitTiling.availableLevels === 1) t.strictSame(tile.boundingVolume.region, regionOf(all, -10))
    const tileset = new ImplicitTileset(new Resource({ url: 'http://city/3dtiles/houses/implicit/tileset.json' }), tile, schema)
    const { subtreeLevels, availableLevels, subdivisionScheme } = tileset
    const read = async (top: any): Promise<void> => {
      const { url } = tileset.subtreeUriTemplate.getDerivedResource({ templateValues: top.getTemplateValues() })
      t.match(url, new RegExp(`${z}/${x}/${y}/${top.level}/${top.x}/${top.y}\\.subtree$`))
      const bytes = implicitSubtree(tree, root, tileOfImplicit(root, top)!, -10)!
      const subtree = await ImplicitSubtree.fromSubtreeJson(new Resource({ url }), undefined, new Uint8Array(bytes), tileset, top)
      const visit = async (at: any, down: number): Promise<void> => {
        if (down === subtreeLevels) { if (subtree.childSubtreeIsAvailableAtCoordinates(at)) await read(at); return }
        if (!subtree.tileIsAvailableAtCoordinates(at)) { t.notOk(subtree.contentIsAvailableAtCoordinates(at)); return }
        t.ok(at.level < availableLevels)
        const metadata = subtree.getTileMetadataView(at)
        if (subtree.contentIsAvailableAtCoordinates(at)) found.push({
          name: Object.values(tileOfImplicit(root, at)!).join('/'), tile: metadata.getPropertyBySemantic('TILE_BOUNDING_REGION'),
          content: subtree.getContentMetadataView(at, 0).getPropertyBySemantic('CONTENT_BOUNDING_REGION'), error: metadata.getPropertyBySemantic('TILE_GEOMETRIC_ERROR'),
        })
        for (let quarter = 0; quarter < 4; quarter++) await visit(at.getChildCoordinates(quarter), down + 1)
      }
      await visit(top, 0)
    }
    await read(new ImplicitTileCoordinates({ subdivisionScheme, subtreeLevels, level: 0, x: 0, y: 0 }))
  }
  await follow(json.root)
  return found
}

t.test('by implicit tiling CesiumJS finds the same contents, with their true boxes and errors', async t => {
  await fc.assert(fc.asyncProperty(anyStats, async all => {
    const tree = tilesOf(withKeys(null, all), LIMITS)
    const json = implicitTilesetJson(tree, { geoidOffset: -10, generator: 'dothi', title: 'Houses', query: {} })
    const byName = (a: Found, b: Found) => (a.name < b.name ? -1 : 1)
    const wanted = [...eachTile(tree)].flatMap(({ z, x, y, content, all, geometricError }): Found[] =>
      content ? [{ name: `${z}/${x}/${y}`, tile: regionOf(all, -10), content: regionOf(z < 12 && content !== all ? all : content, -10), error: geometricError }] : [])
    t.strictSame((await followImplicit(t, tree, json)).map(each => ({ ...each, tile: [...each.tile], content: [...each.content] })).sort(byName).map(rounded), wanted.sort(byName).map(rounded))
    for (const root of implicitRoots(tree)) t.equal(implicitSubtree(tree, root, { z: root.z + 1, x: root.x * 2, y: root.y * 2 }, 0), null, 'each has one subtree')
  }), { numRuns: 25 })
})

const rounded = (found: Found): Found => ({ ...found, error: Math.round(found.error * 100) / 100 })

t.test('what a client makes of a tileset and its news is the newer tileset', t => {
  const at = (root: TreeTile | null, revision: number) => ({ root, revision, query: (tile: TreeTile) => `?rev=${(tile.content ?? tile.all).since}&part=${tile.part}` })
  const options = { geoidOffset: 0, generator: 'dothi', title: 'Houses' }
  const nameOf = (tile: any): string => tile.extras?.tile ?? tile.content.uri.split('.')[0]
  const laidOver = (old: any, news: any): any => {
    const children = new Map((old?.children ?? []).map((child: any) => [nameOf(child), child]))
    for (const child of news.children ?? []) children.set(nameOf(child), laidOver(children.get(nameOf(child)), child))
    return { ...news, ...(children.size && { children: [...children.values()] }) }
  }
  const sorted = (tile: any): any => ({ ...tile, ...(tile.children && { children: tile.children.map(sorted).sort((a: any, b: any) => (nameOf(a) < nameOf(b) ? -1 : 1)) }) })
  let told = 0
  fc.assert(fc.property(anyStats, anyKey, fc.integer({ min: 1, max: 30 }), (all, key, count) => {
    const root = withKeys(null, all)
    const [before, now] = [at(tilesOf(root, LIMITS), 50), at(tilesOf(withKeys(root, new Map([[key, joined(all.get(key) ?? emptySince(0), stats(key, count, 99))]])), LIMITS), 99)]
    const whole: any = tilesetJson(now.root, { ...now, ...options })
    const news: any = tilesetNews(now.root, before, { ...now, ...options })
    if (!news) return before.root === null || nameOf(whole.root) !== nameOf((tilesetJson(before.root, { ...before, ...options }) as any).root) || [...eachTile(before.root)].some(({ z, x, y }) => ![...eachTile(now.root)].some(tile => tile.z === z && tile.x === x && tile.y === y))
    told++
    t.strictSame(sorted(laidOver((tilesetJson(before.root, { ...before, ...options }) as any).root, news.root)), sorted(whole.root))
    return news.asset.extras.since === 50 && news.asset.extras.revision === 99
  }), { numRuns: 100 })
  t.ok(told > 30, `${told} of 100`)
  t.end()
})

// ── Kept in step with a real store ──

const named = { vi: 'x', en: 'x' }
const HOUSES: Layer = {
  id: 'houses', title: named, description: named, group: 'buildings', kind: 'city', geometry: 'polygon', threeD: { form: 'extrude', storeys: 'storeys' },
  columns: [{ name: 'name', type: 'text', title: named, inTiles: true }, { name: 'storeys', type: 'integer', title: named }],
  style: {}, zoom: { min: 0, max: 18 }, classification: 'open', licence: 'CC0-1.0',
}
const FEW = () => ({ leaf: 6 })

/** The rows that each address of a tileset stands for, as `id@revision …`. */
async function contentsOf(store: Store, service: Tiles3d, branch: Branch, asOf: AsOf, known: ReadonlyMap<string, string> = new Map()): Promise<Map<string, string>> {
  const layer = store.catalogue.get('houses')
  const snapshot = await service.snapshot({ layer, branch, asOf, reader: PUBLIC })
  const contents = new Map<string, string>()
  for (const uri of urisOf((await service.tileset(snapshot, {}) as any).root)) contents.set(uri, known.get(`${branch} ${uri}`) ?? await rowsAt(store, service, branch, uri))
  return contents
}

const urisOf = (tile: any): string[] => [...(tile.content ? [tile.content.uri] : []), ...(tile.children ?? []).flatMap(urisOf)]

async function rowsAt(store: Store, service: Tiles3d, branch: Branch, uri: string): Promise<string> {
  const layer = store.catalogue.get('houses')
  const [, z, x, y, rev, part] = /^(\d+)\/(\d+)\/(\d+)\.glb\?rev=(\d+)&part=(own|all)$/.exec(uri)!
  const { of, tile } = await service.place(await service.snapshot({ layer, branch, asOf: 'now', reader: PUBLIC }, Number(rev)), { z: Number(z), x: Number(x), y: Number(y) }, part as TilePart['part'])
  const view = await store.view({ ...of, columns: [] })
  const { rows } = await sql<{ id: number; revision: number }>`select id, revision from ${view.as('v')} where ${inTile(layer, 'v', tile)} order by id`.execute(store.db)
  return rows.map(({ id, revision }) => `${id}@${revision}`).join(' ')
}

async function allRows(store: Store, branch: Branch, asOf: AsOf): Promise<string[]> {
  const view = await store.view({ layer: store.catalogue.get('houses'), branch, asOf, reader: PUBLIC, columns: [] })
  return (await sql<{ id: number; revision: number }>`select id, revision from ${view.as('v')} where not st_isempty(geom)`.execute(store.db)).rows.map(({ id, revision }) => `${id}@${revision}`).sort()
}

/** A house anywhere in two villages, of a size that puts it anywhere between z11 and z17. */
const house = (random: () => number) => {
  const [lon, lat, size] = [108.1 + (random() < 0.3 ? 0.15 : 0) + random() * 0.02, 16 + random() * 0.02, 4 + 300 * random() ** 6]
  return sql`st_multi(st_expand(st_setsrid(st_makepoint(${lon}, ${lat}), 4326), ${size / 2 / 111_320}))`
}
/** Park–Miller: the same edits in every run. */
const seeded = (seed: number) => () => (seed = (seed * 16807) % 2147483647) / 2147483647

t.test('through edits of every kind the kept tree is the tree built anew, and an address never means two things', { timeout: 180_000 }, async t => {
  const store = await exampleStore(t, [HOUSES])
  const layer = store.catalogue.get('houses')
  const random = seeded(20261122)
  const write = (branch: Branch, statement: () => ReturnType<typeof sql>) => store.withRevision({ actor: 'test', reason: 'edit', branch }, async ({ tx }) => { await statement().execute(tx) })
  const anyOf = (n: number) => sql`(select id from city.houses order by md5(id || ${String(random())}::text) limit ${n})`
  await storeTerrain(store, { bounds: [108, 15.9, 108.4, 16.1], resolutionM: 60, height: (lon, lat) => 20 + 15 * Math.sin(lon * 400) * Math.cos(lat * 300) }, { name: 'hills', actor: 'test' })
  const { rows: [{ id: branch }] } = await sql<{ id: string }>`insert into dothi.branches (title) values ('Đề án') returning id`.execute(store.db) as { rows: [{ id: string }] }
  const kept = new Tiles3d(store, FEW)
  const trees = new Trees(store)
  const ever = new Map<string, string>()
  const moments: number[] = []
  let most = 0

  const check = async (on: Branch) => {
    // An address that is known stands for the rows it stood for: it must not be in a tileset of which they are no part.
    const now = await contentsOf(store, kept, on, 'now', ever)
    t.strictSame([...now.values()].flatMap(rows => rows.split(' ')).sort(), await allRows(store, on, 'now'), 'each house is in one tile')
    for (const [uri, rows] of now) ever.set(`${on} ${uri}`, rows)
    const of = { layer, branch: on, asOf: 'now', reader: PUBLIC } as const
    const [step, anew] = [await trees.get(of, await revision()), await new Trees(store).get(of, await revision())]
    t.strictSame(tilesOf(step.root, FEW()), tilesOf(anew.root, FEW()))
    return now
  }
  const revision = async () => (await sql<{ n: number }>`select max(revision) as n from dothi.revisions`.execute(store.db)).rows[0]!.n

  await write('main', () => sql`insert into city.houses (geom, ground_z, height, storeys) values ${sql.join(Array.from({ length: 60 }, () => sql`(${house(random)}, ${random() < 0.3 ? null : random() * 30}, ${random() < 0.3 ? null : 3 + random() * 60}, ${random() < 0.5 ? null : 2})`))}`)
  let before = await check('main')
  for (let n = 0; n < 16; n++) {
    const kind = Math.floor(random() * 7)
    const on = random() < 0.3 ? branch : 'main'
    if (on === 'main') await write(on, () =>
      kind === 0 ? sql`delete from city.houses where id in ${anyOf(1)}`
      : kind === 1 ? sql`insert into city.houses (geom, height) values (${house(random)}, ${random() * 40})`
      : kind === 2 ? sql`update city.houses set geom = ${house(random)} where id in ${anyOf(1)}`
      : kind === 3 ? sql`update city.houses set height = ${random() * 400} where id in ${anyOf(1)}`
      : kind === 4 ? sql`update city.houses set ground_z = null where id in ${anyOf(3)}`
      : kind === 5 ? sql`update city.houses set geom = 'SRID=4326;MULTIPOLYGON EMPTY' where id in ${anyOf(1)}`
      : sql`update city.houses set name = ${String(n)} where id in ${anyOf(1)}`)
    else await write(on, () => kind < 3
      ? sql`insert into branch.houses (branch, geom, height) values (${branch}, ${house(random)}, 12)`
      : sql`with gone as (update branch.houses set retired_revision = dothi.current_revision() where branch = ${branch} and retired_revision is null and id in ${anyOf(4)})
        insert into branch.houses (branch, id, geom, height, deleted) select ${branch}, id, ${kind === 3 ? house(random) : sql`geom`}, 7, ${kind === 4} from city.houses as c
        where id in ${anyOf(1)} and not exists (select from branch.houses as o where o.branch = ${branch} and o.id = c.id)`)
    moments.push(await revision())
    const after = await check('main')
    await check(branch)
    const names = (all: Map<string, string>) => new Set([...all.keys()].map(uri => uri.replace(/rev=\d+/, '')))
    const fresh = [...after.keys()].filter(uri => !before.has(uri)).length
    const [was, is] = [names(before), names(after)]
    if ([...is].every(name => was.has(name)) && [...was].every(name => is.has(name))) most = Math.max(most, kind === 4 ? 0 : fresh)
    if (on === branch) t.equal(fresh, 0, 'a scenario changes nothing of the city')
    before = after
  }
  t.ok(most <= 2, `an edit of one house changes at most two tiles: ${most}`)

  const later = new Tiles3d(store, FEW)
  for (const [name, rows] of ever) {
    const [on, uri] = name.split(' ') as [string, string]
    if (rows !== await rowsAt(store, later, on, uri)) t.fail(`${name} is not what it was`)
  }
  for (const moment of [moments[3]!, moments[11]!]) {
    for (const on of ['main', branch]) {
      const then = await contentsOf(store, kept, on, moment)
      t.strictSame([...then.values()].flatMap(rows => rows.split(' ')).sort(), await allRows(store, on, moment), 'the past is whole')
      const of = { layer, branch: on, asOf: moment, reader: PUBLIC } as const
      t.strictSame(tilesOf((await trees.get(of, moment)).root, FEW()), tilesOf((await new Trees(store).get(of, moment)).root, FEW()))
    }
  }

  await t.test('a new ground dates the tiles that stand on it, and no others', async t => {
    const old = await contentsOf(store, kept, 'main', 'now')
    await storeTerrain(store, { bounds: [108, 15.9, 108.4, 16.1], resolutionM: 60, height: () => 80 }, { name: 'hills', actor: 'test' })
    const now = await contentsOf(store, kept, 'main', 'now')
    const { rows } = await sql<{ id: number }>`select id from city.houses where ground_z is null`.execute(store.db)
    const draped = new Set(rows.map(({ id }) => String(id)))
    for (const [uri, ids] of now) t.equal(old.has(uri), !ids.split(' ').some(row => draped.has(row.split('@')[0]!)), uri)
  })
})

// ── Boxes around what is drawn ──

const column = (name: string, unit?: string) => ({ name, type: 'number', title: named, ...(unit && { unit }) }) as const
const FORMS: readonly Layer[] = [
  { ...HOUSES, threeD: { form: 'extrude', storeys: 'storeys', base: 'base', top: 'top' }, columns: [...HOUSES.columns, column('base'), column('top')] },
  { ...HOUSES, id: 'pipes', geometry: 'line', threeD: { form: 'tube', diameter: 'dn', level: 'from_m', levelTo: 'to_m', cover: 'cover' }, columns: [column('dn', 'mm'), column('from_m'), column('to_m'), column('cover')] },
  { ...HOUSES, id: 'banks', geometry: 'line', threeD: { form: 'embankment', base: 'toe', top: 'crest', width: 'wide' }, columns: [column('toe'), column('crest'), column('wide')] },
  { ...HOUSES, id: 'trees', group: 'nature', geometry: 'point', threeD: { form: 'instance' }, columns: [column('crown_m')] },
  { ...HOUSES, id: 'masts', geometry: 'point', threeD: { form: 'instance', level: 'stands_at', tall: 'tall', turn: 'bearing' }, columns: [column('stands_at'), column('tall'), column('bearing')] },
]

t.test('on hills and on their own levels, every form lies within the region that announces it, and the region is not much larger', { timeout: 180_000 }, async t => {
  const store = await exampleStore(t, FORMS)
  await storeTerrain(store, { bounds: [108.09, 15.99, 108.125, 16.03], resolutionM: 30, height: (lon, lat) => 60 + 50 * Math.sin(lon * 900) * Math.cos(lat * 700) }, { name: 'hills', actor: 'test' })
  await store.setCity({ ...await store.city(), geoidOffset: -12 })
  const or = (share: number, value: string) => sql.raw(`case when random() < ${share} then ${value} end`)
  await store.withRevision({ actor: 'test', reason: 'all forms' }, async ({ tx }) => {
    await sql`select setseed(0.4)`.execute(tx)
    const somewhere = sql.raw('(select 108.1 + random() * 0.03 as lon, 16 + random() * 0.02 as lat from generate_series(1, 300)) as p')
    const line = sql.raw('st_multi(st_setsrid(st_makeline(st_makepoint(lon, lat), st_makepoint(lon + random() * 0.002, lat + random() * 0.002)), 4326))')
    await sql`insert into city.houses (geom, ground_z, height, storeys, base, top) select st_multi(st_expand(st_setsrid(st_makepoint(lon, lat), 4326), 0.00003 + 0.0004 * random() ^ 4)),
      ${or(0.5, 'random() * 90')}, ${or(0.7, '2 + 60 * random()')}, ${or(0.5, '3')}, ${or(0.1, '100 + random()')}, ${or(0.1, '120 + random()')} from ${somewhere}`.execute(tx)
    await sql`insert into city.pipes (geom, height, dn, from_m, to_m, cover) select ${line}, ${or(0.2, '6')}, ${or(0.8, '1500 * random()')}, ${or(0.5, '30 * random()')}, ${or(0.5, '30 * random()')}, ${or(0.5, '3 * random()')} from ${somewhere}`.execute(tx)
    await sql`insert into city.banks (geom, ground_z, height, toe, crest, wide) select ${line}, ${or(0.3, '5')}, ${or(0.5, '4')}, ${or(0.3, '10')}, ${or(0.3, '110')}, ${or(0.5, '6')} from ${somewhere}`.execute(tx)
    await sql`insert into city.trees (geom, ground_z, height, crown_m) select st_setsrid(st_makepoint(lon, lat), 4326), ${or(0.3, '5')}, ${or(0.7, '25 * random()')}, ${or(0.5, '14 * random()')} from ${somewhere}`.execute(tx)
    await sql`insert into city.masts (geom, ground_z, height, stands_at, tall, bearing) select st_setsrid(st_makepoint(lon, lat), 4326), ${or(0.3, '5')}, ${or(0.5, '40 * random()')}, ${or(0.3, '50 * random()')}, ${or(0.5, '12')}, ${or(0.5, '90')} from ${somewhere}`.execute(tx)
  })
  const service = new Tiles3d(store, () => ({ leaf: 40 }))
  for (const layer of FORMS) {
    const snapshot = await service.snapshot({ layer: store.catalogue.get(layer.id), branch: 'main', asOf: 'now', reader: PUBLIC })
    const json: any = await service.tileset(snapshot, {})
    let tiles = 0
    let slack = 0
    const check = async (tile: any): Promise<void> => {
      for (const child of tile.children ?? []) await check(child)
      if (!tile.content) return
      const [z, x, y] = tile.content.uri.split(/[/.]/).map(Number)
      const points = vertices(readGlb(gunzipSync((await service.tile(snapshot, { z, x, y })).gzip))).map(({ geocentric: [x, y, z] }) => geodetic(x, y, z))
      const [west, south, east, north, low, high] = (tile.content.boundingVolume ?? tile.boundingVolume).region
      const outside = points.filter(([lon, lat, height]) => lon < west * DEGREES - 2e-7 || lon > east * DEGREES + 2e-7 || lat < south * DEGREES - 2e-7 || lat > north * DEGREES + 2e-7 || height < low - 0.05 || height > high + 0.05)
      if (outside.length) t.fail(`${layer.id} ${tile.content.uri}: ${outside.length} of ${points.length} outside ${[west * DEGREES, south * DEGREES, east * DEGREES, north * DEGREES, low, high].join(' ')}: ${outside[0]!.join(' ')}`)
      const heights = points.map(([, , height]) => height)
      slack = Math.max(slack, high - low - (Math.max(...heights) - Math.min(...heights)))
      tiles++
    }
    await check(json.root)
    t.ok(tiles > 5, `${layer.id}: ${tiles} tiles`)
    // The hills are as steep as 60 %, and each place is looked at with those around it.
    t.ok(slack < (layer.geometry === 'line' ? 110 : 70), `${layer.id}: at most ${slack.toFixed(1)} m higher than need be`)
  }
})

const DEGREES = 180 / Math.PI
