/** The thread in which maps are drawn: one message, one picture. */
import { parentPort } from 'node:worker_threads'
import { drawMap, type MapDrawing } from './draw-map.js'

export type DrawReply = { readonly png: Uint8Array } | { readonly error: string }

parentPort!.on('message', (drawing: MapDrawing) => {
  drawMap(drawing).then(
    (png) => parentPort!.postMessage({ png } satisfies DrawReply),
    (error) => parentPort!.postMessage({ error: String(error) } satisfies DrawReply),
  )
})
