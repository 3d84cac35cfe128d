import { guardCell } from '../../core/spreadsheet.js'
import { solidLoss, type ExportFormat, type ExportRow } from './export.js'

const BOM = '\ufeff'

/** RFC 4180, UTF-8; geometry as WKT, with its SRID where that is not 4326. Texts that a spreadsheet would run as a formula are guarded. NULL is nothing, an empty text is `""`. */
export const csv: ExportFormat = {
  id: 'csv', title: 'CSV', mediaType: 'text/csv; charset=utf-8', extension: '.csv', severalLayers: false,
  losses: plan => [...solidLoss(plan), 'types of columns (all is text)'],
  async *write({ plans, rows, options }) {
    const [plan] = plans
    const geometry = options.geometry ?? 'wkt'
    // Longitude and latitude have names that every program knows; a plane's are x and y.
    const lonlat = plan!.srid === 4326 ? ['lon', 'lat'] : ['x', 'y']
    const shape = geometry === 'wkt' ? ['wkt'] : geometry === 'lonlat' ? lonlat : []
    yield `${options.bom ? BOM : ''}${['id', ...plan!.columns.map(({ name }) => name), ...shape].map(quote).join(',')}\r\n`
    for await (const batch of rows(plan!, { geometry: geometry === 'lonlat' ? 'lonlat' : 'wkt' }))
      yield batch.map(row => `${line(row, geometry)}\r\n`).join('')
  },
}

function line({ id, values, geometry }: ExportRow, as: 'wkt' | 'lonlat' | 'none'): string {
  const shape = as === 'none' ? '' : as === 'wkt' ? `,${geometry === null ? '' : quote(geometry as string)}` : `,${geometry === null ? ',' : (geometry as string).replace(' ', ',')}`
  return `${id},${values.map(cell).join(',')}${shape}`
}

function cell(value: string | number | boolean | null): string {
  if (value === null) return ''
  return typeof value === 'string' ? (value === '' ? '""' : quote(guardCell(value))) : String(value)
}

const quote = (text: string) => (/[",\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text)
