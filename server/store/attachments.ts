/**
 * Photos, scans and documents of features, versioned with them. Content is kept once, by its hash, in chunks;
 * attaching and taking away are edits: each makes a new version of the feature.
 */
import { createHash } from 'node:crypto'
import { sql, type RawBuilder } from 'kysely'
import type { Classification, Layer } from '../../layers/layer.js'
import { notFound } from '../errors.js'
import { CLASSES, covers } from './rights.js'
import { tablesOf } from './history.js'
import type { AsOf, Branch, Reader, Revision, RevisionMeta, RevisionWriter, Store } from './store.js'
import { storeColumnNames } from './tables.js'
import { revisionAsOf } from './view.js'

export interface Attachment {
  readonly id: number
  readonly feature: number
  readonly name: string
  readonly description: string
  readonly mediaType: string
  readonly bytes: number
  /** Hex. */
  readonly sha256: string
  readonly classification: Classification
  /** The revision that attached it. */
  readonly revision: number
}

export interface NewAttachment {
  readonly name: string
  readonly description?: string
  readonly mediaType: string
  readonly classification?: Classification
  /** The content, once, in pieces of any size. */
  readonly content: AsyncIterable<Buffer>
}

export interface FeatureRef { readonly layer: Layer; readonly branch: Branch; readonly reader: Reader; readonly id: number }

/** Attaches files to a feature, as one revision. Throws 404 where the feature is not there for the reader. */
export async function attach(store: Store, { layer, branch, reader, id }: FeatureRef, files: readonly NewAttachment[], reason?: string): Promise<{ revision: Revision; ids: readonly number[] }> {
  const meta: RevisionMeta = { actor: reader.subject, reason: reason || `attach ${files.map(({ name }) => name).join(', ').slice(0, 200)}`, branch }
  await mustBeThere(store, { layer, branch, reader, id })
  const blobs: number[] = []
  const { revision, result } = await store.withRevision(meta, async writer => {
    await touch(writer, layer, branch, [id])
    const first = await writer.allocateIds(files.length)
    for (const [i, file] of files.entries()) await sql`
      insert into dothi.attachments (id, branch, layer, feature, name, description, media_type, blob, classification, revision)
      values (${first + i}::int8, ${branch}, ${layer.id}, ${id}::int8, ${file.name}, ${file.description ?? ''}, ${file.mediaType}, ${blobs[i]}::int8, ${strictest(file.classification, layer.classification)}, ${writer.revision}::int8)`.execute(writer.tx)
    return files.map((_, i) => first + i)
  }, async tx => { for (const file of files) blobs.push(await storeBlob(tx, file.content)) })
  return { revision, ids: result }
}

/** An attachment is never more open than its layer. */
const strictest = (own: Classification | undefined, layer: Classification): Classification => (own && CLASSES.indexOf(own) > CLASSES.indexOf(layer) ? own : layer)

/** Takes an attachment away; as of earlier it stays. Throws 404. */
export async function detach(store: Store, ref: FeatureRef, attachment: number, reason?: string): Promise<Revision> {
  const { layer, branch, reader, id } = ref
  await attachmentOf(store, ref, attachment)
  const { revision } = await store.withRevision({ actor: reader.subject, reason: reason || `detach ${attachment}`, branch }, async writer => {
    await touch(writer, layer, branch, [id])
    if (!(await retire(writer, branch, [attachment]))) throw notFound(`Feature ${id} has no attachment ${attachment} any more.`)
  })
  return revision
}

/** On a branch what main attached is hidden, and what the branch attached itself retires. How many there were. */
async function retire({ tx, revision }: RevisionWriter, branch: Branch, ids: readonly number[]): Promise<number> {
  const own = await sql`update dothi.attachments set retired_revision = ${revision}::int8 where id = any(${ids}::int8[]) and branch = ${branch} and retired_revision is null and not deleted`.execute(tx)
  if (branch === 'main') return Number(own.numAffectedRows ?? 0)
  const hidden = await sql`insert into dothi.attachments (id, branch, layer, feature, name, description, media_type, blob, classification, deleted, revision)
    select id, ${branch}, layer, feature, name, description, media_type, blob, classification, true, ${revision}::int8 from dothi.attachments as m
    where id = any(${ids}::int8[]) and branch = 'main' and retired_revision is null
      and not exists (select from dothi.attachments as o where o.id = m.id and o.branch = ${branch} and o.retired_revision is null)`.execute(tx)
  return Number(own.numAffectedRows ?? 0) + Number(hidden.numAffectedRows ?? 0)
}

