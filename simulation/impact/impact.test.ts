import t from 'tap'
import { damageAt, occupants } from './curves.js'
import { buildingImpact, facilityImpact, roadImpact, summarise, type Building } from './impact.js'
import type { Flood } from './sample.js'

/**
 * Four by three cells of 10 m, north first, south-west corner at (0, 0). Depths in metres, − not computed, ~ river:
 *
 *        0    10   20   30   40
 *     30 ┌────┬────┬────┬────┐
 *        │ 0  │ .2 │ .4 │  − │
 *     20 ├────┼────┼────┼────┤
 *        │ 0  │ .6 │1.2 │  − │
 *     10 ├────┼────┼────┼────┤
 *        │ ~5 │ ~5 │ 0  │  − │
 *      0 └────┴────┴────┴────┘
 */
const depth = Float32Array.from([0, 0.2, 0.4, NaN, 0, 0.6, 1.2, NaN, 5, 5, 0, NaN])
const flood: Flood = {
  grid: { rows: 3, cols: 4, cell: 10, origin: [0, 30] },
  peaks: {
    depth,
    arrival01: depth.map((d, i) => d >= 0.1 ? 600 + i : NaN), arrival03: depth.map((d, i) => d >= 0.3 ? 900 + i : NaN),
    duration01: depth.map(d => d >= 0.1 ? 3600 : 0), duration03: depth.map(d => d >= 0.3 ? 1800 : 0),
  },
  permanent: Uint8Array.from(depth, d => d === 5 ? 1 : 0),
}
const box = (west: number, south: number, east: number, north: number) => [west, south, east, south, east, north, west, north, west, south]
const house = (id: number, ring: number[], more: Partial<Building> = {}): Building =>
  ({ id, rings: [ring], use: 'residential', storeys: 2, floorArea: 270, people: null, floorHeight: null, ...more })
const round = (value: number) => +value.toFixed(4)

t.test('a building is as deep as the water around it, whichever way its ring winds', async t => {
  const inside = buildingImpact(flood, house(1, box(12, 12, 18, 18)))!
  t.same({ depth: round(inside.depth), floor: round(inside.depthFloor), people: inside.people, ground: inside.peopleOnGroundFloor, arrival: inside.arrival01, damage: round(inside.damage) },
    // 0.6 m at the wall, 0.3 m above a floor of 0.3 m; 270 m² / 27 m² = 10 people on 2 storeys; 0.3/0.5 × 0.327.
    { depth: 0.6, floor: 0.3, people: 10, ground: 5, arrival: 605, damage: 0.1962 })
  t.equal(round(buildingImpact(flood, house(2, box(12, 12, 19, 18)))!.depth), 1.2, 'its east wall stands 1 m from the deeper cell')
  t.equal(round(buildingImpact(flood, house(3, [12, 12, 12, 18, 19, 18, 19, 12, 12, 12]))!.depth), 1.2)
  t.equal(buildingImpact(flood, house(4, box(12, 12, 18, 18), { floorHeight: 0.8, people: 4 }))!.depthFloor, 0, 'a high floor stays dry')
  t.equal(buildingImpact(flood, house(4, box(12, 12, 18, 18), { people: 4 }))!.people, 4, 'counted people go before estimates')
})

t.test('a river cell says nothing about the house on its bank', async t => {
  t.equal(buildingImpact(flood, house(1, box(2, 11, 8, 18)))!.depth, 0)
})

t.test('where nothing was computed nothing is said', async t => {
  t.equal(buildingImpact(flood, house(1, box(100, 100, 110, 110))), null)
  t.equal(roadImpact(flood, { id: 1, lines: [[35, 1, 35, 29]], length: 28, bridge: false }), null)
  t.equal(facilityImpact(flood, { id: 1, x: 500, y: 500, floorHeight: null }), null)
  t.equal(round(buildingImpact(flood, house(1, box(33, 13, 38, 18)))!.depth), 1.2, 'but the cell next door may speak for a house just outside')
})

t.test('a road is closed to cars from 0.3 m, a bridge never', async t => {
  const road = (y: number, bridge = false) => roadImpact(flood, { id: 1, lines: [[1, y, 29, y]], length: 28, bridge })!
  t.same([road(25), road(5), road(15, true)].map(({ depth, passable, arrival03 }) => [round(depth), passable, arrival03]), [[0.4, false, 902], [0, true, null], [0, true, null]])
})

t.test('equipment stops 0.9 m above its floor', async t => {
  t.match(facilityImpact(flood, { id: 1, x: 25, y: 15, floorHeight: 0.2 }), { depthFloor: Number, working: false })
  t.match(facilityImpact(flood, { id: 1, x: 25, y: 15, floorHeight: 0.4 }), { working: true })
})

t.test('the sums add up', async t => {
  const buildings = [house(1, box(12, 12, 18, 18)), house(2, box(12, 22, 17, 28), { use: null, people: 3 }), house(3, box(2, 22, 8, 28)), house(4, box(200, 200, 210, 210))].map(building => buildingImpact(flood, building))
  const roads = [25, 5, 500].map((y, id) => roadImpact(flood, { id, lines: [[1, y, 29, y]], length: 500, bridge: false }))
  const classOf = (depth: number) => depth >= 0.5 ? 'deep' : depth >= 0.1 ? 'wet' : 'dry'
  t.strictSame(summarise(buildings, roads, { classes: ['dry', 'wet', 'deep', 'abyss'], classOf }), {
    byDepthClass: { dry: { buildings: 1, people: 10 }, wet: { buildings: 1, people: 3 }, deep: { buildings: 1, people: 10 }, abyss: { buildings: 0, people: 0 } },
    byUse: { residential: { buildings: 1, people: 10 }, other: { buildings: 1, people: 3 } },
    buildings: { computed: 3, notComputed: 1, flooded: 2, floorsFlooded: 1, meanDamage: damageAt('residential', Math.fround(0.6) - 0.3) },
    people: { inFloodedBuildings: 13, onFloodedGroundFloors: 5 },
    roads: { computedKm: 1, floodedKm: 0.5, impassableKm: 0.5, impassable: 1, notComputed: 1 },
  })
})

t.test('curves hit their published points and hold beyond them', async t => {
  t.strictSame([0, 0.5, 1.5, 6, 9].map(depth => damageAt('residential', depth)), [0, 0.327, 0.617, 1, 1])
  t.equal(round(damageAt('commercial', 0.25)), 0.1885)
  t.equal(occupants('school', 1200), 100)
})
