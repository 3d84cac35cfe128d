import { epsgUri } from '../../core/crs.js'
import { solidLoss, type ExportFormat, type ExportSource, type LayerPlan } from './export.js'

/** RFC 7946; another CRS than longitude and latitude is told by the `crs` member of GeoJSON 2008, which GIS programs still read. */
export const geojson: ExportFormat = {
  id: 'geojson', title: 'GeoJSON', mediaType: 'application/geo+json', extension: '.geojson', severalLayers: false,
  losses: plan => [...solidLoss(plan), ...typeLoss(plan)],
  async *write(source) {
    const [plan] = source.plans
    const crs = plan!.srid === 4326 ? '' : `,"crs":{"type":"name","properties":{"name":"${epsgUri(plan!.srid)}"}}`
    yield `{"type":"FeatureCollection","name":${JSON.stringify(plan!.layer.id)}${crs},"features":[`
    yield* features(source, '\n', ',\n')
    yield '\n]}\n'
  },
}

/** RFC 8142: one feature a record. */
export const geojsonseq: ExportFormat = {
  id: 'geojsonseq', title: 'GeoJSON by lines', mediaType: 'application/geo+json-seq', extension: '.geojsons', severalLayers: false, onlyCrs84: true,
  losses: geojson.losses,
  async *write(source) {
    yield* features(source, '\u001e', '\n\u001e')
    yield '\n'
  },
}

async function* features({ plans, rows }: ExportSource, first: string, between: string): AsyncGenerator<string> {
  let before = first
  for await (const batch of rows(plans[0]!, { geometry: 'geojson' })) {
    yield before + batch.map(({ geometry }) => geometry).join(between)
    before = between
  }
}

const typeLoss = ({ columns }: LayerPlan) => (columns.some(({ type }) => type === 'date' || type === 'timestamp') ? ['dates and times are text'] : [])
