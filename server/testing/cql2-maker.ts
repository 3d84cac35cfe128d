/** Random CQL2 filters: right ones from the grammar, nearly right ones, attacks and noise; as text and as JSON. */
import { parseCql2Text } from '../../core/filter/cql2-text.js'
import { printCql2Json } from '../../core/filter/cql2-json.js'

export interface MakerInput {
  /** Properties by the type of their values; `geometry` among them. */
  readonly properties: Readonly<Record<'text' | 'number' | 'boolean' | 'time' | 'geometry' | 'json', readonly string[]>>
  readonly functions: readonly string[]
  readonly random: () => number
}

export interface MadeFilter {
  readonly text: string
  readonly lang: 'cql2-text' | 'cql2-json'
  /** What it is: `literal` compares a property with an attack as a value, which no feature has. */
  readonly kind: 'right' | 'spoilt' | 'attack' | 'literal' | 'noise'
}

export const ATTACKS: readonly string[] = [
  `' OR '1'='1`, `'; DROP TABLE city.buildings; --`, `'); SELECT pg_sleep(10); --`, `' UNION SELECT version() --`, `\\'; SELECT 1 --`, `$$; SELECT 1; $$`, `%' OR name LIKE '%`, `' || pg_sleep(10) || '`,
  `"; DROP SCHEMA dothi CASCADE; --`, `' AND 1=(SELECT count(*) FROM pg_user) --`, `/* */`, `-- `, `\u0000`, `'::regclass`, `E'\\x27'`, `U&'\\0027'`, `{{7*7}}`, `\${1}`, `$1`, `?`, `:name`, `\ud83d`, `ı İ ß ﬁ`, `a\u0301\u0301\u0301`,
]
const WORDS = ['and', 'or', 'not', 'like', 'in', 'between', 'is', 'null', 'casei', 'accenti', '(', ')', ',', "'", '"', '=', '<>', '<', '>=', '+', '-', '*', '/', '^', '%', 'div', '1', '-1e308', '9'.repeat(40), 'DATE(', 'TIMESTAMP(', 'INTERVAL(', 'BBOX(', 'POINT(', 'S_INTERSECTS(', 'T_DURING(', 'A_OVERLAPS(', '\u0000', '\t', '\n', ';', '--', '/*', '$1', '::text', 'pg_sleep(10)', '\u202e', 'đ', '😀']

export class Cql2Maker {
  constructor(private readonly input: MakerInput) {}

  make(): MadeFilter {
    const share = this.input.random()
    if (share < 0.5) return this.#encoded(this.#filter(0), 'right')
    if (share < 0.75) return this.#encoded(this.#filter(0), 'spoilt')
    if (share < 0.85) return { text: `${this.#property('text')} = ${quoted(this.#one(ATTACKS.filter((attack) => !/[\0\ud800-\udfff]/.test(attack))))}`, lang: 'cql2-text', kind: 'literal' }
    if (share < 0.95) return { text: this.#chance(0.5) ? this.#one(ATTACKS) : `${this.#property('text')} ${this.#one(['=', 'LIKE', 'IN', '<'])} '${this.#one(ATTACKS)}'`, lang: 'cql2-text', kind: 'attack' }
    return { text: Array.from({ length: 1 + Math.floor(this.input.random() * 30) }, () => this.#one(WORDS)).join(this.#chance(0.5) ? ' ' : ''), lang: this.#chance(0.8) ? 'cql2-text' : 'cql2-json', kind: 'noise' }
  }

  #encoded(filter: string, kind: 'right' | 'spoilt'): MadeFilter {
    const json = this.#chance(0.3) ? jsonOf(filter) : undefined
    const text = json ?? filter
    const lang = json === undefined ? 'cql2-text' : 'cql2-json'
    return { text: kind === 'right' ? text : this.#spoil(text), lang, kind }
  }

  #spoil(text: string): string {
    const at = Math.floor(this.input.random() * text.length)
    const end = Math.min(text.length, at + 1 + Math.floor(this.input.random() * 6))
    switch (Math.floor(this.input.random() * 4)) {
      case 0: return text.slice(0, at) + text.slice(end)
      case 1: return text.slice(0, at) + this.#one(WORDS) + text.slice(at)
      case 2: return text.slice(0, at) + this.#one(WORDS) + text.slice(end)
      default: return text.slice(0, end) + text.slice(at)
    }
  }

  #filter(depth: number): string {
    const share = this.input.random()
    if (depth < 4 && share < 0.3) return `(${this.#filter(depth + 1)} ${this.#one(['AND', 'OR'])} ${this.#filter(depth + 1)})`
    if (depth < 4 && share < 0.4) return `NOT (${this.#filter(depth + 1)})`
    switch (Math.floor(this.input.random() * 12)) {
      case 0: return `${this.#text()} ${this.#comparison()} ${this.#text()}`
      case 1: return `${this.#number(0)} ${this.#comparison()} ${this.#number(0)}`
      case 2: return `${this.#text()} ${this.#chance(0.3) ? 'NOT ' : ''}LIKE ${quoted(this.#one(['%', '_', 'a%', '%Trần%', '\\%', '%%%%%%%%%%a', '']))}`
      case 3: return `${this.#number(0)} BETWEEN ${this.#number(2)} AND ${this.#number(2)}`
      case 4: return `${this.#property('text')} IN (${Array.from({ length: 1 + Math.floor(this.input.random() * 5) }, () => quoted(this.#word())).join(', ')})`
      case 5: return `${this.#property(this.#one(['text', 'number', 'time', 'geometry']))} IS ${this.#chance(0.5) ? 'NOT ' : ''}NULL`
      case 6: case 7: return `${this.#one(['S_INTERSECTS', 'S_WITHIN', 'S_CONTAINS', 'S_TOUCHES', 'S_CROSSES', 'S_OVERLAPS', 'S_EQUALS', 'S_DISJOINT'])}(${this.#geometry()}, ${this.#geometry()})`
      case 8: return `${this.#one(['T_AFTER', 'T_BEFORE', 'T_DISJOINT', 'T_EQUALS', 'T_INTERSECTS', 'T_DURING', 'T_MEETS', 'T_OVERLAPS', 'T_STARTS', 'T_CONTAINS'])}(${this.#time()}, ${this.#time()})`
      case 9: return `${this.#one(['A_EQUALS', 'A_CONTAINS', 'A_CONTAINEDBY', 'A_OVERLAPS'])}(${this.#property('json')}, (${quoted(this.#word())}, ${this.#number(2)}))`
      case 10: return `${this.#property('boolean')} = ${this.#one(['TRUE', 'FALSE'])}`
      default: return `${this.#one(this.input.functions)}(${Array.from({ length: Math.floor(this.input.random() * 4) }, () => this.#one([this.#text(), this.#number(2), this.#geometry(), this.#time()])).join(', ')}) ${this.#comparison()} ${this.#number(2)}`
    }
  }

  #text(): string {
    const text = this.#chance(0.6) ? this.#property('text') : quoted(this.#word())
    return this.#chance(0.3) ? `${this.#one(['CASEI', 'ACCENTI'])}(${text})` : text
  }

