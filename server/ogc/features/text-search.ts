/** `q`: features by the words in their texts (OGC API Features Part 9). */
import type { Filter } from '../../../core/filter/ast.js'
import { fold } from '../../../core/text.js'
import type { Column, Layer } from '../../../layers/layer.js'
import { visibleColumns } from '../../store/rights.js'
import type { Reader } from '../../store/store.js'

/** Any of the terms, in any of the searched columns or in the title of a code; case and diacritics do not count. */
export function textFilter(layer: Layer, reader: Reader, terms: readonly string[]): Filter {
  const columns = visibleColumns(layer, reader.clearance).filter(({ type }) => type === 'text')
  const args = terms.flatMap((term) => columns.flatMap((column) => matches(column, term, searched(layer, columns))))
  return args.length > 0 ? { op: 'or', args } : { op: 'literal', value: false }
}

/** Those that the layer is searched by, whose folded text has an index; else all that hold words. */
function searched({ searchable = [] }: Layer, columns: readonly Column[]): ReadonlySet<string> {
  const indexed = columns.filter(({ name }) => searchable.includes(name))
  return new Set((indexed.length > 0 ? indexed : columns.filter(({ codes }) => !codes)).map(({ name }) => name))
}

function matches({ name, codes }: Column, term: string, among: ReadonlySet<string>): Filter[] {
  const words = term.trim().split(/\s+/)
  if (words[0] === '') return []
  const folded = fold(words.join(' '))
  const named = Object.entries(codes ?? {}).filter(([, title]) => [title.vi, title.en].some((text) => fold(text).includes(folded))).map(([code]) => ({ literal: code }))
  return [
    ...(among.has(name) ? [{ op: 'like', left: { fold: 'accenti', arg: { fold: 'casei', arg: { property: name } } }, pattern: `%${words.join(' ').replace(/[\\%_]/g, '\\$&')}%` } as const] : []),
    ...(named.length > 0 ? [{ op: 'in', left: { property: name }, values: named } as const] : []),
  ]
}
