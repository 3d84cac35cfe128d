/**
 * A user's mistake or a limit reached, told as RFC 9457 problem+json.
 * `detail` says what was wanted, what came, and what to do.
 */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly type: string,
    readonly detail: string,
    readonly more: Readonly<Record<string, unknown>> = {},
    readonly headers: Readonly<Record<string, string>> = {},
  ) {
    super(detail)
    this.name = 'Problem'
  }
}

const TITLES: Readonly<Record<string, string>> = {
  'invalid-parameter': 'Invalid parameter',
  'unknown-parameter': 'Unknown parameter',
  'invalid-body': 'Invalid body',
  'not-found': 'Not found',
  'method-not-allowed': 'Method not possible',
  'not-acceptable': 'Not acceptable',
  'unauthorised': 'Token needed',
  'forbidden': 'Not allowed',
  'conflict': 'Conflict',
  'gone': 'Gone',
  'precondition-failed': 'Precondition failed',
  'precondition-required': 'Precondition needed',
  'invalid-feature': 'Invalid feature',
  'rolled-back': 'Rolled back',
  'key-reused': 'Key used before',
  'too-large': 'Too large',
  'too-many': 'Too many requests',
  'unavailable': 'Not available now',
  'upstream': 'Upstream failed',
  'private-address': 'Private address',
  'sync-stopped': 'Sync stopped',
  'internal': 'Internal error',
}

export const badParameter = (parameter: string, detail: string, more = {}) =>
  new Problem(400, 'invalid-parameter', detail, { parameter, ...more })
export const notFound = (detail: string) => new Problem(404, 'not-found', detail)
export const badBody = (detail: string, more = {}) => new Problem(400, 'invalid-body', detail, more)
export const forbidden = (detail: string) => new Problem(403, 'forbidden', detail)
export const conflict = (detail: string, more = {}) => new Problem(409, 'conflict', detail, more)

/** The one table from what was thrown to what a client sees. */
export function toProblem(error: unknown): Problem {
  if (error instanceof Problem) return error
  const { code, status, type } = error as { code?: string; status?: number; type?: string }
  if (code === '57014') return new Problem(503, 'unavailable', 'The query took too long and was stopped. Ask for a smaller area or a stricter filter.', {}, { 'Retry-After': '5' })
  if (code === '53300' || isConnectionLost(error))
    return new Problem(503, 'unavailable', 'The database cannot be reached now. Try again in a few seconds.', {}, { 'Retry-After': '5' })
  if (/^timeout exceeded when trying to connect/.test((error as Error)?.message ?? ''))
    return new Problem(503, 'unavailable', 'Every connection to the database has been busy for a while. Try again in a few seconds.', {}, { 'Retry-After': '5' })
  if (code === '22003') return badParameter('filter', 'A number that the request computes with is too large or too small for a computer.')
  if (code === '42501') return forbidden('Your clearance does not cover this data.')
  if (status === 413 || type === 'entity.too.large') return new Problem(413, 'too-large', 'The body is larger than this server accepts.')
  if (status && status >= 400 && status < 500) return new Problem(status, 'invalid-body', (error as Error).message)
  return new Problem(500, 'internal', 'Something failed on the server. It has been logged; try again or tell the operator the request id.')
}

/** The database went away, or is not there (yet): the same may succeed later. */
export function isConnectionLost(error: unknown): boolean {
  const { code = '', syscall, message = '' } = error as { code?: string; syscall?: string; message?: string }
  return /^(08...|57P0[123]|ECONNREFUSED|ECONNRESET|EPIPE)$/.test(code) || (code === 'ENOENT' && syscall === 'connect')
    || /^(Connection terminated|Client has encountered a connection error)/.test(message)
}

/** The problem as a JSON body; `instance` is the request id. Its `type` is a page of this server's documentation. */
export function problemBody(problem: Problem, instance: string, origin = '') {
  return {
    type: `${origin}/docs/problems#${problem.type}`,
    title: TITLES[problem.type] ?? problem.type,
    status: problem.status,
    detail: problem.detail,
    instance,
    ...problem.more,
  }
}
