import type { Command } from 'commander'
import { sql } from 'kysely'
import { badBody } from '../errors.js'
import { STEWARD } from '../store/store.js'
import type { City, Store } from '../store/store.js'
import type { CliContext } from './context.js'

interface CityOptions {
  name?: string; crs?: string; home?: string; verticalDatum?: string; geoidOffset?: string; timeZone?: string; currency?: string
}

/** `dothi city`, `dothi status` */
export function register(program: Command, cli: CliContext): void {
  program.command('city').description('show the city, or set what is given (before the first start: then no sample is loaded)')
    .option('--name <name>', 'as people call it')
    .option('--crs <epsg>', 'the projected CRS in which it is measured and simulated, metres: EPSG:5899')
    .option('--home <lon,lat,zoom>', 'where the view opens')
    .option('--vertical-datum <name>', 'of all heights')
    .option('--geoid-offset <m>', 'add to an orthometric height to get an ellipsoidal one')
    .option('--time-zone <zone>', 'Asia/Ho_Chi_Minh')
    .option('--currency <code>', 'ISO 4217: VND')
    .action(async (options: CityOptions) => {
      const store = await cli.store()
      if (Object.keys(options).length > 0) await store.setCity(await changed(store, options))
      for (const [name, value] of Object.entries(await store.city())) cli.print(`${name.padEnd(15)}${typeof value === 'object' ? JSON.stringify(value) : value}`)
    })
  program.command('status').description('is everything there that dothi needs? Versions, and the rows of each layer')
    .action(async () => {
      const store = await cli.store()
      const { rows: [{ postgres, postgis, size }] } = await sql<{ postgres: string; postgis: string; size: string }>`
        select current_setting('server_version') as postgres, postgis_lib_version() as postgis, pg_size_pretty(pg_database_size(current_database())) as size`.execute(store.db) as any
      cli.print(`Node.js ${process.versions.node}, PostgreSQL ${postgres}, PostGIS ${postgis}, ${size}`)
      for (const layer of store.catalogue.for(STEWARD)) {
        const { count, revision } = await store.layerSummary(layer)
        cli.print(`${layer.id.padEnd(24)}${String(count).padStart(10)}${revision ? `  revision ${revision}` : ''}`)
      }
    })
}

async function changed(store: Store, options: CityOptions): Promise<City> {
  const city = await store.city()
  return {
    ...city,
    name: options.name?.trim() || city.name,
    srid: options.crs === undefined ? city.srid : await metricSrid(store, options.crs),
    home: options.home === undefined ? city.home : parseHome(options.home),
    verticalDatum: options.verticalDatum ?? city.verticalDatum,
    geoidOffset: options.geoidOffset === undefined ? city.geoidOffset : number(options.geoidOffset, '--geoid-offset', -200, 200),
    timeZone: options.timeZone === undefined ? city.timeZone : knownZone(options.timeZone),
    currency: options.currency === undefined ? city.currency : knownCurrency(options.currency),
  }
}

/** A projected CRS in metres that PostGIS knows. */
async function metricSrid(store: Store, crs: string): Promise<number> {
  const srid = Number(/^(?:EPSG:)?(\d{4,6})$/i.exec(crs)?.[1])
  const { rows } = srid ? await sql<{ srtext: string }>`select srtext from spatial_ref_sys where srid = ${srid}`.execute(store.db) : { rows: [] }
  if (!rows[0]) throw badBody(`--crs must be an EPSG code that PostGIS knows, as EPSG:5899, not “${crs}”.`)
  if (!/^(PROJCS|PROJCRS)/.test(rows[0].srtext) || !/UNIT\["met(re|er)",1[,\]]/.test(rows[0].srtext)) throw badBody(`EPSG:${srid} is not a projected CRS in metres; the city is measured and simulated in one.`)
  return srid
}

function parseHome(text: string): City['home'] {
  const [lon, lat, zoom] = text.split(',')
  return { lon: number(lon, 'the longitude of --home', -180, 180), lat: number(lat, 'the latitude of --home', -85, 85), zoom: number(zoom ?? '13', 'the zoom of --home', 0, 22) }
}

function number(text: string | undefined, what: string, min: number, max: number): number {
  const value = Number(text)
  if (!text?.trim() || !(value >= min && value <= max)) throw badBody(`${what} must be a number from ${min} to ${max}, not “${text ?? ''}”.`)
  return value
}

function knownZone(zone: string): string {
  try { return new Intl.DateTimeFormat('en', { timeZone: zone }).resolvedOptions().timeZone && zone } catch { throw badBody(`“${zone}” is not a time zone; write one as Asia/Ho_Chi_Minh.`) }
}

function knownCurrency(code: string): string {
  if (!/^[A-Z]{3}$/.test(code)) throw badBody(`“${code}” is not a currency; write its three letters as VND.`)
  return code
}
