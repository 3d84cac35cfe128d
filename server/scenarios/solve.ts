/** A flood computed in a thread of its own, its messages handled one after the other. */
import { Worker } from 'node:worker_threads'
import type { FloodRun, Peaks, Progress } from '../../simulation/flood/run.js'
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
  const worker = new Worker(threadEntry(), { workerData: run })
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

/** The built file; from sources, tsx has to be registered in the new thread first, since Node hands loaders of `--import` on to no thread. */
function threadEntry(): URL {
  if (!import.meta.url.endsWith('.ts')) return new URL('./solver-worker.js', import.meta.url)
  const source = new URL('./solver-worker.ts', import.meta.url).href
  return new URL(`data:text/javascript,import { register } from '${import.meta.resolve('tsx/esm/api')}'; register(); await import('${source}')`)
}
