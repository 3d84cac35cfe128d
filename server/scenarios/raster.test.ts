import t from 'tap'
import type { Grid } from '../../simulation/flood/grid.js'
import { addCover, cellsAlong, cellsIn } from './raster.js'
import { drainUplands } from './uplands.js'

const grid: Grid = { rows: 4, cols: 5, cell: 10, origin: [0, 40] }
const ring = (...points: number[]) => [...points, points[0]!, points[1]!]
const picture = (mark: (visit: (cell: number) => void) => void) => {
  const cells = new Array<string>(20).fill('.')
  mark(cell => { cells[cell] = '#' })
  return [0, 5, 10, 15].map(at => cells.slice(at, at + 5).join(''))
}

t.test('a polygon marks the cells whose centre it holds, its hole none', async t => {
  t.strictSame(picture(visit => cellsIn(grid, [ring(6, 6, 44, 6, 44, 36, 6, 36)], visit)), ['.###.', '.###.', '.###.', '.....'])
  t.strictSame(picture(visit => cellsIn(grid, [ring(0, 0, 50, 0, 50, 40, 0, 40), ring(10, 10, 30, 10, 30, 30, 10, 30)], visit)), ['#####', '#..##', '#..##', '#####'])
  t.strictSame(picture(visit => cellsIn(grid, [ring(-500, -500, 500, -500, 500, 500, -500, 500)], visit)), ['#####', '#####', '#####', '#####'], 'one larger than the grid is cut')
  t.strictSame(picture(visit => cellsIn(grid, [ring(100, 100, 110, 100, 110, 110)], visit)), ['.....', '.....', '.....', '.....'])
})

t.test('two polygons that share an edge share no cell', async t => {
  const cover = new Float32Array(20)
  addCover(grid, [ring(0, 0, 25, 0, 25, 40, 0, 40)], cover)
  addCover(grid, [ring(25, 0, 50, 0, 50, 40, 25, 40)], cover)
  t.ok(cover.every(share => Math.abs(share - 1) < 1e-6))
})

t.test('cover is the share of a cell, however small the building', async t => {
  const cover = new Float32Array(20)
  addCover(grid, [ring(0, 0, 4, 0, 4, 10, 0, 10)], cover)
  addCover(grid, [ring(10, 0, 30, 0, 30, 6, 10, 6)], cover)
  t.strictSame([...cover.slice(15)].map(share => +share.toFixed(2)), [0.4, 0.6, 0.6, 0, 0])
})

t.test('a line leaves no way through between the sides of its cells', async t => {
  t.strictSame(picture(visit => cellsAlong(grid, [-20, -14, 60, 56], visit)), ['...##', '.###.', '##...', '#....'], 'and is cut at the grid')
})

t.test('hills drain down to the plain, hollows included', async t => {
  //  9 8 7 6 | 1      a hill with a pit of 2 m, and the plain in the east
  const line: Grid = { rows: 1, cols: 5, cell: 10, origin: [0, 10] }
  const plain = Uint8Array.from([0, 0, 0, 0, 1])
  t.strictSame(drainUplands(line, Float32Array.from([9, 2, 7, 6, 1]), plain), [{ cell: 4, area: 400, distance: 25 }])
  t.strictSame(drainUplands(line, Float32Array.from([9, NaN, 7, 6, 1]), plain), [{ cell: 4, area: 200, distance: 15 }], 'unknown ground drains nowhere')
  t.strictSame(drainUplands(line, Float32Array.from([9, 2, 7, 6, 1]), Uint8Array.from([1, 0, 0, 0, 1])), [{ cell: 4, area: 300, distance: 20 }], 'each cell goes down its own way')
})
