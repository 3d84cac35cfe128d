/** The process `clip-export`: layers, cut to an area, as a file. */
import { Type } from '@sinclair/typebox'
import { Problem } from '../errors.js'
import { FORMAT_IDS, isCut, type FormatId, type LayerPlan } from '../export/export.js'
import { sweepExports, writeExport } from '../export/files.js'
import { ALL, planExport, type ExportPlan } from '../export/plan.js'
import { exportChunks } from '../export/stream.js'
import type { JobContext, Jobs } from '../operations/jobs.js'
import type { Branch, Reader, Store } from '../store/store.js'
import { AreaSchema, both, checkArea, meets, overlaps, type Area } from './area.js'
import { fileValue, type FileResult } from './files.js'
import { LayersSchema, layersOf } from './layers.js'
import type { ProcessDefinition } from './process.js'

export const CLIP_EXPORT = 'clip-export'

interface ClipInputs {
  readonly layers: readonly string[]
  readonly area: Area
  readonly format: FormatId
  readonly cut: boolean
  readonly crs?: string
  readonly filter?: string
  readonly asOf?: string
}
interface FrozenClip { readonly inputs: ClipInputs; readonly dataDir: string }
interface ClipResult extends FileResult { readonly features: number; readonly bytes: number; readonly losses: readonly string[] }

export const clipExport: ProcessDefinition<ClipInputs> = {
  id: CLIP_EXPORT, version: '1.0.0',
  title: { vi: 'Cắt và xuất', en: 'Clip and export' },
  description: {
    vi: 'Cắt các lớp theo một vùng rồi ghi thành một tệp để tải về. Tệp được giữ một ngày.',
    en: 'Cuts layers to an area and writes them as a file to take away. The file is kept for a day.',
  },
  keywords: ['clip', 'export', 'download'],
  jobControl: ['sync-execute', 'async-execute', 'dismiss'],
  roles: ['editor', 'steward'],
  inputs: {
    layers: { required: true, schema: LayersSchema, title: { vi: 'Các lớp', en: 'Layers' }, description: { vi: 'Mã của các lớp, hoặc ["all"] cho mọi lớp.', en: 'Ids of collections, or ["all"] for every one.' } },
    area: { required: true, schema: AreaSchema, title: { vi: 'Vùng', en: 'Area' }, description: { vi: 'Đa giác GeoJSON, kinh độ trước vĩ độ.', en: 'A GeoJSON polygon, longitude before latitude.' } },
    format: { schema: Type.Unsafe<FormatId>({ type: 'string', enum: [...FORMAT_IDS], default: 'geojson' }), title: { vi: 'Định dạng', en: 'Format' }, description: { vi: 'Định dạng của tệp; nhiều lớp có thể thành một tệp zip.', en: 'Format of the file; several layers may become a zip.' } },
    cut: { schema: Type.Boolean({ default: true }), title: { vi: 'Cắt', en: 'Cut' }, description: { vi: 'Cắt đường và vùng tại mép; nhà và lớp có nhiều loại hình để nguyên. Nếu không: giữ nguyên mọi đối tượng chạm vùng.', en: 'Cut lines and polygons at the edge of the area; buildings and what has no one kind of geometry stay whole. Otherwise whatever meets the area stays whole.' } },
    crs: { schema: Type.String({ maxLength: 200 }), title: { vi: 'Hệ toạ độ', en: 'CRS' }, description: { vi: 'Hệ toạ độ của tệp, ví dụ EPSG:5899.', en: 'CRS of the file, EPSG:5899 for instance.' } },
    filter: { schema: Type.String({ maxLength: 20_000 }), title: { vi: 'Bộ lọc', en: 'Filter' }, description: { vi: 'Bộ lọc CQL2, cho mọi lớp.', en: 'A CQL2 filter, for all layers.' } },
    asOf: { schema: Type.String({ maxLength: 40 }), title: { vi: 'Tại thời điểm', en: 'As of' }, description: { vi: 'Thành phố như đã biết lúc đó: thời điểm RFC 3339 hoặc số phiên bản.', en: 'The city as the store knew it then: an RFC 3339 instant or a revision.' } },
  },
  outputs: {
    file: {
      title: { vi: 'Tệp', en: 'File' }, description: { vi: 'Các lớp trong định dạng đã chọn.', en: 'The layers in the format that was chosen.' },
      schema: Type.String({ format: 'binary' }),
      read: result => fileValue(result, result.job.result as ClipResult),
    },
  },
  async freeze(inputs, { app, reader, branch }) {
    if (!isAll(inputs.layers)) layersOf(app.store, reader, inputs.layers)
    await checkArea(app.store, inputs.area, '/inputs/area')
    await planClip(app.store, reader, branch, inputs).catch(error => { throw pointed(error) })
    const frozen: FrozenClip = { inputs, dataDir: app.config.dataDir }
    return { inputs: frozen }
  },
}

const isAll = (layers: readonly string[]) => layers.length === 1 && layers[0] === ALL

/** What an export finds wrong is told at the input of the same name. */
function pointed(error: unknown): unknown {
  return error instanceof Problem && error.more.parameter ? new Problem(error.status, error.type, error.detail, { ...error.more, pointer: `/inputs/${String(error.more.parameter)}` }) : error
}

async function planClip(store: Store, reader: Reader, branch: Branch, { layers, area, format, cut, crs, filter, asOf }: ClipInputs): Promise<ExportPlan> {
  const plan = await planExport({ app: { store }, reader, branch }, { layers, format, ...(crs && { crs }), ...(filter && { filter }), ...(asOf && { asOf }) })
  return { ...plan, plans: plan.plans.map(one => within(one, area, cut)) }
}

function within(plan: LayerPlan, area: Area, cut: boolean): LayerPlan {
  const { query } = plan
  return { ...plan, query: { ...query, whole: false, view: { ...query.view, where: both(query.view.where, cut && isCut(plan.layer) ? overlaps(area) : meets(area)) } }, ...(cut && { cutAt: area }) }
}

export function registerClipExport(jobs: Jobs): void {
  jobs.register(CLIP_EXPORT, runClip)
}

async function runClip({ id, store, owner, branch, signal, report }: JobContext, { inputs, dataDir }: FrozenClip): Promise<ClipResult> {
  await sweepExports(dataDir)
  const plan = await planClip(store, owner, branch, inputs)
  let features = 0
  const onRows = (rows: number) => {
    features = rows
    // How many there will be is not known before they are counted, which costs as much as writing them.
    report(1 - 1 / (1 + rows / 20_000), `${plan.fileName}: ${rows} features`)
  }
  const bytes = await writeExport(dataDir, id, plan.fileName, exportChunks(store, owner, plan, { signal, onRows }), signal)
  return { file: plan.fileName, mediaType: plan.mediaType, bytes, features, losses: plan.losses }
}
