/** Short ways to write the columns and rules that many layers share. */
import type { Column, ColumnType, Localized, Rule } from './layer.js'

type More = Omit<Partial<Column>, 'name' | 'type' | 'title'>
const column = (type: ColumnType) => (name: string, vi: string, en: string, more: More = {}): Column =>
  ({ name, type, title: { vi, en }, ...more })

export const text = column('text')
export const integer = column('integer')
export const number = column('number')
export const boolean = column('boolean')
export const date = column('date')
export const timestamp = column('timestamp')
export const json = column('json')

/** `{ code: [vi, en] }` as the codes of a column. */
export function codes<C extends string>(table: Readonly<Record<C, readonly [vi: string, en: string]>>): Record<C, Localized> {
  return Object.fromEntries(Object.entries<readonly [string, string]>(table).map(([code, [vi, en]]) => [code, { vi, en }])) as Record<C, Localized>
}

/** Official ward code: text, five digits for Vietnam; other countries' codes are longer or shorter. */
export const wardCode = text('ward_code', 'Mã phường/xã', 'Ward code', { maxLength: 20, references: { collection: 'wards', by: 'code' } })

/** The asset's code, unique within its layer and source. */
export const assetCode = text('code', 'Mã', 'Code', { maxLength: 60 })

export const CONDITION = codes({
  good: ['Tốt', 'Good'],
  fair: ['Trung bình', 'Fair'],
  poor: ['Kém', 'Poor'],
  failed: ['Hỏng', 'Failed'],
})

/** Quality levels of buried utilities after ASCE/UESI/CI 38: A is measured in the open trench, D is from records only. */
export const POSITION_QUALITY = codes({
  A: ['A – lộ thiên, đo trực tiếp', 'A – exposed and measured'],
  B: ['B – dò địa vật lý', 'B – geophysical survey'],
  C: ['C – theo công trình nổi', 'C – from surface features'],
  D: ['D – theo hồ sơ', 'D – from records only'],
})

/** What a network model (EPANET, SWMM) says of an element beyond the columns: curves, patterns, initial states; SI units. */
export const modelParameters = json('model', 'Thông số mô hình', 'Model parameters', { description: { vi: 'Thông số thủy lực từ tệp EPANET hay SWMM, hệ SI.', en: 'Hydraulic parameters from an EPANET or SWMM file, SI units.' } })

/** What every utility record carries. */
export const utilityColumns: readonly Column[] = [
  text('managing_unit', 'Đơn vị quản lý', 'Managing unit', { maxLength: 200 }),
  integer('year_built', 'Năm xây dựng', 'Year built', { min: 1850, max: 2100 }),
  text('condition', 'Tình trạng', 'Condition', { codes: CONDITION }),
  text('position_quality', 'Chất lượng vị trí', 'Position quality', { codes: POSITION_QUALITY }),
]

type Row = Readonly<Record<string, unknown>>

/** The row's value where it is a finite number. */
export function numberOf(row: Row, name: string): number | undefined {
  const value = row[name]
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined
}

/** `low` ≤ `high` where both are known; numbers, or ISO dates. */
export function ascending(low: string, high: string, vi: string, en: string, severity: Rule['severity'] = 'error'): Rule {
  return {
    id: `${low}_le_${high}`, severity, title: { vi, en }, reads: [low, high],
    holds: row => {
      const a = row[low], b = row[high]
      if (typeof a === 'number' && typeof b === 'number') return a <= b
      if (typeof a === 'string' && typeof b === 'string') return a <= b
      return true
    },
  }
}

/** A rule over the named numbers, held back while one of them is unknown. */
export function relation(
  id: string, names: readonly string[], test: (...values: number[]) => boolean,
  vi: string, en: string, severity: Rule['severity'] = 'error',
): Rule {
  return {
    id, severity, title: { vi, en }, reads: names,
    holds: row => {
      const values = names.map(name => numberOf(row, name))
      return values.some(value => value === undefined) || test(...(values as number[]))
    },
  }
}
