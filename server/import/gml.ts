import type { Feature } from '../../core/feature.js'
import { GeometryFault } from '../../core/geometry/wkb-bytes.js'
import type { NamedCrs } from './axes.js'
import { badFile } from './fault.js'
import { crsIn, facesOf, GEOMETRY_NAMES, gmlGeometry, isSolid, type GmlContext } from './gml-geometry.js'
import { meshShape } from './mesh-shape.js'
import type { OpenOptions } from './reader.js'
import type { Format, SourceFile } from './source.js'
import { bytesOf } from './unpack.js'
import { child, descendants, xmlItems, type XmlFrame, type XmlItem, type XmlNode } from './xml.js'

const WHAT = 'GML file'
const MEMBERS = new Set(['featureMember', 'featureMembers', 'member', 'cityObjectMember', 'featureProperty'])
const NO_FEATURES = new Set(['FeatureCollection', 'SimpleFeatureCollection', 'Tuple', 'Null', 'EngineeringCRS', 'Appearance'])

/** A feature stands in a member of the collection; the collection's own envelope is an item too, for its CRS. */
const isItem = (name: string, path: readonly XmlFrame[]) =>
  (path.length > 0 && MEMBERS.has(path.at(-1)!.name) && !NO_FEATURES.has(name)) || (name === 'boundedBy' && path.length > 0 && path.length < 4 && !MEMBERS.has(path.at(-1)!.name))

/** More links from one feature into others than this are not held in memory. */
const MAX_LINKED = 500_000

export interface GmlKind {
  readonly name: string
  count: number
  /** Of the first geometry; undefined where no geometry names one. */
  crs: NamedCrs | undefined
}

/** What a first pass over a GML file found: its kinds of features, its CRS, and what links across features need. */
export interface GmlFile {
  readonly kinds: readonly GmlKind[]
  readonly context: GmlContext
  items(): AsyncIterable<XmlItem>
}

/**
 * Reads a GML file once: whether it is whole, how many features of which kind it has, and the elements that
 * features link to (xlink) in others, which are kept.
 */
export async function surveyGml(file: string, what: string, dimension: number): Promise<GmlFile> {
  const kinds = new Map<string, GmlKind>()
  const linked = new Set<string>()
  let crs: NamedCrs | undefined
  let size = dimension
  const items = () => xmlItems(bytesOf(file, what), what, isItem)
  for await (const { node } of items()) {
    if (node.name === 'boundedBy') {
      crs ??= crsIn(node)
      size = Number(node.children[0]?.attributes.srsDimension ?? 0) || size
      continue
    }
    const kind = kinds.get(node.name) ?? { name: node.name, count: 0, crs: undefined }
    kinds.set(node.name, kind)
    kind.count++
    kind.crs ??= crsIn(node)
    for (const href of linksOut(node)) if (linked.size < MAX_LINKED) linked.add(href)
  }
  const targets = linked.size ? await collect(items(), linked) : new Map<string, XmlNode>()
  return { kinds: [...kinds.values()], context: { crs: crs ?? { srid: null, flipped: false }, dimension: size, resolve: id => targets.get(id) }, items }
}

/** Ids that a feature links to and does not have itself. */
function linksOut(node: XmlNode): string[] {
  const own = new Set<string>()
  const links: string[] = []
  for (const inner of descendants(node)) {
    if (inner.attributes.id) own.add(inner.attributes.id)
    if (inner.attributes.href?.startsWith('#')) links.push(inner.attributes.href.slice(1))
  }
  return links.filter(link => !own.has(link))
}

async function collect(items: AsyncIterable<XmlItem>, wanted: ReadonlySet<string>): Promise<Map<string, XmlNode>> {
  const found = new Map<string, XmlNode>()
  for await (const { node } of items) for (const inner of descendants(node)) if (inner.attributes.id && wanted.has(inner.attributes.id)) found.set(inner.attributes.id, inner)
  return found
}

