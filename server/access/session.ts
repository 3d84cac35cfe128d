/** The steward's token of this machine: kept in DATA_DIR, readable by its owner only, so that the link of `make run` stays the same. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Store } from '../store/store.js'
import { createToken, readerOf } from './tokens.js'

export async function sessionToken(store: Store, dataDir: string): Promise<string> {
  const path = join(dataDir, 'token')
  const kept = readIfAny(path)
  if (kept && await readerOf(store, kept)) return kept
  const { secret } = await createToken(store, { subject: 'steward', role: 'steward', days: 365 })
  mkdirSync(dataDir, { recursive: true })
  writeFileSync(path, `${secret}\n`, { mode: 0o600 })
  return secret
}

function readIfAny(path: string): string {
  try { return readFileSync(path, 'utf8').trim() } catch { return '' }
}
