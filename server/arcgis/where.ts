/**
 * The `where` of ArcGIS clients, SQL-92 as its “standardized queries” have it, to the filter AST. Nothing of it becomes SQL text.
 *
 *     UPPER(name) LIKE UPPER('%chợ%') AND (storeys >= 3 OR built > DATE '2020-01-31') AND OBJECTID NOT IN (4, 8)
 *
 * Values come to the type of the field that they stand beside: 1 and 0 to true and false, texts to instants.
 */
import type { Arithmetic, Comparison, Filter, Scalar } from '../../core/filter/ast.js'
import { isRealDay, isTimestamp } from '../../core/filter/instants.js'
import { nearMisses } from '../../core/text.js'
import type { ColumnType } from '../../layers/layer.js'
import { badParameter, type Problem } from '../errors.js'
import { fieldNamed, type Field } from './fields.js'

export interface WhereContext {
  readonly fields: readonly Field[]
  /** Feature ids of the GlobalIDs in the text (see `globalIdsIn`). */
  readonly features: ReadonlyMap<string, number>
  readonly now: Date
  readonly parameter?: string
}

const MAX_LENGTH = 100_000
const MAX_DEPTH = 30
const MAX_LIST = 2000

/** Throws a 400 Problem that says where reading stopped, and what was expected. */
export function parseWhere(text: string, context: WhereContext): Filter {
  const parameter = context.parameter ?? 'where'
  if (text.length > MAX_LENGTH) throw badParameter(parameter, `“${parameter}” is longer than ${MAX_LENGTH} characters; ask by objectIds.`)
  const reader = new Reader(tokens(text, parameter), { ...context, parameter })
  return reader.whole()
}

const GUID = /\{?([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})\}?/gi
/** What looks like a GlobalID in a text, in lower case without braces. */
export const globalIdsIn = (text: string): readonly string[] => [...new Set([...text.matchAll(GUID)].map(([, guid]) => guid!.toLowerCase()))].slice(0, MAX_LIST)

interface Token { readonly kind: 'word' | 'name' | 'text' | 'number' | 'symbol' | 'end'; readonly value: string; readonly at: number }

const TOKEN = /\s*(?:(?<text>[Nn]?'(?:[^']|'')*')|(?<name>"(?:[^"]|"")+")|(?<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|(?<word>[\p{L}_][\p{L}\p{M}\p{N}_.$]*)|(?<symbol><>|!=|<=|>=|\|\||[=<>(),+\-*/%]))/uy

function tokens(text: string, parameter: string): Token[] {
  const found: Token[] = []
  const matcher = new RegExp(TOKEN)
  for (;;) {
    const start = matcher.lastIndex
    const groups = matcher.exec(text)?.groups
    if (!groups) {
      const rest = text.slice(start)
      const at = start + rest.length - rest.trimStart().length + 1
      if (rest.trim() === '') return [...found, { kind: 'end', value: '', at }]
      throw fault(parameter, rest.trimStart().startsWith("'") ? 'a text has no closing quote' : `unexpected “${[...rest.trimStart()][0]}”`, at)
    }
    const [kind, raw] = Object.entries(groups).find(([, value]) => value !== undefined) as [Token['kind'], string]
    const value = kind === 'text' ? raw.slice(raw.indexOf("'") + 1, -1).replaceAll("''", "'") : kind === 'name' ? raw.slice(1, -1).replaceAll('""', '"') : raw
    found.push({ kind, value, at: matcher.lastIndex - raw.length + 1 })
  }
}

const fault = (parameter: string, what: string, at: number): Problem =>
  badParameter(parameter, `“${parameter}” cannot be read: ${what}, at character ${at}. It is SQL-92: field = 'text' AND other > 3, LIKE, IN, BETWEEN, IS NULL, DATE '2025-07-01'.`, { at })

type Kind = 'text' | 'number' | 'boolean' | 'date' | 'timestamp' | 'json' | 'globalid'
/** An operand; `value` where it is written in the text, so that it can come to another type. */
interface Operand { readonly kind: Kind; readonly scalar: Scalar; readonly at: number; readonly value?: string | number; readonly folded?: boolean }

