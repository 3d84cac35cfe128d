import type { Call } from '../operations/operation.js'
import type { OtherCollection } from './features/collections.js'

/** The collections beside the layers that this reader sees here: coverages. */
export async function otherCollections(_call: Call): Promise<readonly OtherCollection[]> {
  return []
}
