/** The functions that a server describes (Features Part 3, `/functions`): each is called with arguments of its types. */
import type { Server } from '../server.js'
import type { ConformanceTest } from '../suite.js'
import type { Run } from './classes.js'
import { select, type FilterLang } from './source.js'

interface Described { readonly name: string; readonly args?: readonly { readonly type: string | readonly string[] }[]; readonly returns: string | readonly string[] }

const LITERALS: Readonly<Record<string, string>> = { string: "'foo'", number: '1.5', integer: '2', boolean: 'true', datetime: "TIMESTAMP('2022-04-14T14:48:46Z')", date: "DATE('2022-04-14')", geometry: 'POINT(7.02 49.92)' }
/** Conditions around a value of each type. */
const CONDITIONS: Readonly<Record<string, (call: string) => readonly string[]>> = {
  string: call => [`${call} = 'foo'`, `${call} IS NULL`], number: call => [`${call} > 1`, `NOT ${call} = 2`], integer: call => [`${call} > 1`, `NOT ${call} = 2`], boolean: call => [call, `NOT ${call}`],
  datetime: call => [`T_AFTER(${call}, TIMESTAMP('2022-04-14T14:48:46Z'))`], geometry: call => [`S_INTERSECTS(${call}, BBOX(-180,-90,180,90))`],
}

/** A function may be known for some collections only: one that takes it is enough. */
const MOST_COLLECTIONS = 30

export function functionTest(run: Run): ConformanceTest {
  return {
    id: '/conf/functions/functions', purpose: 'Each described function in conditions',
    run: async (server, check) => {
      const { status, body } = await server.request('/functions')
      const functions: Described[] = body?.functions ?? []
      check.that(status === 200 && functions.length > 0, `/functions answered ${status} and describes ${functions.length} functions`)
      const own = (await run.sources(server)).map(({ collection }) => collection)
      const others = server.collections.filter(({ id, itemType = 'feature' }) => itemType === 'feature' && !own.includes(id)).map(({ id }) => id)
      for (const { name, args = [], returns } of functions) {
        const values = args.map(({ type }) => LITERALS[[type].flat()[0]!])
        const conditions = CONDITIONS[[returns].flat()[0]!]
        if (values.includes(undefined) || !conditions) continue
        for (const condition of conditions(`${name}(${values.join(', ')})`)) {
          const refusal = await refusedEverywhere(server, [...own, ...others].slice(0, MOST_COLLECTIONS), condition, run.lang)
          check.that(refusal === undefined, refusal ?? '')
        }
      }
    },
  }
}

/** What the last collection said, unless one took the condition. */
async function refusedEverywhere(server: Server, collections: readonly string[], condition: string, lang: FilterLang): Promise<string | undefined> {
  let said = `${condition}: there is no collection to try it on`
  for (const collection of collections) {
    const result = await select(server, collection, condition, lang, '1')
    if (result.ok) return undefined
    said = `${collection}: ${condition} was answered ${result.status} ${result.said}`
  }
  return said
}
