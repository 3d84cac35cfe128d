import { availableParallelism } from 'node:os'
import type { Worker } from 'node:worker_threads'
import { Problem } from '../errors.js'
import { startWorker } from '../worker-thread.js'
import type { EncodeReply, EncodeRequest } from './encode-worker.js'
import type { TileJob } from './encode.js'

export interface EncodedTile {
  /** The GLB, gzipped. */
  readonly gzip: Uint8Array
  /** Length of the GLB itself. */
  readonly length: number
}

/** Tiles that may wait for a worker: at 20 ms each, a client waits a second at most. */
const QUEUE_LIMIT = 128

interface Waiting { readonly job: TileJob; readonly resolve: (tile: EncodedTile) => void; readonly reject: (error: Error) => void }

/**
 * Encodes tiles in worker threads, one fewer than there are cores. Workers start with the first tile
 * and do not keep the process alive. Throws a 503 Problem with Retry-After when too many tiles wait.
 */
export class EncodePool {
  readonly #size = Math.max(1, Math.min(4, availableParallelism() - 1))
  readonly #idle: Worker[] = []
  readonly #queue: Waiting[] = []
  readonly #busy = new Map<Worker, Waiting>()
  #n = 0

  encode(job: TileJob): Promise<EncodedTile> {
    if (this.#queue.length >= QUEUE_LIMIT)
      throw new Problem(503, 'unavailable', 'Too many 3D tiles are being made at once. Ask again in a second.', {}, { 'Retry-After': '1' })
    return new Promise((resolve, reject) => {
      this.#queue.push({ job, resolve, reject })
      this.#next()
    })
  }

  #next(): void {
    if (this.#queue.length === 0) return
    const worker = this.#idle.pop() ?? (this.#busy.size < this.#size ? this.#start() : undefined)
    if (!worker) return
    const waiting = this.#queue.shift()!
    this.#busy.set(worker, waiting)
    worker.ref()
    worker.postMessage({ n: ++this.#n, job: waiting.job } satisfies EncodeRequest)
  }

  #start(): Worker {
    const worker = startWorker('./encode-worker', import.meta.url)
    worker.on('message', (reply: EncodeReply) => {
      const waiting = this.#busy.get(worker)!
      this.#busy.delete(worker)
      worker.unref()
      this.#idle.push(worker)
      if ('error' in reply) waiting.reject(new Error(`A 3D tile of ${waiting.job.layer} could not be encoded: ${reply.error}`))
      else waiting.resolve(reply)
      this.#next()
    })
    worker.on('error', error => {
      const waiting = this.#busy.get(worker)
      this.#busy.delete(worker)
      waiting?.reject(error as Error)
      this.#next()
    })
    return worker
  }
}
