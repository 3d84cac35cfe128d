/** What the headers of a write say: what the client saw, what it wants back, why it writes, and its key for asking again. */
import { createHash } from 'node:crypto'
import { badParameter, Problem } from '../errors.js'
import type { Call } from '../operations/operation.js'
import type { EditMeta, Lock } from '../store/edits.js'

/** `If-Match` with an ETag of the feature (any representation of it), and `If-Unmodified-Since`. `*` matches whatever is there. Who prefers `handling=strict` needs one of them: 428. */
export function lockOf({ request }: Pick<Call, 'request'>): Lock {
  const [match, since] = [request.get('if-match')?.trim(), request.get('if-unmodified-since')]
  if (match !== undefined) return match === '*' ? {} : { ifMatch: revisionsOf(match) }
  if (since === undefined) {
    if (/(^|[,;\s])handling=strict\b/i.test(request.get('prefer') ?? '')) throw new Problem(428, 'precondition-required', 'With “Prefer: handling=strict” nothing is changed unseen: send If-Match with the ETag of the feature as you read it, or If-Unmodified-Since with its Last-Modified.')
    return {}
  }
  const ifUnmodifiedSince = new Date(since)
  // A date that cannot be read is as if it were not there (RFC 9110, 13.1.4); but a lock that does not hold would be worse than an error.
  if (Number.isNaN(ifUnmodifiedSince.getTime())) throw badParameter('If-Unmodified-Since', `“${since.slice(0, 60)}” is not an HTTP date: copy it from the Last-Modified of the feature.`)
  return { ifUnmodifiedSince }
}

/** The revisions of features' ETags: `"12-…"`, weak or strong, comma-separated. */
export function revisionsOf(tags: string): readonly number[] {
  return tags.split(',').map(tag => {
    const revision = /^\s*(?:W\/)?"(\d{1,15})(?:-[\w-]*)?"\s*$/.exec(tag)?.[1]
    if (revision === undefined) throw new Problem(412, 'precondition-failed', `“${tag.trim().slice(0, 60)}” is no ETag of a feature: copy it from the answer to GET of the feature; "*" matches whatever is there.`)
    return Number(revision)
  })
}

export const wantsRepresentation = ({ request }: Pick<Call, 'request'>) => /(^|[,;\s])return=representation\b/i.test(request.get('prefer') ?? '')

/** Who, why, where; with `Idempotency-Key` also the fingerprint of the request. */
export function metaOf(call: Call, fallback: string, reason?: string): EditMeta {
  const key = call.request.get('idempotency-key')?.trim()
  if (key !== undefined && !/^[\x21-\x7e]{1,200}$/.test(key)) throw badParameter('Idempotency-Key', 'An Idempotency-Key is 1 to 200 visible ASCII characters, such as a UUID.')
  const meta = { actor: call.reader.subject, reason: (reason ?? headerText(call.request.get('x-reason')) ?? fallback).slice(0, MOST_REASON), branch: call.branch }
  return key === undefined ? meta : { ...meta, once: { key, fingerprint: fingerprintOf(call) } }
}
const MOST_REASON = 1000

function fingerprintOf({ request, body }: Call): string {
  return createHash('sha256').update([request.method, request.originalUrl, request.get('content-crs') ?? '', JSON.stringify(body ?? null)].join('\n')).digest('base64url')
}

/** A header as people send it: UTF-8 bytes as they are, or percent-encoded. */
function headerText(header: string | undefined): string | undefined {
  if (!header?.trim()) return undefined
  const bytes = Buffer.from(header, 'latin1').toString('utf8')
  const text = bytes.includes('\ufffd') ? header : bytes
  if (!/%[0-9a-f]{2}/i.test(text)) return text.normalize('NFC')
  try { return decodeURIComponent(text).normalize('NFC') } catch { return text.normalize('NFC') }
}
