import { badParameter } from '../errors.js'
import { cityjson, cityjsonseq } from './cityjson.js'
import { csv } from './csv.js'
import { dxf } from './dxf.js'
import { FORMAT_IDS, type ExportFormat, type FormatId } from './export.js'
import { flatgeobuf } from './flatgeobuf.js'
import { geojson, geojsonseq } from './geojson.js'
import { geopackage } from './geopackage.js'
import { geoparquet } from './geoparquet.js'
import { gml } from './gml.js'
import { kml, kmz } from './kml.js'

export const FORMATS: Readonly<Record<FormatId, ExportFormat>> = { geojson, geojsonseq, gpkg: geopackage, flatgeobuf, geoparquet, csv, cityjson, cityjsonseq, kml, kmz, gml, dxf }

/** By its id or by the ending of its files. */
export function formatOf(name: string): ExportFormat {
  const wanted = name.toLowerCase().replace(/^\./, '')
  const found = FORMAT_IDS.map(id => FORMATS[id]).find(({ id, extension }) => id === wanted || extension === `.${wanted}`)
  if (found) return found
  throw badParameter('format', `“${name.slice(0, 40)}” is none of the formats: ${FORMAT_IDS.join(', ')}.`)
}