const KINDS: Readonly<Record<ColumnType, Kind>> = { text: 'text', integer: 'number', number: 'number', boolean: 'boolean', date: 'date', timestamp: 'timestamp', json: 'json' }
const COMPARISON: Readonly<Record<string, Comparison>> = { '=': '=', '<>': '<>', '!=': '<>', '<': '<', '>': '>', '<=': '<=', '>=': '>=' }
const FLIPPED: Readonly<Record<Comparison, Comparison>> = { '=': '=', '<>': '<>', '<': '>', '>': '<', '<=': '>=', '>=': '<=' }
const NUMERIC_CALLS: Readonly<Record<string, string>> = { ABS: 'abs', FLOOR: 'floor', CEILING: 'ceil', CEIL: 'ceil', ROUND: 'round' }
const SECONDS: Readonly<Record<string, number>> = { DAY: 86_400, HOUR: 3600, MINUTE: 60, SECOND: 1 }
const RESERVED = new Set(['AND', 'OR', 'NOT', 'LIKE', 'BETWEEN', 'IN', 'IS', 'NULL', 'ESCAPE'])
const FALSE: Filter = { op: 'literal', value: false }

class Reader {
  private next = 0
  private readonly parameter: string
  constructor(private readonly tokens: readonly Token[], private readonly context: WhereContext) {
    this.parameter = context.parameter ?? 'where'
  }

  whole(): Filter {
    try {
      const filter = this.either(0)
      if (this.peek().kind !== 'end') throw this.error(`expected AND, OR or the end, found “${this.peek().value}”`)
      return filter
    } catch (error) {
      // The reading that came furthest tells the fault best.
      throw this.furthest && placeOf(this.furthest) > placeOf(error) ? this.furthest : error
    }
  }

  private either(depth: number): Filter { return this.chain('or', () => this.chain('and', () => this.negation(depth))) }

  private chain(op: 'and' | 'or', part: () => Filter): Filter {
    const args = [part()]
    while (this.take(op.toUpperCase())) args.push(part())
    if (args.length > MAX_LIST) throw this.error(`more than ${MAX_LIST} conditions`)
    return args.length === 1 ? args[0]! : { op, args }
  }

  private negation(depth: number): Filter {
    if (depth > MAX_DEPTH) throw this.error(`nested deeper than ${MAX_DEPTH} levels`)
    return this.take('NOT') ? { op: 'not', arg: this.negation(depth + 1) } : this.predicate(depth)
  }

  /** A bracket opens a condition or an expression; which of the two shows behind it. */
  private predicate(depth: number): Filter {
    if (this.peekSymbol('(')) {
      const start = this.next
      const condition = this.attempt(() => { this.next++; const inner = this.either(depth + 1); this.expect(')'); return inner })
      if (condition && !this.continuesExpression()) return condition
      this.next = start
    }
    const left = this.sum(depth)
    const { kind, value } = this.peek()
    const comparison = kind === 'symbol' ? COMPARISON[value] : undefined
    if (comparison) return this.next++, this.compare(comparison, left, this.sum(depth))
    if (this.take('IS')) {
      const not = this.take('NOT')
      if (!this.take('NULL')) throw this.error('expected NULL after IS')
      const missing: Filter = left.kind === 'globalid' ? FALSE : { op: 'isNull', arg: left.scalar }
      return not ? { op: 'not', arg: missing } : missing
    }
    const not = this.take('NOT')
    const positive = this.take('LIKE') ? this.like(left, depth) : this.take('BETWEEN') ? this.between(left, depth) : this.take('IN') ? this.among(left, depth) : undefined
    if (positive) return not ? { op: 'not', arg: positive } : positive
    throw this.error(not ? 'expected LIKE, BETWEEN or IN after NOT' : `expected a comparison (=, <>, <, >, <=, >=, LIKE, BETWEEN, IN, IS NULL), found “${this.peek().value || 'the end'}”`)
  }

  /** What a bracket held was an expression after all. */
  private continuesExpression(): boolean {
    const { kind, value } = this.peek()
    return (kind === 'symbol' && value !== ')' && value !== ',') || (kind === 'word' && ['IS', 'LIKE', 'BETWEEN', 'IN'].includes(value.toUpperCase()))
  }

  /** Undefined where it cannot be read so; the other reading then tells the fault. Tried once a bracket, so brackets in brackets stay cheap by the depth allowed. */
  private attempt<T>(read: () => T): T | undefined {
    if (++this.attempts > MAX_ATTEMPTS) throw this.error('too many brackets')
    try {
      return read()
    } catch (error) {
      if (!this.furthest || placeOf(error) > placeOf(this.furthest)) this.furthest = error
      return undefined
    }
  }
  private attempts = 0
  private furthest: unknown

