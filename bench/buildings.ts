/** A plain made-up town for comparisons: `count` buildings in blocks around Đà Nẵng, the same every time. */
import { createWriteStream } from 'node:fs'
import { once } from 'node:events'
import { finished } from 'node:stream/promises'
import { sql } from 'kysely'
import type { Store } from '../server/store/store.js'

/** Writes GeoJSON in EPSG:4326, line by line, at any size. */
export async function writeBuildings(path: string, count: number): Promise<void> {
  const out = createWriteStream(path)
  out.write('{"type":"FeatureCollection","name":"town","features":[\n')
  const perRow = Math.ceil(Math.sqrt(count))
  for (let n = 0; n < count; n++) {
    if (!out.write(`${n ? ',\n' : ''}${JSON.stringify(building(n, perRow))}`)) await once(out, 'drain')
  }
  out.end('\n]}\n')
  await finished(out)
}

/** About 25 m between neighbours, a street after every eighth. */
function building(n: number, perRow: number) {
  const [column, row] = [n % perRow, Math.floor(n / perRow)]
  const wobble = (seed: number) => ((Math.imul(n + 1, 2654435761) >>> 8) * seed % 1000) / 1000
  const west = 108.1 + (column + Math.floor(column / 8)) * 0.00023
  const south = 15.95 + (row + Math.floor(row / 8)) * 0.00023
  const [width, depth] = [0.00009 + wobble(3) * 0.00008, 0.00009 + wobble(7) * 0.00008]
  const storeys = 1 + Math.floor(wobble(11) ** 3 * 20)
  const ring = [[west, south], [west + width, south], [west + width, south + depth], [west + width / 2, south + depth], [west + width / 2, south + depth * 1.2], [west, south + depth * 1.2], [west, south]]
  return {
    type: 'Feature',
    properties: { name: `Nhà ${n}`, storeys, height: storeys * 3.4, year_built: 1960 + Math.floor(wobble(13) * 60), use: ['residential', 'mixed', 'office', 'school'][n % 4] },
    geometry: { type: 'Polygon', coordinates: [ring.map(([lon, lat]) => [Number(lon!.toFixed(7)), Number(lat!.toFixed(7))])] },
  }
}

/** Takes every building out of the layer and gives its space back; the history that remains is read by no comparison. */
export async function emptyBuildings(store: Store): Promise<void> {
  await store.withRevision({ actor: 'bench', reason: 'empty' }, ({ tx }) => sql`delete from city.buildings`.execute(tx))
  await sql`vacuum city.buildings`.execute(store.db)
  await sql`checkpoint`.execute(store.db)
}
