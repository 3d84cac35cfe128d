/** A plain web server over a folder, as any host of files is: byte ranges, validators, nothing of ours. */
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { extname, join, normalize } from 'node:path'
import type { Tearable } from './test-store.js'

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css', '.json': 'application/json', '.woff2': 'font/woff2', '.woff': 'font/woff', '.glb': 'model/gltf-binary',
}

/** `requests` are told as `GET /path 206`. Ends with the test. */
export async function serveFolder(t: Tearable, folder: string): Promise<{ readonly url: string; readonly requests: string[] }> {
  const requests: string[] = []
  const server = createServer((request, response) => {
    response.on('finish', () => requests.push(`${request.method} ${request.url} ${response.statusCode}`))
    send(folder, request, response).catch(() => response.writeHead(404).end())
  })
  await new Promise<void>(done => server.listen(0, '127.0.0.1', done))
  t.teardown(async () => { server.closeAllConnections(); server.close() })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests }
}

async function send(folder: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const path = normalize(decodeURIComponent(new URL(request.url!, 'http://files').pathname))
  const file = join(folder, path.endsWith('/') ? `${path}index.html` : path)
  const { size, mtimeMs } = await stat(file)
  const headers = { 'content-type': TYPES[extname(file)] ?? 'application/octet-stream', 'accept-ranges': 'bytes', etag: `"${size}-${mtimeMs}"` }
  const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '')
  if (!range) return void createReadStream(file).pipe(response.writeHead(200, { ...headers, 'content-length': size }))
  const start = Number(range[1])
  const end = Math.min(size - 1, range[2] ? Number(range[2]) : size - 1)
  if (start > end) return void response.writeHead(416, { 'content-range': `bytes */${size}` }).end()
  createReadStream(file, { start, end }).pipe(response.writeHead(206, { ...headers, 'content-length': end - start + 1, 'content-range': `bytes ${start}-${end}/${size}` }))
}
