/** `dothi-conformance URL`: tests any server by its landing page. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Command, InvalidArgumentError } from 'commander'
import type { FilterLang } from './cql2/source.js'
import { reportHtml, table, testLines } from './report.js'
import { ENCODINGS, runSuites, SUITES, type Suite } from './run.js'

interface Arguments { only?: Suite[]; encoding?: FilterLang; token?: string; write?: string; collections?: string[]; dataset?: Record<string, string>; queryables?: number; all?: boolean; report?: string; quiet?: boolean }

const list = (text: string) => text.split(',').map(part => part.trim()).filter(Boolean)

function suitesOf(text: string): Suite[] {
  const wrong = list(text).find(name => !(SUITES as readonly string[]).includes(name))
  if (wrong) throw new InvalidArgumentError(`There is no suite “${wrong}”; there are ${SUITES.join(', ')}.`)
  return list(text) as Suite[]
}

function countOf(text: string): number {
  if (!/^[1-9]\d{0,3}$/.test(text)) throw new InvalidArgumentError('Give a whole number.')
  return Number(text)
}

function encodingOf(text: string): FilterLang {
  const found = ENCODINGS.find(name => name === text)
  if (!found) throw new InvalidArgumentError(`There are ${ENCODINGS.join(' and ')}.`)
  return found
}

function datasetOf(text: string): Record<string, string> {
  const pairs = list(text).map(pair => pair.split('='))
  if (pairs.some(pair => pair.length !== 2 || !['countries', 'places', 'rivers'].includes(pair[0]!))) throw new InvalidArgumentError('Write countries=ID,places=ID,rivers=ID.')
  return Object.fromEntries(pairs)
}

/** Ends with 0 where nothing failed, 1 where something did, 2 where there was nothing to test. */
export async function main(args: readonly string[]): Promise<number> {
  let code = 0
  const program = new Command('dothi-conformance').description('Tests an OGC API: CQL2 (every class), Features Part 4 (with --write) and Part 5')
    .argument('<url>', 'landing page of the server')
    .option('--only <suites>', `of ${SUITES.join(', ')}; default all`, suitesOf)
    .option('--encoding <name>', `of ${ENCODINGS.join(', ')}; default those that the server declares`, encodingOf)
    .option('--token <token>', 'bearer token; default CONFORMANCE_TOKEN')
    .option('--write <collection>', 'a collection that Part 4 may write to: it adds features and deletes them again')
    .option('--collections <ids>', 'collections to test on; default the first that serve', list)
    .option('--dataset <ids>', 'countries=ID,places=ID,rivers=ID: where CQL2’s own dataset is', datasetOf)
    .option('--queryables <n>', 'how many queryables of a type to try on each collection (default 3)', countOf)
    .option('--all', 'also classes that the server does not declare')
    .option('--report <folder>', 'write conformance.json and conformance.html there')
    .option('--quiet', 'only the table')
    .action(async (url: string, { only, encoding, token = process.env.CONFORMANCE_TOKEN, write, collections, dataset, queryables, all, report: folder, quiet }: Arguments) => {
      const report = await runSuites(url, {
        suites: only, encodings: encoding && [encoding], token, writable: write, collections, dataset, queryables, all,
        ...(quiet ? {} : { onClass: title => console.log(title), onTest: result => console.log(testLines(result).join('\n')) }),
      })
      console.log(['', ...table(report)].join('\n'))
      if (folder) {
        mkdirSync(folder, { recursive: true })
        writeFileSync(join(folder, 'conformance.json'), `${JSON.stringify(report, null, 2)}\n`)
        writeFileSync(join(folder, 'conformance.html'), reportHtml(report))
      }
      code = report.counts.failed > 0 ? 1 : report.counts.passed > 0 ? 0 : 2
    })
  try {
    await program.parseAsync([...args], { from: 'user' })
  } catch (error) {
    console.error(`dothi-conformance: ${(error as Error).message}`)
    return 2
  }
  return code
}
