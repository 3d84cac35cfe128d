/** A run on the ground: keeps the two frames around the shown time on the GPU and asks for the next ones ahead. */
import { ClampToEdgeWrapping, DataTexture, DataUtils, HalfFloatType, LinearFilter, RGFormat } from 'three'
import type { RunManifest } from '../../simulation/manifest.js'
import type { Frame } from '../core/frame.js'
import type { Projection } from '../core/projection.js'
import { groundUniforms } from '../tiles/ground-material.js'
import { loadFrame, NODATA, toHalfPairs } from './frame-loader.js'
import { fitGrid, gridAt, type GridFit } from './grid-fit.js'

export interface Flood {
  readonly run: string
  /** A run that still computes has more times later. */
  extend(manifest: RunManifest): void
  /** Shows the water at `seconds`; false while its frames are on their way. `ahead`: the next ones will be wanted. */
  show(seconds: number, ahead: boolean): boolean
  /** Depth in metres at a local position and the shown time; null where nothing was computed. */
  depthAt(x: number, y: number): number | null
  dispose(): void
}

/** Frames kept: a minute of scrubbing back at the sample's size is 1.4 MB each on the GPU. */
const KEEP = 24
const AHEAD = 3

export function createFlood(first: RunManifest, frame: Frame, projection: Projection | null, onChange: () => void): Flood {
  let manifest = first
  const { grid, quantisation } = manifest
  const fit: GridFit = fitGrid(grid, frame, projection)
  groundUniforms.uGridU.value = fit.u
  groundUniforms.uGridV.value = fit.v
  groundUniforms.uGridCells.value.set(grid.cols, grid.rows)
  const half = halfTable(quantisation.scale)
  const one = DataUtils.toHalfFloat(1)
  const frames = new Map<number, { cells: Uint16Array; texture: DataTexture }>()
  const asked = new Set<number>()
  const abort = new AbortController()
  let banks: Banks | null = null
  let current: { a: number; b: number; mix: number } | null = null

  function ask(n: number): void {
    if (n < 0 || n >= manifest.times.length || frames.has(n) || asked.has(n) || asked.size > 4) return
    asked.add(n)
    loadFrame(manifest.id, n, grid, abort.signal).then(async (cells) => {
      banks ??= findBanks(n === 0 ? cells : await loadFrame(manifest.id, 0, grid, abort.signal), grid)
      frames.set(n, { cells, texture: textureOf(cells) })
      evict(n)
      onChange()
    }).catch((error: Error) => { if (error.name !== 'AbortError') setTimeout(onChange, 2000) })
      .finally(() => asked.delete(n))
  }

  function textureOf(cells: Uint16Array): DataTexture {
    const texture = new DataTexture(toHalfPairs(banks ? levelBanks(cells, banks) : cells, half, one), grid.cols, grid.rows, RGFormat, HalfFloatType)
    texture.magFilter = texture.minFilter = LinearFilter
    texture.wrapS = texture.wrapT = ClampToEdgeWrapping
    texture.needsUpdate = true
    return texture
  }

  function evict(latest: number): void {
    const far = [...frames.keys()].filter((n) => n !== current?.a && n !== current?.b)
      .sort((a, b) => Math.abs(b - latest) - Math.abs(a - latest))
    for (const n of far.slice(0, Math.max(0, frames.size - KEEP))) {
      frames.get(n)!.texture.dispose()
      frames.delete(n)
    }
  }

  return {
    run: manifest.id,
    extend(next) { manifest = next },
    show(seconds, ahead) {
      const { times } = manifest
      if (!times.length) return false
      const { a, b, mix } = framesAt(times, seconds)
      ask(a)
      if (mix > 0) ask(b)
      if (ahead) for (let n = b; n <= b + AHEAD; n++) ask(n)
      const from = frames.get(a)
      const to = mix > 0 ? frames.get(b) : from
      if (!from || !to) return false
      current = { a, b: mix > 0 ? b : a, mix }
      groundUniforms.uDepthA.value = from.texture
      groundUniforms.uDepthB.value = to.texture
      groundUniforms.uDepthMix.value = mix
      groundUniforms.uFlood.value = 1
      return true
    },
    depthAt(x, y) {
      const [u, v] = gridAt(fit, x, y)
      if (!current || u < 0 || u >= 1 || v < 0 || v >= 1) return null
      const cell = Math.floor(v * grid.rows) * grid.cols + Math.floor(u * grid.cols)
      const [a, b] = [frames.get(current.a)?.cells[cell], frames.get(current.b)?.cells[cell]]
      if (a === undefined || b === undefined || a === NODATA || b === NODATA) return null
      return (a * (1 - current.mix) + b * current.mix) * quantisation.scale
    },
    dispose() {
      abort.abort()
      groundUniforms.uFlood.value = 0
      for (const { texture } of frames.values()) texture.dispose()
      frames.clear()
    },
  }
}

/** Cells that hold water from the start and touch land, with the land around each. */
export interface Banks { readonly cells: Uint32Array; readonly land: readonly Uint32Array[] }

/** Depth in millimetres at the start from which a cell counts as river, lake or sea. */
const PERMANENT_MM = 100

export function findBanks(first: Uint16Array, { rows, cols }: { readonly rows: number; readonly cols: number }): Banks {
  const isWater = (i: number) => first[i]! > PERMANENT_MM && first[i]! !== NODATA
  const cells: number[] = []
  const land: Uint32Array[] = []
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < cols; c++) {
      const i = r * cols + c
      if (!isWater(i)) continue
      const around: number[] = []
      for (let dr = -1; dr <= 1; dr++) {
        for (let dc = -1; dc <= 1; dc++) {
          const [y, x] = [r + dr, c + dc]
          if (y < 0 || y >= rows || x < 0 || x >= cols || isWater(y * cols + x) || first[y * cols + x] === NODATA) continue
          around.push(y * cols + x)
        }
      }
      if (!around.length) continue
      cells.push(i)
      land.push(new Uint32Array(around))
    }
  }
  return { cells: new Uint32Array(cells), land }
}

/**
 * A cell of the grid is wider than a bank: interpolated from the river's own metres, every bank would look flooded.
 * For drawing only, the river's outermost cells take the mean depth on the land beside them.
 */
export function levelBanks(cells: Uint16Array, banks: Banks): Uint16Array {
  const out = cells.slice()
  banks.cells.forEach((i, k) => {
    const land = banks.land[k]!
    let sum = 0
    for (const j of land) sum += cells[j]! === NODATA ? 0 : cells[j]!
    out[i] = sum / land.length
  })
  return out
}

/** The frames before and after a time, and the share of the later one. Times ascend; outside them the nearest is held. */
export function framesAt(times: readonly number[], seconds: number): { a: number; b: number; mix: number } {
  let a = 0
  while (a < times.length - 1 && times[a + 1]! <= seconds) a++
  const b = Math.min(a + 1, times.length - 1)
  const span = times[b]! - times[a]!
  return { a, b, mix: span > 0 ? Math.max(0, Math.min(1, (seconds - times[a]!) / span)) : 0 }
}

function halfTable(scale: number): Uint16Array {
  const table = new Uint16Array(65536)
  for (let i = 0; i < 65535; i++) table[i] = DataUtils.toHalfFloat(Math.min(60000, i * scale))
  return table
}
