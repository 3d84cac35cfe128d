/** The log of revisions, and taking one back. */
import type { Response } from 'express'
import { sql } from 'kysely'
import { forbidden, notFound } from '../errors.js'
import { metaOf } from '../edits/preconditions.js'
import { here, type Link } from '../ogc/common/links.js'
import type { Call } from '../operations/operation.js'
import { revisionLog, type RevisionEntry } from '../store/history.js'
import { undoRevision } from '../store/undo.js'
import { fresh } from './feature-history.js'

/** `GET /revisions`: newest first. */
export async function getRevisions(call: Call, response: Response): Promise<void> {
  const { limit, before, layer, actor } = call.params
  const entries = await revisionLog(call.app.store, { reader: call.reader, branch: call.branch, before, layer, actor, limit: limit + 1 })
  const page = entries.slice(0, limit)
  const links: Link[] = [
    { href: here(call), rel: 'self', type: 'application/json' },
    ...(entries.length > limit ? [{ href: here(call, { before: String(page[limit - 1]!.revision) }), rel: 'next', type: 'application/json' }] : []),
  ]
  fresh(call, response).json({ revisions: page.map(entry => told(call, entry)), links })
}

/** `GET /revisions/{n}`. */
export async function getRevision(call: Call, response: Response): Promise<void> {
  const [entry] = await revisionLog(call.app.store, { reader: call.reader, branch: call.branch, only: call.params.revision, limit: 1 })
  if (!entry) throw notFound(`There is no revision ${call.params.revision} here. GET ${call.base}/revisions lists them.`)
  fresh(call, response).json(told(call, entry))
}

function told(call: Call, entry: RevisionEntry) {
  const { revision, changes } = entry
  return {
    ...entry,
    changes: changes.map(({ layer, inserted, updated, deleted, bbox }) => ({
      layer, inserted, updated, deleted, bbox,
      links: [{ href: `${call.base}/ogc/collections/${layer}/diff?from=${revision - 1}&to=${revision}`, rel: 'related', type: 'application/geo+json', title: 'What it changed' }],
    })),
    links: [
      { href: `${call.base}/revisions/${revision}`, rel: 'self', type: 'application/json' },
      { href: `${call.base}/revisions/${revision}/undo`, rel: 'related', title: 'POST here to undo it' },
    ],
  }
}

/** What an editor may undo without a steward: rows. */
const EDITORS_MOST = 1000

/** `POST /revisions/{n}/undo?onConflict=`. */
export async function undo(call: Call, response: Response): Promise<void> {
  const { app: { store }, reader, branch } = call
  const { revision, onConflict } = call.params
  if (!reader.roles.includes('steward')) {
    const { rows: [bulk] } = await sql<{ rows: number }>`select coalesce(sum(inserted + updated + deleted), 0) as rows from dothi.changes where revision = ${revision}::int8 and branch = ${branch}`.execute(store.db)
    if (Number(bulk!.rows) > EDITORS_MOST) throw forbidden(`Revision ${revision} changed ${bulk!.rows} features: to undo more than ${EDITORS_MOST} at once needs a steward.`)
  }
  const { kept, ...undone } = await undoRevision(store, { reader, branch, revision, onConflict, reason: metaOf(call, `undo revision ${revision}`).reason })
  if (undone.revision) response.set('X-Revision', String(undone.revision.revision))
  response.set('Cache-Control', 'no-store').json({ undone: revision, ...undone, kept: kept.count, conflicts: kept.conflicts })
}
