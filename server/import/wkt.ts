import type { GeoJsonGeometry } from '../../core/filter/ast.js'
import { joinLines, linearise } from '../../core/geometry/curves.js'
import { GeometryFault, MAX_NESTING } from '../../core/geometry/wkb-bytes.js'

export const looksLikeWkt = (text: string) => /^\s*(?:SRID=\d+;)?\s*(?:MULTI)?(?:POINT|LINESTRING|POLYGON|CURVE|SURFACE|GEOMETRYCOLLECTION|CIRCULARSTRING|COMPOUNDCURVE|CURVEPOLYGON|POLYHEDRALSURFACE|TIN)\b/i.test(text)

/**
 * Well-known text (OGC 06-103r4 §7, ISO curves, EWKT's SRID and its `POINTZ`) as a GeoJSON geometry; M is left out,
 * curves become lines. Throws a GeometryFault for what is none.
 */
export function parseWkt(text: string): { readonly geometry: GeoJsonGeometry | null; readonly srid?: number } {
  const srid = /^\s*SRID=(\d+);/i.exec(text)
  const parser = new WktParser(srid ? text.slice(srid[0].length) : text)
  const geometry = parser.geometry(0)
  parser.end()
  return { geometry, ...(srid ? { srid: Number(srid[1]) } : {}) }
}

class WktParser {
  #at = 0
  readonly #token = /\s*([A-Za-z]+|[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|[(),])/y
  #ordinates = { z: false, m: false }
  constructor(readonly text: string) {}

  #next(): string {
    this.#token.lastIndex = this.#at
    const found = this.#token.exec(this.text)
    if (!found) throw new GeometryFault(this.text.slice(this.#at).trim() === '' ? 'WKT that ends too early' : `WKT that cannot be read at “${this.text.slice(this.#at, this.#at + 20)}”`)
    this.#at = this.#token.lastIndex
    return found[1]!
  }
  #peek(): string {
    const at = this.#at
    const token = this.#next()
    this.#at = at
    return token
  }
  #want(token: string) {
    const got = this.#next()
    if (got !== token) throw new GeometryFault(`WKT with “${got}” where “${token}” was wanted`)
  }
  end() {
    if (this.text.slice(this.#at).trim() !== '') throw new GeometryFault('WKT that goes on after its end')
  }

  geometry(depth: number): GeoJsonGeometry | null {
    if (depth > MAX_NESTING) throw new GeometryFault('geometry collections nested too deep')
    let type = this.#next().toUpperCase()
    let suffix = /(ZM|Z|M)$/.exec(type)?.[1] ?? ''
    if (suffix) type = type.slice(0, -suffix.length)
    else if (/^(Z|M|ZM)$/i.test(this.#peek())) suffix = this.#next().toUpperCase()
    if (suffix || depth === 0) this.#ordinates = { z: suffix.includes('Z'), m: suffix.includes('M') }
    if (this.#peek().toUpperCase() === 'EMPTY') { this.#next(); return null }
    const line = () => this.#list(() => this.#position())
    const rings = () => this.#list(line)
    switch (type) {
      case 'POINT': { this.#want('('); const coordinates = this.#position(); this.#want(')'); return { type: 'Point', coordinates } }
      case 'LINESTRING': return { type: 'LineString', coordinates: line() }
      case 'CIRCULARSTRING': return { type: 'LineString', coordinates: chordsOf(line()) }
      case 'POLYGON': case 'TRIANGLE': return { type: 'Polygon', coordinates: rings() }
      case 'MULTIPOINT': return { type: 'MultiPoint', coordinates: this.#list(() => (this.#peek() === '(' ? this.#list(() => this.#position())[0]! : this.#position())) }
      case 'MULTILINESTRING': return { type: 'MultiLineString', coordinates: rings() }
      case 'MULTIPOLYGON': case 'POLYHEDRALSURFACE': case 'TIN': return { type: 'MultiPolygon', coordinates: this.#list(rings) }
      case 'COMPOUNDCURVE': return { type: 'LineString', coordinates: joinLines(this.#members(depth, 'LineString') as number[][][]) }
      case 'CURVEPOLYGON': return { type: 'Polygon', coordinates: this.#members(depth, 'LineString') }
      case 'MULTICURVE': return { type: 'MultiLineString', coordinates: this.#members(depth, 'LineString') }
      case 'MULTISURFACE': return { type: 'MultiPolygon', coordinates: this.#members(depth, 'Polygon') }
      case 'GEOMETRYCOLLECTION': return { type: 'GeometryCollection', geometries: this.#list(() => this.geometry(depth + 1)).filter(member => member !== null) }
      default: throw new GeometryFault(`WKT of an unknown type “${type.slice(0, 40)}”`)
    }
  }

  /** Coordinates of members that stand with their type, or bare as the plain kind does. */
  #members(depth: number, plain: 'LineString' | 'Polygon'): unknown[] {
    return this.#list(() => {
      if (this.#peek() !== '(') return this.geometry(depth + 1)?.coordinates ?? []
      return plain === 'LineString' ? this.#list(() => this.#position()) : this.#list(() => this.#list(() => this.#position()))
    })
  }

  #list<T>(item: () => T): T[] {
    if (/^EMPTY$/i.test(this.#peek())) { this.#next(); return [] }
    this.#want('(')
    const items: T[] = []
    for (;;) {
      items.push(item())
      const separator = this.#next()
      if (separator === ')') return items
      if (separator !== ',') throw new GeometryFault(`WKT with “${separator.slice(0, 20)}” where “,” or “)” was wanted`)
    }
  }

  #position(): number[] {
    const numbers = [Number(this.#next()), Number(this.#next())]
    while (!/^[(),]$/.test(this.#peek())) numbers.push(Number(this.#next()))
    if (numbers.length > 4 || numbers.some(Number.isNaN)) throw new GeometryFault('WKT with a position that is not two to four numbers')
    // Without a mark, a third number is Z, as PostGIS has it.
    return numbers.length === 2 || (this.#ordinates.m && !this.#ordinates.z && numbers.length === 3) ? numbers.slice(0, 2) : numbers.slice(0, 3)
  }
}

function chordsOf(positions: number[][]): number[][] {
  try {
    return linearise(positions)
  } catch (error) {
    throw new GeometryFault((error as Error).message)
  }
}
