import { badParameter } from '../errors.js'
import { csv } from './csv.js'
import { FORMAT_IDS, type ExportFormat, type FormatId } from './export.js'
import { flatgeobuf } from './flatgeobuf.js'
import { geojson, geojsonseq } from './geojson.js'
import { geoparquet } from './geoparquet.js'
import { geopackage } from './geopackage.js'
import { kml, kmz } from './kml.js'

export const FORMATS: Readonly<Record<FormatId, ExportFormat>> = { geojson, geojsonseq, gpkg: geopackage, flatgeobuf, geoparquet, csv, kml, kmz } as any

/** By its id or by the ending of its files. */
export function formatOf(name: string): ExportFormat {
  const wanted = name.toLowerCase().replace(/^\./, '')
  const found = FORMAT_IDS.map(id => FORMATS[id]).filter(Boolean).find(({ id, extension }) => id === wanted || extension === `.${wanted}`)
  if (found) return found
  throw badParameter('format', `“${name.slice(0, 40)}” is none of the formats: ${FORMAT_IDS.join(', ')}.`)
}
