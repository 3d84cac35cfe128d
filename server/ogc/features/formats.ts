/** The formats that features come in: a page of them, or one. */
import type { Response } from 'express'
import type { Call } from '../../operations/operation.js'
import type { Link } from '../common/links.js'
import type { Language, Media } from '../common/media.js'
import { OTHER_FORMATS } from '../formats/index.js'
import type { Cursor } from './cursor.js'
import type { Window } from './order.js'
import { geojson, html, jsonfg } from './page-formats.js'
import type { ItemsQuery } from './query.js'
import type { FeatureRow } from './rows.js'

/** What of a query is to be written, in its order. Rows come from `pageRows` or `featureBatches` (rows.ts). */
export interface ItemsPage {
  readonly query: ItemsQuery
  readonly limit: number
  /** Undefined where it is not worth counting. */
  readonly matched: number | undefined
  /** Where the page lies. */
  readonly window: Window
  readonly lang: Language
  /** All links of the page: self, alternates, collection, and the neighbours that there are. */
  links(neighbours: Neighbours): Link[]
}

/** The pages beside this one; `pageNeighbours` (rows.ts) tells them before the rows are read, for formats that need them in headers. */
export interface Neighbours { readonly next?: Cursor; readonly prev?: Cursor }

/** One feature, found. */
export interface Item {
  readonly query: ItemsQuery
  readonly row: FeatureRow
  readonly lang: Language
  readonly links: readonly Link[]
}

export interface ItemFormat {
  readonly media: Media
  /** Sends a page as it is made; headers of the query (Content-Crs, ETag, counts) are set already. */
  write(call: Call, response: Response, page: ItemsPage): Promise<void>
  /** Sends one feature; without it the feature is a page that holds nothing else. */
  writeItem?(call: Call, response: Response, item: Item): Promise<void> | void
}

/** In the order in which they are offered: who takes anything gets the first. */
export const ITEM_FORMATS: readonly ItemFormat[] = [geojson, html, jsonfg, ...OTHER_FORMATS]
