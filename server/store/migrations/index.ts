import type { Kysely } from 'kysely'
import type { Database } from '../database.js'
import * as store from './001-store.js'

export interface Migration {
  readonly name: string
  readonly up: (db: Kysely<Database>) => Promise<void>
}

/** Forward only, in this order, each once. */
export const MIGRATIONS: readonly Migration[] = [
  { name: '001-store', up: store.up },
]