  private compare(op: Comparison, left: Operand, right: Operand): Filter {
    if (left.value !== undefined && right.value === undefined) return this.compare(FLIPPED[op], right, left)
    if (left.kind === 'globalid' || right.kind === 'globalid') return this.compareGlobalId(op, left, right)
    const [a, b] = this.foldBoth(left, right)
    if (a.kind === 'date' && b.value !== undefined) return this.compareDay(op, a, b)
    return { op, left: a.scalar, right: this.to(a, b).scalar }
  }

  private compareGlobalId(op: Comparison, { value: mine }: Operand, { value: other, at }: Operand): Filter {
    if (op !== '=' && op !== '<>') throw fault(this.parameter, 'a GlobalID is only equal or not', at)
    const is: Filter = { op: '=', left: { property: 'id' }, right: { literal: this.featureOf(other ?? mine) } }
    return op === '=' ? is : { op: 'not', arg: is }
  }

  /** −1 is nobody's. */
  private featureOf(value: unknown): number { return this.context.features.get(String(value).toLowerCase().replace(/[{}]/g, '')) ?? -1 }

  /** A day beside an instant within a day: what holds for its midnight. */
  private compareDay(op: Comparison, left: Operand, right: Operand): Filter {
    const at = this.instantOf(right)
    const day = at.slice(0, 10)
    const isMidnight = at.slice(11, 19) === '00:00:00'
    if (!isMidnight && op === '=') return FALSE
    if (!isMidnight && op === '<>') return { op: 'not', arg: { op: 'isNull', arg: left.scalar } }
    const whole: Comparison = isMidnight ? op : op === '>=' ? '>' : op === '<' ? '<=' : op
    return { op: whole, left: left.scalar, right: { date: day } }
  }

  private between(left: Operand, depth: number): Filter {
    const low = this.sum(depth)
    if (!this.take('AND')) throw this.error('expected AND between the two ends of BETWEEN')
    return { op: 'and', args: [this.compare('>=', left, low), this.compare('<=', left, this.sum(depth))] }
  }

  private among(left: Operand, depth: number): Filter {
    const values = this.list(() => this.sum(depth))
    if (left.kind === 'globalid') return { op: 'in', left: { property: 'id' }, values: values.map(({ value }) => ({ literal: this.featureOf(value) })) }
    if (left.kind === 'date' || left.folded || values.some(({ folded }) => folded)) {
      const each = values.map(value => this.compare('=', left, value))
      return each.length === 1 ? each[0]! : { op: 'or', args: each }
    }
    return { op: 'in', left: left.scalar, values: values.map(value => this.to(left, value).scalar) }
  }

  private list(item: () => Operand): Operand[] {
    this.expect('(')
    const items = [item()]
    while (this.takeSymbol(',')) items.push(item())
    this.expect(')')
    if (items.length > MAX_LIST) throw this.error(`more than ${MAX_LIST} values; ask by objectIds`)
    return items
  }

  /** SQL-92 has no escape character but the one that is named; ours is the backslash. */
  private like(left: Operand, depth: number): Filter {
    const pattern = this.sum(depth)
    if (left.kind !== 'text' || typeof pattern.value !== 'string') throw fault(this.parameter, 'LIKE compares a text field with a pattern in quotes', pattern.at)
    const escape = this.take('ESCAPE') ? this.text() : ''
    if (escape.length > 1) throw this.error('ESCAPE takes one character')
    const parts = escape ? pattern.value.split(escape) : [pattern.value]
    const ours = parts.map((part, i) => (i === 0 ? '' : escaped(part)) + (i === 0 ? part : part.slice(1)).replaceAll('\\', '\\\\')).join('')
    const folded = left.folded || pattern.folded
    return { op: 'like', left: folded && !left.folded ? fold(left.scalar) : left.scalar, pattern: ours, ...(folded && { folds: ['casei'] }) }
  }

