/** What is in a tile: valid glTF that other readers take, in its place to a centimetre, with every id, name and picture. */
import { NodeIO } from '@gltf-transform/core'
import { EXTMeshFeatures, EXTMeshGPUInstancing, EXTMeshoptCompression, EXTStructuralMetadata, KHRMeshQuantization } from '@gltf-transform/extensions'
import fc from 'fast-check'
import { MeshoptDecoder } from 'meshoptimizer/decoder'
import { gunzipSync } from 'node:zlib'
import { PNG } from 'pngjs'
import { sql } from 'kysely'
import t from 'tap'
import { facesToEwkb, toHex } from '../../core/geometry/wkb.js'
import { localFrame } from '../../core/geometry/geocentric.js'
import { encodeFaces } from '../store/appearance.js'
import { testStore } from '../testing/test-store.js'
import { accessor, faultsOf, property, readGlb, vertices, type GlbVertex } from '../testing/read-glb.js'
import { encodeTile, type Embankments, type Extrusions, type Symbols, type TileJob } from './encode.js'
import { EncodePool } from './encode-pool.js'
import { looksOf } from './looks.js'
import { packHex } from './packed-bytes.js'

const square = (lon: number, lat: number, metres: number) => {
  const [dx, dy] = [metres / 2 / (111_320 * Math.cos((lat * Math.PI) / 180)), metres / 2 / 110_574]
  return [[lon - dx, lat - dy], [lon + dx, lat - dy], [lon + dx, lat + dy], [lon - dx, lat + dy], [lon - dx, lat - dy]]
}

/** A WKB polygon of one ring, little-endian, as hexadecimal. */
function wkbHex(ring: readonly (readonly number[])[]): string {
  const wkb = Buffer.alloc(13 + 16 * ring.length)
  wkb.writeUInt8(1, 0)
  wkb.writeUInt32LE(3, 1)
  wkb.writeUInt32LE(1, 5)
  wkb.writeUInt32LE(ring.length, 9)
  ring.forEach(([x, y], i) => { wkb.writeDoubleLE(x!, 13 + 16 * i); wkb.writeDoubleLE(y!, 21 + 16 * i) })
  return wkb.toString('hex')
}

const houses = (rings: readonly (readonly (readonly number[])[] | null)[], base: number[], top: number[]): Extrusions => ({
  form: 'extrude', footprints: packHex(rings.map(ring => ring && wkbHex(ring))), solids: packHex(rings.map(() => null)),
  base: Float64Array.from(base), top: Float64Array.from(top), wall: [200, 200, 200], roof: [255, 255, 255],
})

const IDS = [2 ** 32 + 5, 2 ** 53 - 1, 1]
const job: TileJob = {
  layer: 'houses', centre: [108.2, 16.05], geoidOffset: -12.5,
  ids: Float64Array.from(IDS), ground: Float64Array.from([3, 4, 5]),
  columns: [
    { name: 'name', type: 'STRING', values: ['Chùa Linh Ứng', null, ''] },
    { name: 'storeys', type: 'FLOAT64', values: [2, null, 0] },
    { name: 'listed', type: 'UINT8', noData: 255, values: [1, 255, 0] },
  ],
  shapes: houses([square(108.2, 16.05, 20), square(108.21, 16.06, 10), null], [2, 3, 4], [13, 40, 9]),
}

const io = async () => {
  await MeshoptDecoder.ready
  return new NodeIO()
    .registerExtensions([EXTMeshFeatures, EXTMeshGPUInstancing, EXTMeshoptCompression, EXTStructuralMetadata, KHRMeshQuantization])
    .registerDependencies({ 'meshopt.decoder': MeshoptDecoder })
}

