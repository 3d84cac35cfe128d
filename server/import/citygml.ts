import type { Feature } from '../../core/feature.js'
import { GeometryFault } from '../../core/geometry/wkb-bytes.js'
import { CityGmlLooks } from './citygml-looks.js'
import { badFile } from './fault.js'
import { contextOf, gmlSource, surveyGml, typed, type GmlKind } from './gml.js'
import { crsIn, facesOf, gmlGeometry, isSolid, isSurface, valuesOf, type GmlContext } from './gml-geometry.js'
import { isFace, meshShape } from './mesh-shape.js'
import type { OpenOptions } from './reader.js'
import type { SourceFile } from './source.js'
import { child, childrenOf, descendants, textOf, type XmlNode } from './xml.js'

const WHAT = 'CityGML file'

/**
 * CityGML 1 to 3: one layer a kind of city object. Parts belong to their whole; of several levels of detail the highest is taken,
 * of LoD3 and 4 the shell alone (no rooms, no furniture). Features have a footprint, the faces as a solid, ground level and height.
 * Implicit geometries (library models placed by a matrix) are left out and counted. Faces keep textures by coordinates and diffuse colours.
 */
export async function openCityGml(file: string, _options: OpenOptions): Promise<SourceFile> {
  const survey = await surveyGml(file, WHAT, 3)
  if (survey.kinds.length === 0) throw badFile('The CityGML file holds no city objects (cityObjectMember).')
  const implicit = new Map<string, number>()
  const looks = await CityGmlLooks.of(file)
  const notes = () => [...[...implicit].map(([kind, count]) => `${kind}: ${count} implicit geometries were left out`), ...looks.notes()]
  return gmlSource('citygml', survey, ({ node }, kind, row) => {
    if (row === 1) implicit.delete(kind.name)
    return toFeature(node, kind, survey.context, looks, row, count => implicit.set(kind.name, (implicit.get(kind.name) ?? 0) + count))
  }, notes)
}

function toFeature(node: XmlNode, kind: GmlKind, file: GmlContext, looks: CityGmlLooks, row: number, onImplicit: (count: number) => void): Feature {
  const id = node.attributes['gml:id'] ?? node.attributes.id
  const base = { properties: properties(node, id), row, ...(id ? { sourceId: id } : {}) }
  const shape = gather(node)
  if (shape.implicit > 0) onImplicit(shape.implicit)
  try {
    const context = contextOf(node, file, crsIn(node) ?? kind.crs)
    return { ...base, ...shapeOf(shape, context, faces => looks.draft(node, faces)) }
  } catch (error) {
    if (error instanceof GeometryFault) return { ...base, geometry: null, fault: error.message }
    throw error
  }
}

/** A property that holds a geometry of one level of detail. */
interface Level { readonly lod: number; readonly property: XmlNode; readonly ground: boolean; readonly thematic: boolean }
interface Gathered { readonly parts: readonly (readonly Level[])[]; readonly implicit: number }

/** What is inside a building and no part of its shell. */
const INSIDE = /^(interior\w*|buildingRoom\w*|buildingFurniture|buildingConstructiveElement|roomInstallation|hollowSpace|buildingUnit|storey)$/i
const INSIDE_SURFACES = new Set(['InteriorWallSurface', 'CeilingSurface', 'FloorSurface', 'Room', 'BuildingRoom'])
/** Things in a thing, that have levels of detail of their own. */
const PARTS = /^(consistsOf\w*Part|buildingPart|bridgePart|tunnelPart|outer\w+Installation|\w+Installation|outerBridgeConstruction|bridgeConstructiveElement|trafficArea|auxiliaryTrafficArea|section|intersection|trafficSpace|auxiliaryTrafficSpace|groupMember|reliefComponent)$/
const LOD = /^lod(\d)(?!TerrainIntersection)(\w+)$/

function gather(node: XmlNode): Gathered {
  const parts: Level[][] = []
  let implicit = 0
  const whole = (object: XmlNode) => {
    const levels: Level[] = []
    parts.push(levels)
    const walk = (element: XmlNode, thematic: boolean, ground: boolean) => {
      for (const property of element.children) {
        if (INSIDE.test(property.name) || INSIDE_SURFACES.has(property.name)) continue
        const lod = LOD.exec(property.name)
        if (lod && /ImplicitRepresentation$/.test(lod[2]!)) implicit++
        else if (lod) levels.push({ lod: Number(lod[1]), property, ground, thematic })
        else if (property.name === 'tin') levels.push({ lod: 1, property, ground: false, thematic: false })
        else if (PARTS.test(property.name)) property.children.forEach(whole)
        else if (property.children.length > 0 && property.name !== 'address') walk(property, thematic || /Surface$/.test(property.name), ground || property.name === 'GroundSurface')
      }
    }
    walk(object, false, false)
  }
  whole(node)
  return { parts: parts.filter(levels => levels.length > 0), implicit }
}

type Faces = number[][][][]

