/** `generateRenderer`: classes of a field's values with a colour each, as Map Viewer asks for them before it draws. */
import type { Response } from 'express'
import { sql, type RawBuilder } from 'kysely'
import { badParameter } from '../errors.js'
import { language } from '../ogc/common/media.js'
import type { Call } from '../operations/operation.js'
import { esriLayerOf } from './esri-layer.js'
import { fieldsOf, valueSql, type Field } from './fields.js'
import { given, type Given } from './parameters.js'
import { known, whereOf } from './query.js'
import { symbolOf } from './renderer.js'
import { readJson } from './spatial-reference.js'

const MOST_VALUES = 500
const MOST_BREAKS = 32
/** Natural breaks are sought among so many values, at equal shares of the features. */
const SAMPLE = 400
const FROM = [0xed, 0xf8, 0xfb], TO = [0x08, 0x58, 0x9e]

export async function generateRenderer(call: Call, response: Response): Promise<void> {
  const params = given(call.params)
  const esri = esriLayerOf(call)
  const fields = fieldsOf(esri.layer, call.reader)
  const definition = readJson(params.classificationDef ?? 'null', 'classificationDef') as Given | null
  const where = await whereOf(call, fields, params.where)
  const rows = async (wanted: readonly Field[], select: RawBuilder<unknown>, rest: RawBuilder<unknown> = sql``) => {
    const own = new Set(esri.layer.columns.map(({ name }) => name))
    const view = await call.app.store.view({ layer: esri.layer, branch: call.branch, asOf: 'now', reader: call.reader, where, run: params.run, columns: wanted.map(({ column }) => column.name).filter(name => own.has(name)) })
    return (await sql<Record<string, unknown>>`select ${select} from ${view} as v ${rest}`.execute(call.app.store.pool(call.reader.clearance))).rows
  }
  const symbol = (i: number, count: number) => symbolOf(esri.type, ramp(count < 2 ? 1 : i / (count - 1)), esri.layer.style)
  response.set('Cache-Control', 'private, no-cache')
  switch (definition?.type) {
    case 'uniqueValueDef': return void response.json(await uniqueValues())
    case 'classBreaksDef': return void response.json(await classBreaks())
    default: throw badParameter('classificationDef', 'classificationDef is {"type":"uniqueValueDef","uniqueValueFields":["field"]} or {"type":"classBreaksDef","classificationField":"field","classificationMethod":"esriClassifyNaturalBreaks","breakCount":5}.')
  }

  async function uniqueValues() {
    const { uniqueValueFields, fieldDelimiter = ',' } = definition as Given
    if (!Array.isArray(uniqueValueFields) || uniqueValueFields.length < 1 || uniqueValueFields.length > 3) throw badParameter('classificationDef', '“uniqueValueFields” names one to three fields.')
    const by = uniqueValueFields.map(name => known(String(name), fields, 'classificationDef'))
    const lang = language(call.request, params.lang)
    const found = await rows(by, sql`${sql.join(by.map((field, i) => sql`${valueSql(field)}::text as ${sql.ref(`c${i}`)}`))}, count(*) as n`,
      sql`group by ${sql.join(by.map((_, i) => sql`${sql.lit(i + 1)}`))} order by n desc, ${sql.join(by.map((_, i) => sql`${sql.lit(i + 1)}`))} limit ${MOST_VALUES + 1}`)
    if (found.length > MOST_VALUES) throw badParameter('classificationDef', `There are more than ${MOST_VALUES} different values; take another field, or class breaks.`)
    const title = (field: Field, value: unknown) => field.column.codes?.[String(value)]?.[lang] ?? String(value ?? '')
    return {
      type: 'uniqueValue', field1: by[0]!.name, field2: by[1]?.name ?? '', field3: by[2]?.name ?? '', fieldDelimiter, defaultSymbol: null, defaultLabel: '',
      uniqueValueInfos: found.map((row, i) => ({ value: by.map((_, k) => row[`c${k}`] ?? '<Null>').join(String(fieldDelimiter)), count: row.n, label: by.map((field, k) => title(field, row[`c${k}`])).join(', '), description: '', symbol: symbol(i, found.length) })),
    }
  }

  async function classBreaks() {
    const { classificationField, classificationMethod = 'esriClassifyNaturalBreaks', breakCount = 5 } = definition as Given
    const field = known(String(classificationField), fields, 'classificationDef')
    if (field.column.type === 'text' || field.column.type === 'json' || field.system === 'globalid') throw badParameter('classificationDef', `“${field.name}” holds no numbers.`)
    if (!Number.isInteger(breakCount) || breakCount < 1 || breakCount > MOST_BREAKS) throw badParameter('classificationDef', `“breakCount” is 1 to ${MOST_BREAKS}.`)
    const value = sql`(${valueSql(field)})::float8`
    const shares = Array.from({ length: SAMPLE + 1 }, (_, i) => i / SAMPLE)
    const [found] = await rows([field], sql`min(${value}) as low, max(${value}) as high, avg(${value}) as mean, stddev_samp(${value}) as deviation, percentile_disc(${shares}::float8[]) within group (order by ${value}) as sample`)
    const { low, high, mean, deviation, sample } = found as { low: number | null; high: number; mean: number; deviation: number | null; sample: number[] }
    const breaks = low === null ? [] : breaksOf(String(classificationMethod), breakCount, { low, high, mean, deviation: deviation ?? 0, sample })
    return {
      type: 'classBreaks', field: field.name, minValue: low ?? 0, classificationMethod, defaultSymbol: null, defaultLabel: '',
      classBreakInfos: breaks.map((to, i) => ({ classMinValue: breaks[i - 1] ?? low!, classMaxValue: to, label: `${shown(breaks[i - 1] ?? low!)} – ${shown(to)}`, description: '', symbol: symbol(i, breaks.length) })),
    }
  }
}

