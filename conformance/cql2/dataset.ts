/** The standard's own dataset (Natural Earth 1:110m), where the server has it: each condition selects as many features as the standard says. */
import { CQL2_EXPECTATIONS, type Expectation } from '../../fixtures/cql2-expectations.js'
import type { Server } from '../server.js'
import { Skip, type Check, type ConformanceTest } from '../suite.js'
import { quoted, select, type FilterLang } from './source.js'

type Table = Expectation[0]
/** How the tables are called, and how many features each has: what only shares the name is not taken for it. */
const TABLES: Readonly<Record<Table, { readonly id: string; readonly count: number }>> = {
  countries: { id: 'ne_110m_admin_0_countries', count: 177 }, places: { id: 'ne_110m_populated_places_simple', count: 243 }, rivers: { id: 'ne_110m_rivers_lake_centerlines', count: 13 },
}

export function datasetTest(name: string, lang: FilterLang): ConformanceTest {
  return {
    id: `/conf/${name}/test-data`, purpose: 'The conditions of the annex over the standard’s dataset select as many features as it says',
    run: async (server, check) => {
      const expectations = CQL2_EXPECTATIONS[name] ?? []
      if (expectations.length === 0) throw new Skip('The annex has no figures for this class.')
      const found = new Map<Table, Dataset | undefined>()
      for (const [table, condition, count] of expectations) {
        if (!found.has(table)) found.set(table, await datasetOf(server, table))
        const dataset = found.get(table)
        if (dataset) await expect(server, check, dataset, condition, count, lang)
      }
      if (![...found.values()].some(Boolean)) throw new Skip('The server does not have the standard’s dataset (collections named as its tables, or --dataset).')
    },
  }
}

interface Dataset { readonly id: string; readonly names: ReadonlyMap<string, string> }

async function datasetOf(server: Server, table: Table): Promise<Dataset | undefined> {
  const wanted = server.options.dataset?.[table] ?? TABLES[table].id
  const collection = server.collections.find(({ id }) => id === wanted || id.split(/[.:]/).pop() === wanted)
  if (!collection) return undefined
  const { matched, ids } = await select(server, collection.id, 'true', 'cql2-text')
  if ((matched ?? ids.size) !== TABLES[table].count) return undefined
  const { body } = await server.request(`/collections/${encodeURIComponent(collection.id)}/queryables`, { headers: { accept: 'application/schema+json, application/json;q=0.9' } })
  const properties: Record<string, any> = body?.properties ?? {}
  const names = new Map(Object.keys(properties).map(name => [name.toLowerCase(), name]))
  const geometry = Object.keys(properties).find(name => properties[name]['x-ogc-role'] === 'primary-geometry' || /^geometry-/.test(properties[name].format ?? '') || properties[name].$ref !== undefined)
  if (geometry) names.set('geom', geometry)
  return { id: collection.id, names }
}

async function expect(server: Server, check: Check, { id, names }: Dataset, condition: string, count: number, lang: FilterLang): Promise<void> {
  const { ok, status, said, matched, ids } = await select(server, id, renamed(condition, names), lang)
  if (check.that(ok, `${id}: ${condition} was answered ${status} ${said}`)) check.equal(matched ?? ids.size, count, `${id}: ${condition}`)
}

/** The condition with properties as this server spells them; texts stay as they are. */
function renamed(condition: string, names: ReadonlyMap<string, string>): string {
  return condition.replace(/'(?:[^']|'')*'|"((?:[^"]|"")+)"|[A-Za-z_]\w*(?!\w*\s*\()/g, (token, inQuotes?: string) => {
    const name = token.startsWith("'") ? undefined : names.get((inQuotes ?? token).toLowerCase())
    // Words such as date are a property only where they are quoted.
    return name === undefined || (inQuotes === undefined && quoted(token) !== token) ? token : quoted(name)
  })
}