  private sum(depth: number): Operand {
    let left = this.product(depth)
    for (let terms = 0; ; terms++) {
      if (terms > MAX_DEPTH) throw this.error(`more than ${MAX_DEPTH} terms in one expression`)
      if (this.takeSymbol('||')) left = { kind: 'text', at: left.at, scalar: { call: 'concat', args: [left.scalar, this.product(depth).scalar] } }
      else if (this.takeSymbol('+')) left = this.plus('+', left, this.span() ?? this.product(depth))
      else if (this.takeSymbol('-')) left = this.plus('-', left, this.span() ?? this.product(depth))
      else return left
    }
  }

  /** Seconds of an INTERVAL. */
  private span(): { readonly seconds: number } | undefined {
    if (!this.take('INTERVAL')) return undefined
    const { value, at } = this.peek()
    const [count, unit] = [Number(this.text()), this.peek().value.toUpperCase()]
    const seconds = SECONDS[unit]
    if (!Number.isFinite(count) || !seconds) throw fault(this.parameter, `INTERVAL is a number in quotes and ${Object.keys(SECONDS).join(', ')}, not “${value}” ${unit}`, at)
    this.next++
    return { seconds: count * seconds }
  }

  /** Numbers; or an instant and a span, which is days where it is a plain number. */
  private plus(op: '+' | '-', left: Operand, right: Operand | { readonly seconds: number }): Operand {
    const isSpan = 'seconds' in right
    if (left.kind === 'number' && !isSpan && right.kind === 'number') return this.arithmetic(op, left, right)
    const seconds = isSpan ? right.seconds : typeof right.value === 'number' ? right.value * 86_400 : NaN
    if ((left.kind !== 'date' && left.kind !== 'timestamp') || left.value === undefined || !Number.isFinite(seconds)) throw fault(this.parameter, `“${op}” takes numbers, or a date that is written out and an INTERVAL`, left.at)
    const at = new Date(Date.parse(this.instantOf(left)) + (op === '+' ? 1 : -1) * seconds * 1000)
    if (Number.isNaN(at.getTime())) throw fault(this.parameter, 'the date is beyond any calendar', left.at)
    return this.instant(at, left.at)
  }

  private product(depth: number): Operand {
    let left = this.factor(depth)
    for (let terms = 0; ; terms++) {
      if (terms > MAX_DEPTH) throw this.error(`more than ${MAX_DEPTH} terms in one expression`)
      const op = ['*', '/', '%'].find(symbol => this.takeSymbol(symbol)) as Arithmetic | undefined
      if (!op) return left
      left = this.arithmetic(op, left, this.factor(depth))
    }
  }

  private arithmetic(op: Arithmetic, left: Operand, right: Operand): Operand {
    for (const { kind, at } of [left, right]) if (kind !== 'number') throw fault(this.parameter, `“${op}” takes numbers`, at)
    return { kind: 'number', at: left.at, scalar: { arithmetic: op, left: left.scalar, right: right.scalar } }
  }

  private factor(depth: number): Operand {
    if (depth > MAX_DEPTH) throw this.error(`nested deeper than ${MAX_DEPTH} levels`)
    this.takeSymbol('+')
    const { kind, value, at } = this.peek()
    if (this.takeSymbol('-')) {
      const operand = this.factor(depth + 1)
      if (typeof operand.value === 'number') return this.number(-operand.value, at)
      return this.arithmetic('*', this.number(-1, at), operand)
    }
    switch (kind) {
      case 'number': return this.next++, this.number(Number(value), at)
      case 'text': return this.next++, { kind: 'text', scalar: { literal: value }, value, at }
      case 'name': return this.next++, this.field(value, at)
      case 'symbol': if (value === '(') { const [inner, ...more] = this.list(() => this.sum(depth + 1)); if (more.length === 0) return inner! }
    }
    const word = value.toUpperCase()
    if (kind !== 'word' || RESERVED.has(word)) throw fault(this.parameter, `expected a field or a value, found “${value || 'the end'}”`, at)
    this.next++
    if (this.peekSymbol('(')) return this.call(word, depth, at)
    if ((word === 'DATE' || word === 'TIMESTAMP' || word === 'TIME') && this.peek().kind === 'text') return this.written(word, at)
    if (word === 'CURRENT_TIMESTAMP') return this.instant(this.context.now, at)
    if (word === 'CURRENT_DATE') return { kind: 'date', scalar: { date: today(this.context.now) }, value: today(this.context.now), at }
    if ((word === 'TRUE' || word === 'FALSE') && !fieldNamed(this.context.fields, value)) return { kind: 'number', scalar: { literal: Number(word === 'TRUE') }, value: Number(word === 'TRUE'), at }
    return this.field(value, at)
  }

