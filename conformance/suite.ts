/**
 * What a conformance test is, and how one is run: a class has tests, a test makes checks, a check that does not hold is told
 * with the request that showed it. A test that cannot be made on what the server has is skipped, and says why.
 */
import type { Server } from './server.js'

export interface ConformanceClass {
  readonly title: string
  /** The URIs that servers declare it by; one is enough. */
  readonly uris: readonly string[]
  readonly tests: readonly ConformanceTest[]
}

export interface ConformanceTest {
  /** As the standard's annex names it: `/conf/basic-cql2/comparison`. */
  readonly id: string
  readonly purpose: string
  run(server: Server, check: Check): Promise<void>
}

export type Outcome = 'passed' | 'failed' | 'skipped'
export interface TestResult { readonly id: string; readonly purpose: string; readonly outcome: Outcome; readonly checks: number; readonly failures: readonly Failure[]; readonly reason?: string; readonly seconds: number }
export interface Failure { readonly message: string; readonly request: string | undefined }
export interface ClassResult { readonly title: string; readonly uri: string; readonly declared: boolean; readonly outcome: Outcome; readonly tests: readonly TestResult[] }

/** More of the same tell nothing new. */
const MOST_FAILURES = 12

/** Thrown by a test that cannot be made here; says why. */
export class Skip extends Error {}

/** Collects what holds and what does not. */
export class Check {
  readonly failures: Failure[] = []
  count = 0
  constructor(private readonly server: Server) {}

  /** True where it holds, so that what follows from it can be left out. */
  that(holds: boolean, message: string): boolean {
    this.count++
    if (!holds && this.failures.length < MOST_FAILURES) this.failures.push({ message, request: this.server.lastRequest })
    return holds
  }
  equal(actual: unknown, expected: unknown, what: string): boolean {
    return this.that(actual === expected, `${what}: ${JSON.stringify(expected)} was expected, ${JSON.stringify(actual)} came`)
  }
}

export async function runClass(server: Server, { title, uris, tests }: ConformanceClass, all: boolean, onTest: (result: TestResult) => void): Promise<ClassResult> {
  const uri = uris.find(one => server.conformsTo.has(one)) ?? uris[0]!
  const declared = server.conformsTo.has(uri)
  const results: TestResult[] = []
  for (const test of declared || all ? tests : []) {
    const result = await runTest(server, test)
    results.push(result)
    onTest(result)
  }
  return { title, uri, declared, outcome: outcomeOf(results), tests: results }
}

const outcomeOf = (results: readonly TestResult[]): Outcome => results.some(({ outcome }) => outcome === 'failed') ? 'failed' : results.some(({ outcome }) => outcome === 'passed') ? 'passed' : 'skipped'

async function runTest(server: Server, { id, purpose, run }: ConformanceTest): Promise<TestResult> {
  const check = new Check(server)
  const start = performance.now()
  let reason: string | undefined
  try {
    await run(server, check)
  } catch (error) {
    if (error instanceof Skip) reason = error.message
    else check.that(false, `The test could not go on: ${(error as Error).message}`)
  }
  if (check.count === 0) reason ??= 'The server has nothing that this could be tried on.'
  const outcome: Outcome = check.failures.length > 0 ? 'failed' : check.count > 0 ? 'passed' : 'skipped'
  return { id, purpose, outcome, checks: check.count, failures: check.failures, ...(outcome === 'skipped' && { reason }), seconds: (performance.now() - start) / 1000 }
}
