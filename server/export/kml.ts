import type { Layer } from '../../layers/layer.js'
import { solidLoss, type ExportFormat, type ExportRow, type ExportSource, type LayerPlan } from './export.js'
import { escapeXml } from './xml-text.js'
import { zipped } from './zip.js'

/** OGC KML 2.3: a folder a layer, attributes as typed SimpleData, footprints with a height raised from the ground. */
export const kml: ExportFormat = {
  id: 'kml', title: 'KML', mediaType: 'application/vnd.google-earth.kml+xml', extension: '.kml', severalLayers: true, onlyCrs84: true,
  losses: plan => [...solidLoss(plan), 'booleans, dates, times and JSON are text', 'codes have no list of their titles'],
  write: document,
}

/** KML, zipped. */
export const kmz: ExportFormat = {
  ...kml, id: 'kmz', title: 'KMZ', mediaType: 'application/vnd.google-earth.kmz', extension: '.kmz',
  write: source => zipped([{ name: 'doc.kml', chunks: document(source) }]),
}

async function* document({ plans, rows, city }: ExportSource): AsyncGenerator<string> {
  yield `<?xml version="1.0" encoding="UTF-8"?>\n<kml xmlns="http://www.opengis.net/kml/2.2">\n<Document id="dothi">\n<name>${escapeXml(city.name)}</name>\n`
  for (const plan of plans) yield `${schema(plan)}${style(plan.layer)}`
  for (const plan of plans) {
    yield `<Folder>\n<name>${escapeXml(plan.layer.id)}</name>\n`
    for await (const batch of rows(plan, { geometry: 'kml' })) yield batch.map(row => placemark(plan, row)).join('')
    yield '</Folder>\n'
  }
  yield '</Document>\n</kml>\n'
}

const KML_TYPES = { text: 'string', integer: 'double', number: 'double', boolean: 'string', date: 'string', timestamp: 'string', json: 'string' } as const

function schema({ layer, columns }: LayerPlan): string {
  const fields = columns.map(({ name, type, title }) => `<SimpleField type="${KML_TYPES[type]}" name="${escapeXml(name)}"><displayName>${escapeXml(title.vi)}</displayName></SimpleField>\n`)
  return `<Schema name="${layer.id}" id="${layer.id}">\n${fields.join('')}</Schema>\n`
}

function style({ id, style }: Layer): string {
  const colour = kmlColour(typeof style.fill === 'string' ? style.fill : typeof style.line === 'string' ? style.line : typeof style.circle === 'string' ? style.circle : '#2a8c8c')
  return `<Style id="style_${id}"><IconStyle><color>ff${colour}</color></IconStyle><LineStyle><color>ff${colour}</color><width>${style.lineWidth ?? 1}</width></LineStyle><PolyStyle><color>99${colour}</color></PolyStyle></Style>\n`
}

/** `#rrggbb` → `bbggrr`, as KML has it. */
const kmlColour = (hex: string) => hex.slice(1, 7).replace(/(..)(..)(..)/, '$3$2$1')

function placemark({ layer, columns }: LayerPlan, { id, values, geometry }: ExportRow): string {
  const label = layer.label === undefined ? -1 : columns.findIndex(({ name }) => name === layer.label)
  const name = label >= 0 ? values[label] : null
  const data = values.map((value, i) => (value === null ? '' : `<SimpleData name="${escapeXml(columns[i]!.name)}">${escapeXml(String(value))}</SimpleData>`)).join('')
  return `<Placemark id="${layer.id}.${id}"><name>${escapeXml(String(name ?? id))}</name><styleUrl>#style_${layer.id}</styleUrl>`
    + `<ExtendedData><SchemaData schemaUrl="#${layer.id}">${data}</SchemaData></ExtendedData>${geometry === null ? '' : raise(geometry as string)}</Placemark>\n`
}

/** What has heights (every position of it three numbers) stands on the ground and reaches up. */
function raise(geometry: string): string {
  return /<coordinates>[^<, ]+,[^<, ]+,/.test(geometry) && geometry.includes('<Polygon>')
    ? geometry.replaceAll('<Polygon>', '<Polygon><extrude>1</extrude><altitudeMode>relativeToGround</altitudeMode>') : geometry
}