  #number(depth: number): string {
    if (depth < 3 && this.#chance(0.3)) return `(${this.#number(depth + 1)} ${this.#one(['+', '-', '*', '/', '%', 'div', '^'])} ${this.#number(depth + 1)})`
    return this.#chance(0.5) ? this.#property('number') : this.#one(['0', '1', '-1', '3.5', '1e10', '1e308', '-1e-308', '2147483648', '9007199254740993'])
  }

  #time(): string {
    const instant = this.#one([`DATE('2026-01-01')`, `TIMESTAMP('2026-01-01T00:00:00Z')`, `DATE('0001-01-01')`, `DATE('9999-12-31')`, this.#property('time')])
    return this.#chance(0.3) ? `INTERVAL('${this.#one(['..', '2020-01-01', '2026-01-01T00:00:00Z'])}', '${this.#one(['..', '2030-01-01', '2030-01-01T00:00:00Z'])}')` : instant
  }

  #geometry(): string {
    const lon = (108 + this.input.random() * 0.4).toFixed(4)
    const lat = (16 + this.input.random() * 0.2).toFixed(4)
    return this.#one([
      this.#property('geometry'), this.#property('geometry'), `POINT(${lon} ${lat})`, `LINESTRING(${lon} ${lat}, 108.3 16.1)`, `POLYGON((${lon} ${lat}, 108.3 16, 108.3 16.1, ${lon} ${lat}))`, `BBOX(108,16,${lon},16.3)`, `BBOX(170,-90,-170,90)`,
      'POINT(1e300 -1e300)', 'POLYGON((0 0, 0 0, 0 0, 0 0))', 'POLYGON((0 0, 1 1, 1 0, 0 1, 0 0))', 'GEOMETRYCOLLECTION(POINT(0 0))', `MULTIPOINT Z((${lon} ${lat} 5))`,
    ])
  }

  #word(): string { return this.#one(['school', 'Trần Phú', '', 'a', "it's", '%', 'x'.repeat(200)]) }
  #comparison(): string { return this.#one(['=', '<>', '<', '>', '<=', '>=']) }
  #property(type: keyof MakerInput['properties']): string { return this.#one(this.input.properties[type]) ?? 'id' }
  #chance(share: number): boolean { return this.input.random() < share }
  #one<T>(values: readonly T[]): T { return values[Math.floor(this.input.random() * values.length)]! }
}

const quoted = (text: string) => `'${text.replaceAll("'", "''")}'`

/** The same filter as JSON; undefined where it cannot be read. */
function jsonOf(filter: string): string | undefined {
  try {
    return JSON.stringify(printCql2Json(parseCql2Text(filter)))
  } catch {
    return undefined
  }
}
