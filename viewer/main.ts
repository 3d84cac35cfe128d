/**
 * The viewer's composition root: address bar → state → city → scene → panels.
 *
 * State and events, for whoever adds a panel:
 * - `core/state.ts` holds `AppState`, one plain value; `store.update({...})` is the only way to change it, and
 *   `store.subscribe` (or `watches` in a Panel) tells which keys changed. The address bar follows by itself.
 * - `core/app.ts` holds what lives as long as the page (city, scene, pick, cursor, runs, filters, imports);
 *   `app.emit(topic)` and `app.on(topic)` tell of changes there.
 * - A panel extends `panels/panel.ts`, lists what it `watches`, and is placed by `panels/shell.ts`.
 * - The scene (`scene/scene.ts`) knows nothing of panels: this file carries state into it and its events back.
 */
import '@fontsource/be-vietnam-pro/400.css'
import '@fontsource/be-vietnam-pro/500.css'
import '@fontsource/be-vietnam-pro/600.css'
import './style.css'
import { ApiError, type CityInfo } from './core/api.js'
import { createTopics, createWords, type App } from './core/app.js'
import { showBuildingStyle } from './core/building-style.js'
import { createFilters } from './core/filter.js'
import { createImports } from './core/imports.js'
import { followChanges } from './core/live.js'
import { loadProjection } from './core/projection.js'
import { createRuns } from './core/runs.js'
import { openSource, source } from './core/source.js'
import { createStore, type AppState, type CameraState, type Language } from './core/state.js'
import { decodeState, encodeState } from './core/url-state.js'
import { shownLayers } from './core/visibility.js'
import { provideApp } from './panels/panel.js'

/** Seconds into a flood that is shown before anybody asks: well on its way up. */
const OPENING_TIME = 7200

const asked = decodeState(location.hash)
const store = createStore({
  language: rememberedLanguage(), camera: { lon: 0, lat: 0, distance: 4000, heading: 0, pitch: 35 }, shown: {}, panel: null, selection: null,
  underground: false, run: null, time: OPENING_TIME, playing: false, speed: 900, compare: null, filter: null, ...asked,
} satisfies AppState)

const app: App = {
  store, city: null, failure: null, preparing: null, scene: null, projection: null, cursor: null, picked: [], notice: '', busy: 0,
  runs: null as never, filters: null as never, imports: null as never, live: null,
  ...createTopics(),
  ...createWords(store),
  layer: (id) => app.city?.layers.find((layer) => layer.id === id),
  say(sentence) {
    app.notice = sentence
    app.emit('notice')
    setTimeout(() => { if (app.notice === sentence) { app.notice = ''; app.emit('notice') } }, 4000)
  },
  async reload() {
    const next = await source().city().catch(() => null)
    if (!next) return
    app.city = next
    app.scene?.configure(next, shownLayers(next.layers, store.state))
    app.emit('city')
  },
}
Object.assign(app, { runs: createRuns(app), filters: createFilters(app), imports: createImports(app) })
provideApp(app)
let addressTimer: ReturnType<typeof setTimeout> | undefined

// For tests and for the curious: the page's own objects, nothing more.
Object.assign(globalThis, { dothi: app })

const [city] = await Promise.all([firstCity(), import('./panels/shell.js')])
if (city) await open(city)

/** The description of the city; a server that still prepares its data is asked again, any other failure is shown. */
async function firstCity(): Promise<CityInfo | null> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await (await openSource(document)).city()
    } catch (error) {
      const { status, message } = error instanceof ApiError ? error : { status: 0, message: '' }
      if (status !== 503 && attempt >= 3) {
        app.failure = { kind: 'server', why: message }
        app.emit('city')
        return null
      }
      app.preparing = status === 503 ? await source().server?.preparing() ?? null : null
      app.emit('city')
      await new Promise((resolve) => setTimeout(resolve, 1200))
    }
  }
}

