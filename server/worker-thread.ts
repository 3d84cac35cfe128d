import { Worker, type WorkerOptions } from 'node:worker_threads'

/**
 * A worker thread from a module beside the caller's: `startWorker('./x-worker', import.meta.url)`.
 * In production that is the built `.js`; from sources it is the `.ts`, for which the thread first loads tsx itself,
 * because Node 20 does not hand the parent's loader down.
 */
export function startWorker(module: string, parentUrl: string, options: WorkerOptions = {}): Worker {
  if (!parentUrl.endsWith('.ts')) return new Worker(new URL(`${module}.js`, parentUrl), options)
  const bootstrap = `import(${JSON.stringify(import.meta.resolve('tsx/esm/api'))}).then(tsx => { tsx.register(); return import(${JSON.stringify(new URL(`${module}.ts`, parentUrl).href)}) })`
  return new Worker(bootstrap, { ...options, eval: true })
}
