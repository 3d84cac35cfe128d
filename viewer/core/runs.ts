/** Flood runs as the page knows them: the one on screen with its manifest, impacts and colours; and the job that computes. */
import type { RunManifest } from '../../simulation/manifest.js'
import type { Flood } from '../water/flood.js'
import { ApiError, type JobStatus } from './api.js'
import type { App, RunImpacts } from './app.js'
import { showBuildingStyle } from './building-style.js'
import { source } from './source.js'

export interface RunController {
  readonly manifest: RunManifest | null
  readonly impacts: RunImpacts | null
  readonly job: JobStatus | null
  /** The run could not be read. */
  readonly failed: boolean
  readonly loading: boolean
  /** The shown time waits for its frames. */
  readonly buffering: boolean
  /** While the impacts are open, buildings take the colour of their greatest depth; otherwise walls show the water of the shown time. */
  colourBuildings: boolean
  /** Shows a run, or none. */
  show(run: string | null): Promise<void>
  /** Queues a run of a scenario; the page follows its job. */
  start(scenario: string): Promise<void>
  cancel(): Promise<void>
  /** Moves the water to the state's time. */
  sync(): void
  /** Advances the clock by real seconds while playing. */
  tick(seconds: number): void
  /** Reads who is affected, once: called when something that shows it is opened. */
  needImpacts(): void
  paint(): void
}

const POLL_MS = 1500

export function createRuns(app: App): RunController {
  let manifest: RunManifest | null = null
  let impacts: RunImpacts | null = null
  let flood: Flood | null = null
  let job: JobStatus | null = null
  let failed = false
  let loading = false
  let buffering = false
  let colourBuildings = true
  let wanted: string | null = null
  /** The run whose impacts have been asked for. */
  let impactsOf: string | null = null
  /** The time asked for when the run was opened; a run that still computes has yet to come to it. */
  let awaited = 0
  const last = ({ times }: RunManifest) => times.at(-1) ?? 0

  async function show(run: string | null): Promise<void> {
    wanted = run
    if (run === manifest?.id) return
    flood = null
    manifest = null
    impacts = null
    impactsOf = null
    failed = false
    app.scene?.showFlood(null, null)
    paint()
    const { server } = source()
    if (!run || !server) return app.emit('run')
    loading = true
    app.emit('run')
    try {
      const read = await server.run(run)
      if (wanted !== run) return
      manifest = read
      awaited = app.store.state.time
      if (awaited > last(read)) app.store.update({ time: last(read) })
      flood = app.scene?.showFlood(read, app.projection?.srid === read.grid.crs ? app.projection : null) ?? null
      sync()
      void follow(run)
      needImpacts()
    } catch {
      if (wanted === run) failed = true
    } finally {
      loading = false
      app.emit('run')
    }
  }

  /** A run that still computes gains frames: read its manifest until it is complete. */
  async function follow(run: string): Promise<void> {
    while (manifest?.id === run && !manifest.complete && !['failed', 'dismissed', 'interrupted'].includes(manifest.state)) {
      await pause(POLL_MS * 2)
      const next = await source().server!.run(run).catch(() => null)
      if (!next || manifest?.id !== run) continue
      const atEdge = app.store.state.time === last(manifest)
      manifest = next
      flood?.extend(next)
      // Never a time on the clock that has no water yet: it follows the computation up to the time asked for.
      if (atEdge && awaited > app.store.state.time) app.store.update({ time: Math.min(awaited, last(next)) })
      sync()
      app.emit('run')
      if (next.complete) needImpacts()
    }
  }

  function needImpacts(): void {
    const { panel, selection } = app.store.state
    paint()
    if (!manifest?.complete || impactsOf === manifest.id || (panel !== 'simulate' && selection?.layer !== 'buildings')) return
    impactsOf = manifest.id
    void loadImpacts(manifest)
  }

  async function loadImpacts(of: RunManifest): Promise<void> {
    const read = await source().server!.runImpacts(of.id).catch(() => null)
    if (manifest?.id !== of.id) return
    if (!read) { impactsOf = null; return } // the next look at them asks again
    impacts = read
    app.emit('run')
  }

  const paint = () => showBuildingStyle(app)

  function sync(): void {
    if (!flood) return
    const ready = flood.show(app.store.state.time, app.store.state.playing)
    app.scene?.invalidate()
    if (buffering !== !ready) { buffering = !ready; app.emit('run') }
  }

  async function watch(id: string): Promise<void> {
    while (job?.jobID === id && (job.status === 'accepted' || job.status === 'running')) {
      await pause(POLL_MS)
      const next = await source().server!.job(id).catch(() => null)
      if (!next || job?.jobID !== id) continue
      job = next
      // The first frames are worth seeing long before the last is computed.
      if (next.status === 'running' && wanted !== id) {
        const early = await source().server!.run(id).catch(() => null)
        if (early?.times.length) app.store.update({ run: id, time: 0, playing: true })
      }
      app.emit('run')
    }
    if (job?.jobID === id && job.status === 'successful') {
      await app.reload()
      if (app.store.state.run !== id) app.store.update({ run: id, time: 0, playing: true })
    }
  }

  return {
    get manifest() { return manifest },
    get impacts() { return impacts },
    get job() { return job },
    get failed() { return failed },
    get loading() { return loading },
    get buffering() { return buffering },
    get colourBuildings() { return colourBuildings },
    set colourBuildings(on) { colourBuildings = on; paint(); app.emit('run') },
    show,
    sync,
    needImpacts,
    paint,
    async start(scenario) {
      try {
        job = await source().server!.startFlood(scenario)
        void watch(job.jobID)
      } catch (error) {
        job = { jobID: '', status: 'failed', message: error instanceof ApiError ? error.message : String(error) }
      }
      app.emit('run')
    },
    async cancel() {
      if (!job) return
      await source().server!.cancelJob(job.jobID).catch(() => null)
      job = { ...job, status: 'dismissed' }
      app.emit('run')
    },
    tick(seconds) {
      const { state } = app.store
      if (!manifest || !flood || !state.playing) return
      const end = manifest.times.at(-1) ?? 0
      const next = state.time + seconds * state.speed
      if (next <= end) app.store.update({ time: next })
      else if (manifest.complete) app.store.update({ time: 0 })
      else app.store.update({ time: end })
    },
  }
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))
