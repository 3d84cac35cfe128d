/** The city's buildings: a tileset whose features take colour from the selection and from tables of what changes about them. */
import { Color, type Mesh, type MeshLambertMaterial } from 'three'
import { buildingUniforms, createFeatureStates, dressBuilding, type FeatureStates } from './building-material.js'
import { createStateTables, type StateRow, type StateTable, type StateValue } from './feature-state.js'
import { createTileset, type TileContent, type Tileset, type TilesetOptions } from './tileset.js'

const SELECTED = new Color().setStyle('#b3262e', 'srgb-linear')

/** `#rrggbb` and how much of it; null leaves a building plain. */
export type Look = (value: StateValue) => readonly [colour: string, strength: number] | null

/** One question about every building, and how the answers look. */
export interface StateStyle {
  /** What is asked of `/state`: `run=…`, `filter=…`, `compare=…`. */
  readonly query: string
  /** The column of the answer that the look goes by. */
  readonly column: string
  readonly look: Look
  /** Buildings without a colour step back. */
  readonly fades: boolean
}

/** Waits before a table that could not be had is asked for again. */
const RETRIES_MS = [800, 4000]

export interface Buildings {
  readonly tileset: Tileset
  select(id: number | null): void
  /** Colours all buildings by one question, or by none. Answers that were there before show at once. */
  show(style: StateStyle | null): void
  /** What a table tells of one building; null where its tile is not loaded, or the table does not tell. */
  stateOf(id: number, query: string): Promise<StateRow | null>
  /** Tables on their way. */
  readonly pending: number
  setGhost(on: boolean): void
}

export function createBuildings(options: Omit<TilesetOptions, 'dress' | 'undress'>): Buildings {
  const states = new Map<TileContent, FeatureStates>()
  let selected: number | null = null
  let style: StateStyle | null = null
  const tables = createStateTables(options.layer)
  let ghost = false

  const tileset = createTileset({
    ...options,
    dress(content) {
      const state = createFeatureStates(content.features.ids.length || 1)
      states.set(content, state)
      ghostify(dressBuilding(content.mesh, state), content.mesh)
      paint(content, state)
      if (style) void fetchState(content, style)
    },
    undress(content) {
      states.get(content)?.texture.dispose()
      states.delete(content)
    },
  })

  /** The selection over what the style says. */
  function paint(content: TileContent, state: FeatureStates): void {
    const table = style && tables.known(content, style.query)
    state.clear()
    if (table) paintStyle(content, state, table, style!)
    const feature = selected === null ? -1 : content.features.ids.indexOf(selected)
    if (feature >= 0) state.set(feature, SELECTED, 1)
  }

  function paintStyle({ features: { ids } }: TileContent, state: FeatureStates, table: StateTable, { column, look }: StateStyle): void {
    const valueOf = table.column(column)
    for (let feature = 0; feature < ids.length; feature++) {
      const value = valueOf(feature)
      const looks = value === undefined ? null : look(value)
      if (looks) state.set(feature, colourOf(looks[0]), looks[1])
    }
  }

  async function fetchState(content: TileContent, wanted: StateStyle): Promise<void> {
    const isWanted = () => states.has(content) && style?.query === wanted.query
    for (const wait of [...RETRIES_MS, 0]) {
      const table = await tables.get(content, wanted.query, isWanted)
      if (!isWanted()) return
      if (table) break
      await new Promise((resolve) => setTimeout(resolve, wait))
    }
    if (isWanted()) paint(content, states.get(content)!)
    options.onChange()
  }

  function ghostify(material: MeshLambertMaterial, mesh: Mesh): void {
    material.transparent = ghost
    material.depthWrite = !ghost
    mesh.castShadow = !ghost
    mesh.renderOrder = ghost ? 10 : 0
  }

  function repaint(): void {
    buildingUniforms.uFade.value = selected !== null || style?.fades ? 1 : 0
    for (const [content, state] of states) paint(content, state)
    options.onChange()
  }

  return {
    tileset,
    select(id) { selected = id; repaint() },
    show(next) {
      if (next?.query === style?.query && next?.look === style?.look) return
      style = next
      repaint()
      if (!next) return
      // What is on screen first.
      const inOrder = [...states.keys()].sort((a, b) => Number(isDrawn(b.mesh)) - Number(isDrawn(a.mesh)))
      for (const content of inOrder) if (!tables.known(content, next.query)) void fetchState(content, next)
    },
    async stateOf(id, query) {
      const content = [...states.keys()].find(({ features }) => features.ids.includes(id))
      const table = content && await tables.get(content, query)
      return table?.row(content!.features.ids.indexOf(id)) ?? null
    },
    get pending() { return tables.pending },
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

const colours = new Map<string, Color>()

function colourOf(text: string): Color {
  let colour = colours.get(text)
  if (!colour) colours.set(text, colour = new Color().setStyle(text, 'srgb-linear'))
  return colour
}

function isDrawn(mesh: Mesh): boolean {
  for (let object = mesh as Mesh['parent']; object; object = object.parent) if (object.type === 'Scene') return true
  return false
}
