import { badFile } from './fault.js'

/** A member of the outermost object, or one element of its array of features, as JSON text. */
export type JsonPart =
  | { readonly member: string; readonly text: string }
  | { readonly element: string }

const QUOTE = 0x22, BACKSLASH = 0x5c, OPEN_BRACE = 0x7b, CLOSE_BRACE = 0x7d, OPEN_BRACKET = 0x5b, CLOSE_BRACKET = 0x5d, COMMA = 0x2c, COLON = 0x3a
const MAX_DEPTH = 100
const MAX_PART_BYTES = 256 * 2 ** 20

/**
 * Splits one huge JSON object into its members and the elements of the array member `array`, without building
 * the whole: it only counts brackets and quotes, and leaves each part to JSON.parse. Memory holds one part.
 * Members are given whole; pass `skip` true to count elements without their text.
 */
export async function* scanJson(bytes: AsyncIterable<Buffer>, array: string, options: { what: string; skip?: boolean }): AsyncGenerator<JsonPart> {
  const { what, skip = false } = options
  let depth = 0
  let inString = false
  let escaped = false
  /** Depth at which the part being read ends; 0 while none is read. */
  let inArray = false
  let key: string | null = null
  let afterColon = false
  let partStart = -1
  let parts: Buffer[] = []
  let partBytes = 0
  let finished = false
  let started = false

  for await (const chunk of bytes) {
    if (partStart >= 0) partStart = 0
    const take = (end: number): string => {
      if (skip && inArray) return ''
      const last = chunk.subarray(partStart, end)
      const text = parts.length ? Buffer.concat([...parts, last]).toString('utf8') : last.toString('utf8')
      parts = []
      partBytes = 0
      return text
    }
    for (let i = 0; i < chunk.length; i++) {
      const c = chunk[i]!
      if (inString) {
        if (escaped) escaped = false
        else if (c === BACKSLASH) escaped = true
        else if (c === QUOTE) {
          inString = false
          if (depth === 1 && !afterColon && partStart >= 0) {
            key = parse(take(i + 1), what) as string
            partStart = -1
          }
        }
        continue
      }
      if (c === 0x20 || c === 0x0a || c === 0x0d || c === 0x09) continue
      if (finished) throw badFile(`The ${what} goes on after its end.`)
      if (!started) {
        // A byte order mark may stand before the first brace.
        if (c === 0xef || c === 0xbb || c === 0xbf) continue
        if (c !== OPEN_BRACE) throw badFile(`The ${what} does not begin with “{”.`)
        started = true
        depth = 1
        continue
      }
      switch (c) {
        case QUOTE:
          inString = true
          if (partStart < 0) partStart = i
          break
        case OPEN_BRACE:
        case OPEN_BRACKET:
          if (++depth > MAX_DEPTH) throw badFile(`The ${what} is nested more than ${MAX_DEPTH} levels deep.`)
          if (depth === 2 && c === OPEN_BRACKET && key === array) inArray = true
          else if (partStart < 0) partStart = i
          break
        case CLOSE_BRACE:
        case CLOSE_BRACKET:
        case COMMA: {
          const level = inArray ? 2 : 1
          if (depth === level && partStart >= 0) {
            const text = take(i)
            partStart = -1
            if (inArray) yield { element: text }
            else if (key !== null) yield { member: key, text }
          }
          if (depth === 1 && c === COMMA) { key = null; afterColon = false }
          if (c !== COMMA) {
            depth--
            if (inArray && depth === 1) inArray = false
            if (depth === 0) finished = true
          }
          break
        }
        case COLON:
          if (depth === 1) afterColon = true
          break
        default:
          if (partStart < 0) partStart = i
      }
    }
    if (partStart >= 0 && !(skip && inArray)) {
      parts.push(chunk.subarray(partStart))
      partBytes += chunk.length - partStart
      if (partBytes > MAX_PART_BYTES) throw badFile(`A single part of the ${what} is larger than ${MAX_PART_BYTES / 2 ** 20} MiB.`)
    }
  }
  if (!started) throw badFile(`The ${what} is empty.`)
  if (!finished) throw badFile(`The ${what} ends in the middle: it is truncated. Copy or download it again.`)
}

/** JSON.parse with an error that names the file. */
export function parse(text: string, what: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw badFile(`The ${what} is not valid JSON: ${(error as Error).message.slice(0, 160)}.`)
  }
}
