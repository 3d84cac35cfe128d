import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const SIDE = 256
const BLOCK_CELLS = SIDE * SIDE
const BLOCK_BYTES = 4 * BLOCK_CELLS
/** Blocks in memory: 64 MB. */
const RESIDENT = 256

interface Block { readonly values: Float32Array; isChanged: boolean }

/**
 * The cells of a grid of any size in little memory: blocks of 256 × 256, of which those used last are in memory and the others
 * in a scratch file, which appears only when they no longer fit. Cells that were never set are NaN.
 * Neighbouring cells should be used together: a walk along whole rows of a very wide grid would fetch a block a step.
 */
export class Cells implements Iterable<number> {
  readonly #across: number
  readonly #blocks = new Map<number, Block>()
  readonly #stored = new Set<number>()
  #file: { readonly descriptor: number; readonly folder: string } | undefined
  #last: Block = NO_BLOCK
  #lastKey = -1

  constructor(readonly rows: number, readonly cols: number, readonly resident = RESIDENT) {
    this.#across = Math.ceil(cols / SIDE)
  }

  /** `values` row-major. */
  static of(values: ArrayLike<number>, rows: number, cols: number): Cells {
    const cells = new Cells(rows, cols)
    cells.write(0, 0, cols, rows, values)
    return cells
  }

  get(row: number, col: number): number {
    return this.#block((row >> 8) * this.#across + (col >> 8)).values[((row & 255) << 8) | (col & 255)]!
  }

  set(row: number, col: number, value: number): void {
    const block = this.#block((row >> 8) * this.#across + (col >> 8))
    block.values[((row & 255) << 8) | (col & 255)] = value
    block.isChanged = true
  }

  /** Sets a window of cells, `values` row-major, block by block. */
  write(row: number, col: number, width: number, height: number, values: ArrayLike<number>): void {
    for (let top = row; top < row + height; top = (top | 255) + 1) {
      const bottom = Math.min(row + height, (top | 255) + 1)
      for (let left = col; left < col + width; left = (left | 255) + 1) {
        const right = Math.min(col + width, (left | 255) + 1)
        for (let r = top; r < bottom; r++) for (let c = left; c < right; c++) this.set(r, c, values[(r - row) * width + c - col]!)
      }
    }
  }

  /** Calls back with every cell, block after block, so that neighbours come together. */
  eachCell(visit: (row: number, col: number) => void): void {
    for (let top = 0; top < this.rows; top += SIDE) {
      for (let left = 0; left < this.cols; left += SIDE) {
        for (let row = top; row < Math.min(this.rows, top + SIDE); row++) for (let col = left; col < Math.min(this.cols, left + SIDE); col++) visit(row, col)
      }
    }
  }

  /** Row by row, north first. */
  *[Symbol.iterator](): Generator<number> {
    for (let row = 0; row < this.rows; row++) for (let col = 0; col < this.cols; col++) yield this.get(row, col)
  }

  close(): void {
    this.#blocks.clear()
    this.#lastKey = -1
    this.#last = NO_BLOCK
    if (!this.#file) return
    closeSync(this.#file.descriptor)
    rmSync(this.#file.folder, { recursive: true, force: true })
    this.#file = undefined
  }

  #block(key: number): Block {
    if (key === this.#lastKey) return this.#last
    let block = this.#blocks.get(key)
    if (block) this.#blocks.delete(key)
    else block = this.#fetch(key)
    this.#blocks.set(key, block) // youngest last
    this.#lastKey = key
    return this.#last = block
  }

  #fetch(key: number): Block {
    if (this.#blocks.size >= this.resident) this.#spillOldest()
    const values = new Float32Array(BLOCK_CELLS)
    if (this.#stored.has(key)) readSync(this.#file!.descriptor, values, 0, BLOCK_BYTES, key * BLOCK_BYTES)
    else values.fill(NaN)
    return { values, isChanged: false }
  }

  #spillOldest(): void {
    const [key, block] = this.#blocks.entries().next().value!
    this.#blocks.delete(key)
    if (!block.isChanged) return
    this.#file ??= scratchFile()
    writeSync(this.#file.descriptor, block.values, 0, BLOCK_BYTES, key * BLOCK_BYTES)
    this.#stored.add(key)
  }
}

const NO_BLOCK: Block = { values: new Float32Array(0), isChanged: false }

function scratchFile() {
  const folder = mkdtempSync(join(tmpdir(), 'dothi-terrain-'))
  return { folder, descriptor: openSync(join(folder, 'cells'), 'wx+') }
}
