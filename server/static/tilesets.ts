/** 3D Tiles as a folder: the tileset as the server tells it, and every tile that it names. */
import { gunzipSync } from 'node:zlib'
import type { Tile } from '../../core/tile-matrix.js'
import { schemaVersion } from '../ogc/features/validator.js'
import { GENERATOR } from '../tiles3d/encode.js'
import { tiles3dOf, type Snapshot } from '../tiles3d/service.js'
import type { FileSet } from './file-set.js'
import { inParallel } from './parallel.js'
import { READER, type Plan, type PlannedLayer } from './plan.js'

/** Goes into every key: a new way to make tiles makes them all anew. */
const ENCODING = 1

/** What of a tileset.json names other files. */
interface TilesetNode { readonly content?: { readonly uri: string }; readonly children?: readonly TilesetNode[] }

/** Returns the path of its tileset.json. */
export async function writeTileset(plan: Plan, { layer }: PlannedLayer, files: FileSet, onProgress: (share: number) => void): Promise<string> {
  const { store, branch, moment, signal, city: { city } } = plan
  const folder = `3dtiles/${layer.id}`
  const service = tiles3dOf(store)
  const ofMoment = <T>(read: (snapshot: Snapshot) => Promise<T>) => moment.read(async asOf => read(await service.snapshot({ layer, branch, asOf, reader: READER })))
  const tileset = await ofMoment(snapshot => service.tileset(snapshot, {})) as { root: TilesetNode }
  const uris = [...contentsOf(tileset.root)]
  let done = 0
  await inParallel(uris.reverse(), signal, async uri => {
    const { tile, path } = contentOf(uri)
    // The address names the revision since which the tile is what it is.
    const key = JSON.stringify([ENCODING, GENERATOR, branch, schemaVersion(layer), city.geoidOffset, uri])
    await files.put(`${folder}/${path}`, key, async () => gunzipSync((await ofMoment(snapshot => service.tile(snapshot, tile))).gzip))
    onProgress(++done / uris.length)
  })
  const text = JSON.stringify(tileset)
  const path = `${folder}/tileset.json`
  await files.put(path, text, async () => text)
  return path
}

function* contentsOf({ content, children = [] }: TilesetNode): Generator<string> {
  if (content) yield content.uri
  for (const child of children) yield* contentsOf(child)
}

function contentOf(uri: string): { tile: Tile; path: string } {
  const parts = /^(\d+)\/(\d+)\/(\d+)\.glb(?:\?|$)/.exec(uri)
  if (!parts) throw new Error(`A tileset names “${uri}”, which is not a tile of it.`)
  const [z, x, y] = parts.slice(1).map(Number) as [number, number, number]
  return { tile: { z, x, y }, path: `${z}/${x}/${y}.glb` }
}
