/** The HTTP server below the application: what it takes at most, and what it says to what is no HTTP. */
import { createServer, type RequestListener, type Server } from 'node:http'
import type { Duplex } from 'node:stream'
import { Problem, problemBody } from '../errors.js'

/** Polygons and filters stand in addresses, percent-encoded. */
const HEADER_BYTES = 128 * 1024
/** How long a client that was refused may go on sending: a connection cut at once would lose it our answer. */
const LINGER_MS = 1_000

export function httpServer(listener: RequestListener): Server {
  const server = createServer({ maxHeaderSize: HEADER_BYTES }, listener)
  const refused = new WeakSet<Duplex>()
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    if (refused.has(socket)) return
    refused.add(socket)
    if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy()
    socket.end(answer(problemOf(error)))
    setTimeout(() => socket.destroy(), LINGER_MS).unref()
  })
  return server
}

function problemOf({ code }: NodeJS.ErrnoException): Problem {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW': return new Problem(431, 'too-large', `The address and the headers are longer than ${HEADER_BYTES} bytes together. Ask for less at once, or send a long outline by POST where that is offered.`)
    case 'ERR_HTTP_REQUEST_TIMEOUT': return new Problem(408, 'unavailable', 'The request did not arrive in time.')
    default: return new Problem(400, 'invalid-parameter', 'This is no HTTP/1.1 request that could be read.')
  }
}

function answer(problem: Problem): string {
  const body = JSON.stringify(problemBody(problem, 'unread'))
  return `HTTP/1.1 ${problem.status} ${problem.status === 431 ? 'Request Header Fields Too Large' : 'Bad Request'}\r\nContent-Type: application/problem+json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n${body}`
}
