import { Type } from '@sinclair/typebox'
import type { Response } from 'express'
import { gunzipSync } from 'node:zlib'
import { isTile } from '../../core/tile-matrix.js'
import { notFound } from '../errors.js'
import { AS_OF, COLLECTION_ID, RUN } from '../ogc/common/parameters.js'
import { answer, FREE, json } from '../ogc/common/schemas.js'
import { sendText, vary } from '../ogc/common/respond.js'
import { PART, REV, TILE, tileOf } from '../ogc/common/tile-address.js'
import { parseAsOf } from '../ogc/common/time.js'
import { layerOf } from '../ogc/features/layers.js'
import { etag, isFixed, notModified, schemaVersion } from '../ogc/features/validator.js'
import type { Call, Operation, Parameter } from '../operations/operation.js'
import { VOLUME_CLASSES } from '../ogc/volumes/volumes.js'
import { tileOfImplicit, type ImplicitRoot } from './implicit.js'
import { tileName } from './layer-tiles.js'
import { tiles3dOf, type PlacedTile, type Snapshot } from './service.js'

const SINCE: Parameter = {
  name: 'since', in: 'query', schema: Type.Integer({ minimum: 0 }),
  description: 'Only tiles that are not as they were at this revision (asset.extras.revision of a tileset), below those that lead to them; the whole tileset, without asset.extras.since, where one has gone or too much has changed.',
}
const inPath = (name: string, description: string): Parameter => ({ name, in: 'path', required: true, description, schema: Type.Integer({ minimum: 0 }) })
const IN_ROOT = [
  inPath('z', 'Zoom of the WebMercatorQuad tile that is the implicit root.'), inPath('x', 'Its column from the west.'), inPath('y', 'Its row from the north.'),
  inPath('level', 'Levels below the root.'), inPath('column', 'Column within the root, from the west.'), inPath('row', 'Row within the root, from the south.'),
]

const TILESET = { 200: json('The tileset.', Type.Object({ asset: Type.Object({ version: Type.String() }, { additionalProperties: true }), geometricError: Type.Number(), root: FREE })) }
const GLB = { 200: answer('The tile.', 'model/gltf-binary') }

export const operations: readonly Operation[] = [
  {
    id: 'tiles3d.tileset', method: 'get', path: '/3dtiles/{collectionId}/tileset.json', branched: true, tags: ['3D'],
    summary: 'A layer as an explicit 3D Tiles 1.1 tileset', conformsTo: VOLUME_CLASSES,
    parameters: [COLLECTION_ID, AS_OF, RUN, SINCE],
    responses: TILESET, handler: (call, response) => sendTileset(call, response, 'explicit'),
  },
  {
    id: 'tiles3d.tile', method: 'get', path: '/3dtiles/{collectionId}/{z}/{x}/{y}.glb', branched: true, tags: ['3D'],
    summary: 'A tile of a 3D tileset: glTF 2.0 with feature ids and properties',
    parameters: [COLLECTION_ID, ...TILE, AS_OF, RUN, REV, PART],
    responses: GLB, handler: sendTile,
  },
  {
    id: 'tiles3d.implicit', method: 'get', path: '/3dtiles/{collectionId}/implicit/tileset.json', branched: true, tags: ['3D'],
    summary: 'The same tiles by implicit tiling, for clients that prefer it',
    parameters: [COLLECTION_ID, AS_OF, RUN],
    responses: TILESET, handler: (call, response) => sendTileset(call, response, 'implicit'),
  },
  {
    id: 'tiles3d.subtree', method: 'get', path: '/3dtiles/{collectionId}/implicit/{z}/{x}/{y}/{level}/{column}/{row}.subtree', branched: true, tags: ['3D'],
    summary: 'A binary subtree of the implicit tileset: which tiles there are, with their boxes and errors',
    parameters: [COLLECTION_ID, ...IN_ROOT, AS_OF, RUN],
    responses: { 200: answer('The subtree.', 'application/octet-stream') }, handler: sendSubtree,
  },
  {
    id: 'tiles3d.implicit.tile', method: 'get', path: '/3dtiles/{collectionId}/implicit/{z}/{x}/{y}/{level}/{column}/{row}.glb', branched: true, tags: ['3D'],
    summary: 'A tile of the implicit tileset: the same content as under its own zoom, column and row',
    parameters: [COLLECTION_ID, ...IN_ROOT, AS_OF, RUN],
    responses: GLB, handler: sendImplicitTile,
  },
]

