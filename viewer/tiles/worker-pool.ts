/** A few tile workers behind one promise a job. */
import type { Tile } from '../../core/tile-matrix.js'
import type { Change } from './change.js'
import type { PickedFeature, Settings, TileResult, WorkerReply, WorkerRequest } from './protocol.js'

export interface TileJob { readonly result: Promise<TileResult>; cancel(): void }

export interface WorkerPool {
  configure(settings: Settings): void
  /** What the workers keep of these places is stale. */
  forget(changes: readonly Change[]): void
  tile(tile: Tile, shown: readonly string[], mesh: boolean): TileJob
  pick(ask: { lon: number; lat: number; tile: Tile; shown: readonly string[]; toleranceM: number }): Promise<readonly PickedFeature[]>
  readonly busy: number
  /** Tiles that keep the workers busy: one to draw and some to wait for, each. */
  readonly room: number
  dispose(): void
}

export function createWorkerPool(size = Math.max(1, Math.min(3, (navigator.hardwareConcurrency || 2) - 1))): WorkerPool {
  const workers = Array.from({ length: size }, () => new Worker(new URL('./tile-worker.ts', import.meta.url), { type: 'module' }))
  const waiting = new Map<number, { resolve: (reply: WorkerReply & { ok: true }) => void; reject: (error: Error) => void }>()
  let next = 0
  for (const worker of workers) {
    worker.onmessage = ({ data }: MessageEvent<WorkerReply>) => {
      const job = waiting.get(data.job)
      waiting.delete(data.job)
      if (data.ok) job?.resolve(data)
      else job?.reject(new Error(data.error))
    }
  }
  const send = (worker: Worker, message: WorkerRequest & { job: number }) =>
    new Promise<WorkerReply & { ok: true }>((resolve, reject) => {
      waiting.set(message.job, { resolve, reject })
      worker.postMessage(message)
    })
  // A tile always goes to the same worker as its parent's region, so that decoded tiles are found again.
  const workerOf = (tile: Tile) => workers[(tile.z > 13 ? (tile.x >> (tile.z - 13)) + (tile.y >> (tile.z - 13)) : tile.x + tile.y) % size]!
  return {
    configure(settings) { for (const worker of workers) worker.postMessage({ kind: 'settings', settings } satisfies WorkerRequest) },
    forget(changes) { for (const worker of workers) worker.postMessage({ kind: 'forget', changes } satisfies WorkerRequest) },
    tile(tile, shown, mesh) {
      const job = next++
      const worker = workerOf(tile)
      const result = send(worker, { kind: 'tile', job, tile, shown, mesh }).then((reply) => ('tile' in reply ? reply.tile : Promise.reject(new Error('not a tile'))))
      return { result, cancel: () => { if (waiting.has(job)) worker.postMessage({ kind: 'cancel', job } satisfies WorkerRequest) } }
    },
    async pick(ask) {
      const reply = await send(workerOf(ask.tile), { kind: 'pick', job: next++, ...ask })
      return 'picked' in reply ? reply.picked : []
    },
    get busy() { return waiting.size },
    room: 2 + size * 3,
    dispose() { for (const worker of workers) worker.terminate() },
  }
}
