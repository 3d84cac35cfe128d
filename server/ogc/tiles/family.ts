/** What tiles of one kind have in common, whichever tile it is: grid, layers, branch, time, clearance, attributes. */
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import type { TileGrid } from '../../../core/tile-grid.js'
import type { Tile } from '../../../core/tile-matrix.js'
import type { Layer } from '../../../layers/layer.js'
import type { AsOf, Branch, Reader } from '../../store/store.js'
import { schemaVersion } from '../features/validator.js'

/** The code that tiles come from, so that none of another release is taken for the same. */
const SHAPE = fingerprint(['./', '../../store/', '../../../core/mvt/', '../../../core/generalise/'])

export interface Family {
  readonly grid: TileGrid
  readonly layers: readonly Layer[]
  readonly branch: Branch
  readonly asOf: AsOf
  readonly run: string | undefined
  readonly clearance: Reader['clearance']
  /** Attributes wanted, in one order; undefined: all that travel. */
  readonly properties: readonly string[] | undefined
  /** Short and unlike any other family's. */
  readonly id: string
}

export function familyOf(of: Omit<Family, 'id'>): Family {
  const { grid, layers, branch, run, clearance, properties } = of
  const parts = [SHAPE, [grid.id, grid.srid, grid.west, grid.north, grid.size], layers.map(({ id }) => id), layers.map(schemaVersion), branch, isPresent(of) ? 'present' : 'past', run ?? null, clearance, properties ?? null]
  return { ...of, id: createHash('sha256').update(JSON.stringify(parts)).digest('base64url').slice(0, 22) }
}

export const isPresent = ({ asOf }: Pick<Family, 'asOf'>) => asOf === 'now'

/**
 * The name that a tile has in a cache, and the version it has there. A newer version of the present takes the older one's place;
 * those of the past stand side by side. A present tile may be a commit newer than its version, where one came between the two
 * looks at the database: harmless to the present, which asks under a new version, but not to the past, which has its own families.
 */
export function slotOf(family: Family, { z, x, y }: Tile, version: string): string {
  return `${family.id}/${z}/${x}/${y}${isPresent(family) ? '' : `@${version}`}`
}

/** A weak validator of a tile at its address. */
export const etagOf = (family: Family, version: string): string => `W/"${family.id}-${version}"`

/** Of all source files in these folders, as they were when the process started. */
function fingerprint(folders: readonly string[]): string {
  const hash = createHash('sha256')
  for (const folder of folders.map((path) => new URL(path, import.meta.url)))
    for (const name of readdirSync(folder).sort())
      if (/\.[jt]s$/.test(name) && !/\.(d|test)\.ts$/.test(name)) hash.update(name).update(readFileSync(new URL(name, folder)))
  return hash.digest('base64url').slice(0, 12)
}
