import type { Feature } from '../../core/feature.js'
import type { GeoJsonGeometry } from '../../core/filter/ast.js'
import { GeometryFault } from '../../core/geometry/wkb-bytes.js'
import { badFile } from './fault.js'
import { layerName } from './geojson.js'
import type { OpenOptions } from './reader.js'
import type { SourceFile } from './source.js'
import { bytesOf, head, isZip, zipEntries, zipMember } from './unpack.js'
import { child, childrenOf, descendants, textOf, xmlItems, type XmlFrame, type XmlItem, type XmlNode } from './xml.js'

const WHAT = 'KML file'
const isPlacemark = (name: string) => name === 'Placemark'

/** The KML of a KMZ: `doc.kml`, else the first one that is not in a folder, as Google Earth takes it. */
export function kmlOf(entries: readonly string[]): string | undefined {
  const all = entries.filter(name => /\.kml$/i.test(name))
  return all.find(name => /^doc\.kml$/i.test(name)) ?? all.find(name => !name.includes('/')) ?? all[0]
}

/**
 * KML 2.0–2.3 and KMZ, streamed: one layer, each placemark a feature with its folders, ExtendedData, times and description.
 * Styles, overlays, models and network links are left out; links are never followed.
 */
export async function openKml(file: string, options: OpenOptions): Promise<SourceFile> {
  if (!isZip(await head(file, 4))) return source(() => bytesOf(file, WHAT), options)
  const entry = kmlOf(await zipEntries(file))
  if (!entry) throw badFile('The KMZ file holds no KML.')
  return source(() => zipMember(file, entry, 'KMZ file'), options)
}

async function source(bytes: () => AsyncIterable<Uint8Array>, { name }: OpenOptions): Promise<SourceFile> {
  let count = 0
  let links = 0
  for await (const { node } of xmlItems(bytes(), WHAT, element => isPlacemark(element) || element === 'NetworkLink' || element === 'GroundOverlay'))
    isPlacemark(node.name) ? count++ : links++
  if (count === 0) throw badFile(`The KML file holds no placemarks${links ? `, only ${links} links or overlays, which are not followed` : ''}.`)
  return {
    format: 'kml', close: async () => {}, notes: () => (links ? [`${links} links and overlays of the KML were left out`] : []),
    layers: [{
      name: layerName(name), srid: 4326, count,
      async *features() {
        let row = 0
        for await (const item of xmlItems(bytes(), WHAT, isPlacemark)) yield toFeature(item, ++row)
      },
    }],
  }
}

function toFeature({ node, path }: XmlItem, row: number): Feature {
  const base = { properties: properties(node, path), row, ...(node.attributes.id ? { sourceId: node.attributes.id } : {}) }
  try {
    return { ...base, geometry: geometryIn(node) }
  } catch (error) {
    if (error instanceof GeometryFault) return { ...base, geometry: null, fault: error.message }
    throw error
  }
}

function properties(node: XmlNode, path: readonly XmlFrame[]): Record<string, unknown> {
  const out: Record<string, unknown> = {}
  const put = (key: string, value: string | undefined) => { if (value !== undefined && value !== '' && out[key] === undefined) out[key] = value }
  for (const key of ['name', 'description', 'address', 'phoneNumber']) put(key, textOf(child(node, key)))
  const folders = path.filter(frame => frame.name === 'Folder').map(frame => frame.leaves.name ?? '').filter(Boolean)
  if (folders.length) out.folder = folders.join(' / ')
  const time = child(node, 'TimeStamp')
  put('when', time && textOf(child(time, 'when')))
  const span = child(node, 'TimeSpan')
  put('begin', span && textOf(child(span, 'begin')))
  put('end', span && textOf(child(span, 'end')))
  const extended = child(node, 'ExtendedData')
  for (const inner of extended ? descendants(extended) : []) {
    if (inner.name === 'Data') put(inner.attributes.name ?? 'data', textOf(child(inner, 'value')))
    else if (inner.name === 'SimpleData') put(inner.attributes.name ?? 'data', inner.text.trim())
  }
  for (const key of Object.keys(out)) if (typeof out[key] === 'string') out[key] = typed(out[key] as string)
  return out
}

/** KML has but text; what can only be a number is one. Codes with leading zeros stay text. */
function typed(text: string): string | number {
  return /^-?(0|[1-9]\d{0,14})(\.\d+)?$/.test(text) ? Number(text) : text
}

const GEOMETRIES = ['Point', 'LineString', 'LinearRing', 'Polygon', 'MultiGeometry', 'Track', 'MultiTrack', 'Model']
function geometryIn(node: XmlNode): GeoJsonGeometry | null {
  const members = childrenOf(node, ...GEOMETRIES).map(geometryOf).filter(geometry => geometry !== null)
  return members.length > 1 ? gather(members) : members[0] ?? null
}

function geometryOf(node: XmlNode): GeoJsonGeometry | null {
  switch (node.name) {
    case 'Point': {
      const [position] = coordinatesIn(node)
      return position ? { type: 'Point', coordinates: position } : null
    }
    case 'LineString': case 'LinearRing': return { type: 'LineString', coordinates: coordinatesIn(node) }
    case 'Polygon': {
      const rings = [...childrenOf(node, 'outerBoundaryIs'), ...childrenOf(node, 'innerBoundaryIs')].flatMap(boundary => childrenOf(boundary, 'LinearRing').map(coordinatesIn))
      return { type: 'Polygon', coordinates: rings }
    }
    case 'MultiGeometry': case 'MultiTrack': {
      const members = childrenOf(node, ...GEOMETRIES).map(geometryOf).filter(geometry => geometry !== null)
      return members.length ? gather(members) : null
    }
    case 'Track': return { type: 'LineString', coordinates: childrenOf(node, 'coord').map(coord => positionOf(coord.text.trim().split(/\s+/))) }
    case 'Model': {
      const place = child(node, 'Location')
      if (!place) return null
      return { type: 'Point', coordinates: positionOf([textOf(child(place, 'longitude')) ?? '', textOf(child(place, 'latitude')) ?? '']) }
    }
    default: return null
  }
}

/** Members of one kind as a multi geometry, of several as a collection. */
export function gather(members: readonly GeoJsonGeometry[]): GeoJsonGeometry {
  const flat = members.flatMap(member => (/^Multi/.test(member.type) ? (member.coordinates as unknown[]).map(coordinates => ({ type: member.type.slice('Multi'.length), coordinates })) : member.type === 'GeometryCollection' ? [...member.geometries!] : [member]))
  const kinds = new Set(flat.map(member => member.type))
  if (kinds.size === 1) return { type: `Multi${flat[0]!.type}`, coordinates: flat.map(member => member.coordinates) }
  return { type: 'GeometryCollection', geometries: flat }
}

function coordinatesIn(node: XmlNode): number[][] {
  const text = textOf(child(node, 'coordinates')) ?? ''
  // Some writers put a space behind the comma.
  return text.replace(/\s*,\s*/g, ',').split(/\s+/).filter(Boolean).map(tuple => positionOf(tuple.split(',')))
}

function positionOf(parts: readonly string[]): number[] {
  const position = parts.slice(0, 3).filter(part => part !== '').map(Number)
  if (position.length < 2 || !position.every(Number.isFinite)) throw new GeometryFault(`coordinates that are not numbers: “${parts.join(',').slice(0, 60)}”`)
  return position
}