  private number(value: number, at: number): Operand {
    if (!Number.isFinite(value)) throw fault(this.parameter, 'a number is too large', at)
    return { kind: 'number', scalar: { literal: value }, value, at }
  }

  private instant(value: Date, at: number): Operand {
    return { kind: 'timestamp', scalar: { timestamp: value.toISOString() }, value: value.toISOString(), at }
  }

  /** `DATE '2025-07-01'`, `TIMESTAMP '2025-07-01 06:00:00'`: UTC. */
  private written(word: string, at: number): Operand {
    const text = this.text()
    if (word === 'TIME') throw fault(this.parameter, 'no field holds a time of day', at)
    const iso = instantText(text)
    if (!iso) throw fault(this.parameter, `“${text.slice(0, 40)}” is no date; write DATE '2025-07-01' or TIMESTAMP '2025-07-01 06:00:00'`, at)
    return this.instant(new Date(iso), at)
  }

  private field(name: string, at: number): Operand {
    const field = fieldNamed(this.context.fields, name)
    if (!field) {
      const names = this.context.fields.map(each => each.name)
      const near = nearMisses(name, names)
      throw badParameter(this.parameter, `There is no field “${name.slice(0, 60)}”.${near.length ? ` Did you mean ${near.join(' or ')}?` : ''} There are: ${names.join(', ')}.`, { at })
    }
    if (field.system === 'globalid') return { kind: 'globalid', scalar: { property: 'id' }, at }
    return { kind: KINDS[field.column.type], scalar: { property: field.column.name }, at }
  }

  private call(word: string, depth: number, at: number): Operand {
    if (word === 'EXTRACT') return this.extract(depth, at)
    if (word === 'CAST') return this.cast(depth, at)
    const args = this.list(() => this.sum(depth + 1))
    const [a, b] = args
    const take = (kind: Kind, count = 1) => {
      if (args.length !== count || args.some(arg => arg.kind !== kind)) throw fault(this.parameter, `${word} takes ${count === 1 ? `a ${kind}` : `${count} ${kind}s`}`, at)
    }
    const call = (kind: Kind, name: string): Operand => ({ kind, at, scalar: { call: name, args: args.map(({ scalar }) => scalar) } })
    if (word === 'UPPER' || word === 'LOWER') return take('text'), { ...a!, scalar: typeof a!.value === 'string' ? a!.scalar : fold(a!.scalar), folded: true }
    if (word in NUMERIC_CALLS) return take('number'), call('number', NUMERIC_CALLS[word]!)
    switch (word) {
      case 'CHAR_LENGTH': case 'CHARACTER_LENGTH': case 'LEN': return take('text'), call('number', 'charLength')
      case 'TRIM': return take('text'), call('text', 'trim')
      case 'CONCAT': return take('text', 2), call('text', 'concat')
      case 'POWER': return take('number', 2), this.arithmetic('^', a!, b!)
      case 'MOD': return take('number', 2), this.arithmetic('%', a!, b!)
    }
    throw fault(this.parameter, `there is no function ${word.slice(0, 40)}; there are UPPER, LOWER, TRIM, CONCAT, CHAR_LENGTH, ABS, FLOOR, CEILING, ROUND, POWER, MOD, EXTRACT, CAST`, at)
  }

  private extract(depth: number, at: number): Operand {
    this.expect('(')
    const part = this.peek().value.toLowerCase()
    this.next++
    if (!this.take('FROM')) throw this.error('expected EXTRACT(YEAR FROM field)')
    const of = this.sum(depth + 1)
    this.expect(')')
    if ((part !== 'year' && part !== 'month') || (of.kind !== 'date' && of.kind !== 'timestamp')) throw fault(this.parameter, 'EXTRACT takes YEAR or MONTH of a date', at)
    return { kind: 'number', at, scalar: { call: part, args: [of.scalar] } }
  }

