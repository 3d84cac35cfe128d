import type { Operation } from '../operations/operation.js'
import { landingOperations } from './common/landing.js'
import { featureOperations } from './features/operations.js'
import { formatOperations } from './formats/operations.js'
import { tileOperations } from './tiles/operations.js'

/** OGC API Common, Features, Tiles and Styles. */
export const operations: readonly Operation[] = [...landingOperations, ...featureOperations, ...formatOperations, ...tileOperations]
