import type { ChangeEntry } from '../store/changes.js'

/** An entry of the log as clients see it, without what it shares with the others of its revision. */
export function changeBody({ layer, branch, inserted, updated, deleted, bbox, cells }: ChangeEntry) {
  return { layer, branch, inserted, updated, deleted, bbox, tiles: cells.map(tileName) }
}

/** `10/819/465`; `0/0/0` is everywhere. */
const tileName = (cell: number) => (cell < 0 ? '0/0/0' : `10/${cell >> 10}/${cell & 1023}`)
