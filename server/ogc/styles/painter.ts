/** Draws maps in a thread of its own, one after another, so that the server answers others meanwhile. */
import type { Worker } from 'node:worker_threads'
import { startWorker } from '../../worker-thread.js'
import { Gate } from '../tiles/gate.js'
import type { MapDrawing } from './draw-map.js'
import type { DrawReply } from './draw-worker.js'

const QUEUE = { atOnce: 1, mostWaiting: 200, longestWaitMs: 10_000 } as const

export class Painter {
  readonly #gate = new Gate(QUEUE)
  /** Starts with the first picture, and does not keep the process alive. */
  #worker: Worker | undefined

  /** A PNG. Rejects with the signal's reason where its turn has not come by then, and with a 503 Problem where too many wait. */
  draw(drawing: MapDrawing, signal: AbortSignal): Promise<Buffer> {
    return this.#gate.run(() => this.#ask(drawing), signal)
  }

  async #ask(drawing: MapDrawing): Promise<Buffer> {
    const worker = this.#worker ??= startWorker('./draw-worker', import.meta.url)
    worker.ref()
    try {
      const reply = await answerOf(worker, drawing)
      if ('error' in reply) throw new Error(`A map tile could not be drawn: ${reply.error}`)
      return Buffer.from(reply.png)
    } catch (error) {
      // Whatever state the thread is in: the next picture gets a new one.
      this.#worker = undefined
      void worker.terminate()
      throw error
    } finally {
      worker.unref()
    }
  }
}

function answerOf(worker: Worker, drawing: MapDrawing): Promise<DrawReply> {
  return new Promise((resolve, reject) => {
    const ended = (code: number) => settle(() => reject(new Error(`The thread that draws maps ended (${code}).`)))
    const failed = (error: Error) => settle(() => reject(error))
    const answered = (reply: DrawReply) => settle(() => resolve(reply))
    const settle = (then: () => void) => {
      worker.off('exit', ended).off('error', failed).off('message', answered)
      then()
    }
    worker.on('exit', ended).on('error', failed).on('message', answered)
    worker.postMessage(drawing)
  })
}
