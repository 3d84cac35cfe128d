/** Vector tiles as PMTiles: what shows by itself in one archive, every other layer in one of its own. */
import { readFile, writeFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import { sql } from 'kysely'
import { grow, intersects, union, type BBox } from '../../core/bbox.js'
import { WEB_MERCATOR } from '../../core/tile-grid.js'
import { tileBounds, tileBounds3857, type Tile } from '../../core/tile-matrix.js'
import type { StaticManifest } from '../../core/static-manifest.js'
import { schemaVersion } from '../ogc/features/validator.js'
import { makeTile } from '../ogc/tiles/mvt.js'
import { tileColumns } from '../store/tile-columns.js'
import { TILE_MARGIN } from '../store/tile-revisions.js'
import { keyOf, READER, type Plan, type PlannedLayer } from './plan.js'
import { walkPyramid } from './pyramid.js'
import { TileArchive, versionAt, type ArchiveSummary } from './tile-archive.js'

/** Goes into every key: a new way to make tiles makes them all anew. */
const ENCODING = 1
const compress = promisify(gzip)

export interface VectorArchive { readonly name: string; readonly layers: readonly PlannedLayer[] }

/** Who opens the page fetches what it shows; who turns on another layer fetches that one. */
export function vectorArchives(layers: readonly PlannedLayer[]): readonly VectorArchive[] {
  const shown = layers.filter(({ layer }) => layer.style.visible !== false)
  const others = layers.filter(planned => !shown.includes(planned))
  return [...(shown.length > 0 ? [{ name: 'city', layers: shown }] : []), ...others.map(planned => ({ name: `layer-${planned.layer.id}`, layers: [planned] }))]
}

export interface VectorResult {
  readonly archive: StaticManifest['archives'][number] | undefined
  readonly summary: ArchiveSummary | undefined
  /** Layers of which crowded tiles hold only the most important features. */
  readonly truncated: readonly string[]
}

/** An archive none of whose layers was touched since it was made is not walked through again. */
export async function writeVectorArchive(plan: Plan, group: VectorArchive, onProgress: (share: number) => void): Promise<VectorResult> {
  const { folder, work, branch, moment, store } = plan
  const revisions = await moment.read(asOf => Promise.all(group.layers.map(({ layer }) => store.layerRevision(layer, branch, asOf))))
  const key = keyOf(ENCODING, branch, plan.city.city.name, group.layers.map(({ layer, minzoom, maxzoom }) => [schemaVersion(layer), minzoom, maxzoom]), revisions)
  const note = `${work}/${group.name}.done.json`
  const last = await readFile(note, 'utf8').then(text => JSON.parse(text) as { key: string; result: VectorResult }).catch(() => undefined)
  if (last?.key === key && last.result.summary && await versionAt(`${folder}/${last.result.archive!.path}`) === last.result.summary.version)
    return { ...last.result, summary: { ...last.result.summary, made: 0, written: false } }
  const walked = await walkedArchive(plan, group, onProgress)
  // Tiles that were not made this time told of it when they were.
  const result = { ...walked, truncated: [...new Set([...last?.result.truncated ?? [], ...walked.truncated])] }
  await writeFile(note, JSON.stringify({ key, result }))
  return result
}

async function walkedArchive(plan: Plan, { name, layers }: VectorArchive, onProgress: (share: number) => void): Promise<VectorResult> {
  const { folder, work, signal, city } = plan
  const path = `tiles/${name}.pmtiles`
  const archive = await TileArchive.open({ path: `${folder}/${path}`, work, name, tileType: 'mvt', tileCompression: 'gzip' })
  const truncated = new Set<string>()
  const bounds = layers.reduce<BBox | null>((all, { bbox }) => union(all, bbox), null)!
  try {
    await walkPyramid({
      bounds, signal, onProgress,
      minzoom: Math.min(...layers.map(({ minzoom }) => minzoom)), maxzoom: Math.max(...layers.map(({ maxzoom }) => maxzoom)),
      visit: tile => visit(plan, archive, layers, tile, truncated),
    })
    const summary = await archive.finish({
      name: `${city.city.name}: ${name}`, type: 'overlay', format: 'pbf', generator: 'dothi',
      attribution: [...new Set(layers.map(({ layer }) => layer.attribution).filter(Boolean))].join(' · '),
      vector_layers: layers.map(vectorLayer),
    }, bounds)
    return { archive: summary && { path, version: summary.version, layers: layers.map(({ layer }) => layer.id) }, summary, truncated: [...truncated] }
  } finally {
    await archive.close()
  }
}

/** True where there may be something below. */
async function visit(plan: Plan, archive: TileArchive, layers: readonly PlannedLayer[], tile: Tile, truncated: Set<string>): Promise<boolean> {
  const box = tileBounds(tile)
  const here = layers.filter(({ bbox }) => intersects(bbox, grow(box, (box[2] - box[0]) * TILE_MARGIN)))
  const drawn = here.filter(({ minzoom, maxzoom }) => tile.z >= minzoom && tile.z <= maxzoom)
  const below = here.filter(({ maxzoom }) => tile.z < maxzoom)
  const full = drawn.length > 0 && await archive.put(tile, await keyOfTile(plan, drawn, tile), async () => {
    const { mvt, truncated: cut } = await drawTile(plan, drawn, tile)
    for (const id of cut) truncated.add(id)
    return mvt.length > 0 ? compress(mvt) : mvt
  })
  return below.length > 0 && (full || await hasRows(plan, below, tile))
}

async function keyOfTile({ store, branch, moment }: Plan, layers: readonly PlannedLayer[], tile: Tile): Promise<string> {
  const all = layers.map(({ layer }) => layer)
  const revisions = await moment.read(asOf => store.tileRevisions(all, branch, tile, asOf))
  return JSON.stringify([ENCODING, branch, all.map(layer => `${layer.id} ${schemaVersion(layer)}`), revisions])
}

const drawTile = ({ store, branch, moment, signal }: Plan, layers: readonly PlannedLayer[], tile: Tile) =>
  moment.read(asOf => makeTile(store, { grid: WEB_MERCATOR, layers: layers.map(({ layer }) => layer), tile, branch, asOf, reader: READER, run: undefined }, signal))

/** From afar a tile may show nothing of what is there. */
async function hasRows({ store, branch, moment }: Plan, layers: readonly PlannedLayer[], tile: Tile): Promise<boolean> {
  const box = tileBounds3857(tile)
  const bbox = { box: grow(box, (box[2] - box[0]) * TILE_MARGIN), srid: 3857 as const }
  return moment.read(async asOf => {
    const views = await Promise.all(layers.map(({ layer }) => store.view({ layer, branch, asOf, reader: READER, bbox, columns: [] })))
    const any = sql.join(views.map(view => sql`exists (select from ${view} as v)`), sql` or `)
    return (await sql<{ found: boolean }>`select ${any} as found`.execute(store.pool(READER.clearance))).rows[0]!.found
  })
}

function vectorLayer({ layer, minzoom, maxzoom }: PlannedLayer) {
  const kinds = { integer: 'Number', number: 'Number', boolean: 'Boolean', text: 'String', date: 'String', timestamp: 'String', json: 'String' } as const
  return {
    id: layer.id, description: layer.title.en, minzoom, maxzoom,
    fields: Object.fromEntries(tileColumns(layer, READER).map(({ name, type }) => [name, kinds[type]])),
  }
}
