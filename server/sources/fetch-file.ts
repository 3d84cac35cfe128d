import { createWriteStream } from 'node:fs'
import { open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import type { OutboundResponse } from '../http/outbound.js'
import { incomingFolder, keep, safeName } from '../import/uploads.js'
import { ask, refuseWebPage } from './ask.js'
import type { Fetched, Fetching } from './delivery.js'
import { DEFAULT_MAX_BYTES, type SourceDefinition } from './source.js'

const TIMEOUT_MS = 3_600_000

/** A file at an address. Asks with the validators of the last time, so that an unchanged file costs one small answer. */
export async function fetchFile({ location, maxBytes = DEFAULT_MAX_BYTES }: SourceDefinition, { folder, headers, memory, anyway, signal, progress }: Fetching): Promise<Fetched> {
  progress(0, `asking ${new URL(location).host}`)
  const conditions = anyway ? {} : {
    ...(memory.etag ? { 'If-None-Match': memory.etag } : {}),
    ...(memory.lastModified ? { 'If-Modified-Since': memory.lastModified } : {}),
  }
  const answer = await ask(location, { headers: { ...headers, ...conditions }, maxBytes, timeoutMs: TIMEOUT_MS, signal })
  if (answer.status === 304) return { nothing: 'the file has not changed upstream' }
  const incoming = await incomingFolder(folder)
  try {
    const name = fileName(answer)
    const path = join(incoming, name)
    const total = Number(answer.headers['content-length'] ?? NaN)
    let read = 0
    answer.body.on('data', (chunk: Buffer) => { read += chunk.length; progress(total ? Math.min(1, read / total) : 0.5, `${(read / 1e6).toFixed(1)} MB of ${name}`) })
    await pipeline(answer.body, createWriteStream(path))
    refuseWebPage(await startOf(path), answer.url)
    const { etag, 'last-modified': lastModified } = answer.headers
    return { file: await keep(incoming, name, folder), validators: { ...(etag ? { etag } : {}), ...(lastModified ? { lastModified } : {}) }, notes: [] }
  } catch (error) {
    await rm(incoming, { recursive: true, force: true })
    throw error
  }
}

/** What the server calls it; formats are told by content first, so any name will do. */
function fileName({ headers, url }: OutboundResponse): string {
  const disposition = headers['content-disposition'] ?? ''
  const named = /filename\*=UTF-8''([^;]+)/i.exec(disposition)?.[1] ?? /filename="?([^";]+)/i.exec(disposition)?.[1] ?? new URL(url).pathname.split('/').at(-1) ?? ''
  return safeName(decoded(named) || 'download')
}
const decoded = (text: string) => { try { return decodeURIComponent(text) } catch { return text } }

async function startOf(path: string): Promise<string> {
  const handle = await open(path)
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(2000), 0, 2000, 0)
    return buffer.subarray(0, bytesRead).toString('utf8')
  } finally {
    await handle.close()
  }
}
