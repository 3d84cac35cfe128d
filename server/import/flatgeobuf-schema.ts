/**
 * FlatGeobuf 3: the numbers that its reader and its writer share.
 * Source: the format's schemas header.fbs and feature.fbs, and its packed Hilbert R-tree.
 *
 *   magic · header (size, flatbuffer) · index nodes, root first · features (size, flatbuffer each)
 */

/** `fgb`, major version 3, `fgb`; the eighth byte is the patch version. */
export const MAGIC = [0x66, 0x67, 0x62, 3, 0x66, 0x67, 0x62] as const

/** Fields of the flatbuffer tables, by number. */
export const HEADER = { name: 0, envelope: 1, geometryType: 2, hasZ: 3, columns: 7, featuresCount: 8, indexNodeSize: 9, crs: 10, title: 11, description: 12 } as const
export const COLUMN = { name: 0, type: 1, title: 2, description: 3, nullable: 7, primaryKey: 9 } as const
export const CRS = { org: 0, code: 1, name: 2, wkt: 4 } as const
export const FEATURE = { geometry: 0, properties: 1 } as const
export const GEOMETRY = { ends: 0, xy: 1, z: 2, type: 6, parts: 7 } as const

/** By number; what a column holds. */
export const COLUMN_TYPES = ['byte', 'ubyte', 'bool', 'short', 'ushort', 'int', 'uint', 'long', 'ulong', 'float', 'double', 'string', 'json', 'datetime', 'binary'] as const
export type FgbColumnType = (typeof COLUMN_TYPES)[number]

/** Bytes of an index node: its box and an offset. */
export const NODE_BYTES = 40
export const DEFAULT_NODE_SIZE = 16

/** How many nodes each level of the index has, leaves first, up to the root; a single feature has a root too. */
export function levelSizes(features: number, nodeSize: number): number[] {
  const sizes = [features]
  do sizes.push(Math.ceil(sizes.at(-1)! / nodeSize))
  while (sizes.at(-1)! > 1)
  return sizes
}
