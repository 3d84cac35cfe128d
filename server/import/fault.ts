import { Problem } from '../errors.js'

/** A file that cannot be read: one sentence that says what is wrong with it. */
export const badFile = (detail: string) => new Problem(422, 'bad-file', detail)

/** Runs a reader's step; what a library throws becomes one sentence about the file. */
export async function reading<T>(what: string, step: () => T | Promise<T>): Promise<T> {
  try {
    return await step()
  } catch (error) {
    throw asBadFile(what, error)
  }
}

export function asBadFile(what: string, error: unknown): unknown {
  const { code, name, message } = error as NodeJS.ErrnoException
  if (error instanceof Problem || name === 'AbortError') return error
  if (code === 'ENOENT') return badFile(`There is no such file: ${(error as NodeJS.ErrnoException).path ?? what}.`)
  if (code === 'EACCES' || code === 'EISDIR') return badFile(`The file cannot be read: ${message}.`)
  if (code === 'ENOSPC') return new Problem(507, 'unavailable', 'The disk is full. Free some space and import again.')
  if (code === 'Z_BUF_ERROR') return badFile(`The ${what} ends too early: it is truncated. Copy or download it again.`)
  return badFile(`The ${what} cannot be read: ${message.split('\n')[0]!.slice(0, 200)}.`)
}
