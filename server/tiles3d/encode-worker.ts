import { gzipSync } from 'node:zlib'
import { parentPort } from 'node:worker_threads'
import { encodeTile, type TileJob } from './encode.js'

/** What the pool sends and gets back. */
export interface EncodeRequest { readonly n: number; readonly job: TileJob }
export type EncodeReply =
  | { readonly n: number; readonly gzip: Uint8Array; readonly length: number }
  | { readonly n: number; readonly error: string }

parentPort!.on('message', ({ n, job }: EncodeRequest) => {
  try {
    const glb = encodeTile(job)
    const gzip = new Uint8Array(gzipSync(glb, { level: 5 }))
    parentPort!.postMessage({ n, gzip, length: glb.length } satisfies EncodeReply, [gzip.buffer as ArrayBuffer])
  } catch (error) {
    parentPort!.postMessage({ n, error: (error as Error).stack ?? String(error) } satisfies EncodeReply)
  }
})
