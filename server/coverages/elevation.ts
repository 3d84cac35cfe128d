/** The ground as a coverage: terrain with its levees and earthworks cut in. */
import { CRS84 } from '../../core/crs.js'
import { sql } from 'kysely'
import type { Store } from '../store/store.js'
import { groundAt, latestGroundRevision } from '../terrain/ground.js'
import { pixelSizeM } from '../terrain/height-tile.js'
import { terrainSummary, type TerrainAt } from '../terrain/terrain-store.js'
import type { Coverage, Places, Quantity } from './coverage.js'
import { crsOf, placesIn } from './crs.js'

export const ELEVATION = 'elevation'

const HEIGHT: Quantity = {
  name: 'elevation',
  title: { vi: 'Cao độ mặt đất', en: 'Ground elevation' },
  description: { vi: 'Cao độ mặt đất so với mốc độ cao của thành phố, có đê và công trình đất.', en: 'Height of the ground above the city’s vertical datum, levees and earthworks included.' },
  unit: { symbol: 'm', label: { vi: 'mét', en: 'metre' } },
  property: 'http://vocab.nerc.ac.uk/standard_name/surface_altitude/',
}

/** The ground on a branch as of a moment; undefined where no terrain is stored. */
export async function elevation(store: Store, at: TerrainAt): Promise<Coverage | undefined> {
  const summary = await terrainSummary(store, at)
  if (!summary) return undefined
  const { srid, verticalDatum } = await store.city()
  const revision = await latestGroundRevision(store, at)
  return {
    id: ELEVATION,
    title: { vi: 'Địa hình', en: 'Elevation' },
    description: { vi: `Cao độ mặt đất, mốc ${verticalDatum}.`, en: `Ground elevation; vertical datum ${verticalDatum}.` },
    quantities: [HEIGHT],
    bbox: summary.bounds,
    crs: await crsOf(store, srid),
    resolutionM: Math.min(...summary.sources.map(source => source.resolutionM)),
    times: [await timeOf(store, revision) ?? summary.sources[0]!.created.getTime()],
    version: `${at.branch ?? 'main'} ${revision}`,
    open: places => () => heights(store, places, at),
  }
}

async function timeOf(store: Store, revision: number): Promise<number | undefined> {
  const { rows } = await sql<{ at: Date }>`select at from dothi.revisions where revision = ${revision}`.execute(store.pool('open'))
  return rows[0]?.at.getTime()
}

/** Positions looked at in one go. */
const BATCH = 1 << 16

/** Of a grid, from the level whose pixels are just smaller than its spacing; of single places, from the finest. */
async function heights(store: Store, places: Places, at: TerrainAt): Promise<Float32Array> {
  const { x, y, spacingM } = placesIn(CRS84, places)
  const found = new Float32Array(x.length)
  const level = spacingM > 0 ? { zoom: Math.max(0, Math.min(24, Math.ceil(Math.log2(pixelSizeM(0, y[y.length >> 1] ?? 0) / spacingM)))), pixelM: spacingM } : {}
  for (let from = 0; from < x.length; from += BATCH) {
    const positions = Array.from({ length: Math.min(BATCH, x.length - from) }, (_, i) => [x[from + i]!, y[from + i]!] as const)
    found.set(await groundAt(store, positions, { ...at, ...level }), from)
  }
  return found
}
