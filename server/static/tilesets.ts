/** 3D Tiles as a folder: the tileset as the server tells it, and every tile that it names. */
import { gunzipSync } from 'node:zlib'
import type { Tile } from '../../core/tile-matrix.js'
import type { Layer } from '../../layers/layer.js'
import { schemaVersion } from '../ogc/features/validator.js'
import { terrainRevision } from '../terrain/terrain-store.js'
import { tiles3dOf, type Snapshot } from '../tiles3d/service.js'
import type { FileSet } from './file-set.js'
import { inParallel } from './parallel.js'
import { READER, type Plan, type PlannedLayer } from './plan.js'

/** Goes into every key: a new way to make tiles makes them all anew. */
const ENCODING = 1

/** What of a tileset.json names other files. */
interface TilesetNode { readonly content?: { readonly uri: string }; readonly children?: readonly TilesetNode[] }

/** A tile that the tileset names, and what it shows of its cell; see TilePart in the store. */
interface NamedTile { readonly uri: string; readonly tile: Tile; readonly part: string; readonly path: string }

/** Returns the path of its tileset.json. */
export async function writeTileset(plan: Plan, { layer }: PlannedLayer, files: FileSet, onProgress: (share: number) => void): Promise<string> {
  const { store, branch, moment, signal } = plan
  const folder = `3dtiles/${layer.id}`
  const service = tiles3dOf(store)
  const ofMoment = <T>(read: (snapshot: Snapshot) => Promise<T>) => moment.read(async asOf => read(await service.snapshot({ layer, branch, asOf, reader: READER })))
  const tileset = await ofMoment(snapshot => service.tileset(snapshot, {})) as { readonly root: TilesetNode }
  const tiles = contentsOf(tileset.root).map(namedTile)
  const terrain = await moment.read(asOf => terrainRevision(store, { branch, asOf }))
  const addresses = new Map<string, string>()
  await inParallel([...tiles].reverse(), signal, async ({ uri, tile, part, path }) => {
    const key = await keyOfTile(plan, layer, tile, [part, terrain])
    const hash = await files.put(`${folder}/${path}`, key, async () => gunzipSync((await ofMoment(snapshot => service.tile(snapshot, tile))).gzip))
    addresses.set(uri, `${path}?v=${hash.slice(0, 12)}`)
    onProgress(addresses.size / tiles.length)
  })
  const text = JSON.stringify({ ...tileset, root: addressed(tileset.root, addresses) })
  const path = `${folder}/tileset.json`
  await files.put(path, text, async () => text)
  return path
}

/** What a tile's bytes follow from: the rows of its cell, as the change log dates them, and the ground they stand on. */
async function keyOfTile({ store, branch, moment, city: { city } }: Plan, layer: Layer, tile: Tile, more: readonly unknown[]): Promise<string> {
  const revisions = await moment.read(asOf => store.tileRevisions([layer], branch, tile, asOf))
  return JSON.stringify([ENCODING, branch, schemaVersion(layer), city.geoidOffset, revisions, ...more])
}

const contentsOf = ({ content, children = [] }: TilesetNode): string[] => [...(content ? [content.uri] : []), ...children.flatMap(contentsOf)]

function namedTile(uri: string): NamedTile {
  const parts = /^(\d+)\/(\d+)\/(\d+)\.glb(?:\?(.*))?$/.exec(uri)
  if (!parts) throw new Error(`A tileset names “${uri}”, which is not a tile of it.`)
  const [z, x, y] = parts.slice(1, 4).map(Number) as [number, number, number]
  return { uri, tile: { z, x, y }, part: new URLSearchParams(parts[4]).get('part') ?? '', path: `${z}/${x}/${y}.glb` }
}

/** The tree with addresses that follow from the content: a tile that stays the same keeps its own, whoever caches it. */
function addressed(node: TilesetNode, addresses: ReadonlyMap<string, string>): TilesetNode {
  const { content, children } = node
  return {
    ...node,
    ...(content && { content: { ...content, uri: addresses.get(content.uri)! } }),
    ...(children && { children: children.map(child => addressed(child, addresses)) }),
  }
}
