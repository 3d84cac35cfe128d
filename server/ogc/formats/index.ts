/** The formats of items beside those of features' own: files, as exports write them. */
import type { ItemFormat } from '../features/formats.js'
import { FORMATS } from '../../export/formats.js'
import { fileFormat } from './file-format.js'

/** In the order in which they are offered. */
export const OTHER_FORMATS: readonly ItemFormat[] = [
  fileFormat(FORMATS.flatgeobuf), fileFormat(FORMATS.geoparquet), fileFormat(FORMATS.gpkg), fileFormat(FORMATS.csv), fileFormat(FORMATS.cityjson), fileFormat(FORMATS.gml),
]
