import type { Operation } from '../operations/operation.js'
import { landingOperations } from './common/landing.js'
import { pageFileOperations } from './common/page-files.js'
import { featureOperations } from './features/operations.js'
import { formatOperations } from './formats/operations.js'
import { recordOperations } from './records/operations.js'
import { styleOperations } from './styles/operations.js'
import { tileOperations } from './tiles/operations.js'

/** OGC API Common, Features, Records, Tiles and Styles. */
export const operations: readonly Operation[] = [...landingOperations, ...featureOperations, ...formatOperations, ...recordOperations, ...tileOperations, ...styleOperations, ...pageFileOperations]
