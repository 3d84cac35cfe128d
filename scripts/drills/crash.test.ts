import t from 'tap'
import { crashDrill } from './crash.js'

t.test('kill -9 of server and database amid mixed writes: what was acknowledged is there once, nothing is half there', { timeout: 180_000 }, async t => {
  const result = await crashDrill({ kills: 3, seed: 7, log: line => t.comment(line) })
  t.strictSame(result.faults, [])
  t.ok(result.acknowledged > 3, `${result.acknowledged} writes were acknowledged`)
})
