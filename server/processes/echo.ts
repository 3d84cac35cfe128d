/** The process `echo`: gives back what it gets. For trying a client out, and for the conformance suite. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Type, type TSchema } from '@sinclair/typebox'
import { badBody, Problem } from '../errors.js'
import type { JobContext, Jobs } from '../operations/jobs.js'
import { BoxSchema } from './box.js'
import type { ProcessDefinition, ProcessInput, ProcessOutput } from './process.js'

export const ECHO = 'echo'

/** Anybody may run it, so that it must stay small: bytes of all inputs, jobs under way of those without a token, ended jobs kept. */
const MOST_BYTES = 100_000
const MOST_PUBLIC = 20
const KEPT = 500

const values: Readonly<Record<string, readonly [schema: TSchema, titles: readonly [vi: string, en: string], descriptions: readonly [vi: string, en: string]]>> = {
  message: [Type.String({ maxLength: 10_000, examples: ['Xin chào'] }), ['Lời nhắn', 'Message'], ['Một đoạn chữ.', 'Some text.']],
  number: [Type.Number(), ['Số', 'Number'], ['Một con số.', 'A number.']],
  numbers: [Type.Array(Type.Integer(), { maxItems: 1000 }), ['Các số nguyên', 'Integers'], ['Một danh sách số nguyên.', 'A list of integers.']],
  box: [BoxSchema, ['Khung', 'Box'], ['Khung bao: tây, nam, đông, bắc.', 'A bounding box: west, south, east, north.']],
  anything: [Type.Unsafe({ oneOf: [{ type: 'string', maxLength: 10_000 }, { type: 'object' }] }), ['Bất kỳ', 'Anything'], ['Chữ hoặc một đối tượng JSON.', 'Text, or a JSON object.']],
  picture: [Type.String({ contentEncoding: 'base64', contentMediaType: 'image/tiff; application=geotiff', maxLength: MOST_BYTES }), ['Ảnh', 'Picture'], ['Các byte của một GeoTIFF, viết bằng base64.', 'The bytes of a GeoTIFF, in base64.']],
}

const titled = ([schema, title, description]: (typeof values)[string]) => ({ schema, title: { vi: title[0], en: title[1] }, description: { vi: description[0], en: description[1] } })

const inputs: Record<string, ProcessInput> = {
  ...Object.fromEntries(Object.entries(values).map(([name, value]) => [name, { ...titled(value), ...(name === 'message' && { required: true }) }])),
  pause: titled([Type.Integer({ minimum: 0, maximum: 30 }), ['Đợi', 'Pause'], ['Số giây đợi trước khi trả lời.', 'Seconds to wait before the answer.']]),
}

const outputs: Record<string, ProcessOutput> = Object.fromEntries(Object.entries(values).map(([name, value]) => [name, {
  ...titled(value), description: { vi: `Chính đầu vào “${name}”.`, en: `The input “${name}” as it came.` },
  read: async ({ job }) => {
    const given = (job.result as Readonly<Record<string, unknown>>)[name]
    return given === undefined ? undefined : { json: given }
  },
} satisfies ProcessOutput]))

export const echo: ProcessDefinition<Record<string, unknown>> = {
  id: ECHO, version: '1.0.0',
  title: { vi: 'Tiếng vọng', en: 'Echo' },
  description: {
    vi: 'Trả lại những gì nhận được, để thử một phần mềm. Ai cũng chạy được và thấy được, nên đừng gửi điều bí mật.',
    en: 'Gives back what it gets, to try a client out. Anybody may run it, and without a token anybody may see it: send no secrets.',
  },
  keywords: ['test'],
  jobControl: ['sync-execute', 'async-execute', 'dismiss'],
  inputs, outputs,
  async freeze(given, { app: { jobs }, reader }) {
    if (JSON.stringify(given).length > MOST_BYTES) throw badBody(`The inputs of echo are more than ${MOST_BYTES} characters in all.`, { pointer: '/inputs' })
    if (reader.subject === 'public' && (await jobs.list({ kind: ECHO, state: ['accepted', 'running'], visibleTo: 'public', limit: MOST_PUBLIC })).length === MOST_PUBLIC)
      throw new Problem(429, 'too-many', `${MOST_PUBLIC} echoes of people without a token are under way already. Try again in a moment.`, {}, { 'Retry-After': '5' })
    return { inputs: given }
  },
}

export function registerEcho(jobs: Jobs): void {
  jobs.register(ECHO, runEcho, { lane: 'short', keep: KEPT })
}

async function runEcho({ signal, report }: JobContext, { pause = 0, ...given }: { readonly pause?: number; readonly [name: string]: unknown }) {
  for (let second = 0; second < pause; second++) {
    report(second / pause, `${pause - second} s left`)
    await sleep(1000, undefined, { signal })
  }
  return given
}
