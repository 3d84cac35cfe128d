import type { Response } from 'express'
import { gunzipSync } from 'node:zlib'
import { notFound } from '../errors.js'
import { AS_OF, COLLECTION_ID, RUN } from '../ogc/common/parameters.js'
import { sendText, vary } from '../ogc/common/respond.js'
import { REV, TILE, tileOf } from '../ogc/common/tile-address.js'
import { parseAsOf } from '../ogc/common/time.js'
import { layerOf } from '../ogc/features/layers.js'
import { etag, isFixed, notModified, schemaVersion } from '../ogc/features/validator.js'
import type { Call, Operation } from '../operations/operation.js'
import { tileName } from './layer-tiles.js'
import { tiles3dOf, type Snapshot } from './service.js'

export const operations: readonly Operation[] = [
  {
    id: 'tiles3d.tileset', method: 'get', path: '/3dtiles/{collectionId}/tileset.json', branched: true, tags: ['3D'],
    summary: 'A layer as an explicit 3D Tiles 1.1 tileset',
    parameters: [COLLECTION_ID, AS_OF, RUN],
    handler: sendTileset,
  },
  {
    id: 'tiles3d.tile', method: 'get', path: '/3dtiles/{collectionId}/{z}/{x}/{y}.glb', branched: true, tags: ['3D'],
    summary: 'A tile of a 3D tileset: glTF 2.0 with feature ids and properties',
    parameters: [COLLECTION_ID, ...TILE, AS_OF, RUN, REV],
    handler: sendTile,
  },
]

async function sendTileset(call: Call, response: Response): Promise<void> {
  const snapshot = await snapshotOf(call)
  vary(response)
  if (notModified(call, response, tagOf(snapshot), isFixed(snapshot.asOf) ? 'fixed' : 'live')) return
  const query = Object.fromEntries(['asOf', 'run'].flatMap(name => (call.params[name] === undefined ? [] : [[name, String(call.params[name])]])))
  sendText(response, 'application/json', JSON.stringify(await tiles3dOf(call.app.store).tileset(snapshot, query)))
}

async function sendTile(call: Call, response: Response): Promise<void> {
  const tile = tileOf(call)
  const snapshot = await snapshotOf(call)
  vary(response)
  const fixed = call.params.rev === snapshot.revision || isFixed(snapshot.asOf)
  if (notModified(call, response, tagOf(snapshot, tileName(tile)), fixed ? 'fixed' : 'live')) return
  const { gzip } = await tiles3dOf(call.app.store).tile(snapshot, tile)
  response.setHeader('Content-Type', 'model/gltf-binary')
  response.vary('Accept-Encoding')
  if (call.request.acceptsEncodings('gzip')) {
    response.setHeader('Content-Encoding', 'gzip')
    response.send(Buffer.from(gzip.buffer, gzip.byteOffset, gzip.byteLength))
  } else {
    response.send(gunzipSync(gzip))
  }
}

async function snapshotOf(call: Call): Promise<Snapshot> {
  const layer = layerOf(call)
  if (!layer.threeD) throw notFound(`“${layer.id}” has no 3D form. These have one: ${call.app.store.catalogue.for(call.reader).filter(each => each.threeD).map(each => each.id).join(', ')}.`)
  const { rev, run, asOf } = call.params
  return tiles3dOf(call.app.store).snapshot({ layer, branch: call.branch, asOf: parseAsOf(asOf), reader: call.reader, run }, rev)
}

function tagOf({ layer, branch, reader, revision, run }: Snapshot, ...more: readonly string[]): string {
  return etag('3dtiles', layer.id, schemaVersion(layer), branch, reader.clearance, revision, run ?? '', ...more)
}