/** A new version of features whose own columns stay as they are. Throws 404 where one is not there. */
export async function touch({ tx, revision }: RevisionWriter, layer: Layer, branch: Branch, ids: readonly number[]): Promise<void> {
  const [city, , overlay] = tablesOf(layer)
  const mine = sql`branch = ${branch === 'main' ? null : branch}::uuid and id = any(${ids}::int8[])`
  if (branch === 'main') {
    const { numAffectedRows } = await sql`update ${city} set revision = revision where id = any(${ids}::int8[])`.execute(tx)
    if (Number(numAffectedRows) < ids.length) throw notFound(`There is no feature ${ids.join(' or ')} in “${layer.id}”.`)
    return
  }
  const made = new Set(['revision', 'valid_from', 'geom_3857', 'cell'])
  const columns = [...storeColumnNames(layer).filter(name => !made.has(name)), ...layer.columns.map(({ name }) => name)].map(name => sql.ref(name))
  // What this very revision made already needs no second version.
  await sql`update ${overlay} set retired_revision = ${revision}::int8 where ${mine} and retired_revision is null and not deleted and revision < ${revision}::int8`.execute(tx)
  await sql`insert into ${overlay} (branch, ${sql.join(columns)})
    select branch, ${sql.join(columns)} from ${overlay} where ${mine} and retired_revision = ${revision}::int8
    union all select ${branch}::uuid, ${sql.join(columns)} from ${city} as c where id = any(${ids}::int8[]) and not exists (select from ${overlay} as o where o.branch = ${branch}::uuid and o.id = c.id and (o.retired_revision is null or o.retired_revision = ${revision}::int8))`.execute(tx)
  const { rows: [found] } = await sql<{ n: number }>`select count(*) as n from ${overlay} where ${mine} and retired_revision is null and not deleted`.execute(tx)
  if (found!.n < ids.length) throw notFound(`There is no feature ${ids.join(' or ')} in “${layer.id}”.`)
}

// ---- content -----------------------------------------------------------------------------------------------------

const CHUNK_BYTES = 256 << 10

/** Stores content once; the id of what holds it, which may have been there already. */
async function storeBlob(tx: RevisionWriter['tx'], content: AsyncIterable<Buffer>): Promise<number> {
  const { rows: [fresh] } = await sql<{ id: number }>`select nextval(pg_get_serial_sequence('dothi.blobs', 'id')) as id`.execute(tx)
  const id = fresh!.id
  const hash = createHash('sha256')
  let [bytes, n] = [0, 0]
  for await (const chunk of chunks(content)) {
    hash.update(chunk)
    bytes += chunk.length
    await sql`insert into dothi.blob_chunks (blob, n, data) values (${id}::int8, ${n++}, ${chunk})`.execute(tx)
  }
  const sha256 = hash.digest()
  const { rows } = await sql`insert into dothi.blobs (id, sha256, bytes) overriding system value values (${id}::int8, ${sha256}, ${bytes}::int8) on conflict (sha256) do nothing returning id`.execute(tx)
  if (rows.length) return id
  await sql`delete from dothi.blob_chunks where blob = ${id}::int8`.execute(tx)
  return (await sql<{ id: number }>`select id from dothi.blobs where sha256 = ${sha256}`.execute(tx)).rows[0]!.id
}

async function* chunks(content: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let pending: Buffer[] = []
  let size = 0
  for await (const piece of content) {
    pending.push(piece)
    size += piece.length
    if (size < CHUNK_BYTES) continue
    const whole = Buffer.concat(pending)
    let at = 0
    for (; at + CHUNK_BYTES <= whole.length; at += CHUNK_BYTES) yield whole.subarray(at, at + CHUNK_BYTES)
    pending = [whole.subarray(at)]
    size = whole.length - at
  }
  if (size > 0) yield Buffer.concat(pending)
}

