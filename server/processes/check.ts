/** The process `check`: the city's quality rules over layers or a box. */
import { Type } from '@sinclair/typebox'
import type { BBox } from '../../core/bbox.js'
import type { Filter } from '../../core/filter/ast.js'
import { badBody } from '../errors.js'
import { planExport } from '../export/plan.js'
import { exportChunks } from '../export/stream.js'
import { rulesFor } from '../quality/check.js'
import { CHECK, type CheckInputs } from '../quality/jobs.js'
import { REPORT } from '../quality/reconcile.js'
import type { Reader, Store } from '../store/store.js'
import { both } from './area.js'
import { BoxSchema, type Box } from './box.js'
import { LayersSchema, layersOf } from './layers.js'
import type { OutputValue, ProcessDefinition, ResultCall } from './process.js'

interface CheckProcessInputs { readonly layers?: readonly string[]; readonly rules?: readonly string[]; readonly box?: Box }

export const check: ProcessDefinition<CheckProcessInputs> = {
  id: CHECK, version: '1.0.0',
  title: { vi: 'Kiểm tra dữ liệu', en: 'Check the data' },
  description: {
    vi: 'Kiểm tra dữ liệu theo các quy tắc chất lượng: toàn thành phố, hoặc một số lớp, quy tắc, hay một khung. Báo cáo được cập nhật theo.',
    en: 'Holds the data to its quality rules: all of the city, or some layers, some rules, or a box. The report is brought up to date.',
  },
  keywords: ['quality', 'validation'],
  jobControl: ['sync-execute', 'async-execute', 'dismiss'],
  roles: ['editor', 'steward'],
  inputs: {
    layers: { schema: LayersSchema, title: { vi: 'Các lớp', en: 'Layers' }, description: { vi: 'Chỉ các quy tắc về đối tượng của những lớp này.', en: 'Only rules about the features of these layers.' } },
    rules: { schema: Type.Array(Type.String({ maxLength: 120 }), { minItems: 1, maxItems: 200 }), title: { vi: 'Các quy tắc', en: 'Rules' }, description: { vi: 'Chỉ những quy tắc này; /quality/rules liệt kê chúng.', en: 'Only these rules; /quality/rules lists them.' } },
    box: { schema: BoxSchema, title: { vi: 'Khung', en: 'Box' }, description: { vi: 'Chỉ các đối tượng chạm khung này (CRS84).', en: 'Only features that meet this box (CRS84).' } },
  },
  outputs: {
    report: {
      title: { vi: 'Báo cáo', en: 'Report' }, description: { vi: 'Bao nhiêu lỗi được thấy, mới, đã sửa; các quy tắc chậm nhất.', en: 'How many findings there are, are new, are mended; the slowest rules.' },
      schema: Type.Object({}, { contentMediaType: 'application/json' }),
      read: async ({ job }) => ({ json: job.result }),
    },
    issues: {
      title: { vi: 'Các lỗi', en: 'Findings' }, description: { vi: 'Các lỗi ấy như đối tượng địa lý, theo trạng thái lúc đọc.', en: 'The findings as features, as they stand when they are read.' },
      schema: Type.Object({}, { contentMediaType: 'application/geo+json' }),
      read: issues,
    },
  },
  async freeze({ layers, rules, box }, { app: { store }, reader }) {
    if (layers) layersOf(store, reader, layers)
    const inputs: CheckInputs = { ...(layers && { layers }), ...(rules && { rules: rules.map((rule, i) => ruleOf(store, reader, rule, i)) }), ...(box && { bbox: bboxOf(box) }) }
    return { inputs, branch: 'main' }
  },
}

/** A rule by its id, or the part of it behind its layer: an unknown rule and one about closed data are the same. */
function ruleOf(store: Store, reader: Reader, name: string, i: number): string {
  const found = rulesFor(store, reader).find(({ id }) => id === name || id.endsWith(`.${name}`))
  if (!found) throw badBody(`There is no rule “${name.slice(0, 120)}”. GET /quality/rules lists them.`, { pointer: `/inputs/rules/${i}` })
  return found.id
}

function bboxOf({ bbox }: Box): BBox {
  const [west, south, east, north] = bbox.length === 6 ? [bbox[0]!, bbox[1]!, bbox[3]!, bbox[4]!] : bbox as [number, number, number, number]
  if (!(west! <= east! && south! <= north! && west! >= -180 && east! <= 180 && south! >= -90 && north! <= 90)) throw badBody('A box is west, south, east, north in degrees.', { pointer: '/inputs/box/bbox' })
  return [west!, south!, east!, north!]
}

/** More findings than these are read at /ogc/collections/quality_issues. */
const MOST_CHARACTERS = 16 * 2 ** 20

async function issues({ app: { store }, job, reader, base }: ResultCall): Promise<OutputValue> {
  const { layers, rules, bbox } = job.inputs as CheckInputs
  const plan = await planExport({ app: { store }, reader, branch: 'main' }, { layers: [REPORT], format: 'geojson', ...(bbox && { bbox }) })
  const [only] = plan.plans
  const where = [oneOf('layer', layers), oneOf('rule', rules)].reduce<Filter | undefined>((all, next) => next ? both(all, next) : all, only!.query.view.where)
  const narrowed = { ...plan, plans: [{ ...only!, query: { ...only!.query, whole: false, view: { ...only!.query.view, ...(where && { where }) } } }] }
  let text = ''
  for await (const chunk of exportChunks(store, reader, narrowed, { signal: AbortSignal.timeout(60_000) })) {
    text += typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString('utf8')
    if (text.length > MOST_CHARACTERS) throw badBody(`There are more findings than fit one result. Read them page by page at ${base}/ogc/collections/${REPORT}/items.`)
  }
  return { json: JSON.parse(text), mediaType: 'application/geo+json' }
}

const oneOf = (property: string, values: readonly string[] | undefined): Filter | undefined =>
  values && { op: 'in', left: { property }, values: values.map(literal => ({ literal })) }
