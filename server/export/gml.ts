/**
 * GML 3.2, Simple Features profile (OGC 10-100r3): at level 0 wherever the layer's geometries are of one kind. Features
 * stand in a collection as OGC API Features has it; their schema is `gmlSchema`.
 */
import { epsgUri } from '../../core/crs.js'
import { WKB_TYPES, WkbCursor } from '../../core/geometry/wkb-bytes.js'
import type { Column, ColumnType, Layer } from '../../layers/layer.js'
import { hasType, solidLoss, type ExportFormat, type ExportRow, type LayerPlan } from './export.js'
import { escapeXml } from './xml-text.js'

/** Of the elements of layers. */
const NAMESPACE = 'urn:dothi:layers'
const COLLECTION_NAMESPACE = 'http://www.opengis.net/ogcapi-features-1/1.0/sf'
const COLLECTION_SCHEMA = 'http://schemas.opengis.net/ogcapi/features/part1/1.0/xml/core-sf.xsd'

export const gml: ExportFormat = {
  id: 'gml', title: 'GML', mediaType: 'application/gml+xml; version=3.2; profile="http://www.opengis.net/def/profile/ogc/2.0/gml-sf0"', extension: '.gml', severalLayers: false,
  losses: plan => [...solidLoss(plan), ...(hasType(plan, 'json') ? ['JSON is text'] : [])],
  async *write({ plans, rows, options }) {
    const [plan] = plans
    const locations = options.schema === undefined ? '' : ` xsi:schemaLocation="${escapeXml(`${NAMESPACE} ${options.schema} ${COLLECTION_NAMESPACE} ${COLLECTION_SCHEMA}`)}"`
    yield `<?xml version="1.0" encoding="UTF-8"?>\n<sf:FeatureCollection gml:id="${plan!.layer.id}" xmlns="${NAMESPACE}" xmlns:sf="${COLLECTION_NAMESPACE}"`
      + ` xmlns:gml="http://www.opengis.net/gml/3.2" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"${locations}>\n`
    const feature = featureWriter(plan!)
    for await (const batch of rows(plan!, { geometry: 'wkb' })) yield batch.map(row => `<sf:featureMember>${feature(row)}</sf:featureMember>\n`).join('')
    yield '</sf:FeatureCollection>\n'
  },
}

function featureWriter(plan: LayerPlan): (row: ExportRow) => string {
  const { layer, columns, query: { crs }, srid } = plan
  const elements = columns.map(({ name }) => [`<${name}>`, `</${name}>`] as const)
  const flipped = crs.srid === srid && crs.axes === 'lat,lon'
  const srsName = crs.srid === srid ? crs.uri : epsgUri(srid)
  return ({ id, values, geometry }) => {
    const own = `${layer.id}.${id}`
    const properties = values.map((value, i) => (value === null ? '' : `${elements[i]![0]}${typeof value === 'string' ? escapeXml(value) : value}${elements[i]![1]}`)).join('')
    return `<${layer.id} gml:id="${own}"><id>${id}</id>${properties}${geometry === null ? '' : shape(geometry as Buffer, `${own}.g`, srsName, flipped)}</${layer.id}>`
  }
}

// ---- geometry ----

function shape(wkb: Buffer, id: string, srsName: string, flipped: boolean): string {
  const written = new GeometryWriter(new WkbCursor(wkb), flipped).write(id, ` srsName="${srsName}" srsDimension="2"`)
  return written && `<geom>${written}</geom>`
}

const AGGREGATES: Readonly<Record<string, readonly [name: string, member: string]>> = {
  MultiPoint: ['MultiPoint', 'pointMember'], MultiLineString: ['MultiCurve', 'curveMember'], MultiPolygon: ['MultiSurface', 'surfaceMember'], GeometryCollection: ['MultiGeometry', 'geometryMember'],
}

class GeometryWriter {
  constructor(readonly from: WkbCursor, readonly flipped: boolean) {}

