/** The processes that there are; another part adds its own here. */
import { nearMisses } from '../../core/text.js'
import { Problem } from '../errors.js'
import { check } from './check.js'
import { clipExport } from './clip-export.js'
import { echo } from './echo.js'
import { flood } from './flood.js'
import { impact } from './impact.js'
import type { ProcessDefinition } from './process.js'

export const PROCESSES: readonly ProcessDefinition[] = [flood, impact, clipExport, check, echo]

/** The process whose jobs are of this kind. */
export const findProcess = (id: string): ProcessDefinition | undefined => PROCESSES.find(process => process.id === id)

/** Throws the 404 that the standard names. */
export function processOf(id: string): ProcessDefinition {
  const found = findProcess(id)
  if (found) return found
  const ids = PROCESSES.map(process => process.id)
  const [near] = nearMisses(id, ids)
  throw new Problem(404, 'not-found', `There is no process “${id.slice(0, 60)}”.${near ? ` Did you mean “${near}”?` : ''} There are: ${ids.join(', ')}.`, { type: `${EXCEPTIONS}/no-such-process` })
}

/** Types of problems that OGC API Processes names itself. */
export const EXCEPTIONS = 'http://www.opengis.net/def/exceptions/ogcapi-processes-1/1.0'
