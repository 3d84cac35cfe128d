/** The address bar as the state: `#c=lon,lat,distance,heading,pitch&l=…&s=layer/id…`. Short, readable, stable. */
import type { Filter } from '../../core/filter/ast.js'
import type { AppState, CameraState, PanelId } from './state.js'

const PANELS: readonly PanelId[] = ['layers', 'simulate', 'filter', 'import']

export function encodeState(state: AppState): string {
  const parts: string[] = []
  const put = (key: string, value: string) => parts.push(`${key}=${value}`)
  const c = state.camera
  put('c', [c.lon.toFixed(6), c.lat.toFixed(6), Math.round(c.distance), round(c.heading), round(c.pitch)].join(','))
  put('lang', state.language)
  const shown = Object.entries(state.shown).map(([id, on]) => (on ? '' : '-') + id)
  if (shown.length) put('l', shown.sort().join(','))
  if (state.panel) put('p', state.panel)
  if (state.selection) {
    const { layer, id, at } = state.selection
    put('s', `${layer}/${id}${at ? `/${at[0].toFixed(6)}/${at[1].toFixed(6)}` : ''}`)
  }
  if (state.underground) put('u', '1')
  if (state.run) put('run', state.run)
  if (state.run) put('t', String(Math.round(state.time)))
  if (state.compare) put('cmp', state.compare)
  if (state.filter) put('f', encodeURIComponent(JSON.stringify(state.filter)))
  return '#' + parts.join('&')
}

/** What of the state an address names; unreadable parts are left out rather than guessed. */
export function decodeState(hash: string): Partial<AppState> {
  const params = new Map(hash.replace(/^#/, '').split('&').filter(Boolean).map((part) => {
    const i = part.indexOf('=')
    return [part.slice(0, i), part.slice(i + 1)] as const
  }))
  const out: { -readonly [K in keyof AppState]?: AppState[K] } = {}
  const camera = decodeCamera(params.get('c'))
  if (camera) out.camera = camera
  const language = params.get('lang')
  if (language === 'vi' || language === 'en') out.language = language
  const layers = params.get('l')
  if (layers) out.shown = Object.fromEntries(layers.split(',').map((id) => (id.startsWith('-') ? [id.slice(1), false] : [id, true])))
  const panel = params.get('p') as PanelId | undefined
  if (panel && PANELS.includes(panel)) out.panel = panel
  const selection = params.get('s')?.split('/')
  if (selection && Number.isSafeInteger(Number(selection[1]))) {
    const [lon, lat] = [Number(selection[2]), Number(selection[3])]
    out.selection = { layer: selection[0]!, id: Number(selection[1]), ...(selection.length > 3 && Number.isFinite(lon + lat) ? { at: [lon, lat] as const } : {}) }
  }
  if (params.has('u')) out.underground = params.get('u') === '1'
  const run = params.get('run')
  if (run && /^[\w-]+$/.test(run)) out.run = run
  const compare = params.get('cmp')
  if (compare && /^[\w-]+$/.test(compare)) out.compare = compare
  const time = Number(params.get('t'))
  if (params.has('t') && time >= 0) { out.time = time; out.playing = false }
  const filter = decodeFilter(params.get('f'))
  if (filter) out.filter = filter
  return out
}

function decodeCamera(text: string | undefined): CameraState | undefined {
  const n = text?.split(',').map(Number)
  if (!n || n.length !== 5 || !n.every(Number.isFinite)) return undefined
  const [lon, lat, distance, heading, pitch] = n as [number, number, number, number, number]
  if (Math.abs(lon) > 180 || Math.abs(lat) > 85 || distance <= 0 || pitch < 0 || pitch > 90) return undefined
  return { lon, lat, distance, heading, pitch }
}

function decodeFilter(text: string | undefined): { layer: string; where: Filter } | undefined {
  if (!text) return undefined
  try {
    const value = JSON.parse(decodeURIComponent(text)) as { layer?: unknown; where?: { op?: unknown } }
    return typeof value.layer === 'string' && typeof value.where?.op === 'string' ? (value as { layer: string; where: Filter }) : undefined
  } catch {
    return undefined
  }
}

const round = (n: number) => Math.round(n * 10) / 10