  /** Only to the kind that a value has already; which is what clients that write CAST mean. */
  private cast(depth: number, at: number): Operand {
    this.expect('(')
    const inner = this.sum(depth + 1)
    if (!this.take('AS')) throw this.error('expected AS in CAST')
    const type = this.peek().value.toUpperCase()
    this.next++
    if (this.peekSymbol('(')) this.list(() => this.sum(depth + 1))
    this.expect(')')
    const kind: Kind | undefined = /CHAR/.test(type) ? 'text' : /INT|FLOAT|REAL|DOUBLE|DECIMAL|NUMERIC/.test(type) ? 'number' : type === 'DATE' ? 'date' : type === 'TIMESTAMP' ? 'timestamp' : undefined
    if (!kind) throw fault(this.parameter, `CAST to “${type.slice(0, 30)}” is not known`, at)
    return inner.kind === kind ? inner : this.to({ kind, at }, inner)
  }

  /** A value as the kind of what it is compared with. */
  private to({ kind }: Pick<Operand, 'kind' | 'at'>, given: Operand): Operand {
    if (given.kind === kind) return given
    const { value, at } = given
    if (value !== undefined) {
      if (kind === 'text' && typeof value === 'number') return { ...given, kind, scalar: { literal: String(value) } }
      if (kind === 'number' && typeof value === 'string' && value.trim() !== '' && Number.isFinite(Number(value))) return { ...given, kind, scalar: { literal: Number(value) } }
      if (kind === 'boolean' && /^(0|1|true|false)$/i.test(String(value))) return { ...given, kind, scalar: { literal: /^(1|true)$/i.test(String(value)) } }
      if (kind === 'timestamp') return { ...given, kind, scalar: { timestamp: this.instantOf(given) } }
      if (kind === 'date') return { ...given, kind, scalar: { date: this.instantOf(given).slice(0, 10) } }
    }
    throw fault(this.parameter, `a ${NAMES[kind]} cannot be compared with ${value === undefined ? `a ${NAMES[given.kind]}` : `“${String(value).slice(0, 40)}”`}`, at)
  }

  private instantOf({ value, at }: Operand): string {
    const iso = typeof value === 'string' ? instantText(value) : undefined
    if (!iso) throw fault(this.parameter, `“${String(value).slice(0, 40)}” is no date; write DATE '2025-07-01' or TIMESTAMP '2025-07-01 06:00:00'`, at)
    return iso
  }

  /** UPPER and LOWER ask not to heed case: then neither side does. */
  private foldBoth(left: Operand, right: Operand): [Operand, Operand] {
    if (!left.folded && !right.folded) return [left, right]
    const folded = (side: Operand): Operand => side.kind !== 'text' || (side.folded && side.value === undefined) ? side : { ...side, scalar: fold(side.scalar) }
    return [folded(left), folded(right)]
  }

  private text(): string {
    const { kind, value } = this.peek()
    if (kind !== 'text') throw this.error('expected a text in quotes')
    this.next++
    return value
  }

  private peek(): Token { return this.tokens[Math.min(this.next, this.tokens.length - 1)]! }
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
    if (!this.takeSymbol(symbol)) throw this.error(`expected “${symbol}”, found “${this.peek().value || 'the end'}”`)
  }
  private error(what: string): Problem { return fault(this.parameter, what, this.peek().at) }
}

const NAMES: Readonly<Record<Kind, string>> = { text: 'text', number: 'number', boolean: 'yes or no (1, 0)', date: 'date', timestamp: 'time', json: 'structured value', globalid: 'GlobalID' }
/** A bracket that turns out to be an expression is read twice, and those within it again. */
const MAX_ATTEMPTS = 3000

const placeOf = (error: unknown) => Number((error as Problem).more?.at ?? 0)
const fold = (arg: Scalar): Scalar => ({ fold: 'casei', arg })
const today = (now: Date) => now.toISOString().slice(0, 10)
/** What follows an escape stands for itself. */
const escaped = (part: string) => (part === '' ? '' : /^[%_\\]/.test(part) ? `\\${part[0]}` : part[0]!)

/** A date, or a date and a time, in UTC where it names no zone, as RFC 3339. */
function instantText(text: string): string | undefined {
  const match = /^\s*(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(:\d\d)?(\.\d{1,3})?\s*(Z|[+-]\d\d:\d\d)?)?\s*$/i.exec(text)
  if (!match || !isRealDay(match[1]!)) return undefined
  const iso = `${match[1]}T${match[2] ?? '00:00'}${match[3] ?? ':00'}${match[4] ?? ''}${match[5] ?? 'Z'}`
  return isTimestamp(iso) ? new Date(iso).toISOString() : undefined
}
