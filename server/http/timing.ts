import type { Response } from 'express'

/** Adds a stage to the answer's `Server-Timing`, milliseconds. */
export function timing(response: Response, stage: string, ms: number): void {
  const stages = (response.locals.timings ??= []) as string[]
  stages.push(`${stage};dur=${ms.toFixed(1)}`)
}

/** Runs and times one stage. */
export async function timed<T>(response: Response, stage: string, work: () => Promise<T>): Promise<T> {
  const start = performance.now()
  try {
    return await work()
  } finally {
    if (!response.headersSent) timing(response, stage, performance.now() - start)
  }
}

/** From here to the answer's headers is the stage `handle`; finer stages lie within it. */
export function handling(response: Response): void {
  response.locals.handlingSince = performance.now()
}

/** Writes `Server-Timing` with the stages and the total just before the headers leave. */
export function serverTiming(response: Response): void {
  const start = performance.now()
  const writeHead = response.writeHead
  response.writeHead = function (this: Response, ...args: any[]) {
    const now = performance.now()
    if (response.locals.handlingSince !== undefined) timing(response, 'handle', now - response.locals.handlingSince)
    timing(response, 'total', now - start)
    response.setHeader('Server-Timing', (response.locals.timings as string[]).join(', '))
    return writeHead.apply(this, args as any)
  } as typeof response.writeHead
}