interface Spread { readonly low: number; readonly high: number; readonly mean: number; readonly deviation: number; readonly sample: readonly number[] }

/** Upper ends of the classes, ascending; fewer where values repeat. */
export function breaksOf(method: string, count: number, { low, high, mean, deviation, sample }: Spread): readonly number[] {
  const ends = (() => {
    switch (method) {
      case 'esriClassifyEqualInterval': return Array.from({ length: count }, (_, i) => low + (high - low) * (i + 1) / count)
      case 'esriClassifyQuantile': return Array.from({ length: count }, (_, i) => sample[Math.round((i + 1) / count * (sample.length - 1))]!)
      case 'esriClassifyStandardDeviation': return [-1.5, -0.5, 0.5, 1.5].map(steps => mean + steps * deviation).filter(end => end > low && end < high)
      case 'esriClassifyNaturalBreaks': return naturalBreaks(sample, count)
      default: throw badParameter('classificationDef', `“${method.slice(0, 60)}” is none of esriClassifyNaturalBreaks, esriClassifyEqualInterval, esriClassifyQuantile, esriClassifyStandardDeviation.`)
    }
  })()
  return [...new Set([...ends.slice(0, method === 'esriClassifyStandardDeviation' ? undefined : -1), high])]
}

/** Classes of sorted values with the least squared distance from their means (Fisher 1958; Jenks 1967), by dynamic programming. */
export function naturalBreaks(sorted: readonly number[], count: number): number[] {
  const n = sorted.length
  const sums = [0], squares = [0]
  // About the middle, so that large numbers close together keep their digits.
  const middle = sorted[n >> 1]!
  for (const value of sorted) sums.push(sums.at(-1)! + value - middle), squares.push(squares.at(-1)! + (value - middle) ** 2)
  const cost = (from: number, to: number) => squares[to]! - squares[from]! - (sums[to]! - sums[from]!) ** 2 / (to - from)
  let best = sorted.map((_, i) => cost(0, i + 1))
  const cuts: number[][] = []
  for (let k = 2; k <= Math.min(count, n); k++) {
    const next = best.slice(), cut = new Array<number>(n).fill(0)
    for (let to = k; to <= n; to++) {
      next[to - 1] = Infinity
      for (let from = k - 1; from < to; from++) {
        const total = best[from - 1]! + cost(from, to)
        if (total < next[to - 1]!) next[to - 1] = total, cut[to - 1] = from
      }
    }
    cuts.push(cut)
    best = next
  }
  const ends = [n]
  for (const cut of cuts.reverse()) ends.unshift(cut[ends[0]! - 1]!)
  return ends.map(end => sorted[end - 1]!)
}

const shown = (value: number) => String(Number(value.toPrecision(6)))
const ramp = (share: number) => `#${FROM.map((from, i) => Math.round(from + (TO[i]! - from) * share).toString(16).padStart(2, '0')).join('')}`
