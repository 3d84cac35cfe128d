/** All suites over one server. */
import { cql2Classes } from './cql2/classes.js'
import type { FilterLang } from './cql2/source.js'
import { part4Classes } from './features/part4.js'
import { part5Classes } from './features/part5.js'
import { countsOf, type Report } from './report.js'
import { Server, type Options } from './server.js'
import { runClass, type ClassResult, type ConformanceClass, type TestResult } from './suite.js'

export const SUITES = ['cql2', 'part4', 'part5'] as const
export const ENCODINGS: readonly FilterLang[] = ['cql2-text', 'cql2-json']
export type Suite = (typeof SUITES)[number]

export interface RunOptions extends Options {
  readonly suites?: readonly Suite[]
  /** Encodings of CQL2 that are tried, of those that the server declares; default both. */
  readonly encodings?: readonly FilterLang[]
  /** Classes that the server does not declare, too. */
  readonly all?: boolean
  readonly onClass?: (title: string) => void
  readonly onTest?: (result: TestResult) => void
}

/** Throws where the address is not that of an OGC API. */
export async function runSuites(url: string, { suites = SUITES, encodings = ENCODINGS, all = false, onClass = () => {}, onTest = () => {}, ...options }: RunOptions): Promise<Report> {
  const start = performance.now()
  const server = await Server.open(url, options)
  const classes: ClassResult[] = []
  for (const one of suites.flatMap(suite => classesOf(suite, server, encodings, all))) {
    onClass(one.title)
    classes.push(await runClass(server, one, all, onTest))
  }
  return { server: server.url, at: new Date().toISOString(), requests: server.requests, seconds: (performance.now() - start) / 1000, counts: countsOf(classes), classes }
}

function classesOf(suite: Suite, server: Server, encodings: readonly FilterLang[], all: boolean): readonly ConformanceClass[] {
  if (suite === 'part4') return part4Classes()
  if (suite === 'part5') return part5Classes()
  const langs = encodings.filter(lang => all || server.conformsTo.has(`http://www.opengis.net/spec/cql2/1.0/conf/${lang}`))
  // Whoever declares neither encoding is told so by an empty table of the one that everybody has.
  return cql2Classes(langs.length > 0 ? langs : encodings.slice(0, 1))
}
