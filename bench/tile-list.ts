import type { BBox } from '../core/bbox.js'

export interface TileAddress { readonly z: number; readonly x: number; readonly y: number }

/** At most `most` tiles of a zoom over a box (lon, lat), evenly picked. */
export function tilesOver([west, south, east, north]: BBox, z: number, most: number): TileAddress[] {
  const n = 2 ** z
  const column = (lon: number) => Math.floor((lon + 180) / 360 * n)
  const row = (lat: number) => Math.floor((1 - Math.asinh(Math.tan(lat * Math.PI / 180)) / Math.PI) / 2 * n)
  const all: TileAddress[] = []
  for (let y = row(north); y <= row(south); y++) for (let x = column(west); x <= column(east); x++) all.push({ z, x, y })
  const step = Math.max(1, all.length / most)
  return Array.from({ length: Math.min(most, all.length) }, (_, i) => all[Math.floor(i * step)]!)
}
