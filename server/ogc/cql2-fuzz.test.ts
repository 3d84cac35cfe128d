import t from 'tap'
import { fuzzCql2 } from '../testing/cql2-fuzz.js'
import { randomOf } from '../testing/openapi-client.js'
import { testCity } from './test-city.js'

/** A small share; `clients/cql2-fuzz.ts` sends 100,000 and more. */
const COUNT = Number(process.env.FUZZ_COUNT ?? 600)

t.test('no filter fails the server, slows it down, or means more than it says', async (t) => {
  const { url, store, shops } = await testCity(t)
  const { sent, answers, faults, slowestMs, slowest } = await fuzzCql2({ url, collections: ['shops', 'lots'], count: COUNT, random: randomOf(Number(process.env.FUZZ_SEED ?? 5)) })
  t.strictSame(faults.slice(0, 10), [])
  t.equal(sent, COUNT)
  t.ok(answers['right 200']! > COUNT / 10, 'many are right')
  t.ok(answers['spoilt 400']! > COUNT / 20, 'many are refused')
  t.comment(JSON.stringify(answers), `${slowestMs.toFixed()} ms: ${slowest.slice(0, 200)}`)
  t.equal((await store.layerSummary(store.catalogue.get('shops'), 'main')).count, shops.length, 'nothing was changed')
})