function shapeOf({ parts, implicit }: Gathered, file: GmlContext, looksOf: (faces: Faces) => Feature['appearance']): Pick<Feature, 'geometry' | 'solid' | 'appearance' | 'groundZ' | 'height' | 'fault'> {
  const context = { ...file, dimension: 3 }
  const faces: Faces = []
  const ground: Faces = []
  const flat: Level[] = []
  let closed = false
  for (const levels of parts) {
    const best = bestOf(levels)
    if (best.length === 0 || best[0]!.lod === 0) { flat.push(...best); continue }
    for (const { property, ground: isGround } of best) {
      for (const geometry of valuesOf(property, context)) {
        if (!isSurface(geometry)) { flat.push({ lod: 0, property, ground: false, thematic: false }); continue }
        closed ||= isSolid(geometry) || isGround
        const these = facesOf(geometry, context)
        faces.push(...these)
        if (isGround) ground.push(...these)
      }
    }
    // A solid says nothing of its floor; the thematic surfaces beside it do.
    if (!best.some(level => level.ground)) for (const { property } of levels.filter(level => level.ground && level.lod === best[0]!.lod)) ground.push(...valuesOf(property, context).filter(isSurface).flatMap(geometry => facesOf(geometry, context)))
  }
  if (faces.length > 0) {
    const shape = meshShape(faces, { closed, geographic: context.crs.flipped && isDegrees(faces), ground })
    const appearance = shape.solid && looksOf(faces.filter(isFace))
    return { ...shape, ...(appearance && { appearance }) }
  }
  // CityGML 3 names the edge of the roof as it names the footprint: the lower one is the footprint.
  const plain = flat.flatMap(({ property }) => valuesOf(property, context).map(value => gmlGeometry(value, context))).filter(found => found !== null).map(geometry => ({ geometry, ...levelOf(geometry.coordinates) }))
  if (plain.length > 0) return plain.reduce((lowest, each) => ((each.groundZ ?? Infinity) < (lowest.groundZ ?? Infinity) ? each : lowest))
  return { geometry: null, fault: implicit ? 'an implicit geometry: models of a library are not read' : 'no geometry' }
}

const isDegrees = (faces: Faces) => faces.every(([ring]) => ring?.every(([x, y]) => Math.abs(x!) <= 180 && Math.abs(y!) <= 90))

/** Of the highest level of detail a solid where there is one, else surfaces; a footprint goes before the edge of a roof. */
function bestOf(levels: readonly Level[]): Level[] {
  const top = Math.max(...levels.map(level => level.lod))
  const these = levels.filter(level => level.lod === top)
  if (top === 0) {
    const footprints = these.filter(level => level.ground || /FootPrint$/.test(level.property.name))
    return footprints.length ? footprints : these
  }
  const solids = these.filter(level => /Solid$/.test(level.property.name) && !level.thematic)
  if (solids.length) return solids
  const surfaces = these.filter(level => level.thematic && /Surface|Geometry/.test(level.property.name))
  return surfaces.length ? surfaces : these
}

function levelOf(coordinates: unknown): { groundZ?: number } {
  let low = Infinity
  const walk = (value: unknown): void => {
    if (!Array.isArray(value)) return
    if (typeof value[0] === 'number') { if (value.length > 2) low = Math.min(low, value[2]) } else value.forEach(walk)
  }
  walk(coordinates)
  return Number.isFinite(low) ? { groundZ: Math.round(low * 1000) / 1000 } : {}
}

/** Attributes by their names, generic ones too; what CityGML 3 writes as objects, as CityGML 2 has it. */
function properties(node: XmlNode, id: string | undefined): Record<string, unknown> {
  const out: Record<string, unknown> = { ...(id ? { id, 'gml:id': id } : {}), type: node.name }
  const put = (key: string, value: unknown) => { if (value !== undefined && value !== null && value !== '' && out[key] === undefined) out[key] = value }
  for (const property of node.children) {
    const [object] = property.children
    if (/^(string|int|double|date|uri|measure)Attribute$/.test(property.name)) put(property.attributes.name ?? 'attribute', generic(property))
    else if (property.name === 'genericAttributeSet') for (const inner of property.children) put(inner.attributes.name ?? 'attribute', generic(inner))
    else if (property.name === 'genericAttribute' && object) for (const attribute of /Set$/.test(object.name) ? childrenOf(object, 'genericAttribute').flatMap(inner => inner.children) : [object]) put(textOf(child(attribute, 'name')) ?? 'attribute', generic(attribute))
    else if (property.name === 'height' && object) put('measuredHeight', typed(textOf(child(object, 'value')) ?? ''))
    else if (property.name === 'name') put('gml:name', property.text.trim())
    else if (property.name === 'address') put('address', addressOf(property))
    else if (property.name === 'externalReference' && object) put('externalReference', [...descendants(property)].filter(inner => /^(name|uri|targetResource)$/.test(inner.name)).map(inner => inner.text.trim()).find(Boolean))
    else if (property.children.length === 0 && !LOD.test(property.name)) put(property.name, typed(property.text.trim()))
    // What CityGML 3 wraps (dateOfConstruction, qualified areas and volumes) by its value.
    else if (object && /^(QualifiedArea|QualifiedVolume|ConstructionEvent|Occupancy)$/.test(object.name)) put(property.name, typed(textOf(object.children.find(inner => /^(area|volume|numberOfOccupants|dateOfEvent)$/.test(inner.name))) ?? ''))
  }
  const built = out.dateOfConstruction
  if (typeof built === 'string' && /^\d{4}/.test(built)) put('yearOfConstruction', Number(built.slice(0, 4)))
  return out
}

function generic(attribute: XmlNode): unknown {
  const text = textOf(child(attribute, 'value')) ?? ''
  return /^(string|date|uri)/i.test(attribute.name) ? text : typed(text)
}

const ADDRESS = ['ThoroughfareName', 'ThoroughfareNumber', 'street', 'houseNumber', 'LocalityName', 'locality', 'NameElement', 'Number', 'PostalCodeNumber', 'AdministrativeAreaName', 'CountryName']
function addressOf(property: XmlNode): string {
  return [...new Set([...descendants(property)].filter(inner => ADDRESS.includes(inner.name) && inner.text.trim() !== '').map(inner => inner.text.trim()))].join(', ')
}
