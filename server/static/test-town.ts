/** A town for the tests of exports: three hundred houses by a river on rising ground, with what not everybody may see. */
import type { BBox } from '../../core/bbox.js'
import type { Feature, FeatureStream } from '../../core/feature.js'
import { loadFeatures } from '../import/load.js'
import type { Store } from '../store/store.js'
import { storeTerrain } from '../terrain/terrain-store.js'

export const HOUSES = 300
/** Told by columns that are internal or restricted: no file of an export may hold it. */
export const SECRET = 'KHONG-CONG-KHAI'
export const [LON, LAT] = [108.2268, 16.0635]
/** Degrees for metres, near enough for a town. */
export const at = (east: number, north: number): [number, number] => [LON + east / 107_000, LAT + north / 110_660]
const box = (e: number, n: number, w: number, h: number) => [[at(e, n), at(e + w, n), at(e + w, n + h), at(e, n + h), at(e, n)]]
export const BOUNDS: BBox = [...at(-1200, -1100), ...at(1200, 1100)]

/** House `i` stands on a grid of 20 columns, 60 m apart. */
export const houseAt = (i: number): [east: number, north: number] => [-1000 + (i % 20) * 60, -500 + Math.floor(i / 20) * 60]
const ground = (lon: number) => Math.max(-3, Math.min(5, (LON - lon) * 107_000 / 200 + 2))

async function* houses(): AsyncGenerator<Feature> {
  for (let i = 0; i < HOUSES; i++) {
    const storeys = 1 + (i * 7) % 9
    yield {
      sourceId: `house-${i}`, geometry: { type: 'MultiPolygon', coordinates: [box(...houseAt(i), 34, 30)] }, groundZ: 3, height: storeys * 3.6,
      properties: { name: i === 8 ? 'Chợ Hàn' : `Nhà ${i + 1}`, use: i === 8 ? 'market' : 'residential', storeys, transformer_code: `${SECRET}-${i}` },
    }
  }
}

async function* parcels(): AsyncGenerator<Feature> {
  for (let i = 0; i < HOUSES; i++) {
    const [e, n] = houseAt(i)
    yield { sourceId: `parcel-${i}`, geometry: { type: 'MultiPolygon', coordinates: [box(e - 8, n - 8, 50, 46)] }, properties: { so_to: 12, so_thua: i + 1, so_gcn: `${SECRET}-${i}` } }
  }
}

async function* all(...features: readonly Feature[]): AsyncGenerator<Feature> { yield* features }
const stream = (layer: string, features: AsyncIterable<Feature>): FeatureStream => ({ layer, srid: 4326, source: 'test', features })

export async function makeTown(store: Store): Promise<void> {
  await store.setCity({
    name: 'Đà Nẵng', srid: 5899, home: { lon: LON, lat: LAT, zoom: 15 }, verticalDatum: 'Hòn Dấu 1992', geoidOffset: -8.5, timeZone: 'Asia/Ho_Chi_Minh', currency: 'VND', sample: true,
  })
  await storeTerrain(store, { bounds: BOUNDS, resolutionM: 40, height: ground }, { name: 'test', actor: 'test' })
  await loadFeatures(store, [
    stream('buildings', houses()),
    stream('parcels', parcels()),
    stream('roads', all({ sourceId: 'r', geometry: { type: 'MultiLineString', coordinates: [[at(-1100, -540), at(400, -540)]] }, properties: { name: 'Đường Bạch Đằng', class: 'primary', long_duong_m: 15 } })),
    stream('water_bodies', all({ sourceId: 'w', geometry: { type: 'MultiPolygon', coordinates: [box(450, -1000, 500, 2000)] }, properties: { name: 'Sông Hàn', kind: 'river', water_level_m: 0 } })),
    stream('trees', all(...Array.from({ length: 40 }, (_, i): Feature => ({ sourceId: `t${i}`, geometry: { type: 'Point', coordinates: at(-1000 + i * 30, -520) }, properties: {} })))),
  ], { actor: 'test', reason: 'town' })
}