/** East, north, up of vertices in metres, from a place. */
function local(list: readonly GlbVertex[], lon: number, lat: number, height: number): number[][] {
  const frame = localFrame(lon, lat, height)
  return list.map(({ geocentric }) => {
    const d = geocentric.map((v, k) => v - frame.origin[k]!)
    return [frame.east, frame.north, frame.up].map(axis => axis[0] * d[0]! + axis[1] * d[1]! + axis[2] * d[2]!)
  })
}

t.test('a tile is valid glTF, another reader takes it, and ids up to 2^53 − 1, names and gaps come back as they went', async t => {
  const bytes = encodeTile(job)
  t.strictSame(await faultsOf(bytes), [])
  const glb = readGlb(bytes)
  t.strictSame(property(glb, 'id'), IDS)
  t.strictSame(property(glb, 'name'), ['Chùa Linh Ứng', '', ''])
  t.strictSame(property(glb, 'storeys'), [2, NaN, 0])
  t.strictSame(property(glb, 'listed'), [1, 255, 0])
  t.strictSame([...new Set(vertices(glb).map(vertex => vertex.feature))], [0, 1])

  const document = await (await io()).readBinary(bytes)
  const [primitive] = document.getRoot().listMeshes()[0]!.listPrimitives()
  t.equal(primitive!.getIndices()!.getCount() / 3, 2 * (8 + 2))
  const [featureId] = primitive!.getExtension<any>('EXT_mesh_features').listFeatureIDs()
  t.equal(featureId.getFeatureCount(), 3)
  t.equal(featureId.getAttribute(), 0)
})

t.test('vertices lie where the feature is, at ellipsoidal height, to a centimetre, in tiles small and as large as a province', async t => {
  for (const away of [0.001, 0.004, 0.05, 0.33]) {
    const [lon, lat] = [108.2 + away, 16.05 - away]
    const glb = readGlb(encodeTile({ ...job, shapes: houses([square(108.2, 16.05, 20), square(lon, lat, 10), null], [2, 3.211, 4], [13, 40.123, 9]) }))
    const all = vertices(glb)
    const second = all.filter(vertex => vertex.feature === 1)
    const places = local(second, lon, lat, -12.5)
    const [dx, dy] = [square(lon, lat, 10)[1]!, square(lon, lat, 10)[2]!].map((corner, k) => Math.abs(local([{ geocentric: localFrame(corner[0]!, corner[1]!, -12.5).origin, feature: 1, above: 0 }], lon, lat, -12.5)[0]![k]!))
    const worst = Math.max(...places.map(([e, n, up]) => Math.max(Math.abs(Math.abs(e!) - dx!), Math.abs(Math.abs(n!) - dy!), Math.min(Math.abs(up! - 3.211), Math.abs(up! - 40.123)))))
    t.ok(worst <= 0.01, `${away}°: ${(worst * 1000).toFixed(1)} mm`)
    t.ok(second.every(({ above }, k) => Math.abs(places[k]![2]! - (4 + above)) < 0.02), 'metres above the ground')
    t.equal(glb.json.accessors[glb.json.meshes[0].primitives[0].attributes.POSITION].componentType, away < 0.01 ? 5123 : 5126, 'sixteen bits where they reach')
    t.strictSame(await faultsOf(encodeTile({ ...job, shapes: houses([square(108.2, 16.05, 20), square(lon, lat, 10), null], [2, 3, 4], [13, 40, 9]) })), [])
  }
})

