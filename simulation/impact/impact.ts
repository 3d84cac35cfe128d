/** From water to people: what a flood did to buildings, roads and facilities, and its sums. Pure functions of values. */
import { curveOf, damageAt, occupants } from './curves.js'
import { alongLines, aroundFootprint, atPoint, type Coordinates, type Flood, type Wetness } from './sample.js'

/** Floor above the ground where the survey does not say, metres. */
export const DEFAULT_FLOOR_HEIGHT = 0.3
/** A place counts as flooded from here on, metres. */
export const FLOODED = 0.1
/** A road is closed to cars from here on, metres (Pregnolato et al. 2017, Transp. Res. D 55, 67). */
export const CAR_LIMIT = 0.3
/** Equipment stops from here on above its own floor, metres (Hazus: most of it stands 3 ft up). */
export const EQUIPMENT_LIMIT = 0.9

export interface Building {
  readonly id: number
  /** Outer ring of each part, closed; metres in the grid's CRS. */
  readonly rings: readonly Coordinates[]
  readonly use: string | null
  readonly storeys: number | null
  /** Gross, m². */
  readonly floorArea: number
  /** Where the survey counted them; else estimated from use and floor area. */
  readonly people: number | null
  /** Ground floor above the ground, metres. */
  readonly floorHeight: number | null
}

export interface BuildingImpact extends Wetness {
  readonly id: number
  readonly use: string | null
  /** Above the ground floor. */
  readonly depthFloor: number
  readonly people: number
  /** Those among them on the ground floor. */
  readonly peopleOnGroundFloor: number
  readonly damage: number
}

/** `null`: the building stands where nothing was computed. */
export function buildingImpact(flood: Flood, building: Building): BuildingImpact | null {
  const wetness = aroundFootprint(flood, building.rings)
  if (!wetness) return null
  const depthFloor = Math.max(0, wetness.depth - Math.max(0, building.floorHeight ?? DEFAULT_FLOOR_HEIGHT))
  const people = building.people ?? occupants(building.use, building.floorArea)
  return {
    ...wetness, id: building.id, use: building.use, depthFloor, people,
    peopleOnGroundFloor: Math.round(people / Math.max(1, building.storeys ?? 1)),
    damage: damageAt(curveOf(building.use), depthFloor),
  }
}

export interface Road {
  readonly id: number
  readonly lines: readonly Coordinates[]
  readonly length: number
  /** On a bridge the water passes below. */
  readonly bridge: boolean
}

export interface RoadImpact extends Wetness {
  readonly id: number
  readonly length: number
  /** By car. */
  readonly passable: boolean
}

/** `null`: nothing was computed along the road. A bridge stays dry. */
export function roadImpact(flood: Flood, road: Road): RoadImpact | null {
  if (road.bridge) return { id: road.id, length: road.length, passable: true, depth: 0, arrival01: null, arrival03: null, duration01: 0, duration03: 0 }
  const wetness = alongLines(flood, road.lines)
  return wetness && { ...wetness, id: road.id, length: road.length, passable: wetness.depth < CAR_LIMIT }
}

export interface Facility {
  readonly id: number
  readonly x: number
  readonly y: number
  /** Floor, plinth or pad above the ground, metres. */
  readonly floorHeight: number | null
}

export interface FacilityImpact extends Wetness {
  readonly id: number
  readonly depthFloor: number
  readonly working: boolean
}

/** `null`: the facility stands where nothing was computed. */
export function facilityImpact(flood: Flood, facility: Facility): FacilityImpact | null {
  const wetness = atPoint(flood, facility.x, facility.y)
  if (!wetness) return null
  const depthFloor = Math.max(0, wetness.depth - Math.max(0, facility.floorHeight ?? DEFAULT_FLOOR_HEIGHT))
  return { ...wetness, id: facility.id, depthFloor, working: depthFloor < EQUIPMENT_LIMIT }
}

export interface Count { readonly buildings: number; readonly people: number }

export interface ImpactSummary {
  /** Buildings and the people in them by class of greatest depth at the wall, every class named. */
  readonly byDepthClass: Readonly<Record<string, Count>>
  /** The flooded ones (≥ 0.1 m) by use. */
  readonly byUse: Readonly<Record<string, Count>>
  readonly buildings: { readonly computed: number; readonly notComputed: number; readonly flooded: number; readonly floorsFlooded: number; readonly meanDamage: number }
  readonly people: { readonly inFloodedBuildings: number; readonly onFloodedGroundFloors: number }
  readonly roads: { readonly computedKm: number; readonly floodedKm: number; readonly impassableKm: number; readonly impassable: number; readonly notComputed: number }
}

/** The sums. `classOf` and `classes` come from the layer of results, so that table, chart and map speak alike. */
export function summarise(
  buildings: readonly (BuildingImpact | null)[], roads: readonly (RoadImpact | null)[],
  { classes, classOf }: { readonly classes: readonly string[]; readonly classOf: (depth: number) => string },
): ImpactSummary {
  const computed = buildings.filter(impact => impact !== null)
  const flooded = computed.filter(impact => impact.depth >= FLOODED)
  const floors = computed.filter(impact => impact.depthFloor > 0)
  const driven = roads.filter(impact => impact !== null)
  const km = (list: readonly RoadImpact[]) => sum(list, road => road.length) / 1000
  const closed = driven.filter(road => !road.passable)
  return {
    byDepthClass: { ...Object.fromEntries(classes.map(name => [name, { buildings: 0, people: 0 }])), ...countBy(computed, impact => classOf(impact.depth)) },
    byUse: countBy(flooded, impact => impact.use ?? 'other'),
    buildings: {
      computed: computed.length, notComputed: buildings.length - computed.length, flooded: flooded.length, floorsFlooded: floors.length,
      meanDamage: floors.length ? sum(floors, impact => impact.damage) / floors.length : 0,
    },
    people: { inFloodedBuildings: sum(flooded, impact => impact.people), onFloodedGroundFloors: sum(floors, impact => impact.peopleOnGroundFloor) },
    roads: {
      computedKm: km(driven), floodedKm: km(driven.filter(road => road.depth >= FLOODED)), impassableKm: km(closed),
      impassable: closed.length, notComputed: roads.length - driven.length,
    },
  }
}

function countBy(impacts: readonly BuildingImpact[], key: (impact: BuildingImpact) => string): Record<string, Count> {
  const counts: Record<string, { buildings: number; people: number }> = {}
  for (const impact of impacts) {
    const count = counts[key(impact)] ??= { buildings: 0, people: 0 }
    count.buildings++
    count.people += impact.people
  }
  return counts
}

const sum = <T>(list: readonly T[], value: (item: T) => number) => list.reduce((total, item) => total + value(item), 0)
