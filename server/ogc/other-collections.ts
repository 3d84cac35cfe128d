import { coverageCollections } from '../coverages/operations.js'
import type { Call } from '../operations/operation.js'
import type { OtherCollection } from './features/collections.js'
import { volumeCollections } from './volumes/volumes.js'
import { catalogueCollection } from './records/handlers.js'

/** The collections beside the layers that this reader sees here: coverages, the catalogue, which stands beside the present city, and containers of what is to be seen in 3D. */
export async function otherCollections(call: Call): Promise<readonly OtherCollection[]> {
  return [...await coverageCollections(call), ...(call.branch === 'main' ? [catalogueCollection] : []), ...await volumeCollections(call)]
}
