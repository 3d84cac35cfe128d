/** Values of inputs: inline, qualified or by reference → what their schemas say, or a problem that points at what is wrong. */
import { Type } from '@sinclair/typebox'
import { nearMisses } from '../../core/text.js'
import { badBody, Problem } from '../errors.js'
import { bodyChecker } from '../http/parameters.js'
import { outbound } from '../http/outbound.js'
import type { Reader } from '../store/store.js'
import { plain } from './execution.js'
import type { ProcessDefinition, ProcessInput } from './process.js'

/** A value with what it is said to be; and one that lies elsewhere. */
interface Qualified { readonly value: unknown; readonly mediaType?: string; readonly encoding?: string; readonly format?: { readonly mediaType?: string } }
interface Reference { readonly href: string; readonly type?: string; readonly format?: { readonly mediaType?: string } }

const MOST_REFERENCED_BYTES = 8 * 2 ** 20
const MOST_REFERENCES = 5
const REFERENCE_MS = 30_000

/** The inputs as the process takes them, defaults included. Throws Problems with a JSON pointer. */
export async function readInputs(given: Readonly<Record<string, unknown>>, process: ProcessDefinition, reader: Reader, signal: AbortSignal): Promise<Record<string, unknown>> {
  const names = Object.keys(process.inputs)
  for (const name of Object.keys(given)) {
    if (names.includes(name)) continue
    const [near] = nearMisses(name, names)
    throw badBody(`The process ${process.id} has no input “${name.slice(0, 60)}”.${near ? ` Did you mean “${near}”?` : ''} There are: ${names.join(', ')}.`, { pointer: `/inputs/${name.slice(0, 60)}` })
  }
  const references = Object.values(given).filter(isReference).length
  if (references > MOST_REFERENCES) throw badBody(`${references} inputs are references; at most ${MOST_REFERENCES} are fetched for one execution.`, { pointer: '/inputs' })
  const inputs: Record<string, unknown> = {}
  for (const [name, input] of Object.entries(process.inputs)) {
    const value = given[name]
    if (value !== undefined && value !== null) inputs[name] = await valueOf(value, name, input, reader, signal)
    else if (input.required === true) throw badBody(`The input “${name}” is needed: ${input.description.en}`, { pointer: `/inputs/${name}` })
  }
  check(process, { inputs })
  for (const [name, value] of Object.entries(inputs)) checkBase64(process.inputs[name]!, value, name)
  return inputs
}

const checkers = new WeakMap<ProcessDefinition, ReturnType<typeof bodyChecker>>()

/** By the very schemas that the description shows; defaults are filled in. */
function check(process: ProcessDefinition, body: { inputs: Record<string, unknown> }): void {
  let checker = checkers.get(process)
  if (!checker) {
    const members = Object.fromEntries(Object.entries(process.inputs).map(([name, { schema }]) => [name, Type.Optional(schema)]))
    checkers.set(process, checker = bodyChecker(Type.Object({ inputs: Type.Object(members, { additionalProperties: false }) })))
  }
  checker(body)
}

async function valueOf(given: unknown, name: string, input: ProcessInput, reader: Reader, signal: AbortSignal): Promise<unknown> {
  if (isReference(given)) return fetched(given, name, input, reader, signal)
  if (!isQualified(given)) return given
  checkMediaType(given.mediaType ?? given.format?.mediaType, name, input)
  return given.value
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value)
const isReference = (value: unknown): value is Reference => isObject(value) && typeof value.href === 'string'
const QUALIFIERS = new Set(['value', 'mediaType', 'encoding', 'schema', 'format'])
const isQualified = (value: unknown): value is Qualified => isObject(value) && 'value' in value && Object.keys(value).every(key => QUALIFIERS.has(key))

function checkMediaType(given: string | undefined, name: string, { schema }: ProcessInput): void {
  const wanted = schema.contentMediaType as string | undefined
  if (given && wanted && plain(given) !== plain(wanted)) throw badBody(`The input “${name}” is ${wanted}, not “${given.slice(0, 80)}”.`, { pointer: `/inputs/${name}/mediaType` })
}

/** Addresses are called for people who are known only, and never inside the operator's network. */
async function fetched({ href, type, format }: Reference, name: string, input: ProcessInput, reader: Reader, signal: AbortSignal): Promise<unknown> {
  const pointer = `/inputs/${name}/href`
  if (reader.subject === 'public') throw new Problem(401, 'unauthorised', `The input “${name}” is a reference. Whoever wants one fetched needs a token: dothi calls no address for somebody unknown.`, { pointer }, { 'WWW-Authenticate': 'Bearer' })
  checkMediaType(type ?? format?.mediaType, name, input)
  const answer = await outbound(href, { maxBytes: MOST_REFERENCED_BYTES, timeoutMs: REFERENCE_MS, signal, headers: { Accept: type ?? '*/*' } }).catch(error => { throw pointed(error, pointer) })
  const bytes = await answer.bytes().catch(error => { throw pointed(error, pointer) })
  if (answer.status !== 200) throw badBody(`The reference of the input “${name}” answered ${answer.status}; 200 was wanted.`, { pointer })
  if (input.schema.contentEncoding === 'base64') return bytes.toString('base64')
  const text = bytes.toString('utf8')
  if (input.schema.type === 'string') return text
  try {
    return JSON.parse(text)
  } catch {
    throw badBody(`The reference of the input “${name}” answered what is not JSON: “${text.trim().slice(0, 80)}”.`, { pointer })
  }
}

/** What was asked to be fetched was the client's choice, so its failure is a mistake in the request. */
function pointed(error: unknown, pointer: string): unknown {
  return error instanceof Problem ? new Problem(error.status >= 500 ? 400 : error.status, error.type, error.detail, { ...error.more, pointer }) : error
}

function checkBase64({ schema }: ProcessInput, value: unknown, name: string): void {
  if (schema.contentEncoding === 'base64' && typeof value === 'string' && !/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(value))
    throw badBody(`The input “${name}” is bytes in base64, but holds a character that base64 has not, or is cut short.`, { pointer: `/inputs/${name}` })
}