async function open(city: CityInfo): Promise<void> {
  app.city = city
  if (!asked.camera) store.update({ camera: openingView(city) })
  if (asked.run === undefined) store.update({ run: latestRun(city) })
  app.emit('city')
  const canvas = document.querySelector<HTMLCanvasElement>('#scene')!
  const projection = loadProjection(city.city.srid)
  try {
    const { createScene } = await import('./scene/scene.js')
    app.scene = createScene(canvas, city, city.layers, shownLayers(city.layers, store.state), store.state.camera, {
      onCamera: (camera) => store.update({ camera }),
      onPick(picked, at) {
        app.picked = picked
        app.emit('pick')
        store.update({ selection: picked[0] ? { layer: picked[0].layer, id: picked[0].id, at } : null })
      },
      onCursor(cursor) { app.cursor = cursor; app.emit('cursor') },
      onFloodFrame: () => app.runs.sync(),
      onFar(camera) {
        // The address holds everything, so the page opens again around the other place.
        store.update({ camera })
        history.replaceState(null, '', location.pathname + encodeState(store.state))
        location.reload()
      },
      onFirstView(slow) {
        // What moves by itself waits until all is there, and for a machine and a reader that can take it.
        const calm = matchMedia('(prefers-reduced-motion: reduce)').matches
        if (!slow && !calm && asked.time === undefined && store.state.time === OPENING_TIME) store.update({ playing: true })
      },
      onTick: (seconds) => app.runs.tick(seconds),
      onBusy(pending) { if (Math.sign(pending) !== Math.sign(app.busy)) { app.busy = pending; app.emit('busy') } },
    })
  } catch (error) {
    app.failure = { kind: 'webgl', why: (error as Error).message }
    return app.emit('city')
  }
  app.scene.setCamera(store.state.camera)
  app.projection = await projection
  app.emit('scene')
  follow(store.state, new Set(['selection', 'underground', 'run', 'playing', 'compare', 'filter']))
  store.subscribe(follow)
  if (source().server) app.live = followChanges(app)
  if (!store.state.run && !asked.run) void awaitFirstRun()
  addEventListener('hashchange', () => {
    if (location.hash !== encodeState(store.state)) {
      const next = decodeState(location.hash)
      store.update(next)
      if (next.camera) app.scene?.setCamera(next.camera)
    }
  })
}

/** What changed in the state goes to the scene and to the address bar. */
function follow(state: AppState, changed: ReadonlySet<keyof AppState>): void {
  const { scene, city } = app
  if (!scene || !city) return
  if (changed.has('underground')) scene.setUnderground(state.underground)
  if (changed.has('shown') || changed.has('underground')) scene.setLayers(shownLayers(city.layers, state))
  if (changed.has('selection')) {
    scene.buildings.select(state.selection?.layer === 'buildings' ? state.selection.id : null)
    const picked = app.picked.find(({ layer, id }) => layer === state.selection?.layer && id === state.selection.id)
    scene.outline(picked?.outline.length ? picked.outline : null)
  }
  if (changed.has('run')) void app.runs.show(state.run).then(animate)
  if (changed.has('panel') || changed.has('selection')) app.runs.needImpacts()
  if (changed.has('time')) app.runs.sync()
  if (changed.has('playing') || changed.has('time') || changed.has('run')) animate()
  if (changed.has('filter')) void app.filters.sync()
  if (changed.has('compare')) showBuildingStyle(app)
  if (changed.has('language')) localStorage.setItem('dothi-language', state.language)
  scheduleAddress()
}

function animate(): void {
  app.scene?.setRunning(store.state.playing && app.runs.manifest !== null && !app.runs.failed)
}

function scheduleAddress(): void {
  addressTimer ??= setTimeout(() => {
    addressTimer = undefined
    history.replaceState(null, '', location.pathname + encodeState(store.state))
  }, 300)
}

/** Over the Hàn river towards the mouth in the sample city; over the middle of any other. */
function openingView({ city, terrain }: CityInfo): CameraState {
  const { lon, lat, zoom } = city.home
  const distance = Math.min(60_000, Math.max(600, 3300 * 2 ** (14 - zoom)))
  return { lon, lat, distance, heading: terrain ? 24 : 0, pitch: 20 }
}

function latestRun({ scenarios }: CityInfo): string | null {
  for (const { latestRun } of scenarios) {
    const id = typeof latestRun === 'string' ? latestRun : latestRun?.id
    if (id) return id
  }
  return null
}

/** A city that has just been loaded computes its first flood by itself: it is shown as soon as it has water. */
async function awaitFirstRun(): Promise<void> {
  for (let i = 0; i < 40 && !store.state.run && app.city?.scenarios.length; i++) {
    await new Promise((resolve) => setTimeout(resolve, 3000))
    const city = await source().city().catch(() => null)
    const run = city && latestRun(city)
    if (!run || store.state.run) continue
    app.city = { ...app.city, scenarios: city.scenarios }
    app.emit('city')
    return store.update({ run })
  }
}

/** What the reader has chosen, else what the browser speaks. */
function rememberedLanguage(): Language {
  const remembered = localStorage.getItem('dothi-language')
  if (remembered === 'vi' || remembered === 'en') return remembered
  // The first of the browser's languages that is one of ours; where none is, the city's own.
  return navigator.languages.map((tag) => tag.slice(0, 2)).find((tag): tag is Language => tag === 'vi' || tag === 'en') ?? 'vi'
}
