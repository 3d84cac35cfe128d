/** Frames of a run: uint16 depths, row-major, north first, deflated; a loader for @loaders.gl/core. */
import { parse } from '@loaders.gl/core'
import type { LoaderWithParser } from '@loaders.gl/loader-utils'
import { source } from '../core/source.js'

export const NODATA = 65535

export interface FrameShape { readonly rows: number; readonly cols: number }

const FrameLoader = {
  id: 'dothi-frame', name: 'Flood frame', module: 'dothi', version: '1', dataType: null as unknown as Uint16Array, batchType: null as never,
  extensions: ['frame'], mimeTypes: ['application/octet-stream'], binary: true, options: {},
  parse: async (bytes: ArrayBuffer) => new Uint16Array(await inflate(bytes)),
} satisfies LoaderWithParser<Uint16Array, never, object>

/** Stored depths of frame `n`; multiply by the manifest's scale for metres. Throws where the size does not fit the grid. */
export async function loadFrame(run: string, n: number, { rows, cols }: FrameShape, signal?: AbortSignal): Promise<Uint16Array> {
  const bytes = await source().server!.runFrame(run, n, signal)
  const frame = bytes.byteLength === rows * cols * 2 ? new Uint16Array(bytes) : await parse(bytes, FrameLoader) as Uint16Array
  if (frame.length !== rows * cols) throw new Error(`frame ${n}: ${frame.length} cells, wanted ${rows * cols}`)
  return frame
}

async function inflate(bytes: ArrayBuffer): Promise<ArrayBuffer> {
  // zlib streams begin with 0x78; anything else is raw deflate.
  const format = new Uint8Array(bytes, 0, 1)[0] === 0x78 ? 'deflate' : 'deflate-raw'
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream(format))).arrayBuffer()
}

/** Depth in metres and 1 where computed, as half floats for the GPU. `table` is 65,536 entries: stored value → half. */
export function toHalfPairs(frame: Uint16Array, table: Uint16Array, one: number): Uint16Array {
  const out = new Uint16Array(frame.length * 2)
  for (let i = 0; i < frame.length; i++) {
    const stored = frame[i]!
    if (stored === NODATA) continue
    out[i * 2] = table[stored]!
    out[i * 2 + 1] = one
  }
  return out
}
