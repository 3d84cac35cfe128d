/** CQL2's own dataset, served by this server, answers each of the standard's conditions with the count that the standard names. */
import { existsSync } from 'node:fs'
import t from 'tap'
import { CQL2_EXPECTATIONS } from '../../fixtures/cql2-expectations.js'
import { freeze } from '../import/uploads.js'
import { STEWARD } from '../store/store.js'
import { testServer } from '../testing/test-store.js'

const dataset = `${process.env.REAL_DATA}/cql2/data/ne110m4cql2.gpkg`
const TABLES = { countries: 'ne_110m_admin_0_countries', places: 'ne_110m_populated_places_simple', rivers: 'ne_110m_rivers_lake_centerlines' }

t.test('the conditions of the standard, class by class, as text', { skip: !existsSync(dataset) && 'REAL_DATA names no folder with cql2' }, async t => {
  const { url, jobs, config } = await testServer(t)
  const file = await freeze(dataset, config.dataDir)
  for (const [layer, table] of Object.entries(TABLES)) {
    const job = await jobs.run('publish', { file, dataDir: config.dataDir, name: layer, from: table }, STEWARD)
    t.equal(job.state, 'successful', job.message ?? '')
  }
  for (const [name, expectations] of Object.entries(CQL2_EXPECTATIONS)) {
    await t.test(name, async t => {
      for (const [layer, condition, count] of expectations) {
        const answer = await fetch(`${url}/ogc/collections/${layer}/items?limit=1&filter-lang=cql2-text&filter=${encodeURIComponent(condition)}`)
        const body = await answer.json() as { numberMatched?: number; detail?: string }
        t.equal(body.numberMatched, count, `${layer}: ${condition}${body.detail ? ` (${body.detail})` : ''}`)
      }
    })
  }
})
