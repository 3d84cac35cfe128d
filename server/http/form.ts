/** Uploads as multipart/form-data: files go to disk as they come, so that memory stays flat and nothing waits for a slow client. */
import { createWriteStream } from 'node:fs'
import { pipeline } from 'node:stream/promises'
import busboy from 'busboy'
import type { Request } from 'express'
import { badBody, Problem } from '../errors.js'

export interface FormOptions {
  readonly fileBytes: number
  readonly files: number
  readonly fields: number
  readonly fieldBytes: number
  /** Where a file goes; the path must be free. */
  readonly pathOf: (filename: string | undefined) => string
  readonly tooLarge: () => Problem
}

/** The form's fields; its files are on disk when this returns. Throws a Problem for what cannot be read, is too large, or does not fit the disk. */
export async function receiveForm(request: Request, options: FormOptions): Promise<Record<string, string>> {
  const fields: Record<string, string> = {}
  const written: Promise<void>[] = []
  const form = parserOf(request, options)
  form.on('field', (name, value) => {
    if (value.includes('\0')) form.destroy(badBody(`The field “${name.slice(0, 40)}” holds a zero byte.`))
    else fields[name] = value
  })
  form.on('filesLimit', () => form.destroy(badBody(`At most ${options.files} files can be sent at once.`)))
  form.on('file', (_field, stream, { filename }) => {
    stream.on('limit', () => form.destroy(options.tooLarge()))
    const done = pipeline(stream, createWriteStream(options.pathOf(filename), { flags: 'wx' }))
    done.catch(() => {})
    written.push(done)
  })
  try {
    await pipeline(request, form)
    await Promise.all(written)
  } catch (error) {
    if (error instanceof Problem) throw error
    const { code, message } = error as NodeJS.ErrnoException
    if (code === 'ENOSPC') throw new Problem(507, 'unavailable', 'The disk of the server is full. Tell its operator; nothing was kept.')
    throw unreadable(message)
  }
  return fields
}

function parserOf({ headers }: Request, { fileBytes, files, fields, fieldBytes }: FormOptions): busboy.Busboy {
  try {
    return busboy({ headers, defParamCharset: 'utf8', limits: { fileSize: fileBytes, files, fields, fieldSize: fieldBytes } })
  } catch (error) {
    throw unreadable((error as Error).message)
  }
}

const unreadable = (why: string) => badBody(`The upload could not be read: ${why}.`)
