import type { Kysely } from 'kysely'
import type { Database } from '../database.js'
import * as store from './001-store.js'
import * as terrain from './002-terrain.js'
import * as scenarios from './003-scenarios.js'
import * as tone from './004-tone.js'
import * as edits from './005-edits.js'
import * as history from './006-history.js'
import * as feed from './007-feed.js'
import * as sources from './008-sources.js'
import * as federation from './009-federation.js'
import * as quality from './010-quality.js'
import * as keptCells from './011-kept-cells.js'
import * as appearance from './012-appearance.js'
import * as heardTiles from './014-heard-tiles.js'
import * as globalIds from './015-global-ids.js'
import * as processes from './017-processes.js'
import * as metadata from './018-metadata.js'

export interface Migration {
  readonly name: string
  readonly up: (db: Kysely<Database>) => Promise<void>
}

/** Forward only, in this order, each once. */
export const MIGRATIONS: readonly Migration[] = [
  { name: '001-store', up: store.up },
  { name: '002-terrain', up: terrain.up },
  { name: '003-scenarios', up: scenarios.up },
  { name: '004-tone', up: tone.up },
  { name: '005-edits', up: edits.up },
  { name: '006-history', up: history.up },
  { name: '007-feed', up: feed.up },
  { name: '008-sources', up: sources.up },
  { name: '009-federation', up: federation.up },
  { name: '010-quality', up: quality.up },
  { name: '011-kept-cells', up: keptCells.up },
  { name: '012-appearance', up: appearance.up },
  { name: '014-heard-tiles', up: heardTiles.up },
  { name: '015-global-ids', up: globalIds.up },
  { name: '017-processes', up: processes.up },
  { name: '018-metadata', up: metadata.up },
]
