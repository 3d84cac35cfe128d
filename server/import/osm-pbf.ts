import { open } from 'node:fs/promises'
import { inflateSync } from 'node:zlib'
import { PbfReader } from 'pbf'
import { badFile, reading } from './fault.js'
import type { OsmElement, OsmMember } from './osm.js'

const WHAT = 'OSM PBF file'
/** Limits of the format itself: https://wiki.openstreetmap.org/wiki/PBF_Format */
const MAX_HEADER = 64 * 1024
const MAX_BLOB = 32 * 2 ** 20
const KNOWN_FEATURES = new Set(['OsmSchema-V0.6', 'DenseNodes'])

/** Elements of an OSM PBF file in file order; memory holds one block. */
export async function* readOsmPbf(file: string): AsyncGenerator<OsmElement> {
  const handle = await reading(WHAT, () => open(file))
  try {
    const { size } = await handle.stat()
    let at = 0
    const take = async (bytes: number): Promise<Buffer> => {
      if (at + bytes > size) throw badFile('The OSM PBF file ends in the middle of a block: it is truncated.')
      const buffer = Buffer.allocUnsafe(bytes)
      await handle.read(buffer, 0, bytes, at)
      at += bytes
      return buffer
    }
    while (at < size) {
      const headerBytes = (await take(4)).readUInt32BE(0)
      if (headerBytes > MAX_HEADER) throw badFile('The OSM PBF file has a block header larger than the format allows: it is damaged.')
      const header = await take(headerBytes)
      const { type, dataBytes } = await reading(WHAT, () => new PbfReader(header).readFields(blobHeader, { type: '', dataBytes: 0 }))
      if (dataBytes > MAX_BLOB) throw badFile('The OSM PBF file has a block larger than the format allows: it is damaged.')
      const blob = await take(dataBytes)
      const elements = await reading(WHAT, () => {
        const bytes = inflateBlob(blob)
        if (type === 'OSMHeader') { checkHeader(bytes); return [] }
        return type === 'OSMData' ? readBlock(bytes) : []
      })
      yield* elements
    }
  } finally {
    await handle.close()
  }
}

function blobHeader(tag: number, header: { type: string; dataBytes: number }, pbf: PbfReader) {
  if (tag === 1) header.type = pbf.readString()
  else if (tag === 3) header.dataBytes = pbf.readVarint()
}

function inflateBlob(blob: Buffer): Uint8Array {
  const parts: { raw?: Uint8Array; zlib?: Uint8Array; other?: number } = {}
  new PbfReader(blob).readFields((tag, found, pbf) => {
    if (tag === 1) found.raw = pbf.readBytes()
    else if (tag === 3) found.zlib = pbf.readBytes()
    else if (tag > 3) found.other = tag
  }, parts)
  if (parts.raw) return parts.raw
  if (parts.zlib) return inflateSync(parts.zlib, { maxOutputLength: MAX_BLOB })
  throw badFile('The OSM PBF file is compressed in another way than zlib, which this reader does not know. Convert it with osmium cat.')
}

function checkHeader(bytes: Uint8Array) {
  const required: string[] = []
  new PbfReader(bytes).readFields((tag, found, pbf) => { if (tag === 4) found.push(pbf.readString()) }, required)
  const unknown = required.filter(feature => !KNOWN_FEATURES.has(feature))
  if (unknown.length) throw badFile(`The OSM PBF file needs ${unknown.join(', ')}, which this reader does not know.`)
}

interface Block { strings: string[]; groups: Uint8Array[]; granularity: number; latOffset: number; lonOffset: number }

function readBlock(bytes: Uint8Array): OsmElement[] {
  const block: Block = { strings: [], groups: [], granularity: 100, latOffset: 0, lonOffset: 0 }
  new PbfReader(bytes).readFields((tag, b, pbf) => {
    if (tag === 1) pbf.readMessage((t, strings, p) => { if (t === 1) strings.push(p.readString()) }, b.strings)
    else if (tag === 2) b.groups.push(pbf.readBytes())
    else if (tag === 17) b.granularity = pbf.readVarint()
    else if (tag === 19) b.latOffset = pbf.readVarint(true)
    else if (tag === 20) b.lonOffset = pbf.readVarint(true)
  }, block)
  const elements: OsmElement[] = []
  for (const group of block.groups) {
    new PbfReader(group).readFields((tag, into, pbf) => {
      if (tag === 1) into.push(readNode(pbf, block))
      else if (tag === 2) readDenseNodes(pbf, block, into)
      else if (tag === 3) into.push(readWay(pbf, block))
      else if (tag === 4) into.push(readRelation(pbf, block))
    }, elements)
  }
  return elements
}

