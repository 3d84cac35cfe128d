/** What was found, as lines for a terminal, as JSON, and as a page of its own. */
import type { ClassResult, Outcome, TestResult } from './suite.js'

export interface Report {
  readonly server: string
  readonly at: string
  readonly requests: number
  readonly seconds: number
  readonly counts: Readonly<Record<Outcome, number>>
  readonly classes: readonly ClassResult[]
}

const MARKS: Readonly<Record<Outcome, string>> = { passed: '✔', failed: '✘', skipped: '–' }

export function countsOf(classes: readonly ClassResult[]): Report['counts'] {
  const outcomes = classes.flatMap(({ tests }) => tests.map(({ outcome }) => outcome))
  const count = (outcome: Outcome) => outcomes.filter(one => one === outcome).length
  return { passed: count('passed'), failed: count('failed'), skipped: count('skipped') }
}

export function testLines({ id, outcome, checks, failures, reason }: TestResult): string[] {
  return [
    `  ${MARKS[outcome]} ${id}${outcome === 'skipped' ? `: ${reason}` : ` (${checks} checks)`}`,
    ...failures.flatMap(({ message, request }) => [`      ${message}`, ...(request ? [`        ${decode(request).slice(0, 400)}`] : [])]),
  ]
}

/** A line a class. */
export function table({ classes, counts, requests, seconds }: Report): string[] {
  const width = Math.max(...classes.map(({ title }) => title.length))
  return [
    ...classes.map(({ title, declared, outcome, tests }) => {
      const of = (wanted: Outcome) => tests.filter(test => test.outcome === wanted).length
      return `${tests.length === 0 ? ' ' : MARKS[outcome]} ${title.padEnd(width)}  ${tests.length === 0 ? 'not declared' : `${of('passed')} passed, ${of('failed')} failed, ${of('skipped')} skipped${declared ? '' : ' (not declared)'}`}`
    }),
    `${counts.passed} tests passed, ${counts.failed} failed, ${counts.skipped} skipped; ${requests} requests in ${Math.round(seconds)} s`,
  ]
}

export function reportHtml(report: Report): string {
  const { server, at, counts, classes, requests } = report
  return `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>Conformance of ${escape(server)}</title>
<style>body{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:0 auto;padding:1.5rem;color:#17222d;background:#f6f8f9}h1{font-size:1.5rem}h2{font-size:1.05rem;margin:1.6rem 0 .4rem}
.passed{color:#1d7a46}.failed{color:#b3362b}.skipped{color:#5d6b78}table{border-collapse:collapse;width:100%;background:#fff;border:1px solid #dfe5ea}td{padding:.35rem .7rem;border-bottom:1px solid #dfe5ea;vertical-align:top}td:first-child{white-space:nowrap;width:8rem}
small{color:#5d6b78}code{font:12px ui-monospace,monospace;overflow-wrap:anywhere}ul{margin:.2rem 0;padding-left:1.1rem}</style>
<h1>Conformance of ${escape(server)}</h1><p>${escape(at)} · ${requests} requests · <b class="passed">${counts.passed} passed</b>, <b class="failed">${counts.failed} failed</b>, <span class="skipped">${counts.skipped} skipped</span></p>
${classes.map(({ title, uri, declared, tests }) => `<h2>${escape(title)}</h2><small>${escape(uri)}${declared ? '' : ' – not declared'}</small>${tests.length === 0 ? '' : `<table>${tests.map(testRow).join('')}</table>`}`).join('\n')}</html>\n`
}

function testRow({ id, purpose, outcome, checks, failures, reason }: TestResult): string {
  return `<tr><td class="${outcome}">${MARKS[outcome]} ${outcome}</td><td><b>${escape(id)}</b> <small>${checks} checks</small><br>${escape(purpose)}${reason ? `<br><small>${escape(reason)}</small>` : ''}${
    failures.length === 0 ? '' : `<ul>${failures.map(({ message, request }) => `<li>${escape(message)}${request ? `<br><code>${escape(decode(request))}</code>` : ''}</li>`).join('')}</ul>`}</td></tr>`
}

const escape = (text: string) => text.replace(/[&<>"]/g, c => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[c]!)
function decode(request: string): string {
  try { return decodeURIComponent(request.replaceAll('+', ' ')) } catch { return request }
}
