/** Who asks, as ArcGIS clients say it: a `token` parameter, a header of theirs, or what every other client sends. */
import type { Response } from 'express'
import { readerOf } from '../access/tokens.js'
import { Problem } from '../errors.js'
import { searchOf } from '../http/route.js'
import type { Call } from '../operations/operation.js'
import type { Reader } from '../store/store.js'

/** Esri's codes: a token is needed, or the one that came is none. Their clients look for them in an answer of status 200. */
export const TOKEN_REQUIRED = 499
export const INVALID_TOKEN = 498

/** What a client's login flow waits for. */
class TokenFault extends Error {
  constructor(readonly code: number, message: string) { super(message) }
}

/** The call by whom its token stands for; a token in a form wins. */
export async function withReader(call: Call, formToken?: string): Promise<Call> {
  const secret = formToken || searchOf(call.request).get('token') || /^Bearer +(\S+)$/i.exec(call.request.get('x-esri-authorization') ?? '')?.[1]
  if (!secret) return call
  const found = await readerOf(call.app.store, secret)
  if (!found) throw new TokenFault(INVALID_TOKEN, 'The token is wrong or has expired: ask for a new one.')
  const { subject, roles, clearance } = found
  const reader: Reader = { subject, roles, clearance, access: { operation: `${call.request.method} ${call.request.path}`.slice(0, 300), purpose: null } }
  return { ...call, reader }
}

export const mayEdit = ({ roles }: Pick<Reader, 'roles'>) => roles.includes('editor') || roles.includes('steward')

/** Throws where the reader may not write. */
export function admitEditor({ reader }: Pick<Call, 'reader'>): void {
  if (mayEdit(reader)) return
  if (reader.subject === 'public') throw new TokenFault(TOKEN_REQUIRED, 'Editing needs the token of an editor or steward.')
  throw new Problem(403, 'forbidden', `Your token's roles (${reader.roles.join(', ')}) do not allow edits; that needs editor or steward.`)
}

/** A handler that answers token faults as Esri's clients know them. */
export function esriHandler(handle: (call: Call, response: Response) => Promise<void>): (call: Call, response: Response) => Promise<void> {
  return async (call, response) => {
    try {
      await handle(await withReader(call), response)
    } catch (error) {
      if (!(error instanceof TokenFault)) throw error
      response.set('Cache-Control', 'no-store').json({ error: { code: error.code, message: error.message, details: [] } })
    }
  }
}

/** A problem also in Esri's words. */
export function esriError<T extends { readonly status: number; readonly title: string; readonly detail: string }>(problem: T): T & { readonly error: object } {
  return { ...problem, error: { code: problem.status, message: problem.title, details: [problem.detail] } }
}

/** Whether a request speaks Esri's dialect. */
export const isEsriPath = (path: string) => /^(\/scenarios\/[^/]+)?\/arcgis(\/|$)/.test(path)
