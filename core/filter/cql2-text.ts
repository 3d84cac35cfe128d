import type { Filter, GeoJsonGeometry, GeometryLiteral, Scalar } from './ast.js'
import { checkDate, checkGeometry, checkTimestamp, COMPARISONS, FilterSyntaxError, likePredicate, MAX_DEPTH, MAX_LIST } from './cql2-json.js'

/**
 * The text encoding of CQL2 (OGC 21-065r2) to the filter AST: what QGIS pushes down.
 *
 *     use = 'hospital' AND (floors >= 3 OR NOT name LIKE 'Trạm%') AND S_INTERSECTS(geometry, BBOX(108.2,16,108.3,16.1))
 *
 * Errors carry the position of the character where reading stopped, from 1.
 */
export function parseCql2Text(text: string): Filter {
  const reader = new Reader(tokens(text))
  const filter = reader.expression(0)
  reader.end()
  return filter
}

interface Token { readonly kind: 'word' | 'quoted' | 'text' | 'number' | 'symbol' | 'end'; readonly value: string; readonly at: number }

const TOKEN = /\s*(?:(?<text>'(?:[^']|'')*')|(?<quoted>"(?:[^"]|"")+")|(?<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|(?<word>[\p{L}_][\p{L}\p{N}_.:]*)|(?<symbol><>|<=|>=|[=<>(),]))/uy

function tokens(text: string): Token[] {
  const found: Token[] = []
  const matcher = new RegExp(TOKEN)
  for (;;) {
    const start = matcher.lastIndex
    const match = matcher.exec(text)
    if (!match) {
      const rest = text.slice(start)
      const at = start + rest.length - rest.trimStart().length + 1
      if (rest.trim() === '') return [...found, { kind: 'end', value: '', at }]
      throw new FilterSyntaxError(rest.trimStart().startsWith("'") ? 'This text has no closing quote' : `Unexpected “${[...rest.trimStart()][0]}”`, at)
    }
    const { text: quotedText, quoted, number, word, symbol } = match.groups!
    const raw = (quotedText ?? quoted ?? number ?? word ?? symbol)!
    const at = matcher.lastIndex - raw.length + 1
    if (quotedText !== undefined) found.push({ kind: 'text', value: raw.slice(1, -1).replaceAll("''", "'"), at })
    else if (quoted !== undefined) found.push({ kind: 'quoted', value: raw.slice(1, -1).replaceAll('""', '"'), at })
    else found.push({ kind: number !== undefined ? 'number' : word !== undefined ? 'word' : 'symbol', value: raw, at })
  }
}

const RESERVED = ['AND', 'OR', 'NOT', 'LIKE', 'BETWEEN', 'IN', 'IS', 'NULL']

class Reader {
  private next = 0
  constructor(private readonly tokens: readonly Token[]) {}

  expression(depth: number): Filter {
    if (depth > MAX_DEPTH) throw this.error(`The filter is nested deeper than ${MAX_DEPTH} levels`)
    return this.chain('OR', () => this.chain('AND', () => this.negation(depth)))
  }

  end(): void {
    if (this.peek().kind !== 'end') throw this.error(`Expected AND, OR or the end, found “${this.peek().value}”`)
  }

  private chain(word: 'AND' | 'OR', part: () => Filter): Filter {
    const args = [part()]
    while (this.take(word)) args.push(part())
    if (args.length > MAX_LIST) throw this.error(`More than ${MAX_LIST} terms`)
    return args.length === 1 ? args[0]! : { op: word === 'AND' ? 'and' : 'or', args }
  }

  private negation(depth: number): Filter {
    if (depth > MAX_DEPTH) throw this.error(`The filter is nested deeper than ${MAX_DEPTH} levels`)
    if (this.take('NOT')) return { op: 'not', arg: this.negation(depth + 1) }
    if (this.takeSymbol('(')) {
      const inner = this.expression(depth + 1)
      this.expect(')')
      return inner
    }
    return this.isCall('S_INTERSECTS') ? this.spatial() : this.comparison(depth)
  }

