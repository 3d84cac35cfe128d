/** What a person wants to know of one place: the depth over time as a picture and a sentence, or the values in a table. */
import { html, linkList, page, type Html } from '../ogc/common/html.js'
import { here } from '../ogc/common/links.js'
import type { Language } from '../ogc/common/media.js'
import type { Call } from '../operations/operation.js'
import type { Quantity } from './coverage.js'
import { instant, rounded, valuesOf, type Query } from './query.js'

/** Depth that wets feet, metres. */
const WET_M = 0.1

/** `formats`: those to offer beside the page. */
export async function pointPage(call: Call, query: Query, lang: Language, formats: readonly string[]): Promise<string> {
  const { coverage, quantities, times, name, domain } = query
  const values = await valuesOf(query)
  const series = await Promise.all(quantities.map(async quantity => ({ quantity, numbers: await readAll(values, quantity, times) })))
  const { timeZone } = await call.app.store.city()
  const at = times.map(time => coverage.times[time]!)
  const place = domain.kind === 'points' ? `${domain.x[0]!.toFixed(domain.crs.digits)}, ${domain.y[0]!.toFixed(domain.crs.digits)}` : ''
  return page({
    lang, title: name ?? coverage.title[lang],
    crumbs: [['dothi', `${call.base}/ogc`], ['EDR', `${call.base}/edr`], [coverage.title[lang], `${call.base}/edr/collections/${coverage.id}`]],
    otherLanguage: here(call, { lang: lang === 'vi' ? 'en' : 'vi' }), json: here(call, { f: 'CoverageJSON' }), style: STYLE,
    body: html`${coverage.label && html`<p class="label">${coverage.label[lang]}</p>`}
      <p class="soft">${name && html`${coverage.title[lang]} · `}${place} · ${domain.crs.title}</p>
      ${times.length > 1 ? series.map(({ quantity, numbers }) => html`<p class="finding">${finding(quantity, numbers, at, lang, timeZone)}</p>${chart(quantity, numbers, at, lang, timeZone)}`) : ''}
      ${table(series, at, lang, timeZone)}
      <h2>${lang === 'vi' ? 'Tải về' : 'Take it along'}</h2>${linkList(formats.map(format => [format, here(call, { f: format, lang: undefined })]))}
      <p class="soft">${coverage.description[lang]}</p>`,
  })
}

type Numbers = readonly (number | null)[]
interface Series { readonly quantity: Quantity; readonly numbers: Numbers }

async function readAll(values: Awaited<ReturnType<typeof valuesOf>>, { name }: Quantity, times: readonly number[]): Promise<Numbers> {
  const numbers: (number | null)[] = []
  for (const time of times) {
    const [value] = await values(name, time)
    numbers.push(value === value ? rounded(value!) : null)
  }
  return numbers
}

const clock = (ms: number, lang: Language, timeZone: string) => new Date(ms).toLocaleString(lang === 'vi' ? 'vi-VN' : 'en-GB', { timeZone, hour: '2-digit', minute: '2-digit', day: 'numeric', month: 'numeric' })
const hour = (ms: number, timeZone: string) => new Date(ms).toLocaleTimeString('en-GB', { timeZone, hour: '2-digit', minute: '2-digit' })

/** The series in a sentence. */
function finding({ unit }: Quantity, numbers: Numbers, at: readonly number[], lang: Language, timeZone: string): string {
  const vi = lang === 'vi'
  const known = numbers.filter(value => value !== null)
  if (known.length === 0) return vi ? 'Nơi này không được tính. Điều đó không có nghĩa là khô.' : 'This place was not computed. That does not mean that it is dry.'
  const most = Math.max(...known)
  const when = clock(at[numbers.indexOf(most)]!, lang, timeZone)
  if (most < WET_M) return vi ? `Không ngập đến ${local(WET_M, lang)} ${unit.symbol} lúc nào (sâu nhất ${local(most, lang)} ${unit.symbol}).` : `Never ${WET_M} ${unit.symbol} of water or more (${local(most, lang)} ${unit.symbol} at most).`
  const first = clock(at[numbers.findIndex(value => value !== null && value >= WET_M)]!, lang, timeZone)
  return vi ? `Sâu nhất ${local(most, lang)} ${unit.symbol}, lúc ${when}. Từ ${local(WET_M, lang)} ${unit.symbol} trở lên kể từ ${first}.` : `Deepest ${local(most, lang)} ${unit.symbol}, at ${when}. ${WET_M} ${unit.symbol} or more from ${first} on.`
}

const local = (value: number, lang: Language) => value.toLocaleString(lang === 'vi' ? 'vi-VN' : 'en-GB', { maximumFractionDigits: 2 })

const [WIDE, HIGH, LEFT, TOP, BELOW] = [560, 250, 46, 16, 28]