  /** Nothing for an empty point, which GML has no word for. Every geometry has an id, as GML 3.2 wants it. */
  write(id: string, attributes = ''): string {
    const { type, size } = this.from.head()
    const kind = WKB_TYPES[type]!
    const open = (name: string) => `<gml:${name} gml:id="${id}"${attributes}>`
    switch (kind) {
      case 'Point': {
        const position = this.#positions(1, size)
        return position.includes('NaN') ? '' : `${open('Point')}<gml:pos>${position}</gml:pos></gml:Point>`
      }
      case 'LineString': return `${open('LineString')}<gml:posList>${this.#positions(this.from.count(size), size)}</gml:posList></gml:LineString>`
      case 'Polygon': {
        const rings = Array.from({ length: this.from.count(4) }, (_, i) => this.#ring(size, i === 0 ? 'exterior' : 'interior'))
        return `${open('Polygon')}${rings.join('')}</gml:Polygon>`
      }
      default: {
        const [name, member] = AGGREGATES[kind]!
        const parts = Array.from({ length: this.from.count(9) }, (_, i) => this.write(`${id}.${i}`)).filter(part => part !== '')
        return `${open(name)}${parts.map(part => `<gml:${member}>${part}</gml:${member}>`).join('')}</gml:${name}>`
      }
    }
  }

  #ring(size: number, boundary: 'exterior' | 'interior'): string {
    return `<gml:${boundary}><gml:LinearRing><gml:posList>${this.#positions(this.from.count(size), size)}</gml:posList></gml:LinearRing></gml:${boundary}>`
  }

  #positions(count: number, size: number): string {
    const { from, flipped } = this
    from.need(count * size)
    let text = ''
    for (let i = 0; i < count; i++, from.at += size) {
      const x = from.view.getFloat64(from.at, from.little)
      const y = from.view.getFloat64(from.at + 8, from.little)
      text += `${i > 0 ? ' ' : ''}${flipped ? `${y} ${x}` : `${x} ${y}`}`
    }
    return text
  }
}

// ---- schema ----

const TYPES: Readonly<Record<ColumnType, string>> = {
  text: 'string', integer: 'long', number: 'double', boolean: 'boolean', date: 'date', timestamp: 'dateTime', json: 'string',
}
const GEOMETRY_TYPES: Readonly<Record<Layer['geometry'], string>> = { point: 'PointPropertyType', line: 'MultiCurvePropertyType', polygon: 'MultiSurfacePropertyType', any: 'GeometryPropertyType' }

/** The XML Schema of a layer's features. GDAL takes the types of fields from it, but from none that has a gml:MeasureType: units stand beside the titles. */
export function gmlSchema(layer: Layer, columns: readonly Column[]): string {
  const title = (column: Column, lang: 'vi' | 'en') => `<documentation xml:lang="${lang}">${escapeXml(`${column.title[lang]}${column.unit ? ` [${column.unit}]` : ''}`)}</documentation>`
  const element = (column: Column) => `<element name="${column.name}" type="${TYPES[column.type]}" minOccurs="0"><annotation>${title(column, 'vi')}${title(column, 'en')}</annotation></element>`
  return `<?xml version="1.0" encoding="UTF-8"?>
<schema xmlns="http://www.w3.org/2001/XMLSchema" xmlns:l="${NAMESPACE}" xmlns:gml="http://www.opengis.net/gml/3.2" xmlns:gmlsf="http://www.opengis.net/gmlsf/2.0" targetNamespace="${NAMESPACE}" elementFormDefault="qualified" version="1.0">
<annotation><appinfo source="http://schemas.opengis.net/gmlsfProfile/2.0/gmlsfLevels.xsd"><gmlsf:ComplianceLevel>0</gmlsf:ComplianceLevel></appinfo></annotation>
<import namespace="http://www.opengis.net/gml/3.2" schemaLocation="http://schemas.opengis.net/gml/3.2.1/gml.xsd"/>
<import namespace="http://www.opengis.net/gmlsf/2.0" schemaLocation="http://schemas.opengis.net/gmlsfProfile/2.0/gmlsfLevels.xsd"/>
<element name="${layer.id}" type="l:${layer.id}_type" substitutionGroup="gml:AbstractFeature"/>
<complexType name="${layer.id}_type"><complexContent><extension base="gml:AbstractFeatureType"><sequence>
<element name="id" type="long"/>
${columns.map(element).join('\n')}
<element name="geom" type="gml:${GEOMETRY_TYPES[layer.geometry]}" minOccurs="0"/>
</sequence></extension></complexContent></complexType>
</schema>
`
}
