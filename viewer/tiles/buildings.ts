/** The city's buildings: a tileset whose features take colour from impacts, a filter and the selection. */
import { Color, type Mesh, type MeshLambertMaterial } from 'three'
import { buildingUniforms, createFeatureStates, dressBuilding, type FeatureStates } from './building-material.js'
import { createTileset, type TileContent, type Tileset, type TilesetOptions } from './tileset.js'

const SELECTED = new Color().setStyle('#b3262e', 'srgb-linear')
const MATCHED = new Color().setStyle('#0e6e73', 'srgb-linear')

export interface Buildings {
  readonly tileset: Tileset
  select(id: number | null): void
  /** Features that a filter found, or null for no filter. */
  highlight(ids: ReadonlySet<number> | null): void
  /** `#rrggbb` by feature, for a run's impacts. */
  colour(byId: ReadonlyMap<number, string> | null): void
  setGhost(on: boolean): void
}

export function createBuildings(options: Omit<TilesetOptions, 'dress' | 'undress'>): Buildings {
  const states = new Map<TileContent, FeatureStates>()
  let selected: number | null = null
  let matched: ReadonlySet<number> | null = null
  let colours: ReadonlyMap<number, string> | null = null
  let ghost = false
  const colour = new Color()

  const tileset = createTileset({
    ...options,
    dress(content) {
      const state = createFeatureStates(content.features.ids.length || 1)
      states.set(content, state)
      ghostify(dressBuilding(content.mesh, state), content.mesh)
      paint(content, state)
    },
    undress(content) {
      states.get(content)?.texture.dispose()
      states.delete(content)
    },
  })

  /** Selection over filter over impact. */
  function paint(content: TileContent, state: FeatureStates): void {
    state.clear()
    content.features.ids.forEach((id, feature) => {
      if (id === selected) state.set(feature, SELECTED, 1)
      else if (matched?.has(id)) state.set(feature, MATCHED, 0.85)
      else if (!matched && colours?.has(id)) state.set(feature, colour.setStyle(colours.get(id)!, 'srgb-linear'), 0.8)
    })
  }

  function ghostify(material: MeshLambertMaterial, mesh: Mesh): void {
    material.transparent = ghost
    material.depthWrite = !ghost
    mesh.castShadow = !ghost
    mesh.renderOrder = ghost ? 10 : 0
  }

  function repaint(): void {
    buildingUniforms.uFade.value = selected !== null || matched ? 1 : 0
    for (const [content, state] of states) paint(content, state)
    options.onChange()
  }

  return {
    tileset,
    select(id) { selected = id; repaint() },
    highlight(ids) { matched = ids; repaint() },
    colour(byId) { colours = byId; repaint() },
    setGhost(on) {
      ghost = on
      buildingUniforms.uGhost.value = on ? 1 : 0
      for (const { mesh } of states.keys()) {
        ghostify(mesh.material as MeshLambertMaterial, mesh)
        ;(mesh.material as MeshLambertMaterial).needsUpdate = true
      }
      options.onChange()
    },
  }
}
