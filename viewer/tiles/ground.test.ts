import t from 'tap'
import { tileAt } from '../../core/tile-matrix.js'
import { createFrame } from '../core/frame.js'
import { buildGroundMesh } from './ground-mesh.js'
import { decodeTerrainRgb, sampleHeight } from './height-source.js'
import { placement, sourceTileOf } from './mvt.js'
import { colourOf, rgb } from './style.js'

t.test('Terrain-RGB is decoded as Mapbox wrote it', async (t) => {
  t.strictSame([...decodeTerrainRgb(new Uint8Array([1, 134, 160, 255, 0, 0, 0, 255, 1, 138, 136, 255]))].map((h) => Math.round(h * 10) / 10), [0, -10000, 100])
})

t.test('heights belong to pixel centres and are interpolated between them', async (t) => {
  const tile = new Float32Array(256 * 256).map((_, i) => i % 256)
  t.equal(sampleHeight(tile, 0.5 / 256, 0.5), 0)
  t.equal(sampleHeight(tile, 10 / 256, 0.5), 9.5)
  t.equal(sampleHeight(tile, 0, 0), 0, 'nothing is invented beyond the edge')
})

t.test('a tile of level ground is a level mesh with a skirt below it', async (t) => {
  const frame = createFrame({ lon: 108.2208, lat: 16.0678, geoidOffset: -8.5 })
  const mesh = buildGroundMesh(tileAt(108.2208, 16.0678, 16), 8, () => 12, frame)
  t.equal(mesh.positions.length / 3, 81 + 32)
  t.ok(mesh.maxZ - mesh.minZ < 0.2, 'the earth’s curve is all that is left')
  t.ok(mesh.positions[82 * 3 + 2]! < mesh.positions[2]! - 3, 'the skirt hangs down')
  t.ok(mesh.normals[2]! > 0.999)
  t.strictSame([mesh.uvs[0], mesh.uvs[1], mesh.uvs[80 * 2], mesh.uvs[80 * 2 + 1]], [0, 1, 1, 0], 'north-west first')
  t.ok(mesh.index.every((i) => i < 113))
  const [a, b, c] = [...mesh.index.subarray(0, 3)].map((i) => [...mesh.positions.subarray(i * 3, i * 3 + 3)]) as [number[], number[], number[]]
  const up = (b[0]! - a[0]!) * (c[1]! - a[1]!) - (b[1]! - a[1]!) * (c[0]! - a[0]!)
  t.ok(up > 0, 'faces look up')
})

t.test('beyond a layer’s zooms its last tile is enlarged', async (t) => {
  const tile = { z: 17, x: 1003, y: 2001 }
  const source = sourceTileOf(tile, 15)
  t.strictSame(source, { z: 15, x: 250, y: 500 })
  const place = placement({ tile: source, features: { extent: 4096 } as never }, tile, 512)
  t.strictSame(place, { scale: 0.5, dx: -1536, dy: -512 })
  t.strictSame(sourceTileOf(tile, 18), { z: 16, x: 501, y: 1000 }, 'no source is deeper than zoom 16')
})

t.test('one paint, one colour', async (t) => {
  t.equal(colourOf({ by: 'use', categories: { school: '#4b7fa8' }, other: '#8d8577' }, { use: 'school' }), '#4b7fa8')
  t.equal(colourOf({ by: 'use', categories: {}, other: '#8d8577' }, {}), '#8d8577')
  const steps = { by: 'depth', below: '#fff', steps: [[0.1, '#aaa'], [0.5, '#555']] } as const
  t.strictSame([0, 0.1, 0.49, 3].map((depth) => colourOf(steps, { depth })), ['#fff', '#aaa', '#aaa', '#555'])
  t.strictSame(rgb('#ff8000').map((c) => Math.round(c * 255)), [255, 128, 0])
})
