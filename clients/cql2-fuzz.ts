/** 100,000 random CQL2 filters and more (COUNT, SEED): none may fail the server, slow it down, or mean more than it says. */
import { fuzzCql2 } from '../server/testing/cql2-fuzz.js'
import { randomOf } from '../server/testing/openapi-client.js'
import { serverGiven, startReport } from './report.js'

/** A filter is stopped by the database's own limit; none comes near it. */
const LONGEST_MS = 20_000

const { url, token } = serverGiven()
const report = startReport()
const headers: Record<string, string> = token ? { Authorization: `Bearer ${token}` } : {}
const { COUNT = '100000', SEED = '1' } = process.env

type Collections = { collections: { id: string; itemType?: string; links: { rel: string }[] }[] }
const list = async () => {
  const { collections } = await (await fetch(`${url}/ogc/collections`, { headers })).json() as Collections
  return collections.filter(({ itemType, links }) => itemType === 'feature' && links.some(({ rel }) => rel.endsWith('/queryables'))).map(({ id }) => id)
}
const countOf = async (id: string) => (await (await fetch(`${url}/ogc/collections/${id}/items?limit=1`, { headers })).json() as { numberMatched?: number }).numberMatched

const before = await list()
const counts = await Promise.all(before.map(countOf))
const { sent, answers, slowestMs, slowest, faults } = await fuzzCql2({ url, collections: before, count: Number(COUNT), random: randomOf(Number(SEED)), headers })
console.log(`# ${sent} filters over ${before.length} collections: ${Object.entries(answers).sort().map(([name, n]) => `${name}: ${n}`).join(', ')}`)
console.log(`# the slowest took ${slowestMs.toFixed()} ms: ${slowest.slice(0, 300)}`)
for (const { filter, collection, fault } of faults.slice(0, 20)) console.log(`# ${collection} ${filter.lang} ${JSON.stringify(filter.text).slice(0, 600)}: ${fault.slice(0, 300)}`)
report.check(`${sent} filters, no answer from 500 on, every refusal says which parameter`, sent === Number(COUNT) && faults.length === 0, `${faults.length} faults`)
report.check('right ones are answered, spoilt ones refused', (answers['right 200'] ?? 0) > sent / 10 && (answers['spoilt 400'] ?? 0) > sent / 20, answers)
report.check(`none takes longer than ${LONGEST_MS} ms`, slowestMs < LONGEST_MS, slowest)
report.check('the collections and their counts are as before', JSON.stringify([await list(), await Promise.all(before.map(countOf))]) === JSON.stringify([before, counts]))
report.end()
