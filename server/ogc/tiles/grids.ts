/** The tile matrix sets that tiles are served in: two for the world, one of the city's own. */
import { sql } from 'kysely'
import proj4 from 'proj4'
import { nearMisses } from '../../../core/text.js'
import { cityGrid, WEB_MERCATOR, WORLD_CRS84, type TileGrid } from '../../../core/tile-grid.js'
import { notFound } from '../../errors.js'
import type { Store } from '../../store/store.js'

interface Kept { readonly key: string; readonly grid: Promise<TileGrid | undefined> }
const kept = new WeakMap<Store, Kept>()

/** In the order that they are listed. */
export async function gridsOf(store: Store): Promise<readonly TileGrid[]> {
  const own = await ownGrid(store)
  return [WEB_MERCATOR, WORLD_CRS84, ...(own ? [own] : [])]
}

/** Throws a 404 Problem that names those that there are. */
export async function gridNamed(store: Store, id: string): Promise<TileGrid> {
  if (id === WEB_MERCATOR.id) return WEB_MERCATOR
  const grids = await gridsOf(store)
  const grid = grids.find((each) => each.id === id)
  if (grid) return grid
  const ids = grids.map((each) => each.id)
  const [near] = nearMisses(id, ids)
  throw notFound(`There is no tile matrix set “${id.slice(0, 60)}”; ${near ? `did you mean ${near}? There are` : 'there are'} ${ids.join(', ')}.`)
}

/** The same value as long as the city has its CRS and home, so that what is made from it can be kept. */
async function ownGrid(store: Store): Promise<TileGrid | undefined> {
  const { srid, home } = await store.city()
  const key = [srid, home.lon, home.lat].join()
  const known = kept.get(store)
  if (known?.key === key) return known.grid
  const grid = makeGrid(store, srid, [home.lon, home.lat])
  kept.set(store, { key, grid })
  // What failed may do so only for now.
  grid.catch(() => kept.delete(store))
  return grid
}

/** By the database's own definition, which VN-2000's pinned shift is part of. */
async function makeGrid(store: Store, srid: number, home: readonly [number, number]): Promise<TileGrid | undefined> {
  const { rows } = await sql<{ proj4text: string }>`select proj4text from spatial_ref_sys where srid = ${srid}`.execute(store.pool('open'))
  const definition = rows[0]?.proj4text?.trim()
  return definition ? cityGrid(srid, home, proj4('WGS84', definition)) : undefined
}
