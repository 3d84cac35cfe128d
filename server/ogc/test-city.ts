/** A small city of its own for the OGC tests: a few layers, a few dozen features, served on a loopback port. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Layer } from '../../layers/layer.js'
import { createApp } from '../app.js'
import type { Operation } from '../operations/operation.js'
import { insertFeatures, type FeatureEdit } from '../store/writes.js'
import { PUBLIC, STEWARD, type Store } from '../store/store.js'
import { testStore, type Tearable } from '../testing/test-store.js'
import { operations as ogc } from './operations.js'
import { operations as city } from '../city.js'

const title = (vi: string, en = vi) => ({ vi, en })

export const SHOPS: Layer = {
  id: 'shops', title: title('Cửa hàng', 'Shops'), description: title('Nơi mua sắm', 'Places to buy things'), group: 'services', kind: 'city', geometry: 'point',
  columns: [
    { name: 'name', type: 'text', title: title('Tên', 'Name'), inTiles: true },
    { name: 'kind', type: 'text', title: title('Loại', 'Kind'), inTiles: true, codes: { food: title('Ăn uống', 'Food'), tools: title('Dụng cụ', 'Tools') } },
    { name: 'floors', type: 'integer', title: title('Số tầng', 'Floors'), inTiles: true, min: 0, max: 200 },
    { name: 'area', type: 'number', unit: 'm²', title: title('Diện tích', 'Area'), inTiles: true },
    { name: 'open', type: 'boolean', title: title('Mở cửa', 'Open'), inTiles: true },
    { name: 'since', type: 'date', title: title('Từ ngày', 'Since'), inTiles: true },
    { name: 'seen', type: 'timestamp', title: title('Lần cuối', 'Last seen'), inTiles: true },
    { name: 'tags', type: 'json', title: title('Nhãn', 'Tags'), inTiles: true },
    { name: 'parcel', type: 'integer', title: title('Thửa', 'Parcel') },
    { name: 'meter', type: 'text', title: title('Công tơ', 'Meter'), classification: 'internal', inTiles: true },
  ],
  label: 'name', searchable: ['name'], style: { circle: '#c2562d' }, zoom: { min: 8, max: 16 }, importance: 'floors', classification: 'open', licence: 'CC-BY-4.0',
}

export const LOTS: Layer = {
  id: 'lots', title: title('Lô đất', 'Lots'), description: title('Lô đất đo đạc', 'Surveyed lots'), group: 'land', kind: 'city', geometry: 'polygon',
  surveyed: { srid: 5899 }, threeD: { form: 'extrude' },
  columns: [
    { name: 'so_to', type: 'text', title: title('Số tờ', 'Sheet'), inTiles: true },
    { name: 'so_thua', type: 'text', title: title('Số thửa', 'Parcel'), inTiles: true },
  ],
  label: 'so_thua', searchable: ['so_thua'], style: { fill: '#cccccc', line: '#888888' }, zoom: { min: 10, max: 16 }, importance: 'area', classification: 'open', licence: 'CC-BY-4.0',
}

export const CABLES: Layer = {
  id: 'cables', title: title('Cáp', 'Cables'), description: title('Chỉ cho người của công ty', 'For the company only'), group: 'utilities', kind: 'city', geometry: 'line',
  columns: [{ name: 'kv', type: 'number', unit: 'kV', title: title('Điện áp', 'Voltage'), inTiles: true }],
  style: { line: '#e0a030' }, zoom: { min: 8, max: 16 }, classification: 'internal', licence: 'CC-BY-4.0',
}

export const EMPTY: Layer = {
  ...CABLES, id: 'nothing_yet', title: title('Chưa có', 'Nothing yet'), classification: 'open',
}

export const TEST_LAYERS: readonly Layer[] = [SHOPS, LOTS, CABLES, EMPTY]

/** Shop `i` stands on a grid of 25 columns, 0.002° apart, from 108.20, 16.04. */
export function shop(i: number): FeatureEdit {
  return {
    geometry: { type: 'Point', coordinates: [108.2 + (i % 25) * 0.002, 16.04 + Math.floor(i / 25) * 0.002] },
    properties: {
      name: i === 0 ? 'Chợ Hàn' : `Tiệm số ${i}`, kind: i % 3 === 0 ? 'food' : 'tools', floors: i % 7, area: i * 1.5, open: i % 2 === 0,
      since: '2020-01-15', seen: '2026-03-01T02:03:04Z', tags: { a: i }, meter: `M${i}`,
    },
    source: 'test', sourceId: String(i),
  }
}

function lot(i: number): FeatureEdit {
  const [w, s] = [108.21 + i * 0.001, 16.05]
  return {
    geometry: { type: 'MultiPolygon', coordinates: [[[[w, s], [w, s + 0.0008], [w + 0.0008, s + 0.0008], [w + 0.0008, s], [w, s]]]] },
    properties: { so_to: '12', so_thua: String(345 + i) }, groundZ: 2.5, height: 9,
  }
}

export interface TestCity { readonly url: string; readonly store: Store; readonly shops: readonly number[]; readonly lots: readonly number[] }

/** Serves it; `Authorization: Bearer steward` reads everything. */
export async function testCity(t: Tearable, more: readonly Operation[] = []): Promise<TestCity> {
  const store = await testStore(t, { layers: TEST_LAYERS })
  const { result } = await store.withRevision({ actor: 'test', reason: 'first rows' }, async (writer) => ({
    shops: await insertFeatures(writer, SHOPS, 'main', Array.from({ length: 60 }, (_, i) => shop(i))),
    lots: await insertFeatures(writer, LOTS, 'main', Array.from({ length: 5 }, (_, i) => lot(i))),
    cables: await insertFeatures(writer, CABLES, 'main', [{ geometry: { type: 'MultiLineString', coordinates: [[[108.2, 16.04], [108.25, 16.05]]] }, properties: { kv: 22 } }]),
  }))
  return { store, url: await serve(t, store, more), shops: result.shops, lots: result.lots }
}

/** An application over any store, listening until the test ends. */
export async function serve(t: Tearable, store: Store, more: readonly Operation[] = []): Promise<string> {
  const config = { databaseUrl: undefined, port: 0, host: '127.0.0.1', dataDir: '.data', baseUrl: undefined, sample: false }
  const app = createApp({ store, jobs: undefined as never, config }, [...ogc, ...city, ...more], {
    readerOf: async (request) => (request.get('authorization') === 'Bearer steward' ? STEWARD : PUBLIC),
    clearanceNow: ({ headers }) => (headers.authorization === 'Bearer steward' ? STEWARD : PUBLIC).clearance,
  })
  const server = createServer(app)
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  t.teardown(async () => {
    server.closeAllConnections()
    await new Promise((done) => server.close(done))
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}
