/**
 * The text encoding of CQL2 (OGC 21-065r2) to the filter AST: what people write and QGIS pushes down.
 *
 *     use = 'hospital' AND (floors >= 3 OR NOT name LIKE 'Trạm%') AND S_INTERSECTS(geometry, BBOX(108.2,16,108.3,16.1))
 *
 * Errors carry the position of the character where reading stopped, from 1.
 */
import { COMPARISONS, type Filter, type GeoJsonGeometry } from './ast.js'
import { box, checkDate, checkGeometry, checkTimestamp, filterOf, FilterSyntaxError, interval, listNode, MAX_DEPTH, MAX_LIST, operation, operatorNamed, type Node } from './build.js'

/** Throws FilterSyntaxError. */
export function parseCql2Text(text: string): Filter {
  const reader = new Reader(tokens(text))
  const node = reader.expression(0)
  reader.end(node)
  return filterOf(node)
}

interface Token { readonly kind: 'word' | 'quoted' | 'text' | 'number' | 'symbol' | 'end'; readonly value: string; readonly at: number }

const TOKEN = /\s*(?:(?<text>'(?:[^']|'')*')|(?<quoted>"(?:[^"]|"")+")|(?<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|(?<word>[\p{L}_:][\p{L}\p{M}\p{N}_.:]*)|(?<symbol><>|<=|>=|[=<>(),+\-*/%^]))/uy

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

const RESERVED = ['AND', 'OR', 'NOT', 'LIKE', 'BETWEEN', 'IN', 'IS', 'NULL', 'DIV']

/** Recursive descent, loosest binding first: OR, AND, NOT, predicates, + −, * / % div, ^, and what stands alone. */
class Reader {
  private next = 0
  constructor(private readonly tokens: readonly Token[]) {}

  expression(depth: number): Node {
    if (depth > MAX_DEPTH) throw this.error(`The filter is nested deeper than ${MAX_DEPTH} levels`)
    return this.chain('or', () => this.chain('and', () => this.negation(depth)))
  }

  end(node: Node): void {
    if (this.peek().kind === 'end') return
    throw this.error('filter' in node.value ? `Expected AND, OR or the end, found “${this.peek().value}”` : `Expected a comparison (=, <>, <, >, <=, >=, LIKE, BETWEEN, IN, IS NULL), found “${this.peek().value}”`)
  }

  private chain(op: 'and' | 'or', part: () => Node): Node {
    const args = [part()]
    while (this.take(op.toUpperCase())) args.push(part())
    if (args.length > MAX_LIST) throw this.error(`More than ${MAX_LIST} terms`)
    return args.length === 1 ? args[0]! : operation(op, args, args[0]!.at)
  }

  private negation(depth: number): Node {
    if (depth > MAX_DEPTH) throw this.error(`The filter is nested deeper than ${MAX_DEPTH} levels`)
    const { at } = this.peek()
    return this.take('NOT') ? operation('not', [this.negation(depth + 1)], at) : this.predicate(depth)
  }

  private predicate(depth: number): Node {
    const left = this.sum(depth)
    const { kind, value, at } = this.peek()
    if (kind === 'symbol' && (COMPARISONS as readonly string[]).includes(value)) {
      this.next++
      return operation(value, [left, this.sum(depth)], at)
    }
    if (this.take('IS')) {
      const not = this.take('NOT')
      if (!this.take('NULL')) throw this.error('Expected NULL after IS')
      return negated(not, operation('isNull', [left], at))
    }
    const not = this.take('NOT')
    if (this.take('LIKE')) return negated(not, operation('like', [left, this.sum(depth)], at))
    if (this.take('BETWEEN')) {
      const low = this.sum(depth)
      if (!this.take('AND')) throw this.error('Expected AND between the two ends of BETWEEN')
      return negated(not, operation('between', [left, low, this.sum(depth)], at))
    }
    if (this.take('IN')) return negated(not, operation('in', [left, this.list(depth)], at))
    if (not) throw this.error('Expected LIKE, BETWEEN or IN after NOT')
    return left
  }

  private list(depth: number): Node {
    const { at } = this.peek()
    const items = this.parenthesised(() => this.sum(depth + 1))
    if (items.length > MAX_LIST) throw this.error(`IN takes at most ${MAX_LIST} values`)
    return listNode(at, items)
  }

  private sum(depth: number): Node { return this.leftToRight(['+', '-'], () => this.product(depth)) }
  private product(depth: number): Node { return this.leftToRight(['*', '/', '%', 'div'], () => this.power(depth)) }

  private leftToRight(operators: readonly string[], part: () => Node): Node {
    let left = part()
    for (let terms = 0; ; terms++) {
      const { kind, value, at } = this.peek()
      const op = operators.find(each => each === (kind === 'word' ? value.toLowerCase() : kind === 'symbol' ? value : ''))
      if (!op) return left
      if (terms > MAX_DEPTH) throw this.error(`More than ${MAX_DEPTH} terms in one expression`)
      this.next++
      left = operation(op, [left, part()], at)
    }
  }

  private power(depth: number): Node {
    const base = this.factor(depth)
    const { at } = this.peek()
    return this.takeSymbol('^') ? operation('^', [base, this.factor(depth)], at) : base
  }

