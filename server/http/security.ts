import type { RequestHandler, Response } from 'express'

const CSP = [
  "default-src 'self'", "script-src 'self' 'wasm-unsafe-eval'", "worker-src 'self' blob:", "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data: blob:", "connect-src 'self' data: blob:", "font-src 'self' data:", "object-src 'none'", "base-uri 'none'", "form-action 'self'",
].join('; ')

/** No host but our own, no sniffing, no framing except `/embed`. */
export const securityHeaders: RequestHandler = (request, response, next) => {
  const embed = request.path.startsWith('/embed')
  response.setHeader('Content-Security-Policy', `${CSP}; frame-ancestors ${embed ? '*' : "'self'"}`)
  response.setHeader('X-Content-Type-Options', 'nosniff')
  response.setHeader('Referrer-Policy', 'same-origin')
  response.setHeader('Cross-Origin-Resource-Policy', 'cross-origin')
  next()
}

/** Threads for the viewer (SharedArrayBuffer) need an isolated page; workers must carry the same. */
export function isolate(response: Response): void {
  response.setHeader('Cross-Origin-Opener-Policy', 'same-origin')
  response.setHeader('Cross-Origin-Embedder-Policy', 'credentialless')
}

/** Headers that pages of other origins may read. */
export const EXPOSED = [
  'Link', 'Content-Crs', 'Content-Language', 'Content-Disposition', 'Content-Location', 'ETag', 'Last-Modified', 'Location', 'Allow', 'Accept-Post', 'Accept-Patch', 'Preference-Applied', 'Retry-After',
  'OGC-NumberMatched', 'OGC-NumberReturned', 'Server-Timing', 'X-Request-Id', 'X-Revision', 'Idempotency-Replayed', 'X-Features-Truncated', 'X-Terrain',
  'X-Export-Crs', 'X-Export-Losses', 'X-Simulation', 'X-Array-Type',
].join(', ')

/** Headers that pages of other origins may send, besides those that need no asking. */
const ACCEPTED = [
  'Authorization', 'Content-Type', 'Content-Crs', 'Accept-Language', 'If-Match', 'If-None-Match', 'If-Modified-Since', 'If-Unmodified-Since', 'Prefer', 'Range',
  'Idempotency-Key', 'Last-Event-ID', 'X-Esri-Authorization', 'X-Reason', 'X-Request-Id',
].join(', ')

/** Any page may read the API; cookies are not sent across sites, tokens must be given by hand. */
export const cors: RequestHandler = (request, response, next) => {
  response.setHeader('Access-Control-Allow-Origin', '*')
  response.setHeader('Access-Control-Expose-Headers', EXPOSED)
  response.setHeader('Timing-Allow-Origin', '*')
  if (request.method === 'OPTIONS' && request.get('access-control-request-method')) {
    response.setHeader('Access-Control-Allow-Methods', 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS')
    response.setHeader('Access-Control-Allow-Headers', ACCEPTED)
    response.setHeader('Access-Control-Max-Age', '86400')
  }
  next()
}