/** An attachment's content, piece by piece. */
export async function* contentOf(store: Store, reader: Reader, blob: number): AsyncGenerator<Buffer> {
  for (let n = 0; ; n++) {
    const { rows } = await sql<{ data: Buffer }>`select data from dothi.blob_chunks where blob = ${blob}::int8 and n = ${n}`.execute(store.pool(reader.clearance))
    if (!rows[0]) return
    yield rows[0].data
  }
}

// ---- reading -----------------------------------------------------------------------------------------------------

/** What is attached to a feature, or was as of then; what the reader may see of it. Throws 404 where the feature is not there. */
export async function attachmentsOf(store: Store, ref: FeatureRef, asOf: AsOf = 'now'): Promise<readonly (Attachment & { readonly blob: number })[]> {
  const { layer, branch, reader, id } = ref
  await mustBeThere(store, ref, asOf)
  const at = await revisionAsOf(store.pool(reader.clearance), asOf)
  const { rows } = await sql<Attachment & { blob: number }>`
    select a.id, feature, name, description, media_type as "mediaType", b.bytes, encode(b.sha256, 'hex') as sha256, classification, revision, blob
    from dothi.attachments as a join dothi.blobs as b on b.id = a.blob
    where layer = ${layer.id} and feature = ${id}::int8 and ${seenOn(branch, at)} order by a.id`.execute(store.pool(reader.clearance))
  return rows
}

export async function attachmentOf(store: Store, ref: FeatureRef, attachment: number, asOf: AsOf = 'now'): Promise<Attachment & { readonly blob: number }> {
  const found = (await attachmentsOf(store, ref, asOf)).find(({ id }) => id === attachment)
  if (!found) throw notFound(`Feature ${ref.id} has no attachment ${attachment}${asOf === 'now' ? '' : ' as of then'}.`)
  return found
}

/** Rows of `attachments as a` that a branch sees. */
function seenOn(branch: Branch, at: number | null): RawBuilder<unknown> {
  const holds = (alias: string) => at === null ? sql`${sql.ref(`${alias}.retired_revision`)} is null`
    : sql`${sql.ref(`${alias}.revision`)} <= ${at}::int8 and (${sql.ref(`${alias}.retired_revision`)} is null or ${sql.ref(`${alias}.retired_revision`)} > ${at}::int8)`
  if (branch === 'main') return sql`a.branch = 'main' and ${holds('a')}`
  return sql`${holds('a')} and not a.deleted and (a.branch = ${branch} or (a.branch = 'main' and not exists (select from dothi.attachments as o where o.id = a.id and o.branch = ${branch} and ${holds('o')})))`
}

async function mustBeThere(store: Store, { layer, branch, reader, id }: FeatureRef, asOf: AsOf = 'now'): Promise<void> {
  const view = await store.view({ layer, branch, asOf, reader, columns: [], where: { op: '=', left: { property: 'id' }, right: { literal: id } } })
  if ((await view.execute()).length === 0) throw notFound(`${layer.id} has no feature ${id}${asOf === 'now' ? '' : ' as of then'}.`)
}

// ---- taking back, and merging ------------------------------------------------------------------------------------

/** Takes back what revision n attached and brings back what it took away, except on features that stay as they are. How many. */
export async function undoAttachments(writer: RevisionWriter, layer: Layer, branch: Branch, n: number, left: readonly number[]): Promise<number> {
  const { tx, revision } = writer
  const own = sql`layer = ${layer.id} and branch = ${branch} and not (feature = any(${left}::int8[]))`
  const retired = await sql`update dothi.attachments set retired_revision = ${revision}::int8 where ${own} and revision = ${n}::int8 and retired_revision is null`.execute(tx)
  const back = await bringBack(writer, sql`${own} and a.retired_revision = ${n}::int8 and a.revision < ${n}::int8`)
  return Number(retired.numAffectedRows ?? 0) + back
}