  private comparison(depth: number): Filter {
    const left = this.scalar(depth)
    const operator = this.peek()
    if (operator.kind === 'symbol' && (COMPARISONS as readonly string[]).includes(operator.value)) {
      this.next++
      return { op: operator.value as (typeof COMPARISONS)[number], left, right: this.scalar(depth) }
    }
    if (this.take('IS')) {
      const not = this.take('NOT')
      if (!this.take('NULL')) throw this.error('Expected NULL after IS')
      return negate(not, { op: 'isNull', arg: left })
    }
    const not = this.take('NOT')
    if (this.take('LIKE')) {
      const { at } = this.peek()
      return negate(not, likePredicate(left, this.scalar(depth), at))
    }
    if (this.take('BETWEEN')) {
      const low = this.scalar(depth)
      if (!this.take('AND')) throw this.error('Expected AND between the two ends of BETWEEN')
      return negate(not, { op: 'between', left, low, high: this.scalar(depth) })
    }
    if (this.take('IN')) return negate(not, { op: 'in', left, values: this.list(depth) })
    throw this.error('Expected a comparison: =, <>, <, >, <=, >=, LIKE, BETWEEN, IN or IS NULL')
  }

  private list(depth: number): Scalar[] {
    this.expect('(')
    const values = [this.scalar(depth)]
    while (this.takeSymbol(',')) values.push(this.scalar(depth))
    this.expect(')')
    if (values.length > MAX_LIST) throw this.error(`IN takes at most ${MAX_LIST} values`)
    return values
  }

  private scalar(depth: number): Scalar {
    if (depth > MAX_DEPTH) throw this.error(`The filter is nested deeper than ${MAX_DEPTH} levels`)
    const token = this.peek()
    if (token.kind === 'text') return this.next++, { literal: token.value }
    if (token.kind === 'number') return this.next++, { literal: this.number() }
    if (token.kind === 'quoted') return this.next++, { property: token.value }
    if (token.kind !== 'word' || RESERVED.includes(token.value.toUpperCase()))
      throw this.error(token.kind === 'end' ? 'The filter ends where a property or a value was expected' : `Expected a property or a value, found “${token.value}”`)
    const word = token.value.toUpperCase()
    if (word === 'TRUE' || word === 'FALSE') return this.next++, { literal: word === 'TRUE' }
    if (this.isCall('CASEI') || this.isCall('ACCENTI')) return this.fold(word.toLowerCase() as 'casei' | 'accenti', depth)
    if (this.isCall('DATE')) return { date: checkDate(this.textArgument(), token.at) }
    if (this.isCall('TIMESTAMP')) return { timestamp: checkTimestamp(this.textArgument(), token.at) }
    this.next++
    if (this.peek().value === '(' && this.peek().kind === 'symbol') throw new FilterSyntaxError(`Unknown function “${token.value}”`, token.at)
    return { property: token.value }
  }

  private fold(fold: 'casei' | 'accenti', depth: number): Scalar {
    this.next++
    this.expect('(')
    const arg = this.scalar(depth + 1)
    this.expect(')')
    return { fold, arg }
  }

  private textArgument(): string {
    this.next++
    this.expect('(')
    const token = this.peek()
    if (token.kind !== 'text') throw this.error('Expected a text in quotes')
    this.next++
    this.expect(')')
    return token.value
  }

  private spatial(): Filter {
    this.next++
    this.expect('(')
    const name = this.peek()
    if (name.kind !== 'word' && name.kind !== 'quoted') throw this.error('Expected the geometry property')
    this.next++
    this.expect(',')
    const geometry = this.geometry()
    this.expect(')')
    return { op: 's_intersects', property: name.value, geometry }
  }

