/** Rows of the filter form ↔ the filter AST. */
import type { Filter, Scalar } from '../../core/filter/ast.js'
import type { Column } from '../../layers/layer.js'

export const OPERATORS = ['=', '<>', '>=', '<=', 'like', 'isNull'] as const
export type Operator = (typeof OPERATORS)[number]
export interface Condition { readonly column: string; readonly operator: Operator; readonly value: string }

/** Operators that make sense for a column. */
export function operatorsOf(column: Column | undefined): readonly Operator[] {
  switch (column?.type) {
    case 'integer': case 'number': case 'date': case 'timestamp': return ['>=', '<=', '=', '<>', 'isNull']
    case 'boolean': return ['=', 'isNull']
    default: return column?.codes ? ['=', '<>', 'isNull'] : ['like', '=', '<>', 'isNull']
  }
}

/** `null` where no row says anything. Text is compared without case and diacritics: people type `hai chau`. */
export function filterOf(conditions: readonly Condition[], columns: readonly Column[]): Filter | null {
  const parts = conditions.map((condition) => partOf(condition, columns.find(({ name }) => name === condition.column))).filter((part) => part !== null)
  if (!parts.length) return null
  return parts.length === 1 ? parts[0]! : { op: 'and', args: parts }
}

function partOf({ column, operator, value }: Condition, known: Column | undefined): Filter | null {
  const property: Scalar = { property: column }
  if (!column) return null
  if (operator === 'isNull') return { op: 'isNull', arg: property }
  if (value.trim() === '') return null
  if (operator === 'like') return { op: 'like', left: folded(property), pattern: `%${escapeLike(value.trim())}%` }
  return { op: operator, left: property, right: literal(value.trim(), known) }
}

const folded = (arg: Scalar): Scalar => ({ fold: 'accenti', arg: { fold: 'casei', arg } })
const escapeLike = (text: string) => text.replace(/[\\%_]/g, (c) => `\\${c}`)

function literal(value: string, column: Column | undefined): Scalar {
  switch (column?.type) {
    case 'integer': case 'number': return { literal: Number(value.replace(',', '.')) }
    case 'boolean': return { literal: value === 'true' }
    case 'date': return { date: value }
    case 'timestamp': return { timestamp: value }
    default: return { literal: value }
  }
}

/** The rows of a filter that this form could have made; others (from a hand-made address) give none. */
export function conditionsOf(filter: Filter): readonly Condition[] {
  const parts = filter.op === 'and' ? filter.args : [filter]
  return parts.flatMap((part): Condition[] => {
    if (part.op === 'isNull' && 'property' in part.arg) return [{ column: part.arg.property, operator: 'isNull', value: '' }]
    if (part.op === 'like') {
      const column = propertyIn(part.left)
      return column ? [{ column, operator: 'like', value: part.pattern.replace(/^%|%$/g, '').replace(/\\(.)/g, '$1') }] : []
    }
    if ('right' in part && 'property' in part.left && (OPERATORS as readonly string[]).includes(part.op)) {
      const { right } = part
      const value = 'literal' in right ? String(right.literal) : 'date' in right ? right.date : 'timestamp' in right ? right.timestamp : ''
      return [{ column: part.left.property, operator: part.op as Operator, value }]
    }
    return []
  })
}

function propertyIn(scalar: Scalar): string | undefined {
  if ('property' in scalar) return scalar.property
  return 'arg' in scalar ? propertyIn(scalar.arg) : undefined
}
