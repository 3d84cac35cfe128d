import { SaxesParser } from 'saxes'
import { asBadFile, badFile } from './fault.js'
import type { OsmElement, OsmMember } from './osm.js'
import { bytesOf } from './unpack.js'

const WHAT = 'OSM XML file'
const MAX_ATTRIBUTE = 1 << 16

/** Elements of an OSM XML file (gzipped or not) in file order. Entities of a document type are never expanded. */
export async function* readOsmXml(file: string): AsyncGenerator<OsmElement> {
  const parser = new SaxesParser()
  const decoder = new TextDecoder('utf-8')
  let ready: OsmElement[] = []
  let current: { kind: 'node' | 'way' | 'relation'; id: number; lon: number; lat: number; refs: number[]; members: OsmMember[]; tags: Record<string, string>; visible: boolean } | null = null
  let depth = 0

  parser.on('doctype', () => { throw badFile('The OSM XML file has a document type declaration, which OSM does not use; it was refused.') })
  parser.on('error', error => { throw badFile(`The OSM XML file is not well-formed: ${error.message.slice(0, 160)}.`) })
  parser.on('opentag', ({ name, attributes }) => {
    depth++
    const value = (key: string) => String((attributes as Record<string, unknown>)[key] ?? '').slice(0, MAX_ATTRIBUTE)
    if (depth === 1 && name !== 'osm' && name !== 'osmChange') throw badFile(`The file is XML but not OSM: it begins with <${name}>.`)
    if (depth === 1 && name === 'osmChange') throw badFile('The file holds OSM changes (.osc), not a map. Give an .osm or .pbf extract.')
    if (name === 'node' || name === 'way' || name === 'relation')
      current = { kind: name, id: Number(value('id')), lon: Number(value('lon')), lat: Number(value('lat')), refs: [], members: [], tags: {}, visible: value('visible') !== 'false' }
    else if (!current) return
    else if (name === 'tag') current.tags[value('k')] = value('v')
    else if (name === 'nd') current.refs.push(Number(value('ref')))
    else if (name === 'member') current.members.push({ type: value('type') as OsmMember['type'], ref: Number(value('ref')), role: value('role') })
  })
  parser.on('closetag', ({ name }) => {
    depth--
    if (!current || name !== current.kind) return
    const { kind, id, lon, lat, refs, members, tags, visible } = current
    current = null
    if (!visible) return
    ready.push(kind === 'node' ? { kind, id, lon, lat, tags } : kind === 'way' ? { kind, id, refs, tags } : { kind, id, members, tags })
  })
  try {
    for await (const chunk of bytesOf(file, WHAT)) {
      parser.write(decoder.decode(chunk, { stream: true }))
      yield* ready
      ready = []
    }
    parser.close()
    if (depth !== 0) throw badFile('The OSM XML file ends in the middle: it is truncated.')
    yield* ready
  } catch (error) {
    throw asBadFile(WHAT, error)
  }
}
