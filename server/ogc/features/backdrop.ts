import type { BBox } from '../../../core/bbox.js'
import type { Layer } from '../../../layers/layer.js'
import type { Call } from '../../operations/operation.js'
import { selectedLayers } from '../tiles/get-tile.js'
import { reachOf } from '../tiles/reach.js'

/** Picture tiles of WebMercatorQuad that a map can lie on. */
export interface Backdrop {
  /** With {z}, {x} and {y}. */
  readonly template: string
  /** Beyond these there are none. */
  readonly box: BBox
  readonly zoom: { readonly min: number; readonly max: number }
}

/** The city as its style paints it; undefined where there is nothing yet. */
export function cityBackdrop(call: Call): Promise<Backdrop | undefined> {
  return backdrop(call, selectedLayers(call), `${call.base}/ogc`)
}

/** One layer as its style paints it. */
export function layerBackdrop(call: Call, layer: Layer): Promise<Backdrop | undefined> {
  return backdrop(call, [layer], `${call.base}/ogc/collections/${layer.id}`)
}

async function backdrop(call: Call, layers: readonly Layer[], href: string): Promise<Backdrop | undefined> {
  const { bbox, zoom } = await reachOf(call, layers)
  return bbox ? { template: `${href}/map/tiles/WebMercatorQuad/{z}/{y}/{x}?f=png`, box: bbox, zoom } : undefined
}
