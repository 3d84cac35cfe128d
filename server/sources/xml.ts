import { SaxesParser } from 'saxes'
import { Problem } from '../errors.js'
import { refuseWebPage, summaryOf } from './ask.js'

/** An element by its local name; namespaces are told apart nowhere in what a WFS says of itself. */
export interface XmlElement {
  readonly name: string
  readonly attributes: Readonly<Record<string, string>>
  readonly children: readonly XmlElement[]
  readonly text: string
}

/** A small XML answer as a tree. Throws a 502 Problem for an exception report, a web page, a DOCTYPE or damage. */
export function parseXml(text: string, url: string): XmlElement {
  const { origin } = new URL(url)
  refuseWebPage(text.slice(0, 2000), url)
  const bad = (what: string) => new Problem(502, 'upstream', `${origin} ${what}`)
  const root: Building = { name: '', attributes: {}, children: [], text: '' }
  const open: Building[] = [root]
  const parser = new SaxesParser()
  parser.on('doctype', () => { throw bad('answered XML with a document type declaration, which was refused.') })
  parser.on('opentag', ({ name, attributes }) => {
    const element: Building = { name: local(name), attributes: Object.fromEntries(Object.entries(attributes).map(([key, value]) => [local(key), value])), children: [], text: '' }
    open.at(-1)!.children.push(element)
    open.push(element)
  })
  parser.on('closetag', () => void open.pop())
  parser.on('text', part => { open.at(-1)!.text += part })
  parser.on('cdata', part => { open.at(-1)!.text += part })
  parser.on('error', error => { throw bad(`answered what is not XML (${error.message.slice(0, 100)}): “${summaryOf(text)}”.`) })
  parser.write(text).close()
  const document = root.children[0]
  if (!document) throw bad('answered nothing.')
  if (/^(ExceptionReport|ServiceExceptionReport)$/.test(document.name)) throw bad(`refused: “${summaryOf(text)}”.`)
  return document
}
interface Building { name: string; attributes: Record<string, string>; children: Building[]; text: string }
const local = (name: string) => name.slice(name.indexOf(':') + 1)

/** All elements of a name, at any depth. */
export function descendants(element: XmlElement, name: string): XmlElement[] {
  return element.children.flatMap(child => [...child.name === name ? [child] : [], ...descendants(child, name)])
}
export const child = (element: XmlElement, name: string) => element.children.find(c => c.name === name)
export const textOf = (element: XmlElement | undefined) => element?.text.trim() ?? ''
