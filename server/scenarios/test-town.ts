/** A town small enough to reason about, for the tests of this folder. */
import type { Feature } from '../../core/feature.js'
import { loadFeatures } from '../import/load.js'
import type { Store } from '../store/store.js'
import { storeTerrain } from '../terrain/terrain-store.js'
import type { NewScenario } from './scenario.js'

/**
 * A town of 1.2 km × 0.8 km round 108.2° E, 16° N, from west to east:
 *
 *     hill 90 m ╲                                   open sea
 *                ╲___ plain 3 m ___╲  hollow  ╱____╲_ shelf −2 m _╲ −9 m
 *   x  −600     −450              −150  1 m  150   350           500     rising 1 % northwards from y = 0
 */
const LON = 108.2, LAT = 16, M = 1 / 111_000, MX = M / Math.cos(LAT * Math.PI / 180)
export const at = (x: number, y: number): [number, number] => [LON + x * MX, LAT + y * M]
const ramp = (x: number, from: number, to: number) => Math.min(1, Math.max(0, (x - from) / (to - from)))
function ground(lon: number, lat: number): number {
  const x = (lon - LON) / MX, y = (lat - LAT) / M
  const hollow = 2 * Math.max(0, 1 - Math.hypot(x, y) / 150)
  return 90 * ramp(-x, 450, 600) + 3 + 0.01 * Math.max(0, y) - hollow - 5 * ramp(x, 350, 400) - 7 * ramp(x, 450, 500)
}
const box = (x: number, y: number, w: number, h: number) => ({ type: 'Polygon', coordinates: [[at(x, y), at(x + w, y), at(x + w, y + h), at(x, y + h), at(x, y)]] })

export const BUILDINGS: readonly Feature[] = [
  { sourceId: 'hollow', geometry: box(-10, -10, 20, 20), properties: { name: 'Trong trũng', use: 'residential', storeys: 2, people: 8 }, groundZ: 1, height: 7 },
  { sourceId: 'dry', geometry: box(-250, 200, 20, 10), properties: { name: 'Nền cao', use: 'school', storeys: 1, floor_area_m2: 1200, ground_floor_level_m: 6 }, groundZ: 3, height: 4 },
  { sourceId: 'hill', geometry: box(-590, 0, 10, 10), properties: { name: 'Trên đồi', use: 'residential', storeys: 1, people: 3 }, groundZ: 85, height: 4 },
]

export async function* features(list: readonly Feature[]) { yield* list }

export async function makeTown(store: Store) {
  await store.setCity({ name: 'Test', srid: 5899, home: { lon: LON, lat: LAT, zoom: 15 }, verticalDatum: 'Hòn Dấu', geoidOffset: -5, timeZone: 'Asia/Ho_Chi_Minh', currency: 'VND', sample: false })
  await storeTerrain(store, { bounds: [...at(-700, -500), ...at(700, 500)], resolutionM: 8, height: ground }, { name: 'town', actor: 'test' })
  const stream = (layer: string, list: readonly Feature[]) => ({ layer, srid: 4326, source: 'test', features: features(list) })
  await loadFeatures(store, [
    stream('buildings', BUILDINGS),
    stream('water_bodies', [{ sourceId: 'sea', geometry: box(370, -500, 330, 1000), properties: { kind: 'sea', name: 'Biển' } }]),
    stream('roads', [
      { sourceId: 'low', geometry: { type: 'LineString', coordinates: [at(-100, 0), at(100, 0)] }, properties: { name: 'Đường trũng', class: 'residential' } },
      { sourceId: 'bridge', geometry: { type: 'LineString', coordinates: [at(-100, 10), at(100, 10)] }, properties: { name: 'Cầu', class: 'primary', bridge: true } },
    ]),
    stream('facilities', [{ sourceId: 'clinic', geometry: { type: 'Point', coordinates: at(0, 20) }, properties: { name: 'Trạm y tế', kind: 'clinic' } }]),
  ], { actor: 'test', reason: 'a town' })
}

export const STORM: NewScenario = {
  title: { vi: 'Mưa thử', en: 'Trial rain' },
  forcing: {
    start: '2025-10-01T00:00:00Z', hours: 1, cell: 20, window: [...at(-600, -400), ...at(600, 400)], drainsMmPerHour: 5, infiltrationMmPerHour: 2,
    rain: { source: 'Invented.', hours: [0, 1], values: [150, 0] },
    sea: { source: 'Invented.', hours: [0, 1], values: [0.2, 0.6] },
    rivers: [{ name: 'Suối', source: 'Invented.', at: at(-400, 0), hours: [0, 0.5, 1], values: [0, 2, 1] }],
  },
}
