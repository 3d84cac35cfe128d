/** A flood computed in a thread of its own, its messages handled one after the other. */
import type { FloodRun, Peaks, Progress } from '../../simulation/flood/run.js'
import { startWorker } from '../worker-thread.js'
import type { SolverMessage } from './solver-worker.js'

export interface SolveOptions {
  readonly signal: AbortSignal
  /** A frame's depth as deflated millimetres. The next message waits for it. */
  readonly onFrame: (index: number, time: number, bytes: Buffer) => Promise<void>
  readonly onProgress: (progress: Progress) => void
}

/** Rejects with the signal's reason when aborted, else with what the solver threw. */
export async function solve(run: FloodRun, { signal, onFrame, onProgress }: SolveOptions): Promise<{ peaks: Peaks; progress: Progress }> {
  signal.throwIfAborted()
  const worker = startWorker('./solver-worker', import.meta.url, { workerData: run })
  const stop = () => void worker.terminate()
  signal.addEventListener('abort', stop, { once: true })
  try {
    return await new Promise((resolve, reject) => {
      let written: Promise<unknown> = Promise.resolve()
      worker.on('message', (message: SolverMessage) => {
        if (message.kind === 'end') void written.then(() => resolve(message), reject)
        else {
          onProgress(message.progress)
          if (message.kind === 'frame') {
            written = written.then(() => onFrame(message.index, message.time, Buffer.from(message.bytes)))
            written.catch(reject)
          }
        }
      })
      worker.on('error', reject)
      worker.on('exit', code => {
        if (code !== 0) reject(signal.aborted ? signal.reason : new Error(`The solver's thread ended with code ${code}.`))
      })
    })
  } finally {
    signal.removeEventListener('abort', stop)
    await worker.terminate()
  }
}
