/** The thread that computes: one case in, frames and peaks out. It knows neither store nor network. */
import { parentPort, workerData } from 'node:worker_threads'
import { deflateSync } from 'node:zlib'
import { quantise } from '../../simulation/flood/frame.js'
import { runFlood, type FloodRun, type Peaks, type Progress } from '../../simulation/flood/run.js'

export type SolverMessage =
  | { readonly kind: 'frame'; readonly index: number; readonly time: number; readonly bytes: Uint8Array; readonly progress: Progress }
  | { readonly kind: 'progress'; readonly progress: Progress }
  | { readonly kind: 'end'; readonly peaks: Peaks; readonly progress: Progress }

/** Progress is worth telling a few times a second. */
const TELL_MS = 300

if (!parentPort) throw new Error('This file runs as a worker thread.')
const port = parentPort
const tell = (message: SolverMessage) => port.postMessage(message)
let told = 0
for (const event of runFlood(workerData as FloodRun)) {
  if (event.kind === 'frame') {
    const millimetres = quantise(event.depth)
    tell({ kind: 'frame', index: event.index, time: event.time, bytes: deflateSync(new Uint8Array(millimetres.buffer)), progress: event.progress })
  } else if (event.kind === 'end') tell(event)
  else if (Date.now() - told > TELL_MS) {
    tell(event)
    told = Date.now()
  }
}
