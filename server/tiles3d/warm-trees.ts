import { PUBLIC, type Store } from '../store/store.js'
import { tiles3dOf } from './service.js'

/** Features from which on summing up a layer takes long enough to be noticed by who asks first. */
const LARGE = 20_000

/** Sums up large layers once the city can be seen, one after the other, so that nobody waits for their first tileset. */
export function startTrees({ store }: { readonly store: Store }): { stop(): Promise<void> } {
  let stopped = false
  const work = (async () => {
    const service = tiles3dOf(store)
    for (const layer of store.catalogue.for(PUBLIC).filter(each => each.threeD && each.kind === 'city')) {
      if (stopped) return
      if ((await store.layerSummary(layer)).count >= LARGE) await service.tiles(await service.snapshot({ layer, branch: 'main', asOf: 'now', reader: PUBLIC }))
    }
  })().catch(error => { if (!stopped) console.error('3D tiles could not be prepared; they are made when asked for.', error) })
  return {
    async stop() {
      stopped = true
      await work
    },
  }
}