/** New rows like former ones, where none of their kind holds. */
async function bringBack({ tx, revision }: RevisionWriter, which: RawBuilder<unknown>): Promise<number> {
  const { numAffectedRows } = await sql`insert into dothi.attachments (id, branch, layer, feature, name, description, media_type, blob, classification, deleted, revision)
    select distinct on (id, branch) id, branch, layer, feature, name, description, media_type, blob, classification, deleted, ${revision}::int8 from dothi.attachments as a
    where ${which} and not exists (select from dothi.attachments as o where o.id = a.id and o.branch = a.branch and o.retired_revision is null) order by id, branch, a.revision desc`.execute(tx)
  return Number(numAffectedRows ?? 0)
}

/** A feature's attachments become those that it had as of a revision, as far as the reader sees them. How many changed. */
export async function restoreAttachments(writer: RevisionWriter, layer: Layer, branch: Branch, feature: number, at: number, reader: Reader): Promise<number> {
  const { tx } = writer
  const seen = async (moment: number | null) => (await sql<{ id: number; branch: string; revision: number; classification: Classification }>`
    select id, branch, revision, classification from dothi.attachments as a where layer = ${layer.id} and feature = ${feature}::int8 and ${seenOn(branch, moment)}`.execute(tx)).rows.filter(row => covers(reader.clearance, row.classification))
  const [then, now] = [await seen(at), await seen(null)]
  const gone = now.filter(({ id }) => !then.some(row => row.id === id)).map(({ id }) => id)
  const missing = then.filter(({ id }) => !now.some(row => row.id === id))
  const retired = gone.length ? await retire(writer, branch, gone) : 0
  let back = 0
  for (const row of missing) {
    if (branch !== 'main') {
      // A branch that hid main's attachment shows it again; one that main has lost since comes back as the branch's own.
      await sql`update dothi.attachments set retired_revision = ${writer.revision}::int8 where id = ${row.id}::int8 and branch = ${branch} and deleted and retired_revision is null`.execute(tx)
      const { rows: [held] } = await sql<{ n: number }>`select count(*) as n from dothi.attachments where id = ${row.id}::int8 and branch = 'main' and retired_revision is null`.execute(tx)
      back++
      if (held!.n > 0) continue
    }
    const { numAffectedRows } = await sql`insert into dothi.attachments (id, branch, layer, feature, name, description, media_type, blob, classification, revision)
      select id, ${branch}, layer, feature, name, description, media_type, blob, classification, ${writer.revision}::int8 from dothi.attachments where id = ${row.id}::int8 and branch = ${row.branch} and revision = ${row.revision}::int8`.execute(tx)
    if (branch === 'main') back += Number(numAffectedRows ?? 0)
  }
  if (retired + back > 0) await touch(writer, layer, branch, [feature])
  return retired + back
}

/** What a branch attached and took away becomes main's, except on features that keep main's. The features that it touched. */
export async function mergeAttachments(writer: RevisionWriter, layer: Layer, branch: string, left: readonly number[]): Promise<readonly number[]> {
  const { tx, revision } = writer
  const own = sql`o.layer = ${layer.id} and o.branch = ${branch} and o.retired_revision is null and not (o.feature = any(${left}::int8[]))`
  const removed = await sql<{ feature: number }>`update dothi.attachments as m set retired_revision = ${revision}::int8 from dothi.attachments as o
    where ${own} and o.deleted and m.id = o.id and m.branch = 'main' and m.retired_revision is null returning m.feature`.execute(tx)
  const added = await sql<{ feature: number }>`insert into dothi.attachments (id, branch, layer, feature, name, description, media_type, blob, classification, revision)
    select id, 'main', layer, feature, name, description, media_type, blob, classification, ${revision}::int8 from dothi.attachments as o where ${own} and not o.deleted
      and not exists (select from dothi.attachments as m where m.id = o.id and m.branch = 'main' and m.retired_revision is null) returning feature`.execute(tx)
  await sql`update dothi.attachments set retired_revision = ${revision}::int8 where layer = ${layer.id} and branch = ${branch} and retired_revision is null`.execute(tx)
  return [...new Set([...removed.rows, ...added.rows].map(({ feature }) => feature))]
}
