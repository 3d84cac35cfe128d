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

/** Tiles that may wait for their turn: at 20 ms each, a client waits a few seconds at most. */
const QUEUE_LIMIT = 128
/** Tiles whose rows are read while the workers are busy with others. */
const READ_AHEAD = 2

interface Waiting {
  readonly read: () => Promise<TileJob>
  readonly resolve: (tile: EncodedTile) => void
  readonly reject: (error: unknown) => void
}
interface Ready extends Waiting { readonly job: TileJob }

/**
 * Encodes tiles in worker threads, one fewer than there are cores. A tile's rows are read when its turn comes, so those that wait
 * hold no memory. Workers start with the first tile and do not keep the process alive.
 */
export class EncodePool {
  readonly #size = Math.max(1, Math.min(4, availableParallelism() - 1))
  readonly #idle: Worker[] = []
  readonly #busy = new Map<Worker, Ready>()
  readonly #waiting: Waiting[] = []
  readonly #ready: Ready[] = []
  #reading = 0
  #n = 0

  /** The tile of the rows that `read` brings. Rejects with what `read` throws, and with a 503 Problem with Retry-After when too many tiles wait. */
  async encode(read: () => Promise<TileJob>): Promise<EncodedTile> {
    if (this.#waiting.length >= QUEUE_LIMIT)
      throw new Problem(503, 'unavailable', 'Too many 3D tiles are being made at once. Ask again in a second.', {}, { 'Retry-After': '1' })
    return new Promise((resolve, reject) => {
      this.#waiting.push({ read, resolve, reject })
      this.#next()
    })
  }

  #next(): void {
    while (this.#waiting.length > 0 && this.#reading + this.#ready.length + this.#busy.size < this.#size + READ_AHEAD) void this.#read(this.#waiting.shift()!)
    while (this.#ready.length > 0) {
      const worker = this.#idle.pop() ?? (this.#busy.size < this.#size ? this.#start() : undefined)
      if (!worker) return
      const ready = this.#ready.shift()!
      this.#busy.set(worker, ready)
      worker.ref()
      worker.postMessage({ n: ++this.#n, job: ready.job } satisfies EncodeRequest)
    }
  }

  async #read(waiting: Waiting): Promise<void> {
    this.#reading++
    try {
      this.#ready.push({ ...waiting, job: await waiting.read() })
    } catch (error) {
      waiting.reject(error)
    } finally {
      this.#reading--
      this.#next()
    }
  }

  #start(): Worker {
    const worker = startWorker('./encode-worker', import.meta.url)
    worker.on('message', (reply: EncodeReply) => {
      const done = this.#done(worker)!
      worker.unref()
      this.#idle.push(worker)
      if ('error' in reply) done.reject(new Error(`A 3D tile of ${done.job.layer} could not be encoded: ${reply.error}`))
      else done.resolve(reply)
      this.#next()
    })
    worker.on('error', error => {
      this.#done(worker)?.reject(error)
      this.#next()
    })
    return worker
  }

  #done(worker: Worker): Ready | undefined {
    const ready = this.#busy.get(worker)
    this.#busy.delete(worker)
    return ready
  }
}
