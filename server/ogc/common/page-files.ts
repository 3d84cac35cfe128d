/** What pages fetch besides themselves: their script and their font, from this server as everything else. */
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { Type } from '@sinclair/typebox'
import type { Response } from 'express'
import { notFound } from '../../errors.js'
import type { Call, Operation } from '../../operations/operation.js'
import { PAGE_SCRIPT } from './page-script.js'

const { resolve } = createRequire(import.meta.url)
const font = (part: string) => () => readFile(resolve(`@fontsource/be-vietnam-pro/files/be-vietnam-pro-${part}-normal.woff2`))

const FILES: ReadonlyMap<string, readonly [type: string, read: () => Promise<Buffer>]> = new Map([
  ['page.js', ['text/javascript; charset=utf-8', async () => Buffer.from(PAGE_SCRIPT)]],
  ...['latin-400', 'latin-600', 'vietnamese-400', 'vietnamese-600'].map((part): [string, [string, () => Promise<Buffer>]] => [`${part}.woff2`, ['font/woff2', font(part)]]),
])

export const pageFileOperations: readonly Operation[] = [
  {
    id: 'getPageFile', method: 'get', path: '/pages/{file}', tags: ['Documentation'], summary: 'The script or font of pages.',
    parameters: [{ name: 'file', in: 'path', required: true, description: 'Its name.', schema: Type.String({ maxLength: 60 }) }],
    responses: { 200: { description: 'The file.', content: { 'text/javascript': {}, 'font/woff2': {} } } }, handler: getPageFile,
  },
]

async function getPageFile({ params }: Call, response: Response): Promise<void> {
  const file = FILES.get(params.file)
  if (!file) throw notFound(`Pages have no file “${String(params.file).slice(0, 60)}”; they have ${[...FILES.keys()].join(', ')}.`)
  const [type, read] = file
  response.setHeader('Content-Type', type)
  response.setHeader('Cache-Control', 'public, max-age=86400')
  response.send(await read())
}
