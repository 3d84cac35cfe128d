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
  for (let n = 0; n < count; n++) {
    if (!out.write(`${n ? ',\n' : ''}${JSON.stringify(building(n, count))}`)) await once(out, 'drain')
  }
  out.end('\n]}\n')
  await finished(out)
}

const wobble = (n: number, seed: number) => ((Math.imul(n + 1, 2654435761) >>> 8) * seed % 1000) / 1000

/** The footprint of building n of so many, closed; degrees. About 25 m between neighbours, a street after every eighth. */
export function buildingRing(n: number, count: number): readonly (readonly [lon: number, lat: number])[] {
  const perRow = Math.ceil(Math.sqrt(count))
  const [column, row] = [n % perRow, Math.floor(n / perRow)]
  const west = 108.1 + (column + Math.floor(column / 8)) * 0.00023
  const south = 15.95 + (row + Math.floor(row / 8)) * 0.00023
  const [width, depth] = [0.00009 + wobble(n, 3) * 0.00008, 0.00009 + wobble(n, 7) * 0.00008]
  const ring = [[west, south], [west + width, south], [west + width, south + depth], [west + width / 2, south + depth], [west + width / 2, south + depth * 1.2], [west, south + depth * 1.2], [west, south]]
  return ring.map(([lon, lat]) => [Number(lon!.toFixed(7)), Number(lat!.toFixed(7))])
}

function building(n: number, count: number) {
  const storeys = 1 + Math.floor(wobble(n, 11) ** 3 * 20)
  return {
    type: 'Feature',
    properties: { name: `Nhà ${n}`, storeys, height: storeys * 3.4, year_built: 1960 + Math.floor(wobble(n, 13) * 60), use: ['residential', 'mixed', 'office', 'school'][n % 4] },
    geometry: { type: 'Polygon', coordinates: [buildingRing(n, count)] },
  }
}

/** Makes the layer as if nothing had ever been in it. */
export async function forgetBuildings(store: Store): Promise<void> {
  await sql.raw(`
    alter table city.buildings disable trigger user;
    truncate city.buildings, history.buildings;
    alter table city.buildings enable trigger user;
    delete from dothi.layer_summaries where layer = 'buildings'`).execute(store.db)
  await sql`checkpoint`.execute(store.db)
}
