/** What an execute request says (OGC API Processes part 1, clause 7.11), beside the values of its inputs. */
import { Type, type Static } from '@sinclair/typebox'
import { nearMisses } from '../../core/text.js'
import { badBody, Problem } from '../errors.js'
import type { Execution } from '../operations/jobs.js'
import type { ExecuteCall, ProcessDefinition } from './process.js'

const closed = { additionalProperties: false }
const Uri = (description: string) => Type.String({ maxLength: 2000, format: 'uri', description })
const words = <T extends string>(...options: T[]) => Type.Unsafe<T>({ type: 'string', enum: options })

const FormatWanted = Type.Object({ mediaType: Type.Optional(Type.String({ maxLength: 200 })), encoding: Type.Optional(Type.String({ maxLength: 40 })), schema: Type.Optional(Type.Any()) }, closed)

export const ExecuteSchema = Type.Object({
  inputs: Type.Optional(Type.Record(Type.String(), Type.Any(), { description: 'By name: a value; `{"value": …}`; or `{"href": …}`, which is fetched.' })),
  outputs: Type.Optional(Type.Record(Type.String(), Type.Object({ transmissionMode: Type.Optional(words('value', 'reference')), format: Type.Optional(FormatWanted) }, closed), { description: 'Outputs wanted; none or empty: all.' })),
  response: Type.Optional(words('raw', 'document')),
  subscriber: Type.Optional(Type.Object({
    successUri: Uri('Gets the results as a document, by POST.'),
    inProgressUri: Type.Optional(Uri('Gets the status while the job works.')),
    failedUri: Type.Optional(Uri('Gets the problem of a failed job.')),
  }, { ...closed, description: 'Whom to tell, once the job has ended.' })),
}, closed)
export type ExecuteRequest = Static<typeof ExecuteSchema>

/** The part of a request that shapes how results are told. Throws Problems. */
export function executionOf({ outputs, response = 'raw', subscriber }: ExecuteRequest, process: ProcessDefinition, { base, reader }: ExecuteCall): Execution {
  const wanted = Object.entries(outputs ?? {})
  for (const [name, { format }] of wanted) {
    const output = Object.hasOwn(process.outputs, name) ? process.outputs[name] : undefined
    if (!output) throw noSuchOutput(process, name)
    const [asked, given] = [format?.mediaType, output.schema.contentMediaType as string | undefined]
    if (asked && given && plain(asked) !== plain(given)) throw badBody(`The output “${name}” comes as ${given}, not as “${asked.slice(0, 80)}”.`, { pointer: `/outputs/${name}/format/mediaType` })
  }
  if (subscriber && reader.subject === 'public') throw new Problem(401, 'unauthorised', 'Whoever names a subscriber needs a token: dothi calls no address for somebody unknown.', {}, { 'WWW-Authenticate': 'Bearer' })
  for (const [name, uri] of Object.entries(subscriber ?? {})) checkUri(uri, `/subscriber/${name}`)
  return { ...(wanted.length && { outputs }), response, ...(subscriber && { subscriber }), base }
}

export const plain = (mediaType: string) => mediaType.split(';')[0]!.trim().toLowerCase()

function noSuchOutput(process: ProcessDefinition, name: string): Problem {
  const names = Object.keys(process.outputs)
  const [near] = nearMisses(name, names)
  return badBody(`The process ${process.id} has no output “${name.slice(0, 60)}”.${near ? ` Did you mean “${near}”?` : ''} There are: ${names.join(', ')}.`, { pointer: `/outputs/${name.slice(0, 60)}` })
}

function checkUri(uri: string, pointer: string): void {
  if (!/^https?:\/\//i.test(uri) || !URL.canParse(uri)) throw badBody(`“${uri.slice(0, 80)}” is no address that could be called: it begins with https:// or http://.`, { pointer })
}

// ── Prefer (RFC 7240) ────────────────────────────────────────────────────────────────────────────

export interface Mode {
  readonly mode: 'sync' | 'async'
  /** Asynchronous, but worth a wait of so long: who is done by then answers at once. */
  readonly waitSeconds: number
}
const LONGEST_WAIT_SECONDS = 60

/** Waited for where the process may be and nothing else is preferred. */
export function modeOf(prefer: string | undefined, { jobControl }: ProcessDefinition): Mode {
  const preferences = (prefer ?? '').split(/[,;]/).map(part => part.trim().toLowerCase())
  const wait = Number(/^wait="?(\d{1,6})"?$/.exec(preferences.find(part => part.startsWith('wait=')) ?? '')?.[1] ?? 0)
  const sync = jobControl.includes('sync-execute') && !(preferences.includes('respond-async') && jobControl.includes('async-execute'))
  return { mode: sync ? 'sync' : 'async', waitSeconds: Math.min(LONGEST_WAIT_SECONDS, wait) }
}
