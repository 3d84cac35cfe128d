/** One 3D Tiles layer (buildings, pipes, cables) in the local frame, with its own surface and a state for each feature. */
import { BufferAttribute, Matrix4, Mesh, type BufferGeometry, type Intersection, type Object3D, type PerspectiveCamera, type Raycaster, type Scene, type WebGLRenderer } from 'three'
import { MeshoptDecoder } from 'meshoptimizer/decoder'
import { TilesRenderer } from '3d-tiles-renderer/three'
import { GLTFExtensionsPlugin } from '3d-tiles-renderer/three/plugins'
import type { Frame } from '../core/frame.js'
import { source } from '../core/source.js'
import { createTilesetUpdate, type TilesetJson, type TilesetUpdate } from './tileset-update.js'

export interface FeatureTable {
  /** Store ids by glb feature id. */
  readonly ids: Float64Array
  /** Row of the property table that goes with a feature. */
  row(feature: number): Readonly<Record<string, unknown>>
}

/** `address`: `z/x/y.glb?rev=…`, as the tileset names it. */
export interface TileContent { readonly mesh: Mesh; readonly features: FeatureTable; readonly address: string }

export interface Tileset {
  readonly layer: string
  update(): void
  /** The layer has changed: asks which tiles did, and puts new contents in their place. */
  refresh(): void
  /** The feature a ray meets first. */
  pick(raycaster: Raycaster): { readonly id: number; readonly row: Readonly<Record<string, unknown>>; readonly hit: Intersection } | null
  readonly contents: ReadonlySet<TileContent>
  readonly visible: boolean
  setVisible(on: boolean): void
  /** Something is still on its way. */
  readonly pending: boolean
  readonly failed: boolean
  dispose(): void
}

export interface TilesetOptions {
  readonly layer: string
  readonly frame: Frame
  readonly scene: Scene
  readonly camera: PerspectiveCamera
  readonly renderer: WebGLRenderer
  readonly errorTarget: number
  /** Gives a fresh tile its surface. */
  readonly dress: (content: TileContent) => void
  readonly undress: (content: TileContent) => void
  readonly onChange: () => void
}

interface StructuralMetadata {
  getPropertyTableData(tables: number[], features: number[]): Record<string, unknown>[]
  readonly tableAccessors: readonly { getPropertyValue(name: string, feature: number): unknown }[]
}
interface MeshFeatures { getFeatureInfo(): { propertyTable: number | null; featureCount: number }[] }

