import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { deflateRawSync, deflateSync } from 'node:zlib'
import { DataUtils } from 'three'
import t from 'tap'
import { createFrame } from '../core/frame.js'
import { loadProjection } from '../core/projection.js'
import { findBanks, framesAt, levelBanks } from './flood.js'
import { loadFrame, NODATA, toHalfPairs } from './frame-loader.js'
import { fitGrid, gridAt } from './grid-fit.js'

t.test('a frame is read however it was deflated, and refused where its size is not the grid’s', async (t) => {
  const cells = new Uint16Array([0, 30, 1500, NODATA, 65534, 7])
  const bytes = Buffer.from(cells.buffer)
  const bodies: Record<string, [Buffer, Record<string, string>]> = {
    '/runs/r/frames/0': [bytes, {}], '/runs/r/frames/1': [deflateSync(bytes), {}], '/runs/r/frames/2': [deflateRawSync(bytes), {}],
    '/runs/r/frames/3': [deflateSync(bytes), { 'content-encoding': 'deflate' }], '/runs/r/frames/4': [deflateSync(bytes.subarray(0, 8)), {}],
  }
  const server = createServer((request, response) => {
    const [body, headers] = bodies[request.url!]!
    response.writeHead(200, headers).end(body)
  }).listen(0, '127.0.0.1')
  t.teardown(() => server.close())
  await new Promise((resolve) => server.once('listening', resolve))
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const original = globalThis.fetch
  globalThis.fetch = ((path: string, init: RequestInit) => original(base + path, init)) as typeof fetch
  t.teardown(() => { globalThis.fetch = original })
  for (const n of [0, 1, 2, 3]) t.strictSame([...await loadFrame('r', n, { rows: 2, cols: 3 })], [...cells], `frame ${n}`)
  await t.rejects(loadFrame('r', 4, { rows: 2, cols: 3 }), /wanted 6/)
})

t.test('depths become half floats; what was not computed is told from what is dry', async (t) => {
  const table = new Uint16Array(65536)
  for (let i = 0; i < 65535; i++) table[i] = DataUtils.toHalfFloat(i * 0.001)
  const pairs = toHalfPairs(new Uint16Array([0, 1500, NODATA]), table, DataUtils.toHalfFloat(1))
  t.strictSame([...pairs].map((half) => Math.round(DataUtils.fromHalfFloat(half) * 100) / 100), [0, 1, 1.5, 1, 0, 0])
})

t.test('banks of a river are drawn as wet as the land beside them, not as deep as the river', async (t) => {
  const shape = { rows: 3, cols: 4 }
  const banks = findBanks(new Uint16Array([0, 5000, 5000, 5000, 0, 5000, 5000, 5000, NODATA, 5000, 5000, 5000]), shape)
  t.strictSame([...banks.cells], [1, 5, 9], 'the river’s cells that touch land')
  const later = new Uint16Array([200, 5200, 5200, 5200, 0, 5200, 5200, 5200, NODATA, 5200, 5200, 5200])
  t.strictSame([...levelBanks(later, banks)], [200, 100, 5200, 5200, 0, 100, 5200, 5200, NODATA, 0, 5200, 5200])
  t.equal(later[1], 5200, 'the frame itself is left as it is')
})

t.test('between two frames the later one gains; beyond the ends the nearest is held', async (t) => {
  const times = [0, 600, 1800]
  t.strictSame(framesAt(times, 300), { a: 0, b: 1, mix: 0.5 })
  t.strictSame(framesAt(times, 600), { a: 1, b: 2, mix: 0 })
  t.strictSame(framesAt(times, 9999), { a: 2, b: 2, mix: 0 })
  t.strictSame(framesAt([0], -5), { a: 0, b: 0, mix: 0 })
})

t.test('a grid in VN-2000 lies in the local frame to within a tenth of a metre over 20 km', async (t) => {
  const projection = (await loadProjection(5899))!
  const frame = createFrame({ lon: 108.2208, lat: 16.0678, geoidOffset: -8.5 })
  const [e, n] = projection.forward([108.12, 16.16])
  const grid = { crs: 5899, origin: [e, n] as const, cell: 30, rows: 660, cols: 600, corners: [[0, 0], [0, 18000], [-19800, 18000], [-19800, 0]].map(([dn, de]) => projection.inverse([e + de!, n + dn!])) }
  const fit = fitGrid(grid, frame, projection)
  let worst = 0
  for (let j = 0; j <= 10; j++) {
    for (let i = 0; i <= 10; i++) {
      const [lon, lat] = projection.inverse([e + (i / 10) * 18000, n - (j / 10) * 19800])
      const [x, y] = frame.toLocal(lon, lat, 0)
      const [u, v] = gridAt(fit, x, y)
      worst = Math.max(worst, Math.hypot((u - i / 10) * 18000, (v - j / 10) * 19800))
    }
  }
  t.ok(worst < 0.1, `worst ${worst.toFixed(3)} m`)
  const byCorners = fitGrid(grid, frame, null)
  const [x, y] = frame.toLocal(...projection.inverse([e + 9000, n - 9900]), 0)
  const [u, v] = gridAt(byCorners, x, y)
  t.ok(Math.hypot((u - 0.5) * 18000, (v - 0.5) * 19800) < 15, 'corners alone are metres off, less than a cell')
})

t.test('VN-2000 and WGS 84 there and back within a millimetre', async (t) => {
  const projection = (await loadProjection(5899))!
  for (const at of [[108.2208, 16.0678], [107.5, 15.3], [108.7, 16.5]] as const) {
    const back = projection.inverse(projection.forward(at))
    t.ok(Math.hypot((back[0] - at[0]) * 106_900, (back[1] - at[1]) * 110_600) < 0.001, at.join())
  }
  t.equal(await loadProjection(999999), null)
  t.match((await loadProjection(32632))!.name, /UTM/)
})
