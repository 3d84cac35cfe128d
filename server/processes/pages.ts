/** Processes, jobs and results as people read them. */
import type { Localized } from '../../layers/layer.js'
import { commandLine, html, linkList, type Html } from '../ogc/common/html.js'
import type { Language } from '../ogc/common/media.js'
import type { Job } from '../operations/jobs.js'
import type { ProcessDefinition } from './process.js'
import type { ToldOutput } from './results.js'

type Words = readonly [vi: string, en: string]
const say = (lang: Language, [vi, en]: Words) => lang === 'vi' ? vi : en

export const PROCESSES_TITLE: Localized = { vi: 'Quy trình', en: 'Processes' }
export const JOBS_TITLE: Localized = { vi: 'Công việc', en: 'Jobs' }

export function processesPage(processes: readonly ProcessDefinition[], base: string, lang: Language): Html {
  return html`<div class="cards">${processes.map(({ id, title, description }) => html`<a class="card" href="${base}/ogc/processes/${id}"><b>${title[lang]}</b><br><small>${description[lang]}</small></a>`)}</div>
    <p><a href="${base}/ogc/jobs">${JOBS_TITLE[lang]}</a></p>`
}

export function processPage(process: ProcessDefinition, base: string, lang: Language): Html {
  const { id, description, inputs, outputs, roles, jobControl } = process
  const body = JSON.stringify({ inputs: example(process) })
  return html`<p>${description[lang]}</p>
    <p><small>${jobControl.map(control => CONTROL[control][lang]).join(' · ')}${roles ? html` · ${say(lang, ['cần quyền', 'needs the role'])} ${roles.join(say(lang, [' hoặc ', ' or ']))}` : ''}</small></p>
    <h2>${say(lang, ['Đầu vào', 'Inputs'])}</h2>
    <div class="scroll"><table><tr><th>${say(lang, ['Tên', 'Name'])}</th><th></th><th>${say(lang, ['Giá trị', 'Values'])}</th><th></th></tr>
    ${Object.entries(inputs).map(([name, input]) => html`<tr><td><code>${name}</code>${input.required ? ' *' : ''}</td><td>${input.title[lang]}</td><td style="white-space:normal"><small>${values(input.schema)}</small></td><td style="white-space:normal">${input.description[lang]}</td></tr>`)}</table></div>
    <p><small>* ${say(lang, ['bắt buộc', 'needed'])}</small></p>
    <h2>${say(lang, ['Kết quả', 'Outputs'])}</h2>
    <div class="scroll"><table>${Object.entries(outputs).map(([name, output]) => html`<tr><td><code>${name}</code></td><td>${output.title[lang]}</td><td style="white-space:normal">${output.description[lang]}</td></tr>`)}</table></div>
    <h2>${say(lang, ['Chạy thử', 'Run it'])}</h2>
    ${commandLine('curl', `curl -X POST ${roles ? "-H 'Authorization: Bearer …' " : ''}-H 'Content-Type: application/json' -d '${body}' ${base}/ogc/processes/${id}/execution`)}`
}

const CONTROL: Readonly<Record<ProcessDefinition['jobControl'][number], Localized>> = {
  'sync-execute': { vi: 'trả lời ngay', en: 'answers at once' },
  'async-execute': { vi: 'chạy nền (Prefer: respond-async)', en: 'in the background (Prefer: respond-async)' },
  dismiss: { vi: 'huỷ được', en: 'can be cancelled' },
}

const example = ({ inputs }: ProcessDefinition) => Object.fromEntries(Object.entries(inputs).filter(([, input]) => input.required).map(([name, { schema }]) => [name, schema.examples?.[0] ?? '…']))

/** What a schema allows, in a few words that need no translation. */
function values(schema: Record<string, any>): string {
  const options = (schema.oneOf ?? schema.anyOf) as Record<string, any>[] | undefined
  if (options) return options.map(values).join(' | ')
  if (schema.enum) return schema.enum.join(' | ')
  if (schema.type === 'array') return `[${values(schema.items ?? {})}]`
  const range = schema.minimum !== undefined || schema.maximum !== undefined ? ` ${schema.minimum ?? ''}…${schema.maximum ?? ''}` : ''
  return `${schema.format ?? schema.type ?? schema.allOf?.[0]?.format ?? ''}${range}${schema.default !== undefined ? ` = ${JSON.stringify(schema.default)}` : ''}`
}

const STATES: Readonly<Record<Job['state'], Localized>> = {
  accepted: { vi: 'đang chờ', en: 'waiting' }, running: { vi: 'đang chạy', en: 'running' }, successful: { vi: 'xong', en: 'done' },
  failed: { vi: 'hỏng', en: 'failed' }, dismissed: { vi: 'đã huỷ', en: 'cancelled' }, interrupted: { vi: 'bị ngắt', en: 'interrupted' },
}

export function jobsPage(jobs: readonly Job[], { base, next, titleOf, lang }: { base: string; next?: string; titleOf: (kind: string) => Localized | undefined; lang: Language }): Html {
  if (jobs.length === 0) return html`<p>${say(lang, ['Chưa có công việc nào bạn được xem.', 'There is no job yet that you may see.'])}</p>`
  return html`<div class="scroll"><table>
    <tr>${([['Công việc', 'Job'], ['Trạng thái', 'State'], ['Tiến độ', 'Progress'], ['Bắt đầu', 'Started'], ['Thông báo', 'Message']] as const).map(words => html`<th>${say(lang, words)}</th>`)}</tr>
    ${jobs.map(job => html`<tr><td><a href="${base}/ogc/jobs/${job.id}">${titleOf(job.kind)?.[lang] ?? job.kind}</a></td><td>${STATES[job.state][lang]}</td>
      <td class="n">${Math.floor(job.progress * 100)} %</td><td>${timeOf(job.started ?? job.created, lang)}</td><td>${job.message}</td></tr>`)}</table></div>
    ${next ? html`<p class="pager"><a href="${next}">${say(lang, ['Trang sau', 'Next page'])}</a></p>` : ''}`
}

export function jobPage(job: Job, base: string, lang: Language): Html {
  const rows: readonly (readonly [Words, string])[] = [
    [['Trạng thái', 'State'], STATES[job.state][lang]], [['Tiến độ', 'Progress'], `${Math.floor(job.progress * 100)} %`], [['Thông báo', 'Message'], job.message],
    [['Tạo lúc', 'Created'], timeOf(job.created, lang)], [['Bắt đầu', 'Started'], timeOf(job.started, lang)], [['Kết thúc', 'Finished'], timeOf(job.finished, lang)],
  ]
  return html`<p><progress max="100" value="${Math.floor(job.progress * 100)}"></progress></p>
    <table>${rows.filter(([, value]) => value !== '').map(([words, value]) => html`<tr><th>${say(lang, words)}</th><td style="white-space:normal">${value}</td></tr>`)}</table>
    ${job.state === 'successful' ? html`<p><a href="${base}/ogc/jobs/${job.id}/results">${say(lang, ['Kết quả', 'Results'])}</a></p>` : ''}`
}

export function resultsPage(outputs: readonly ToldOutput[], lang: Language): Html {
  return linkList(outputs.map(({ output, href, mediaType }) => [output.title[lang], href, `${mediaType.split(';')[0]} – ${output.description[lang]}`]))
}

const timeOf = (at: Date | null, lang: Language) => at ? `${at.toLocaleString(lang === 'vi' ? 'vi-VN' : 'en-GB', { timeZone: 'UTC', dateStyle: 'medium', timeStyle: 'medium' })} UTC` : ''