  private geometry(): GeometryLiteral {
    if (this.isCall('BBOX')) {
      const { at } = this.peek()
      this.next++
      const box = this.numbers()
      if (box.length === 4) return { bbox: [box[0]!, box[1]!, box[2]!, box[3]!] }
      if (box.length === 6) return { bbox: [box[0]!, box[1]!, box[3]!, box[4]!] }
      throw new FilterSyntaxError(`BBOX takes four numbers, got ${box.length}`, at)
    }
    const { at } = this.peek()
    return { geojson: checkGeometry(this.wkt(), at) }
  }

  /** Well-known text, with or without Z. */
  private wkt(inside = false): GeoJsonGeometry {
    const token = this.peek()
    const type = WKT_TYPES[token.value.toUpperCase()]
    if (token.kind !== 'word' || !type) throw this.error('Expected a geometry such as POINT(108.2 16.06), POLYGON((…)) or BBOX(…)')
    this.next++
    this.take('Z')
    if (type === 'GeometryCollection' && inside) throw this.error('Collections inside collections are not supported')
    if (type === 'GeometryCollection') return { type, geometries: this.parenthesised(() => this.wkt(true)) }
    if (type === 'Point') return { type, coordinates: this.parenthesised(() => this.position())[0] }
    return { type, coordinates: this.nested(WKT_DEPTH[type]!) }
  }

  private nested(depth: number): unknown[] {
    // MULTIPOINT((1 2),(3 4)) and MULTIPOINT(1 2,3 4) are both in use.
    if (depth === 1) return this.parenthesised(() => (this.peekSymbol('(') ? this.parenthesised(() => this.position())[0] : this.position()))
    return this.parenthesised(() => this.nested(depth - 1))
  }

  private parenthesised<T>(item: () => T): T[] {
    this.expect('(')
    const items = [item()]
    while (this.takeSymbol(',')) items.push(item())
    this.expect(')')
    return items
  }

  private position(): number[] {
    const numbers: number[] = []
    while (this.peek().kind === 'number') { numbers.push(this.number(this.peek())); this.next++ }
    if (numbers.length < 2) throw this.error('A position is two numbers')
    return numbers
  }

  private numbers(): number[] {
    return this.parenthesised(() => {
      const token = this.peek()
      if (token.kind !== 'number') throw this.error('Expected a number')
      this.next++
      return this.number(token)
    })
  }

  private number(token: Token = this.tokens[this.next - 1]!): number {
    const value = Number(token.value)
    if (!Number.isFinite(value)) throw new FilterSyntaxError(`The number ${token.value} is too large`, token.at)
    return value
  }

  private peek(): Token { return this.tokens[this.next]! }
  private peekSymbol(symbol: string): boolean { return this.peek().kind === 'symbol' && this.peek().value === symbol }

  private take(word: string): boolean {
    const found = this.peek().kind === 'word' && this.peek().value.toUpperCase() === word
    if (found) this.next++
    return found
  }

  private takeSymbol(symbol: string): boolean {
    const found = this.peekSymbol(symbol)
    if (found) this.next++
    return found
  }

  private expect(symbol: string): void {
    if (!this.takeSymbol(symbol)) throw this.error(`Expected “${symbol}”${this.peek().kind === 'end' ? ' before the end' : `, found “${this.peek().value}”`}`)
  }

  private isCall(name: string): boolean {
    const after = this.tokens[this.next + 1]
    return this.peek().kind === 'word' && this.peek().value.toUpperCase() === name && after?.kind === 'symbol' && after.value === '('
  }

  private error(message: string): FilterSyntaxError { return new FilterSyntaxError(message, this.peek().at) }
}

const WKT_TYPES: Readonly<Record<string, string>> = Object.fromEntries(
  ['Point', 'MultiPoint', 'LineString', 'MultiLineString', 'Polygon', 'MultiPolygon', 'GeometryCollection'].map((type) => [type.toUpperCase(), type]))
const WKT_DEPTH: Readonly<Record<string, number>> = { MultiPoint: 1, LineString: 1, MultiLineString: 2, Polygon: 2, MultiPolygon: 3 }

function negate(not: boolean, filter: Filter): Filter {
  return not ? { op: 'not', arg: filter } : filter
}