  /** A sign binds closest: −2 ^ 2 is 4, as CQL2's grammar has it. */
  private factor(depth: number): Node {
    const { at } = this.peek()
    this.takeSymbol('+')
    if (!this.takeSymbol('-')) return this.primary(depth)
    const operand = this.primary(depth)
    if ('literal' in operand.value && typeof operand.value.literal === 'number') return { at, value: { literal: -operand.value.literal } }
    return operation('*', [{ at, value: { literal: -1 } }, operand], at)
  }

  private primary(depth: number): Node {
    if (depth > MAX_DEPTH) throw this.error(`The filter is nested deeper than ${MAX_DEPTH} levels`)
    const token = this.peek()
    const { at } = token
    switch (token.kind) {
      case 'text': return this.next++, { at, value: { literal: token.value } }
      case 'number': return this.next++, { at, value: { literal: this.number(token) } }
      case 'quoted': return this.next++, { at, value: { property: token.value } }
      case 'symbol': if (token.value === '(') return this.group(depth)
    }
    if (token.kind !== 'word' || RESERVED.includes(token.value.toUpperCase()))
      throw this.error(token.kind === 'end' ? 'The filter ends where a property or a value was expected' : `Expected a property or a value, found “${token.value}”`)
    const word = token.value.toUpperCase()
    if (word === 'TRUE' || word === 'FALSE') return this.next++, { at, value: { literal: word === 'TRUE' } }
    if (this.isGeometry()) return { at, value: { geojson: checkGeometry(this.wkt(), at) } }
    if (!this.isCall()) return this.next++, { at, value: { property: token.value } }
    this.next++
    switch (word) {
      case 'DATE': return { at, value: { date: checkDate(this.textArgument(), at) } }
      case 'TIMESTAMP': return { at, value: { timestamp: checkTimestamp(this.textArgument(), at) } }
      case 'BBOX': return { at, value: box(this.parenthesised(() => this.signed()), at) }
      case 'INTERVAL': {
        const ends = this.parenthesised(() => this.sum(depth + 1))
        if (ends.length !== 2) throw new FilterSyntaxError(`INTERVAL takes a start and an end, got ${ends.length}`, at)
        return interval(ends[0]!, ends[1]!, at)
      }
    }
    const args = this.peekNext(')') ? (this.next += 2, []) : this.parenthesised(() => this.expression(depth + 1))
    if (args.length > MAX_LIST) throw this.error(`More than ${MAX_LIST} arguments`)
    return operation(operatorNamed(token.value) ?? token.value, args, at)
  }

  /** A condition or an expression in brackets, or a list. */
  private group(depth: number): Node {
    const { at } = this.peek()
    if (this.peekNext(')')) return this.next += 2, listNode(at, [])
    const items = this.parenthesised(() => this.expression(depth + 1))
    if (items.length > MAX_LIST) throw this.error(`More than ${MAX_LIST} values`)
    return items.length === 1 ? { ...items[0]!, single: true } : listNode(at, items)
  }

  private textArgument(): string {
    this.expect('(')
    const token = this.peek()
    if (token.kind !== 'text') throw this.error('Expected a text in quotes')
    this.next++
    this.expect(')')
    return token.value
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
    while (this.peek().kind === 'number' || this.peekSymbol('-') || this.peekSymbol('+')) numbers.push(this.signed())
    if (numbers.length < 2) throw this.error('A position is two numbers')
    return numbers
  }

  private signed(): number {
    const sign = this.takeSymbol('-') ? -1 : (this.takeSymbol('+'), 1)
    const token = this.peek()
    if (token.kind !== 'number') throw this.error('Expected a number')
    this.next++
    return sign * this.number(token)
  }

  private number(token: Token): number {
    const value = Number(token.value)
    if (!Number.isFinite(value)) throw new FilterSyntaxError(`The number ${token.value} is too large`, token.at)
    return value
  }

  private peek(): Token { return this.tokens[this.next]! }
  private peekSymbol(symbol: string): boolean { return this.peek().kind === 'symbol' && this.peek().value === symbol }
  private peekNext(symbol: string): boolean { const after = this.tokens[this.next + 1]; return after?.kind === 'symbol' && after.value === symbol }
  private isCall(): boolean { return this.peekNext('(') }

  /** `POINT (`, `POINT Z (`; a property may be called point. */
  private isGeometry(): boolean {
    if (!WKT_TYPES[this.peek().value.toUpperCase()]) return false
    const after = this.tokens[this.next + 1]!
    return this.isCall() || (after.kind === 'word' && after.value.toUpperCase() === 'Z')
  }

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

  private error(message: string): FilterSyntaxError { return new FilterSyntaxError(message, this.peek().at) }
}

const WKT_TYPES: Readonly<Record<string, string>> = Object.fromEntries(
  ['Point', 'MultiPoint', 'LineString', 'MultiLineString', 'Polygon', 'MultiPolygon', 'GeometryCollection'].map((type) => [type.toUpperCase(), type]))
const WKT_DEPTH: Readonly<Record<string, number>> = { MultiPoint: 1, LineString: 1, MultiLineString: 2, Polygon: 2, MultiPolygon: 3 }

const negated = (not: boolean, node: Node): Node => not ? operation('not', [node], node.at) : node