t.test('wherever houses stand, none is more than a centimetre off and the bytes of a tile follow from it alone', async t => {
  const degree = (min: number, max: number) => fc.double({ min, max, noNaN: true })
  fc.assert(fc.property(degree(-179, 179), degree(-80, 80), fc.array(fc.tuple(degree(-0.03, 0.03), degree(-0.03, 0.03), degree(1, 300)), { minLength: 1, maxLength: 12 }), (lon, lat, offsets) => {
    const rings = offsets.map(([dx, dy]) => square(lon + dx, lat + dy, 12))
    const tile = { ...job, columns: [], centre: [lon, lat] as const, ids: Float64Array.from(offsets, (_, i) => i + 1), ground: new Float64Array(offsets.length), shapes: houses(rings, offsets.map(() => 0), offsets.map(([, , top]) => top)) }
    const bytes = encodeTile(tile)
    if (Buffer.compare(Buffer.from(bytes), Buffer.from(encodeTile(tile)))) return false
    const corners = offsets.map((_, i) => rings[i]!.slice(0, 4).flatMap(([x, y]) => [0, offsets[i]![2]].map(h => localFrame(x!, y!, h - 12.5).origin)))
    return vertices(readGlb(bytes)).every(({ feature, geocentric }) =>
      Math.min(...corners[feature]!.map(corner => Math.hypot(...corner.map((v, k) => v - geocentric[k]!)))) < 0.014)
  }), { numRuns: 60, seed: 3 })
})

t.test('a tile without a single triangle is valid too', async t => {
  const none = encodeTile({ ...job, shapes: houses([null, null, null], [0, 0, 0], [1, 1, 1]) })
  t.strictSame(await faultsOf(none), [])
  t.strictSame(await faultsOf(encodeTile({ ...job, shapes: { form: 'instance', shape: 'post', things: [] } })), [])
})

const thing = (feature: number, more: Partial<Symbols['things'][number]> = {}) =>
  ({ feature, lon: 108.2 + feature * 0.01, lat: 16.05, base: 3, top: 12, width: 4, turn: 0, colour: [40, 120, 40] as const, ...more })

t.test('things are one mesh drawn many times, each with its feature, place, size and turn', async t => {
  const shapes: Symbols = { form: 'instance', shape: 'camera', things: [thing(0), thing(1, { turn: -Math.PI / 2 }), thing(2, { colour: [9, 9, 9] }), thing(2, { lat: 16.06 })] }
  const bytes = encodeTile({ ...job, shapes })
  t.strictSame(await faultsOf(bytes), [])
  const glb = readGlb(bytes)
  t.strictSame(glb.json.nodes.map((node: any) => node.extensions && accessor(glb, node.extensions.EXT_mesh_gpu_instancing.attributes._FEATURE_ID_0).flat()), [undefined, [0, 1, 2], [2]], 'a mesh a colour')
  t.ok(glb.json.extensionsRequired.includes('EXT_mesh_gpu_instancing') && glb.json.extensionsUsed.includes('EXT_instance_features'))
  const all = vertices(glb)
  const box = (feature: number, lon: number) => {
    const places = local(all.filter(vertex => vertex.feature === feature), lon, 16.05, -12.5).filter(([, n]) => Math.abs(n!) < 100)
    return [0, 1, 2].map(d => [Math.min, Math.max].map(pick => Math.round(pick(...places.map(p => p[d]!)) * 100) / 100))
  }
  // The box on top is half as wide as it is long, and two thirds of it lie in front: north, or east after a quarter turn to the right.
  t.strictSame(box(0, 108.2), [[-1, 1], [-1.4, 2.6], [3, 12]])
  t.strictSame(box(1, 108.21), [[-1.4, 2.6], [-1, 1], [3, 12]])
  const document = await (await io()).readBinary(bytes)
  t.strictSame(document.getRoot().listNodes().map(node => node.getExtension<any>('EXT_mesh_gpu_instancing')?.getAttribute('TRANSLATION').getCount()), [undefined, 3, 1])
})

