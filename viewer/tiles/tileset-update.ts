/**
 * A newer tileset.json laid over the one that a TilesRenderer shows. Content addresses carry the revision of their tile, so what has
 * the same address is left alone; what has another is fetched and put in the place of the old in one step, which stays until then.
 */
import type { Group, Object3D } from 'three'
import type { TilesRenderer } from '3d-tiles-renderer/three'

/** A tile as tileset.json has it. */
export interface TileJson {
  readonly boundingVolume: { readonly region?: readonly number[] }
  readonly geometricError: number
  readonly content?: { readonly uri: string }
  readonly children?: readonly TileJson[]
  /** Its name, where it has no content that tells it. */
  readonly extras?: { readonly tile?: string }
}

export interface TilesetJson {
  readonly root: TileJson
  /** `since`: only what is not as it was at that revision is listed; without it all is. */
  readonly asset: { readonly extras?: { readonly revision?: number; readonly since?: number } }
}

export interface TilesetUpdate {
  /** False where the roots differ: then the tileset has to be opened anew. */
  apply(json: TilesetJson): boolean
  /** Contents on their way to replace older ones. */
  readonly pending: number
}

/** A tile as the renderer has it. `traversal` is missing until it has looked at the tile. */
interface Node {
  boundingVolume: TileJson['boundingVolume']
  geometricError: number
  content?: { readonly uri: string }
  children?: Node[]
  readonly extras?: TileJson['extras']
  readonly engineData: EngineData
  readonly traversal?: { readonly active: boolean }
  readonly internal: { hasContent: boolean; hasRenderableContent: boolean; loadingState: number; readonly basePath: string }
}
interface EngineData {
  scene: Object3D | null
  geometry: Disposable[] | null
  materials: Disposable[] | null
  textures: Disposable[] | null
  metadata: unknown
  boundingVolume: { setRegionData(ellipsoid: object, ...region: readonly number[]): void }
}
interface Disposable { dispose(): void }

/** What of the renderer is used beyond its published types; version 0.5.3. */
interface Renderer extends Omit<TilesRenderer, 'root' | 'lruCache' | 'group'> {
  readonly root: Node | null
  readonly lruCache: { remove(tile: Node): boolean }
  readonly stats: { failed: number }
  readonly group: TilesRenderer['group'] & Group
  preprocessNode(tile: Node, folder: string, parent: Node | null): void
  parseTile(bytes: ArrayBuffer, tile: Node, extension: string, url: string, signal: AbortSignal): Promise<void>
  dispatchEvent(event: { readonly type: string; readonly [more: string]: unknown }): void
}

/** Its states of loading, of which it publishes no names. */
const [FAILED, UNLOADED, LOADED] = [-1, 0, 4]

/** Waits before a content that could not be fetched is asked for again; then the tile is left to the renderer. */
const RETRIES_MS = [300, 1500, 5000]