/** A line over time that breaks where nothing was computed; axes begin at zero. */
function chart({ title, unit }: Quantity, numbers: Numbers, at: readonly number[], lang: Language, timeZone: string): Html {
  const top = niceTop(Math.max(0.4, ...numbers.map(value => value ?? 0)))
  const [from, to] = [at[0]!, at.at(-1)!]
  const x = (ms: number) => LEFT + ((ms - from) / (to - from)) * (WIDE - LEFT - 12)
  const y = (value: number) => TOP + (1 - value / top) * (HIGH - TOP - BELOW)
  const runs = unbroken(numbers)
  const line = runs.map(run => run.map((i, k) => `${k ? 'L' : 'M'}${x(at[i]!).toFixed(1)} ${y(numbers[i]!).toFixed(1)}`).join('')).join('')
  const area = runs.map(run => `M${x(at[run[0]!]!).toFixed(1)} ${y(0)}${run.map(i => `L${x(at[i]!).toFixed(1)} ${y(numbers[i]!).toFixed(1)}`).join('')}L${x(at[run.at(-1)!]!).toFixed(1)} ${y(0)}Z`).join('')
  const levels = Array.from({ length: 5 }, (_, i) => (top * i) / 4)
  const moments = Array.from({ length: 7 }, (_, i) => from + ((to - from) * i) / 6)
  return html`<svg class="chart" viewBox="0 0 ${WIDE} ${HIGH}" role="img" aria-label="${title[lang]} (${unit.symbol})">
    ${levels.map(level => html`<line x1="${LEFT}" x2="${WIDE - 12}" y1="${y(level)}" y2="${y(level)}"/><text x="${LEFT - 8}" y="${y(level) + 4}" text-anchor="end">${local(level, lang)}</text>`)}
    ${moments.map((ms, i) => html`<text x="${x(ms)}" y="${HIGH - 8}" text-anchor="${i === 0 ? 'start' : i === 6 ? 'end' : 'middle'}">${hour(ms, timeZone)}</text>`)}
    <text x="4" y="${TOP - 2}" class="unit">${unit.symbol}</text><path class="area" d="${area}"/><path class="line" d="${line}"/></svg>`
}

/** The least round number that a maximum fits below. */
function niceTop(most: number): number {
  const power = 10 ** Math.floor(Math.log10(most))
  return [1, 2, 4, 8, 10].map(step => step * power).find(step => step >= most)!
}

/** Stretches of indices with values. */
function unbroken(numbers: Numbers): number[][] {
  const runs: number[][] = []
  numbers.forEach((value, i) => {
    if (value === null) return
    if (i > 0 && numbers[i - 1] !== null && runs.length > 0) runs.at(-1)!.push(i)
    else runs.push([i])
  })
  return runs
}

function table(series: readonly Series[], at: readonly number[], lang: Language, timeZone: string): Html {
  const missing = lang === 'vi' ? 'không có' : 'none'
  const cell = (value: number | null) => (value === null ? html`<td class="n soft">${missing}</td>` : html`<td class="n">${value.toLocaleString(lang === 'vi' ? 'vi-VN' : 'en-GB', { minimumFractionDigits: 3 })}</td>`)
  if (at.length === 1) return html`<div class="scroll"><table>${series.map(({ quantity, numbers }) => html`<tr><td>${quantity.title[lang]}<br><small>${quantity.description[lang]}</small></td>${cell(numbers[0]!)}<td>${quantity.unit.symbol}</td></tr>`)}</table></div>`
  return html`<div class="scroll"><table><tr><th>${lang === 'vi' ? 'Thời điểm' : 'Time'}</th>${series.map(({ quantity }) => html`<th class="n">${quantity.title[lang]} (${quantity.unit.symbol})</th>`)}</tr>
    ${at.map((ms, i) => html`<tr><td><time datetime="${instant(ms)}">${clock(ms, lang, timeZone)}</time></td>${series.map(({ numbers }) => cell(numbers[i]!))}</tr>`)}</table></div>`
}

const STYLE = `
.label{display:inline-block;margin:0 0 .4rem;padding:.15rem .6rem;border-radius:6px;background:#8a4b00;color:#fff;font-weight:600;font-size:.85rem}
.finding{font-size:1.15rem;margin:.6rem 0}
.chart{width:100%;max-width:60rem;height:auto;display:block;margin:.4rem 0 1rem}.chart line{stroke:var(--line)}.chart text{font:12px system-ui,sans-serif;fill:var(--soft)}
.chart .line{fill:none;stroke:#2069ad;stroke-width:2.5;stroke-linejoin:round}.chart .area{fill:#74b1d8;opacity:.35}
td small{white-space:normal}th.n{text-align:right}.scroll{max-width:60rem}`
