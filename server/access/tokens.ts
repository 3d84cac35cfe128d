/**
 * Bearer tokens. A token is 32 random bytes; the store keeps its SHA-256 only, so a stolen table opens nothing.
 * (A slow hash is for passwords that people choose; these cannot be guessed.)
 */
import { createHash, randomBytes, randomUUID, timingSafeEqual } from 'node:crypto'
import { sql } from 'kysely'
import { badBody, notFound } from '../errors.js'
import type { Classification } from '../../layers/layer.js'
import { noteAccess } from '../store/access-log.js'
import { STEWARD, type Reader, type Role, type Store } from '../store/store.js'

export interface Token {
  readonly id: string
  readonly subject: string
  /** A role with those below it. */
  readonly roles: readonly Role[]
  readonly clearance: Classification
  readonly created: Date
  readonly expires: Date | null
}

const PREFIX = 'dothi_'
/** Each role may do what those before it may. */
const ROLES: readonly Role[] = ['viewer', 'editor', 'steward']
const CLEARANCES: readonly Classification[] = ['open', 'internal', 'restricted']
const DEFAULT_CLEARANCE: Record<Role, Classification> = { viewer: 'open', editor: 'internal', steward: 'restricted' }

/** Makes a token and returns its secret, which cannot be seen again. */
export async function createToken(store: Store, { subject, role, clearance, days }: { subject: string; role: string; clearance?: string; days?: number }): Promise<{ token: Token; secret: string }> {
  if (!isOneOf(ROLES, role)) throw badBody(`A token's role is one of ${ROLES.join(', ')}, not “${role}”.`)
  const level = clearance ?? DEFAULT_CLEARANCE[role]
  if (!isOneOf(CLEARANCES, level)) throw badBody(`A token's clearance is one of ${CLEARANCES.join(', ')}, not “${clearance}”.`)
  if (!subject.trim() || subject.length > 200) throw badBody('A token needs the name of whom it is for, of at most 200 characters.')
  if (days !== undefined && !(days > 0 && days <= 3650)) throw badBody(`A token is valid for 1 to 3650 days, not ${days}.`)
  const secret = PREFIX + randomBytes(32).toString('base64url')
  const { rows } = await sql<Token>`
    insert into dothi.tokens (id, hash, subject, roles, clearance, expires)
    values (${randomUUID()}, ${hashOf(secret)}, ${subject.trim()}, ${ROLES.slice(0, ROLES.indexOf(role) + 1)}, ${level}, ${days === undefined ? null : sql`now() + make_interval(hours => ${Math.round(days * 24)}::int)`})
    returning ${COLUMNS}`.execute(store.db)
  await noteAccess(store.db, STEWARD, { layer: null, columns: [], operation: 'token create', how: { id: rows[0]!.id, subject: rows[0]!.subject, role, clearance: level } })
  return { token: rows[0]!, secret }
}

export async function listTokens(store: Store): Promise<readonly Token[]> {
  return (await sql<Token>`select ${COLUMNS} from dothi.tokens where revoked is null order by created`.execute(store.db)).rows
}

/** Takes a token away by its id, or all of a subject. */
export async function revokeToken(store: Store, idOrSubject: string): Promise<number> {
  const { rows } = await sql`
    update dothi.tokens set revoked = now() where revoked is null and (id::text = ${idOrSubject} or subject = ${idOrSubject}) returning id`.execute(store.db)
  if (rows.length === 0) throw notFound(`There is no token with the id or subject “${idOrSubject}”: see \`dothi token list\`.`)
  await noteAccess(store.db, STEWARD, { layer: null, columns: [], operation: 'token revoke', how: { idOrSubject, count: rows.length } })
  return rows.length
}

/** Whom a secret stands for; undefined if it is wrong or expired. */
export async function readerOf(store: Store, secret: string): Promise<(Reader & { expires: Date | null }) | undefined> {
  const hash = hashOf(secret)
  const { rows } = await sql<Token & { hash: string }>`
    select hash, ${COLUMNS} from dothi.tokens where hash = ${hash} and revoked is null and (expires is null or expires > now())`.execute(store.db)
  const found = rows[0]
  if (!found || !timingSafeEqual(Buffer.from(found.hash), Buffer.from(hash))) return undefined
  return { subject: found.subject, roles: found.roles, clearance: found.clearance, expires: found.expires }
}

const COLUMNS = sql`id, subject, roles, clearance, created, expires`
const hashOf = (secret: string) => createHash('sha256').update(secret).digest('hex')
const isOneOf = <T extends string>(values: readonly T[], value: string): value is T => (values as readonly string[]).includes(value)
