/** Cells as bytes: JSON, its pixels as runs, all of it deflated. */
import { deflateRawSync, inflateRawSync } from 'node:zlib'
import type { Cell } from '../../core/generalise/cell.js'
import type { Plate } from '../../core/generalise/patches.js'

export function encodeCell(cell: Cell): Buffer {
  const json = cell.kind === 'polygon' ? { ...cell, plates: cell.plates.map(plate => ({ ...plate, shares: { pixels: plate.shares.length, runs: runsOf(plate.shares) } })) }
    : cell.kind === 'line' ? { ...cell, groups: cell.groups.map(group => ({ ...group, lines: group.lines.map(line => [...line]) })) }
    : cell
  return deflateRawSync(JSON.stringify(json), { level: 4 })
}

/** Throws where the bytes are no cell. */
export function decodeCell(bytes: Uint8Array): Cell {
  const cell = JSON.parse(inflateRawSync(bytes).toString()) as Cell
  if (cell.kind === 'polygon') return {
    kind: 'polygon',
    plates: (cell.plates as unknown as (Omit<Plate, 'shares'> & { shares: { pixels: number; runs: string } })[]).map(plate => ({ ...plate, shares: sharesOf(plate.shares.pixels, plate.shares.runs) })),
  }
  if (cell.kind === 'line') return { kind: 'line', groups: cell.groups.map(group => ({ ...group, lines: group.lines.map(line => Float64Array.from(line)) })) }
  return cell
}

/** About how many bytes a decoded cell takes in memory. */
export function sizeOf(cell: Cell): number {
  if (cell.kind === 'polygon') return cell.plates.reduce((n, { shares }) => n + shares.length + 100, 100)
  if (cell.kind === 'line') return cell.groups.reduce((n, { lines }) => n + lines.reduce((m, line) => m + line.byteLength + 100, 200), 100)
  return cell.spots.length * 120 + 100
}

/** Most pixels are empty: 16 bits of empty ones, 16 bits of others and these, again and again. */
function runsOf(shares: Uint8Array): string {
  const out: number[] = []
  for (let at = 0; at < shares.length;) {
    const empty = at
    while (at < shares.length && shares[at] === 0 && at - empty < 0xffff) at++
    const full = at
    while (at < shares.length && at - full < 0xffff && !(shares[at] === 0 && shares[at + 1] === 0 && shares[at + 2] === 0 && shares[at + 3] === 0)) at++
    out.push((full - empty) & 255, (full - empty) >> 8, (at - full) & 255, (at - full) >> 8)
    for (let i = full; i < at; i++) out.push(shares[i]!)
  }
  return Buffer.from(out).toString('base64')
}

function sharesOf(pixels: number, text: string): Uint8Array {
  const runs = Buffer.from(text, 'base64')
  const shares = new Uint8Array(pixels)
  for (let at = 0, to = 0; at < runs.length;) {
    to += runs.readUInt16LE(at)
    const full = runs.readUInt16LE(at + 2)
    shares.set(runs.subarray(at + 4, at + 4 + full), to)
    at += 4 + full
    to += full
  }
  return shares
}