t.test('a levee has its crest level and width, its sides fall to the toe, a wall is upright', async t => {
  const path = Float64Array.from([[108.2, 16.05], [108.201, 16.05], [108.201, 16.051]].flatMap(([lon, lat]) => [lon!, lat!, 9, 5]))
  const line = (slope: number): Embankments => ({ form: 'embankment', lines: [{ feature: 1, path, crestWidth: 4, slope, colour: [120, 110, 90] }] })
  for (const [slope, reach] of [[2, 10], [0, 2]] as const) {
    const bytes = encodeTile({ ...job, shapes: line(slope) })
    t.strictSame(await faultsOf(bytes), [])
    const all = vertices(readGlb(bytes))
    const places = local(all, 108.2, 16.05, -12.5)
    const heights = new Set(places.map(([, , up]) => Math.round(up! * 10) / 10))
    t.strictSame([...heights].sort(), [5, 9])
    const start = places.filter(([e]) => Math.abs(e!) < 0.1)
    t.ok(Math.abs(Math.max(...start.map(([, n]) => n!)) - reach) < 0.02 && Math.abs(Math.min(...start.map(([, n]) => n!)) + reach) < 0.02, `${reach} m to each side`)
  }
})

const picture = (red: number) => {
  const png = new PNG({ width: 2, height: 2 })
  png.data.fill(255)
  for (let i = 0; i < 4; i++) png.data[4 * i] = red
  return PNG.sync.write(png)
}

t.test('faces of a solid keep their pictures: coordinates parallel to the corners, one copy an image, colours where there is no image', async t => {
  const m = 1 / 111_320
  const at = (x: number, y: number, z: number) => [108.2 + x * m, 16.05 + y * m, z]
  const wall = (x: number) => [[at(x, 0, 0), at(x, 10, 0), at(x, 10, 6), at(x, 0, 6), at(x, 0, 0)]]
  const solid = (x: number) => toHex(facesToEwkb([wall(x), wall(x + 5), wall(x + 10)], 4326))
  const uv = [Float64Array.from([0, 1, 1, 1, 1, 0, 0, 0, 0, 1]), Float64Array.from([0, 2, 3, 2, 3, 0, 0, 0, 0, 2])].map(list => Float32Array.from(list))
  const [brick, glass] = [picture(10), picture(200)]
  const shapes: Extrusions = {
    ...houses([null, null, null], [0, 0, 0], [0, 0, 0]), solids: packHex([solid(0), solid(40), null]),
    looks: {
      textures: [{ mediaType: 'image/png', bytes: brick, wrap: 'clamp' }, { mediaType: 'image/png', bytes: glass, wrap: 'repeat' }, { mediaType: 'image/png', bytes: brick, wrap: 'repeat' }],
      faces: new Map([[0, [{ image: 0, uv: [uv[0]!] }, { colour: [255, 0, 0] }, null]], [1, [{ image: 1, uv: [uv[1]!] }, { image: 2, uv: [uv[0]!] }, null]]]),
    },
  }
  const bytes = encodeTile({ ...job, shapes })
  t.strictSame(await faultsOf(bytes), [])
  const glb = readGlb(bytes)
  t.strictSame(glb.json.images.map((image: any) => glb.view(image.bufferView)), [brick, glass].map(png => new Uint8Array(png)), 'two images for three textures')
  t.strictSame(glb.json.samplers.map((sampler: any) => sampler.wrapS), [33071, 10497])
  const [primitives] = glb.json.meshes.map((mesh: any) => mesh.primitives)
  t.strictSame(primitives.map((p: any) => glb.json.materials[p.material].pbrMetallicRoughness.baseColorTexture?.index), [undefined, 0, 1, 2])
  t.strictSame(accessor(glb, primitives[1].attributes.TEXCOORD_0), [[0, 1], [1, 1], [1, 0], [0, 0]])
  t.strictSame(accessor(glb, primitives[2].attributes.TEXCOORD_0), [[0, 2], [3, 2], [3, 0], [0, 0]], 'a picture may repeat')
  const upper = local(vertices(glb).slice(12, 16), 108.2, 16.05, -12.5)
  t.ok(Math.abs(upper[0]![2]!) < 0.01 && Math.abs(upper[2]![2]! - 6) < 0.01, 'the picture\'s lower edge is at the foot')
  t.ok(accessor(glb, primitives[0].attributes.COLOR_0).some(([r, g, b]) => r === 1 && g === 0 && b === 0))
})

