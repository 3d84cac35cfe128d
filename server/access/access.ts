/**
 * Who is asking? `Authorization: Bearer …`, or the HttpOnly cookie that `/?token=…` was exchanged for, or nobody: PUBLIC.
 */
import { createHash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { Request, Response } from 'express'
import type { Classification } from '../../layers/layer.js'
import type { Config } from '../config.js'
import { forbidden, Problem } from '../errors.js'
import { originOf } from '../http/origin.js'
import { searchOf } from '../http/route.js'
import { PUBLIC } from '../store/store.js'
import type { Reader, Store } from '../store/store.js'
import { readerOf } from './tokens.js'

export interface Access {
  /** The reader of a request. Throws 401 for a wrong or expired token, 403 for a write that another site has caused. */
  reader(request: Request): Promise<Reader>
  /** The clearance of a request that only reads, where that is known at once; undefined leaves it to `reader`. */
  clearanceNow(request: IncomingMessage): Classification | undefined
  /** Exchanges `/?token=…` for the cookie and redirects to the same address without it; false for any other request. */
  login(request: Request, response: Response): Promise<boolean>
}

/** A tile view asks dozens of times a second; a token that was revoked ends within this time. */
const REMEMBER_MS = 2_000

type Found = Awaited<ReturnType<typeof readerOf>>

export function createAccess({ store, config }: { store: Store; config: Config }): Access {
  const remembered = new Map<string, { readonly until: number; readonly found: Promise<Found>; known?: Found }>()
  // Cookies do not know ports: two servers on one host must not read each other's.
  const cookie = `dothi_${createHash('sha256').update(config.databaseUrl ?? config.dataDir).digest('hex').slice(0, 8)}`

  const lookUp = (secret: string): Promise<Found> => {
    const now = Date.now()
    const known = remembered.get(secret)
    if (known && known.until > now) return known.found
    if (remembered.size > 1000) remembered.clear()
    const found = readerOf(store, secret)
    const entry: { until: number; found: Promise<Found>; known?: Found } = { until: now + REMEMBER_MS, found }
    remembered.set(secret, entry)
    found.then(value => { entry.known = value }, () => remembered.delete(secret))
    return found
  }

  const setCookie = (request: Request, response: Response, value: string, seconds: number) =>
    response.append('Set-Cookie', `${cookie}=${value}; Path=/; HttpOnly; SameSite=Strict; Max-Age=${seconds}${isHttps(request, config) ? '; Secure' : ''}`)

  return {
    async reader(request) {
      const bearer = bearerOf(request)
      if (bearer !== undefined) {
        const found = await lookUp(bearer)
        if (!found) throw unauthorised('The bearer token is wrong or has expired: ask for a new one (`dothi token create`).')
        return asReader(found, request)
      }
      const session = cookieOf(request, cookie)
      if (session === undefined) return PUBLIC
      const found = await lookUp(session)
      const writes = !['GET', 'HEAD', 'OPTIONS'].includes(request.method)
      if (!found) {
        if (request.res) setCookie(request, request.res, '', 0)
        if (writes) throw unauthorised('Your session has expired: open the link with `?token=` again.')
        return PUBLIC // a page that anybody may read is not closed by an old cookie
      }
      if (writes && !isSameOrigin(request, config)) throw forbidden('A write by cookie must come from this server\'s own pages; other programs use `Authorization: Bearer`.')
      return asReader(found, request)
    },

    clearanceNow(request) {
      if (request.headers.authorization === undefined && request.headers.cookie === undefined) return PUBLIC.clearance
      const secret = request.headers.authorization === undefined ? cookieOf(request, cookie) : secretIn(request.headers.authorization)
      if (secret === undefined) return request.headers.authorization === undefined ? PUBLIC.clearance : undefined
      const entry = remembered.get(secret)
      return entry && entry.until > Date.now() ? entry.known?.clearance : undefined
    },

    async login(request, response) {
      if (request.method !== 'GET' || request.path !== '/') return false
      const search = searchOf(request)
      const secret = search.get('token')
      if (secret === null) return false
      const found = await lookUp(secret)
      if (!found) throw unauthorised('The token of this link is wrong or has expired: start dothi again, or ask for a new link.')
      const days30 = 30 * 86_400
      const seconds = found.expires ? Math.min(days30, Math.ceil((found.expires.getTime() - Date.now()) / 1000)) : days30
      setCookie(request, response, secret, seconds)
      search.delete('token')
      response.set('Cache-Control', 'no-store').set('Referrer-Policy', 'no-referrer')
      response.redirect(303, search.size ? `/?${search}` : '/')
      return true
    },
  }
}

/** The reader of one request. Its query is left out of the operation: what people look for may be personal itself. */
const asReader = ({ subject, roles, clearance }: Reader, request: Request): Reader => ({
  subject, roles, clearance, access: { operation: `${request.method} ${request.path}`.slice(0, 300), purpose: purposeOf(request) },
})

/** What the reader says the reading is for; percent-encoded where it is not ASCII, since headers are Latin-1. */
function purposeOf(request: Request): string | null {
  const given = request.get('x-purpose')?.trim().slice(0, 600)
  if (!given) return null
  try { return decodeURIComponent(given).slice(0, 300) } catch { return given.slice(0, 300) }
}

const unauthorised = (detail: string) => new Problem(401, 'unauthorised', detail, {}, { 'WWW-Authenticate': 'Bearer' })

function bearerOf(request: Request): string | undefined {
  const header = request.headers.authorization
  if (header === undefined) return undefined
  const secret = secretIn(header)
  if (!secret) throw unauthorised('The Authorization header must read `Bearer` and a token.')
  return secret
}

const secretIn = (header: string) => /^Bearer +(\S+) *$/i.exec(header)?.[1]

function cookieOf(request: IncomingMessage, name: string): string | undefined {
  const pair = request.headers.cookie?.split(/; */).find(pair => pair.startsWith(`${name}=`))
  return pair?.slice(name.length + 1) || undefined
}

const isHttps = (request: Request, config: Config) => originOf(request, config).startsWith('https:')

function isSameOrigin(request: Request, config: Config): boolean {
  const site = request.headers['sec-fetch-site']
  if (site !== undefined) return site === 'same-origin'
  return request.headers.origin === originOf(request, config) // older browsers
}
