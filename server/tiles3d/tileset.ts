import type { Region, TileNode } from './tree.js'

const RADIANS = Math.PI / 180

/**
 * The tree as an explicit 3D Tiles 1.1 tileset. Content addresses are relative and end in `.glb` before the query,
 * because clients tell the kind of content by that.
 */
export function tilesetJson(root: TileNode | null, { query, generator, title }: { readonly query: (tile: TileNode) => string; readonly generator: string; readonly title: string }): object {
  return {
    asset: { version: '1.1', generator, extras: { title } },
    // Error of showing nothing at all.
    geometricError: root ? round(Math.max(root.geometricError, largest(root)) * 2, 2) : 0,
    root: root ? { refine: 'ADD', ...tileJson(root, query) } : { refine: 'ADD', boundingVolume: { region: [0, 0, 0, 0, 0, 0] }, geometricError: 0 },
  }
}

function tileJson(node: TileNode, query: (tile: TileNode) => string): object {
  return {
    boundingVolume: { region: region(node.bounds) },
    geometricError: round(node.geometricError, 2),
    ...(node.content && { content: { uri: `${node.z}/${node.x}/${node.y}.glb${query(node)}`, ...(node.children.length && { boundingVolume: { region: region(node.content) } }) } }),
    ...(node.children.length && { children: node.children.map(child => tileJson(child, query)) }),
  }
}

const largest = (node: TileNode) => node.features.reduce((size, feature) => Math.max(size, feature.size), 0)

/** West, south, east, north in radians rounded outwards (6 mm), heights to the outer decimetre. */
function region({ box: [west, south, east, north], minHeight, maxHeight }: Region): number[] {
  return [
    down(west * RADIANS, 9), down(south * RADIANS, 9), up(east * RADIANS, 9), up(north * RADIANS, 9),
    down(minHeight, 1), up(maxHeight, 1),
  ]
}

const round = (value: number, digits: number) => Number(value.toFixed(digits))
const down = (value: number, digits: number) => round(Math.floor(value * 10 ** digits) / 10 ** digits, digits)
const up = (value: number, digits: number) => round(Math.ceil(value * 10 ** digits) / 10 ** digits, digits)