export function createTilesetUpdate(of: TilesRenderer, onChange: () => void): TilesetUpdate {
  const tiles = of as unknown as Renderer
  let pending = 0

  function update(node: Node, json: TileJson, whole: boolean): void {
    if (!node.traversal) return void Object.assign(node, whole ? json : { ...json, children: overlaid(node.children ?? [], json.children ?? []) })
    if (json.boundingVolume.region && String(json.boundingVolume.region) !== String(node.boundingVolume.region)) {
      node.boundingVolume = json.boundingVolume
      node.engineData.boundingVolume.setRegionData(tiles.ellipsoid, ...json.boundingVolume.region)
    }
    node.geometricError = json.geometricError
    if (node.content?.uri !== json.content?.uri) setContent(node, json.content)
    const known = new Map(node.children!.map((child) => [nameOf(child), child]))
    for (const child of json.children ?? []) {
      const live = known.get(nameOf(child))
      known.delete(nameOf(child))
      if (live) update(live, child, whole)
      else adopt(node, child)
    }
    if (whole) for (const gone of known.values()) remove(node, gone)
  }

  function adopt(parent: Node, json: TileJson): void {
    const child = structuredClone(json) as unknown as Node
    parent.children!.push(child)
    tiles.preprocessNode(child, parent.internal.basePath, parent)
  }

  function remove(parent: Node, gone: Node): void {
    unload(gone)
    parent.children!.splice(parent.children!.indexOf(gone), 1)
  }

  function unload(node: Node): void {
    node.children?.forEach(unload)
    if (node.traversal) tiles.lruCache.remove(node)
  }

  function setContent(node: Node, content: TileJson['content']): void {
    const { loadingState } = node.internal
    node.content = content
    node.internal.hasContent = node.internal.hasRenderableContent = content !== undefined
    if (loadingState === LOADED && content) return void replace(node, content)
    // What is on its way is of before: it is called off, and asked for at its new address where it is still wanted.
    if (loadingState !== UNLOADED) tiles.lruCache.remove(node)
    if (loadingState === FAILED) { tiles.stats.failed--; node.internal.loadingState = UNLOADED }
  }

  /** Fetches and decodes beside the old content, then exchanges the two between two pictures. */
  async function replace(node: Node, content: { readonly uri: string }): Promise<void> {
    const wanted = () => node.content === content && node.internal.loadingState === LOADED
    pending++
    try {
      for (let attempt = 0; wanted(); attempt++) {
        const fresh = await load(node, content.uri).catch((error: Error) => error)
        if (fresh instanceof Error) {
          if (attempt < RETRIES_MS.length) { await new Promise((resolve) => setTimeout(resolve, RETRIES_MS[attempt])); continue }
          console.error(fresh)
          if (wanted()) tiles.lruCache.remove(node)
          return
        }
        if (wanted()) exchange(node, fresh)
        else free(fresh)
        return
      }
    } finally {
      pending--
      onChange()
    }
  }

  async function load(node: Node, uri: string): Promise<EngineData> {
    const url = new URL(uri, `${node.internal.basePath}/`).toString()
    const response = await fetch(url, tiles.fetchOptions)
    if (!response.ok) throw new Error(`3D tile ${uri}: ${response.status}`)
    // The renderer's own way from bytes to a model, but into a tile that nobody draws.
    const besides = { ...node, engineData: { ...node.engineData, scene: null, geometry: null, materials: null, textures: null, metadata: null } } as Node
    await tiles.parseTile(await response.arrayBuffer(), besides, 'glb', url, new AbortController().signal)
    return besides.engineData
  }

  function exchange(node: Node, fresh: EngineData): void {
    const old = { ...node.engineData }
    const shown = old.scene !== null && tiles.group.children.includes(old.scene)
    const { scene, geometry, materials, textures, metadata } = fresh
    if (old.scene) {
      tiles.dispatchEvent({ type: 'dispose-model', scene: old.scene, tile: node })
      tiles.group.remove(old.scene)
    }
    Object.assign(node.engineData, { scene, geometry, materials, textures, metadata })
    scene!.traverse((object) => { object.userData.tile = node })
    if (shown) tiles.group.add(scene!)
    else if (node.traversal?.active) scene!.parent = tiles.group
    scene!.updateMatrixWorld(true)
    tiles.dispatchEvent({ type: 'load-model', scene, tile: node, url: node.content!.uri })
    free(old)
  }

  return {
    get pending() { return pending },
    apply({ root, asset }) {
      if (!tiles.root || nameOf(tiles.root) !== nameOf(root)) return false
      update(tiles.root, root, asset.extras?.since === undefined)
      onChange()
      return true
    },
  }
}

/** Frees what the graphics card holds of a content. */
function free({ scene, geometry, materials, textures }: EngineData): void {
  scene?.traverse(({ userData }) => {
    const { meshFeatures, structuralMetadata } = userData as { meshFeatures?: Disposable; structuralMetadata?: Disposable }
    meshFeatures?.dispose()
    structuralMetadata?.dispose()
  })
  for (const each of [...geometry ?? [], ...materials ?? [], ...textures ?? []]) each.dispose()
}

/** Children that the renderer has not looked at yet are plain JSON still. */
function overlaid(known: readonly TileJson[], listed: readonly TileJson[]): TileJson[] {
  const children = new Map(known.map((child) => [nameOf(child), child]))
  for (const child of listed) {
    const before = children.get(nameOf(child))
    children.set(nameOf(child), before ? { ...child, children: overlaid(before.children ?? [], child.children ?? []) } : child)
  }
  return [...children.values()]
}

/** `z/x/y` of a tile: by its content's address, else as it says, else as what the first of its children is a quarter of. */
export function nameOf({ content, children, extras }: Pick<TileJson, 'content' | 'children' | 'extras'>): string {
  if (content) return content.uri.replace(/\.glb.*$/, '')
  if (extras?.tile !== undefined) return extras.tile
  if (!children?.length) return ''
  const [z, x, y] = nameOf(children[0]!).split('/').map(Number) as [number, number, number]
  return `${z - 1}/${x >> 1}/${y >> 1}`
}