/** Degrees of a stored coordinate; the format counts in nanodegrees. */
const degrees = (offset: number, granularity: number, value: number) => (offset + granularity * value) / 1e9

function tagsOf(keys: readonly number[], values: readonly number[], strings: readonly string[]): Record<string, string> {
  const tags: Record<string, string> = {}
  for (let i = 0; i < keys.length; i++) tags[strings[keys[i]!] ?? ''] = strings[values[i]!] ?? ''
  return tags
}

function readNode(pbf: PbfReader, { strings, granularity, latOffset, lonOffset }: Block): OsmElement {
  const node = pbf.readMessage((tag, n, p) => {
    if (tag === 1) n.id = p.readSVarint()
    else if (tag === 2) p.readPackedVarint(n.keys)
    else if (tag === 3) p.readPackedVarint(n.values)
    else if (tag === 8) n.lat = p.readSVarint()
    else if (tag === 9) n.lon = p.readSVarint()
  }, { id: 0, lat: 0, lon: 0, keys: [] as number[], values: [] as number[] })
  return { kind: 'node', id: node.id, lon: degrees(lonOffset, granularity, node.lon), lat: degrees(latOffset, granularity, node.lat), tags: tagsOf(node.keys, node.values, strings) }
}

/** Most nodes are corners of something and have no tags: one object for them all. */
const UNTAGGED: Record<string, string> = Object.freeze({}) as Record<string, string>

function readDenseNodes(pbf: PbfReader, { strings, granularity, latOffset, lonOffset }: Block, into: OsmElement[]) {
  const dense = pbf.readMessage((tag, d, p) => {
    if (tag === 1) p.readPackedSVarint(d.ids)
    else if (tag === 8) p.readPackedSVarint(d.lats)
    else if (tag === 9) p.readPackedSVarint(d.lons)
    else if (tag === 10) p.readPackedVarint(d.tags)
  }, { ids: [] as number[], lats: [] as number[], lons: [] as number[], tags: [] as number[] })
  let id = 0, lat = 0, lon = 0, t = 0
  for (let i = 0; i < dense.ids.length; i++) {
    id += dense.ids[i]!
    lat += dense.lats[i]!
    lon += dense.lons[i]!
    let tags = UNTAGGED
    // Key and value indexes of a node, ended by 0.
    for (; t < dense.tags.length && dense.tags[t] !== 0; t += 2) {
      if (tags === UNTAGGED) tags = {}
      tags[strings[dense.tags[t]!] ?? ''] = strings[dense.tags[t + 1]!] ?? ''
    }
    t++
    into.push({ kind: 'node', id, lon: degrees(lonOffset, granularity, lon), lat: degrees(latOffset, granularity, lat), tags })
  }
}

function readWay(pbf: PbfReader, { strings }: Block): OsmElement {
  const way = pbf.readMessage((tag, w, p) => {
    if (tag === 1) w.id = p.readVarint(true)
    else if (tag === 2) p.readPackedVarint(w.keys)
    else if (tag === 3) p.readPackedVarint(w.values)
    else if (tag === 8) p.readPackedSVarint(w.refs)
  }, { id: 0, keys: [] as number[], values: [] as number[], refs: [] as number[] })
  return { kind: 'way', id: way.id, refs: undelta(way.refs), tags: tagsOf(way.keys, way.values, strings) }
}

const MEMBER_TYPES: readonly OsmMember['type'][] = ['node', 'way', 'relation']
function readRelation(pbf: PbfReader, { strings }: Block): OsmElement {
  const relation = pbf.readMessage((tag, r, p) => {
    if (tag === 1) r.id = p.readVarint(true)
    else if (tag === 2) p.readPackedVarint(r.keys)
    else if (tag === 3) p.readPackedVarint(r.values)
    else if (tag === 8) p.readPackedVarint(r.roles)
    else if (tag === 9) p.readPackedSVarint(r.refs)
    else if (tag === 10) p.readPackedVarint(r.types)
  }, { id: 0, keys: [] as number[], values: [] as number[], roles: [] as number[], refs: [] as number[], types: [] as number[] })
  const members = undelta(relation.refs).map((ref, i): OsmMember => ({ ref, role: strings[relation.roles[i]!] ?? '', type: MEMBER_TYPES[relation.types[i]!] ?? 'node' }))
  return { kind: 'relation', id: relation.id, members, tags: tagsOf(relation.keys, relation.values, strings) }
}

function undelta(values: number[]): number[] {
  for (let i = 1; i < values.length; i++) values[i]! += values[i - 1]!
  return values
}