t.test('a tile carries so many pictures and no more: the largest houses keep theirs, and the tile says how many lost theirs', async t => {
  const store = await testStore(t)
  const pictures = [1, 2, 3, 4, 5].map(picture)
  const keys = await Promise.all(pictures.map(async (png, i) => {
    await sql`insert into dothi.texture_images values (sha256(${png}), 'image/png', 2, 2, ${png})`.execute(store.db)
    const { rows } = await sql<{ key: string }>`insert into dothi.appearances (solid, images, faces)
      select md5(${`solid ${i}`})::uuid, jsonb_build_array(jsonb_build_object('sha256', encode(sha256(${png}), 'hex'), 'wrap', 'clamp')), ${encodeFaces([{ image: 0, uv: [], colour: [1, 2, 3] }])}
      returning md5(${`solid ${i}`}) as key`.execute(store.db)
    return rows[0]!.key
  }))
  const solids = [...keys.map((key, i) => ({ key, size: i })), { key: null, size: 99 }]
  const all = await looksOf(store, solids, 'open')
  t.strictSame([all!.textures.length, all!.leftOut, all!.faces.size], [5, 0, 5])
  const two = await looksOf(store, solids, 'open', { images: 2, bytes: 1e6 })
  t.strictSame(two!.textures.map(texture => pictures.findIndex(png => Buffer.compare(png, texture.bytes) === 0)), [4, 3])
  t.strictSame([two!.leftOut, two!.faces.get(0)![0]!.image, two!.faces.get(0)![0]!.colour], [3, undefined, [1, 2, 3]])
  const one = await looksOf(store, solids, 'open', { images: 9, bytes: pictures[4]!.length + 1 })
  t.strictSame([one!.textures.length, one!.leftOut], [1, 4])
  const solid = toHex(facesToEwkb([[square(108.2, 16.05, 9).map(([x, y]) => [x!, y!, 3])]], 4326))
  const shapes: Extrusions = { ...houses([null, null, null], [0, 0, 0], [0, 0, 0]), solids: packHex([solid, null, null]), looks: two }
  t.strictSame(readGlb(encodeTile({ ...job, shapes })).json.asset.extras, { texturesLeftOut: 3 })
  t.equal(await looksOf(store, [{ key: null, size: 1 }], 'open'), undefined)
})

t.test('workers make the tile that the main thread would; what cannot be made is told; those who wait hold no rows', async t => {
  const pool = new EncodePool()
  const made = await Promise.all([job, job, { ...job, layer: 'others' }].map(each => pool.encode(async () => each)))
  t.ok(made.slice(0, 2).every(tile => Buffer.compare(gunzipSync(tile.gzip), encodeTile(job)) === 0 && tile.length === encodeTile(job).length))
  const broken = { ...job, shapes: { ...job.shapes, footprints: { bytes: new Uint8Array([1, 2, 3]), ends: new Uint32Array([3, 3, 3]) } } as TileJob['shapes'] }
  await t.rejects(pool.encode(async () => broken), /houses could not be encoded/)
  await t.rejects(pool.encode(async () => { throw new Error('the rows are gone') }), /the rows are gone/)
  t.equal((await pool.encode(async () => job)).length, made[0]!.length, 'the worker lives on')

  let reading = 0
  let most = 0
  const answers = await Promise.allSettled(Array.from({ length: 200 }, () => pool.encode(async () => {
    most = Math.max(most, ++reading)
    await new Promise(done => setTimeout(done, 1))
    reading--
    return job
  })))
  const refused = answers.filter(answer => answer.status === 'rejected').map(answer => answer.reason as { status: number; headers: object })
  t.ok(most <= 6, `${most} tiles were read at once`)
  t.ok(refused.length > 0 && refused.length < 80, `${refused.length} of 200 at once were refused`)
  t.ok(refused.every(problem => problem.status === 503 && 'Retry-After' in problem.headers))
})
