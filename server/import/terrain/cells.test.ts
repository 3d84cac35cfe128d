import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import { openAny } from '../open-source.js'
import { Cells } from './cells.js'

t.test('cells are an array, however few of their blocks are in memory', async t => {
  const size = fc.integer({ min: 1, max: 900 })
  fc.assert(fc.property(size, size, fc.integer({ min: 1, max: 3 }), fc.array(fc.tuple(fc.nat(), fc.nat(), fc.nat(300), fc.nat(300)), { maxLength: 6 }), (rows, cols, resident, windows) => {
    const cells = new Cells(rows, cols, resident)
    const plain = new Float32Array(rows * cols).fill(NaN)
    let value = 0
    try {
      for (const [a, b, width, height] of windows) {
        const [row, col] = [a % rows, b % cols]
        const [w, h] = [Math.min(width, cols - col), Math.min(height, rows - row)]
        const values = Float32Array.from({ length: w * h }, () => ++value)
        cells.write(row, col, w, h, values)
        for (let r = 0; r < h; r++) plain.set(values.subarray(r * w, (r + 1) * w), (row + r) * cols + col)
      }
      const seen = new Float32Array(rows * cols)
      cells.eachCell((row, col) => { seen[row * cols + col] = cells.get(row, col) })
      return seen.every((v, i) => Object.is(v, plain[i]))
    } finally {
      cells.close()
    }
  }), { numRuns: 25 })
})

t.test('a GeoTIFF in tiles, in strips and in one piece has the cells that GDAL reads', async t => {
  const folder = t.testdir()
  const asc = join(folder, 'small.asc')
  writeFileSync(asc, `ncols 40\nnrows 30\nxllcorner 550000\nyllcorner 1775000\ncellsize 100\nNODATA_value -9999\n${Array.from({ length: 1200 }, (_, i) => (i % 97 === 0 ? -9999 : Math.round(300 * Math.sin(i / 50)))).join(' ')}\n`)
  const gdal = (...args: string[]) => execFileSync('gdal_translate', ['-q', '-a_srs', 'EPSG:32648', '-ot', 'Int16', '-outsize', '2100', '2300', ...args])
  gdal('-of', 'ENVI', asc, join(folder, 'plain.img'))
  const bytes = readFileSync(join(folder, 'plain.img'))
  const plain = new Int16Array(bytes.buffer, bytes.byteOffset, bytes.length / 2)
  for (const [name, ...options] of [['tiled', 'TILED=YES', 'COMPRESS=DEFLATE', 'PREDICTOR=2'], ['strips', 'COMPRESS=LZW'], ['piece', 'BLOCKYSIZE=2300']] as const) {
    const file = join(folder, `${name}.tif`)
    gdal(...options.flatMap(option => ['-co', option]), asc, file)
    const opened = await openAny(file)
    if (opened.kind !== 'terrain') throw new Error('not terrain')
    let wrong = 0
    let i = 0
    for (const height of opened.grid.heights) {
      const expected = plain[i++]!
      if (expected === -9999 ? height === height : height !== expected) wrong++
    }
    t.strictSame([i, wrong], [2100 * 2300, 0], name)
    await opened.close()
  }
})
