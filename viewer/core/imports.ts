/** A file dropped on the page: sent, followed as a job, and shown with what was rejected and why. */
import { ApiError, type JobStatus } from './api.js'
import type { App } from './app.js'
import { source } from './source.js'

export interface ImportState {
  readonly name: string
  readonly phase: 'uploading' | 'working' | 'done' | 'failed'
  /** 0…1 */
  readonly progress: number
  readonly why: string
  readonly job: string
  readonly result: ImportResult | null
}

/** What the import job leaves: rows by layer, and how many were turned away. */
export interface ImportResult {
  readonly layers: Readonly<Record<string, number>>
  readonly read?: number
  readonly rejected?: number
  readonly notes?: readonly string[]
}

export interface ImportController {
  readonly current: ImportState | null
  /** Several files are one Shapefile with its companions. */
  publish(files: readonly File[]): Promise<void>
  clear(): void
}

export function createImports(app: App): ImportController {
  let current: ImportState | null = null
  const set = (next: ImportState | null) => { current = next; app.emit('import') }

  async function publish(files: readonly File[]): Promise<void> {
    const named = files.find(({ name }) => name.toLowerCase().endsWith('.shp')) ?? files[0]
    if (!named) return
    let state: ImportState = { name: named.name, phase: 'uploading', progress: 0, why: '', job: '', result: null }
    set(state)
    try {
      const job = await upload(files, (progress) => set(state = { ...state, progress }))
      set(state = { ...state, phase: 'working', progress: 0, job: job.jobID })
      const done = await follow(job, (progress) => set(state = { ...state, progress }))
      if (done.status !== 'successful') throw new ApiError(0, done.message ?? done.status)
      const result = await source().server!.jobResult<ImportResult>(job.jobID)
      set({ ...state, phase: 'done', progress: 1, result })
      await app.reload()
    } catch (error) {
      set({ ...state, phase: 'failed', why: error instanceof ApiError && error.message ? error.message : app.t('error.offline') })
    }
  }

  return {
    get current() { return current },
    publish,
    clear: () => set(null),
  }
}

/** XMLHttpRequest, since fetch does not tell how much has been sent. */
function upload(files: readonly File[], onProgress: (share: number) => void): Promise<JobStatus> {
  return new Promise((resolve, reject) => {
    const ask = new XMLHttpRequest()
    ask.open('POST', source().server!.pages.uploads)
    ask.responseType = 'json'
    ask.upload.onprogress = (event) => onProgress(event.total ? event.loaded / event.total : 0)
    ask.onload = () => (ask.status < 300 ? resolve(ask.response as JobStatus) : reject(new ApiError(ask.status, (ask.response as { detail?: string } | null)?.detail ?? ask.statusText)))
    ask.onerror = () => reject(new ApiError(0, ''))
    const form = new FormData()
    form.append('mode', 'publish')
    for (const file of files) form.append('file', file, file.name)
    ask.send(form)
  })
}

async function follow(job: JobStatus, onProgress: (share: number) => void): Promise<JobStatus> {
  let now = job
  while (now.status === 'accepted' || now.status === 'running') {
    await new Promise((resolve) => setTimeout(resolve, 700))
    now = await source().server!.job(job.jobID)
    onProgress((now.progress ?? 0) / 100)
  }
  return now
}
