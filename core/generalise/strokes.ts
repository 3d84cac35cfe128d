/**
 * Streets and pipes as a hand would draw them: pieces that go on into each other become one line.
 * Where more than two meet, those that turn least are joined (“strokes”: R. C. Thomson and D. E. Richardson, 1999).
 */
import { reversed, type Path } from './shape.js'

/** A turn sharper than this, radians, ends a line where it could also go on otherwise. */
const SHARPEST_TURN = Math.PI / 3

/** Joins lines whose ends are at the same position. Each comes once, in the direction of its first piece; order follows the input's. */
export function strokes(lines: readonly Path[]): Path[] {
  // End 2i is where line i begins, 2i + 1 where it stops.
  const partner = new Int32Array(lines.length * 2).fill(-1)
  for (const ends of meetings(lines)) pair(lines, ends, partner)
  const used = new Uint8Array(lines.length)
  const out: Path[] = []
  const take = (start: number) => {
    if (used[start >> 1]) return
    const pieces: Path[] = []
    for (let entry = start; entry !== -1 && !used[entry >> 1]; entry = partner[entry ^ 1]!) {
      used[entry >> 1] = 1
      pieces.push(entry & 1 ? reversed(lines[entry >> 1]!) : lines[entry >> 1]!)
    }
    out.push(chained(pieces))
  }
  for (let end = 0; end < partner.length; end++) if (partner[end] === -1) take(end)
  // What is left goes round.
  for (let i = 0; i < lines.length; i++) take(i * 2)
  return out
}

function meetings(lines: readonly Path[]): Iterable<number[]> {
  const at = new Map<string, number[]>()
  lines.forEach((line, i) => {
    for (const end of [i * 2, i * 2 + 1]) {
      const key = end & 1 ? `${line[line.length - 2]!} ${line[line.length - 1]!}` : `${line[0]!} ${line[1]!}`
      const there = at.get(key)
      if (there) there.push(end)
      else at.set(key, [end])
    }
  })
  return at.values()
}

function pair(lines: readonly Path[], ends: readonly number[], partner: Int32Array): void {
  if (ends.length < 2) return
  const headings = ends.map(end => heading(lines[end >> 1]!, (end & 1) === 1))
  const turns: { readonly a: number; readonly b: number; readonly turn: number }[] = []
  for (let i = 0; i < ends.length; i++) {
    for (let j = i + 1; j < ends.length; j++) {
      const apart = Math.abs(headings[i]! - headings[j]!) % (2 * Math.PI)
      const turn = Math.abs(Math.PI - Math.min(apart, 2 * Math.PI - apart))
      if (ends.length === 2 || turn <= SHARPEST_TURN) turns.push({ a: ends[i]!, b: ends[j]!, turn })
    }
  }
  turns.sort((p, q) => p.turn - q.turn || p.a - q.a || p.b - q.b)
  for (const { a, b } of turns) {
    if (partner[a] !== -1 || partner[b] !== -1) continue
    partner[a] = b
    partner[b] = a
  }
}

/** From the end into the line. */
function heading(line: Path, last: boolean): number {
  const n = line.length
  return last ? Math.atan2(line[n - 3]! - line[n - 1]!, line[n - 4]! - line[n - 2]!) : Math.atan2(line[3]! - line[1]!, line[2]! - line[0]!)
}

function chained(pieces: readonly Path[]): Path {
  if (pieces.length === 1) return pieces[0]!
  const out = new Float64Array(pieces.reduce((n, piece) => n + piece.length - 2, 2))
  out.set(pieces[0]!)
  let at = pieces[0]!.length
  for (const piece of pieces.slice(1)) {
    out.set(piece.subarray(2), at)
    at += piece.length - 2
  }
  return out
}

/**
 * Goes straight on where a line ends at the edge of a square of `side` units, by `margin` beyond it: so strokes do not break where
 * squares meet, although each is drawn from what lies in it alone.
 */
export function beyondEdge(line: Path, side: number, margin: number): Path {
  const n = line.length
  const before = ahead(line[2]!, line[3]!, line[0]!, line[1]!, side, margin)
  const after = ahead(line[n - 4]!, line[n - 3]!, line[n - 2]!, line[n - 1]!, side, margin)
  return before || after ? Float64Array.from([...(before ?? []), ...line, ...(after ?? [])]) : line
}

/** From a to b and on, where b lies on the edge and the line leaves the square there. */
function ahead(ax: number, ay: number, bx: number, by: number, side: number, margin: number): [number, number] | null {
  const outward = (from: number, to: number) => ((to === side && to > from) || (to === 0 && to < from) ? Math.abs(to - from) : 0)
  const out = Math.max(outward(ax, bx), outward(ay, by))
  if (out === 0) return null
  // One that hardly leaves would go far along the edge.
  const t = Math.min(margin / out, (4 * margin) / Math.hypot(bx - ax, by - ay))
  return [bx + (bx - ax) * t, by + (by - ay) * t]
}