export function createTileset(options: TilesetOptions): Tileset {
  const { layer, scene, camera, renderer } = options
  const url = source().tilesetUrl(layer)
  const contents = new Set<TileContent>()
  const byMesh = new Map<Object3D, TileContent>()
  let visible = true
  let failed = false
  /** The revision of the tileset on screen, where the server tells it. */
  let revision: number | undefined
  let isStale = false
  let refreshing = false
  let tiles: TilesRenderer
  let newer: TilesetUpdate
  open()

  function open(): void {
    tiles = new TilesRenderer(url)
    newer = createTilesetUpdate(tiles, options.onChange)
    tiles.registerPlugin(new GLTFExtensionsPlugin({ metadata: true, meshoptDecoder: MeshoptDecoder }))
    tiles.errorTarget = options.errorTarget
    tiles.setCamera(camera)
    tiles.group.visible = visible
    tiles.group.matrixAutoUpdate = false
    const toLocal = new Matrix4().fromArray([...options.frame.fromEcefMatrix])
    toLocal.decompose(tiles.group.position, tiles.group.quaternion, tiles.group.scale)
    tiles.group.matrix.copy(toLocal)
    tiles.group.updateMatrixWorld(true)
    scene.add(tiles.group)
    tiles.addEventListener('load-root-tileset', ({ tileset }: { tileset: unknown }) => {
      revision = (tileset as TilesetJson).asset.extras?.revision
      // What changed while it was on its way may be missing from it.
      if (isStale) void refresh()
    })
    tiles.addEventListener('load-model', ({ scene: model, tile }: { scene: Object3D; tile: unknown }) => take(model, (tile as { content: { uri: string } }).content.uri))
    tiles.addEventListener('dispose-model', ({ scene: model }: { scene: Object3D }) => giveUp(model))
    tiles.addEventListener('tile-visibility-change', () => options.onChange())
    tiles.addEventListener('needs-update', () => options.onChange())
    tiles.addEventListener('load-error', ({ tile }: { tile: unknown }) => { if (!tile) failed = true })
  }

  function take(model: Object3D, address: string): void {
    model.updateMatrixWorld(true)
    model.traverse((object) => {
      if (!(object instanceof Mesh)) return
      const content: TileContent = { mesh: object, features: readFeatures(object), address }
      addHeightAboveGround(object)
      contents.add(content)
      byMesh.set(object, content)
      options.dress(content)
    })
    options.onChange()
  }

  function giveUp(model: Object3D): void {
    model.traverse((object) => {
      const content = byMesh.get(object)
      if (!content) return
      options.undress(content)
      contents.delete(content)
      byMesh.delete(object)
    })
  }

  function close(): void {
    scene.remove(tiles.group)
    tiles.dispose()
  }

  async function refresh(): Promise<void> {
    isStale = true
    if (!visible || refreshing || (!tiles.root && !failed)) return
    refreshing = true
    try {
      while (isStale && visible) {
        isStale = false
        const response = await fetch(revision === undefined ? url : `${url}?since=${revision}`)
        if (!response.ok) throw new Error(`${url}: ${response.status}`)
        const json = await response.json() as TilesetJson
        if (!newer.apply(json)) reopen()
        else revision = json.asset.extras?.revision
      }
    } catch (error) {
      // The feed tells of the next change, or of its own return: then it is tried again.
      isStale = true
      console.error(error)
    } finally {
      refreshing = false
      options.onChange()
    }
  }

  /** The tree has another root: a first feature, or one beyond all others. */
  function reopen(): void {
    close()
    failed = false
    revision = undefined
    open()
  }

  return {
    layer,
    contents,
    get visible() { return visible },
    get failed() { return failed },
    get pending() {
      const { queued, downloading, parsing } = (tiles as unknown as { stats: Record<string, number> }).stats
      return visible && !failed && (refreshing || newer.pending > 0 || (queued ?? 0) + (downloading ?? 0) + (parsing ?? 0) > 0 || !tiles.root)
    },
    refresh: () => void refresh(),
    update() {
      if (!visible) return
      tiles.setResolutionFromRenderer(camera, renderer)
      tiles.update()
    },
    pick(raycaster) {
      if (!visible) return null
      const hit = raycaster.intersectObject(tiles.group, true)[0]
      const content = hit && byMesh.get(hit.object)
      if (!hit?.face || !content) return null
      const feature = featureAttribute(content.mesh.geometry)?.getX(hit.face.a) ?? 0
      return { id: content.features.ids[feature] ?? -1, row: content.features.row(feature), hit }
    },
    setVisible(on) {
      visible = on
      tiles.group.visible = on
      if (on && isStale) void refresh()
      options.onChange()
    },
    dispose: close,
  }
}

export const featureAttribute = (geometry: BufferGeometry) => geometry.getAttribute('_feature_id_0') ?? geometry.getAttribute('_FEATURE_ID_0')

function readFeatures(mesh: Mesh): FeatureTable {
  const { structuralMetadata, meshFeatures } = mesh.userData as { structuralMetadata?: StructuralMetadata; meshFeatures?: MeshFeatures }
  const info = meshFeatures?.getFeatureInfo()[0]
  const table = info?.propertyTable ?? 0
  const row = (feature: number) => (structuralMetadata ? structuralMetadata.getPropertyTableData([table], [feature])[0] ?? {} : {})
  const ids = new Float64Array(info?.featureCount ?? 0)
  // The id alone: a whole row decodes every string of it.
  const accessor = structuralMetadata?.tableAccessors[table]
  for (let i = 0; i < ids.length; i++) ids[i] = Number(accessor?.getPropertyValue('id', i) ?? -1)
  return { ids, row }
}

/** `aAbove`: metres of each vertex above its feature's ground, for shade at the foot and the water line. Walls reach a little below it. */
function addHeightAboveGround({ geometry }: Mesh): void {
  const above = geometry.getAttribute('_above_ground') ?? geometry.getAttribute('_ABOVE_GROUND')
  geometry.setAttribute('aAbove', above ?? new BufferAttribute(new Float32Array(geometry.getAttribute('position').count), 1))
}