async function sendTileset(call: Call, response: Response, kind: 'explicit' | 'implicit'): Promise<void> {
  const snapshot = await snapshotOf(call)
  vary(response)
  if (notModified(call, response, await tagOf(call, snapshot, kind, String(call.params.since ?? '')), isFixed(snapshot.asOf) ? 'fixed' : 'live')) return
  const query = Object.fromEntries(['asOf', 'run'].flatMap(name => (call.params[name] === undefined ? [] : [[name, String(call.params[name])]])))
  const service = tiles3dOf(call.app.store)
  sendText(response, 'application/json', JSON.stringify(kind === 'explicit' ? await service.tileset(snapshot, query, call.params.since) : await service.implicitTileset(snapshot, query)))
}

async function sendTile(call: Call, response: Response): Promise<void> {
  const tile = tileOf(call)
  const snapshot = await snapshotOf(call)
  await sendPlaced(call, response, await tiles3dOf(call.app.store).place(snapshot, tile, call.params.part), call.params.rev === snapshot.revision)
}

async function sendImplicitTile(call: Call, response: Response): Promise<void> {
  const { tile } = implicitAddress(call)
  await sendPlaced(call, response, await tiles3dOf(call.app.store).place(await snapshotOf(call), tile), false)
}

/** `isPinned` where the address names a revision, so that its answer never changes. */
async function sendPlaced(call: Call, response: Response, placed: PlacedTile, isPinned: boolean): Promise<void> {
  vary(response)
  const { of, tile, rev } = placed
  const kind = isPinned || (call.params.asOf !== undefined && isFixed(of.asOf)) ? 'fixed' : 'live'
  if (notModified(call, response, await tagOf(call, { ...of, revision: rev }, tileName(tile), tile.part), kind)) return
  const { gzip } = await tiles3dOf(call.app.store).encoded(placed)
  response.setHeader('Content-Type', 'model/gltf-binary')
  response.vary('Accept-Encoding')
  if (call.request.acceptsEncodings('gzip')) {
    response.setHeader('Content-Encoding', 'gzip')
    response.send(Buffer.from(gzip.buffer, gzip.byteOffset, gzip.byteLength))
  } else {
    response.send(gunzipSync(gzip))
  }
}

async function sendSubtree(call: Call, response: Response): Promise<void> {
  const { root, tile } = implicitAddress(call)
  const snapshot = await snapshotOf(call)
  vary(response)
  if (notModified(call, response, await tagOf(call, snapshot, 'subtree', tileName(root), tileName(tile)), isFixed(snapshot.asOf) ? 'fixed' : 'live')) return
  const subtree = await tiles3dOf(call.app.store).subtree(snapshot, root, tile)
  response.setHeader('Content-Type', 'application/octet-stream')
  response.send(Buffer.from(subtree.buffer, subtree.byteOffset, subtree.byteLength))
}

async function snapshotOf(call: Call): Promise<Snapshot> {
  const layer = layerOf(call)
  if (!layer.threeD) throw notFound(`“${layer.id}” has no 3D form. These have one: ${call.app.store.catalogue.for(call.reader).filter(each => each.threeD).map(each => each.id).join(', ')}.`)
  const { rev, run, asOf } = call.params
  return tiles3dOf(call.app.store).snapshot({ layer, branch: call.branch, asOf: parseAsOf(asOf), reader: call.reader, run }, rev)
}

async function tagOf(call: Call, { layer, branch, reader, revision, run }: Snapshot, ...more: readonly string[]): Promise<string> {
  const { geoidOffset } = await call.app.store.city()
  return etag('3dtiles', layer.id, schemaVersion(layer), branch, reader.clearance, revision, run ?? '', geoidOffset, ...more)
}

/** Throws a 404 Problem for an address that lies outside its own root. */
function implicitAddress({ params }: Call): { root: ImplicitRoot; tile: { z: number; x: number; y: number } } {
  const root = { z: params.z, x: params.x, y: params.y }
  const tile = isTile(root) && params.level <= 24 ? tileOfImplicit(root, { level: params.level, x: params.column, y: params.row }) : null
  if (!tile || !isTile(tile)) throw notFound(`There is no tile ${params.level}/${params.column}/${params.row} below ${tileName(root)}. implicit/tileset.json leads to those there are.`)
  return { root, tile }
}
