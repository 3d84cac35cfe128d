import { createHash } from 'node:crypto'
import type { Response } from 'express'
import type { Layer } from '../../../layers/layer.js'
import type { Call } from '../../operations/operation.js'
import type { AsOf } from '../../store/store.js'
import { cacheControl } from '../common/respond.js'

/** Changes with every release of the code that shapes answers. */
const SHAPE = '1'

/** A weak validator: the revision that the answer stands on, what was asked, and what the reader may see. */
export function etag(...parts: readonly (string | number)[]): string {
  return `W/"${createHash('sha256').update([SHAPE, ...parts].join('\n')).digest('base64url').slice(0, 22)}"`
}

/**
 * A single feature's validator begins with its revision, which If-Match locks by, whatever else shaped the answer:
 * so any representation of a version can be edited. It is strong, since If-Match takes no weak ones.
 */
export function itemEtag(revision: number, ...parts: readonly (string | number)[]): string {
  if (parts.length === 0) return `"${revision}"`
  return `"${revision}-${createHash('sha256').update([SHAPE, ...parts].join('\n')).digest('base64url').slice(0, 16)}"`
}

/** ETag and Last-Modified of a feature. */
export function setValidators(response: Response, tag: string, at: Date | null): void {
  response.setHeader('ETag', tag)
  if (at) response.setHeader('Last-Modified', at.toUTCString())
}

const schemas = new WeakMap<Layer, string>()

/** Hash of a layer's definition: a changed layer file changes every answer made from it. */
export function schemaVersion(layer: Layer): string {
  const known = schemas.get(layer)
  if (known) return known
  const version = createHash('sha256').update(JSON.stringify(layer)).digest('base64url').slice(0, 12)
  schemas.set(layer, version)
  return version
}

/** Sets the validator and caching headers; true when the client has this answer already and 304 was sent. */
export function notModified(call: Pick<Call, 'request' | 'reader'>, response: Response, tag: string, kind: 'live' | 'fixed'): boolean {
  response.setHeader('ETag', tag)
  response.setHeader('Cache-Control', cacheControl(call, kind))
  if (!matches(call.request.get('if-none-match'), tag)) return false
  response.status(304).end()
  return true
}

/** Whether an If-None-Match header names the validator. */
export function matches(header: string | undefined, tag: string): boolean {
  if (!header) return false
  if (header === tag) return true
  const bare = (text: string) => text.trim().replace(/^W\//, '')
  return header.trim() === '*' || header.split(',').some((candidate) => bare(candidate) === bare(tag))
}

/** Whether an answer as of then can never change any more. */
export function isFixed(asOf: AsOf): boolean {
  return typeof asOf === 'number' || (asOf instanceof Date && asOf.getTime() < Date.now() - 60_000)
}
