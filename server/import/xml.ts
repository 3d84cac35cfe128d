import { SaxesParser } from 'saxes'
import { asBadFile, badFile } from './fault.js'

/** An element with all that is in it. Names are without their prefix, attributes by both. */
export interface XmlNode {
  readonly name: string
  readonly attributes: Readonly<Record<string, string>>
  readonly children: XmlNode[]
  text: string
}

/** An element around an item: its attributes, and what its plain children before the item said. */
export interface XmlFrame {
  readonly name: string
  readonly attributes: Readonly<Record<string, string>>
  readonly leaves: Record<string, string>
}

export interface XmlItem { readonly node: XmlNode; readonly path: readonly XmlFrame[] }

const MAX_DEPTH = 256
/** Elements, and characters, of one item: the greatest building in the world has fewer. */
const MAX_NODES = 4_000_000
const MAX_TEXT = 512 << 20
const MAX_LEAVES = 200
const MAX_LEAF = 1 << 16

/**
 * The items of an XML file in order, each as a tree; what is around them is only passed by. `isItem` is asked for each
 * element that is in no item. Document types, and with them all entities but XML's own five, are refused.
 */
export async function* xmlItems(chunks: AsyncIterable<Uint8Array>, what: string, isItem: (name: string, path: readonly XmlFrame[]) => boolean): AsyncGenerator<XmlItem> {
  const parser = new SaxesParser()
  const path: XmlFrame[] = []
  const open: XmlNode[] = []
  let ready: XmlItem[] = []
  let nodes = 0
  let characters = 0
  let leaf: { name: string; text: string } | null = null

  parser.on('doctype', () => { throw badFile(`The ${what} has a document type declaration, which the format does not need; it was refused.`) })
  parser.on('error', error => { throw badFile(`The ${what} is not well-formed: ${error.message.slice(0, 160)}.`) })
  parser.on('opentag', tag => {
    if (path.length + open.length >= MAX_DEPTH) throw badFile(`The ${what} is nested deeper than ${MAX_DEPTH} elements; it was refused.`)
    const name = local(tag.name)
    const attributes: Record<string, string> = {}
    for (const key in tag.attributes as Record<string, string>) attributes[key] = attributes[local(key)] ??= (tag.attributes as Record<string, string>)[key]!
    if (open.length > 0) {
      if (++nodes > MAX_NODES) throw badFile(`The ${what} has a feature of more than ${MAX_NODES} elements; it was refused.`)
      const node: XmlNode = { name, attributes, children: [], text: '' }
      open.at(-1)!.children.push(node)
      open.push(node)
    } else if (isItem(name, path)) {
      nodes = characters = 0
      leaf = null
      open.push({ name, attributes, children: [], text: '' })
    } else {
      leaf = { name, text: '' }
      path.push({ name, attributes, leaves: {} })
    }
  })
  const text = (piece: string) => {
    const node = open.at(-1)
    if (node) {
      characters += piece.length
      if (characters > MAX_TEXT) throw badFile(`The ${what} has a feature of more than ${MAX_TEXT >> 20} MiB; it was refused.`)
      node.text += piece
    } else if (leaf && leaf.text.length < MAX_LEAF) leaf.text += piece
  }
  parser.on('text', text)
  parser.on('cdata', text)
  parser.on('closetag', () => {
    const node = open.pop()
    if (node) {
      if (open.length === 0) ready.push({ node, path: [...path] })
      return
    }
    const frame = path.pop()!
    const parent = path.at(-1)
    if (leaf && parent && leaf.name === frame.name && Object.keys(parent.leaves).length < MAX_LEAVES) parent.leaves[leaf.name] ??= leaf.text.trim()
    leaf = null
  })
  try {
    for await (const chunk of decoded(chunks)) {
      parser.write(chunk)
      if (ready.length > 0) { yield* ready; ready = [] }
    }
    parser.close()
    if (path.length + open.length > 0) throw badFile(`The ${what} ends in the middle: it is truncated.`)
    yield* ready
  } catch (error) {
    throw asBadFile(what, error)
  }
}

const local = (name: string) => name.slice(name.indexOf(':') + 1)

/** Text of XML bytes: by byte order mark, else by the declaration, else UTF-8. */
async function* decoded(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  let decoder: InstanceType<typeof TextDecoder> | undefined
  for await (const chunk of chunks) {
    decoder ??= new TextDecoder(encodingOf(chunk))
    yield decoder.decode(chunk, { stream: true })
  }
  if (decoder) yield decoder.decode()
}

function encodingOf(start: Uint8Array): string {
  if (start[0] === 0xff && start[1] === 0xfe) return 'utf-16le'
  if (start[0] === 0xfe && start[1] === 0xff) return 'utf-16be'
  const said = /^\s*<\?xml[^>]*\sencoding\s*=\s*["']([A-Za-z0-9._-]+)["']/.exec(Buffer.from(start.subarray(0, 200)).toString('latin1'))?.[1]
  // A declaration of UTF-16 in bytes that could be read just now is not true.
  if (!said || /^utf-?16/i.test(said)) return 'utf-8'
  try {
    return new TextDecoder(said).encoding
  } catch {
    throw badFile(`The XML declares the encoding “${said.slice(0, 40)}”, which is not known. Convert it to UTF-8.`)
  }
}

export const child = (node: XmlNode, ...names: readonly string[]): XmlNode | undefined => node.children.find(c => names.includes(c.name))
export const childrenOf = (node: XmlNode, ...names: readonly string[]): XmlNode[] => node.children.filter(c => names.includes(c.name))
export const textOf = (node: XmlNode | undefined): string | undefined => (node === undefined ? undefined : node.text.trim())

/** All elements within, in document order. */
export function* descendants(node: XmlNode): Generator<XmlNode> {
  for (const inner of node.children) {
    yield inner
    yield* descendants(inner)
  }
}
