import type { Request } from 'express'
import type { Config } from '../config.js'

/**
 * `https://city.example` without a trailing slash: BASE_URL, else what a proxy says
 * (`Forwarded`, RFC 7239, or `X-Forwarded-*`), else the request itself.
 * A host that is not a plain host name, address or port is ignored.
 */
export function originOf(request: Request, config: Pick<Config, 'baseUrl'>): string {
  if (config.baseUrl) return config.baseUrl
  const forwarded = parseForwarded(request.get('forwarded'))
  const proto = forwarded.proto ?? first(request.get('x-forwarded-proto')) ?? (isEncrypted(request) ? 'https' : 'http')
  const prefix = first(request.get('x-forwarded-prefix')) ?? ''
  const port = first(request.get('x-forwarded-port'))
  let host = [forwarded.host, first(request.get('x-forwarded-host')), request.get('host')].find((name) => name && HOST.test(name)) ?? 'localhost'
  if (port && /^\d{1,5}$/.test(port) && !/:\d+$/.test(host) && port !== (proto === 'https' ? '443' : '80')) host += `:${port}`
  return `${proto === 'https' ? 'https' : 'http'}://${host}${/^(\/[\w.~-]+)*$/.test(prefix) ? prefix : ''}`
}

/** The connection may be gone by now. */
const isEncrypted = ({ socket }: Request) => (socket as { encrypted?: boolean } | null | undefined)?.encrypted === true

const HOST = /^([a-z0-9._-]+|\[[0-9a-f:.]+\])(:\d{1,5})?$/i

function parseForwarded(header: string | undefined): { proto?: string; host?: string } {
  const pairs = (header?.split(',')[0] ?? '').split(';').map((pair) => pair.trim().split('='))
  const value = (name: string) => pairs.find(([key]) => key?.toLowerCase() === name)?.[1]?.replace(/^"|"$/g, '')
  return { proto: value('proto')?.toLowerCase(), host: value('host') }
}

function first(header: string | undefined): string | undefined {
  return header?.split(',')[0]?.trim() || undefined
}