/** The file's context with what stands in the feature itself going first. */
export function contextOf(node: XmlNode, file: GmlContext, crs: NamedCrs | undefined): GmlContext {
  let own: Map<string, XmlNode> | undefined
  const resolve = (id: string) => {
    own ??= new Map([...descendants(node)].filter(inner => inner.attributes.id).map(inner => [inner.attributes.id!, inner]))
    return own.get(id) ?? file.resolve(id)
  }
  return { ...file, crs: crs ?? file.crs, resolve }
}

/**
 * GML 2, 3.1 and 3.2 simple features, WFS answers too: one layer a kind of feature, streamed in two passes. Axes follow the name
 * of the CRS (axes.ts), links within the file are resolved, curves become lines, solids keep their faces.
 */
export async function openGml(file: string, _options: OpenOptions): Promise<SourceFile> {
  const survey = await surveyGml(file, WHAT, 2)
  if (survey.kinds.length === 0) throw badFile('The GML file holds no features (featureMember or member).')
  return gmlSource('gml', survey, (item, kind, row) => toFeature(item.node, kind, survey.context, row))
}

export function gmlSource(format: Format, survey: GmlFile, convert: (item: XmlItem, kind: GmlKind, row: number) => Feature, notes: () => readonly string[] = () => []): SourceFile {
  return {
    format, notes, close: async () => {},
    layers: survey.kinds.map(kind => ({
      name: kind.name, srid: (kind.crs ?? survey.context.crs).srid, count: kind.count,
      async *features() {
        let row = 0
        for await (const item of survey.items()) if (item.node.name === kind.name) yield convert(item, kind, ++row)
      },
    })),
  }
}

function toFeature(node: XmlNode, kind: GmlKind, file: GmlContext, row: number): Feature {
  const id = node.attributes['gml:id'] ?? node.attributes.fid ?? node.attributes.id
  const base = { properties: gmlProperties(node), row, ...(id ? { sourceId: id } : {}) }
  const found = geometryNode(node)
  if (!found) return { ...base, geometry: null }
  try {
    const named = crsIn(found)
    const srid = (kind.crs ?? file.crs).srid
    if (named && named.srid !== srid) return { ...base, geometry: null, fault: `a geometry in EPSG:${named.srid}, where the layer is in EPSG:${srid}` }
    const context = contextOf(node, file, named ?? kind.crs)
    if (isSolid(found)) return { ...base, ...meshShape(facesOf(found, context), { closed: true, geographic: context.crs.flipped }) }
    return { ...base, geometry: gmlGeometry(found, context) }
  } catch (error) {
    if (error instanceof GeometryFault) return { ...base, geometry: null, fault: error.message }
    throw error
  }
}

/** The first property that is a geometry. */
function geometryNode(node: XmlNode): XmlNode | undefined {
  for (const property of node.children) {
    if (property.name === 'boundedBy') continue
    const geometry = property.children.find(value => GEOMETRY_NAMES.has(value.name))
    if (geometry) return geometry
  }
  return undefined
}

const MAX_DEPTH = 12
/** Plain properties as they are, nested ones as `outer.inner`, several of one name as a list. */
export function gmlProperties(node: XmlNode): Record<string, unknown> {
  const out: Record<string, unknown> = {}
  const put = (key: string, value: unknown) => { out[key] = out[key] === undefined ? value : [out[key], value].flat() }
  const walk = (element: XmlNode, prefix: string, depth: number) => {
    for (const property of element.children) {
      if (property.name === 'boundedBy' || property.children.some(value => GEOMETRY_NAMES.has(value.name))) continue
      const key = prefix + property.name
      if (property.attributes['xsi:nil'] === 'true') put(key, null)
      else if (property.children.length === 0) put(key, typed(property.text.trim()) ?? property.attributes.href ?? null)
      // An object in a property adds no name of its own.
      else if (depth < MAX_DEPTH) walk(property.children.length === 1 && child(property, property.children[0]!.name)!.children.length > 0 ? property.children[0]! : property, `${key}.`, depth + 1)
    }
  }
  walk(node, '', 0)
  return out
}

export function typed(text: string): string | number | boolean | undefined {
  if (text === '') return undefined
  if (text === 'true' || text === 'false') return text === 'true'
  return /^-?(0|[1-9]\d{0,14})(\.\d+)?([eE][-+]?\d{1,3})?$/.test(text) ? Number(text) : text
}
