/** PROJJSON of a projected or geographic CRS, from its WKT 1 as PostGIS keeps it. */

interface Node { readonly keyword: string; readonly values: readonly (string | number)[]; readonly nodes: readonly Node[] }

/** `KEYWORD["text",1.5,OTHER[…]]` as a tree. */
function parseWkt(wkt: string): Node {
  let at = 0
  const read = (): Node => {
    const keyword = /^[A-Za-z_0-9]+/.exec(wkt.slice(at))?.[0]
    if (!keyword) throw new Error(`no WKT at ${at}`)
    at += keyword.length
    const values: (string | number)[] = []
    const nodes: Node[] = []
    if (wkt[at] !== '[') return { keyword, values, nodes }
    do {
      at++
      const literal = /^\s*(?:"([^"]*)"|(-?[\d.]+(?:e[+-]?\d+)?))\s*/i.exec(wkt.slice(at))
      if (literal) {
        at += literal[0].length
        values.push(literal[1] ?? Number(literal[2]))
      } else nodes.push(read())
    } while (wkt[at] === ',')
    at++
    return { keyword: keyword.toUpperCase(), values, nodes }
  }
  return read()
}

const child = (node: Node, keyword: string) => node.nodes.find(n => n.keyword === keyword)
const number = (node: Node | undefined, index: number) => Number(node?.values[index])
const idOf = (node: Node) => {
  const authority = child(node, 'AUTHORITY')
  return authority ? { id: { authority: String(authority.values[0]), code: Number(authority.values[1]) } } : {}
}

const DEGREE = 'degree'
const METRE = 'metre'
const UNITLESS = 'unity'
/** WKT 1 parameter → its name and unit in EPSG's methods; all that the methods below need. */
const PARAMETERS: Readonly<Record<string, readonly [name: string, unit: string, code: number]>> = {
  latitude_of_origin: ['Latitude of natural origin', DEGREE, 8801], central_meridian: ['Longitude of natural origin', DEGREE, 8802],
  scale_factor: ['Scale factor at natural origin', UNITLESS, 8805], false_easting: ['False easting', METRE, 8806], false_northing: ['False northing', METRE, 8807],
}
const CONIC_PARAMETERS: typeof PARAMETERS = {
  latitude_of_origin: ['Latitude of false origin', DEGREE, 8821], central_meridian: ['Longitude of false origin', DEGREE, 8822],
  standard_parallel_1: ['Latitude of 1st standard parallel', DEGREE, 8823], standard_parallel_2: ['Latitude of 2nd standard parallel', DEGREE, 8824],
  false_easting: ['Easting at false origin', METRE, 8826], false_northing: ['Northing at false origin', METRE, 8827],
}
const METHODS: Readonly<Record<string, { readonly name: string; readonly code: number; readonly parameters: typeof PARAMETERS }>> = {
  Transverse_Mercator: { name: 'Transverse Mercator', code: 9807, parameters: PARAMETERS },
  Lambert_Conformal_Conic_1SP: { name: 'Lambert Conic Conformal (1SP)', code: 9801, parameters: PARAMETERS },
  Lambert_Conformal_Conic_2SP: { name: 'Lambert Conic Conformal (2SP)', code: 9802, parameters: CONIC_PARAMETERS },
}
/** Google's: its WKT 1 says Mercator, which it is not. */
const PSEUDO_MERCATOR = { name: 'Popular Visualisation Pseudo Mercator', code: 1024, parameters: PARAMETERS }

/** Null where the projection is none that can be told. */
export function projJson(wkt: string, srid: number): object | null {
  try {
    const root = parseWkt(wkt)
    return root.keyword === 'GEOGCS' ? { $schema: SCHEMA, ...geographic(root), id: { authority: 'EPSG', code: srid } } : root.keyword === 'PROJCS' ? projected(root, srid) : null
  } catch {
    return null
  }
}
const SCHEMA = 'https://proj.org/schemas/v0.7/projjson.schema.json'

function projected(root: Node, srid: number): object | null {
  const method = srid === 3857 ? PSEUDO_MERCATOR : METHODS[String(child(root, 'PROJECTION')?.values[0])]
  const base = child(root, 'GEOGCS')
  if (!method || !base || number(child(root, 'UNIT'), 1) !== 1) return null
  const parameters = root.nodes.filter(n => n.keyword === 'PARAMETER').flatMap(({ values: [name, value] }) => {
    const known = method.parameters[String(name)]
    if (!known || (srid === 3857 && name === 'scale_factor')) return []
    return [{ name: known[0], value, unit: known[1], id: { authority: 'EPSG', code: known[2] } }]
  })
  if (srid === 3857) parameters.unshift({ name: 'Latitude of natural origin', value: 0, unit: DEGREE, id: { authority: 'EPSG', code: 8801 } })
  return {
    $schema: SCHEMA, type: 'ProjectedCRS', name: root.values[0], base_crs: { ...geographic(base), ...idOf(base) },
    conversion: { name: root.values[0], method: { name: method.name, id: { authority: 'EPSG', code: method.code } }, parameters },
    coordinate_system: { subtype: 'Cartesian', axis: [
      { name: 'Easting', abbreviation: 'E', direction: 'east', unit: METRE }, { name: 'Northing', abbreviation: 'N', direction: 'north', unit: METRE },
    ] },
    id: { authority: 'EPSG', code: srid },
  }
}

function geographic(node: Node) {
  const datum = child(node, 'DATUM')!
  const spheroid = child(datum, 'SPHEROID')!
  return {
    type: 'GeographicCRS', name: node.values[0],
    datum: {
      type: 'GeodeticReferenceFrame', name: String(datum.values[0]).replaceAll('_', ' '),
      ellipsoid: { name: spheroid.values[0], semi_major_axis: spheroid.values[1], inverse_flattening: spheroid.values[2] },
    },
    coordinate_system: { subtype: 'ellipsoidal', axis: [
      { name: 'Geodetic latitude', abbreviation: 'Lat', direction: 'north', unit: DEGREE }, { name: 'Geodetic longitude', abbreviation: 'Lon', direction: 'east', unit: DEGREE },
    ] },
  }
}
