/** Why dothi cannot start or a command failed, in one sentence that says what to do. */
import { Problem } from './errors.js'
import { explainStartError } from './store/cluster.js'

export function startError(error: unknown): string {
  if (error instanceof Problem) return error.detail
  const { code, port, address, syscall } = error as { code?: string; port?: number; address?: string; syscall?: string }
  if (syscall === 'listen') {
    if (code === 'EADDRINUSE') return `Port ${port} of ${address} is taken: stop the program that uses it, or choose another one (PORT=${(port ?? 8080) + 1} make run).`
    if (code === 'EACCES') return `Port ${port} needs more rights: choose one above 1023 (PORT=8080 make run).`
    if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND') return `This machine has no address ${address ?? ''}: correct HOST (127.0.0.1 for this machine only, 0.0.0.0 for all).`
  }
  return explainStartError(error)
}
