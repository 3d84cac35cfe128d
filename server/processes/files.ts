/** Outputs that are files: kept beside those of exports, for a day. */
import { stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { notFound } from '../errors.js'
import { jobFolder } from '../export/files.js'
import type { OutputValue, ResultCall } from './process.js'

/** What of a file a job's result keeps. */
export interface FileResult { readonly file: string; readonly mediaType: string }

export async function fileValue({ job, app, base }: ResultCall, { file, mediaType }: FileResult): Promise<OutputValue> {
  const path = resolve(jobFolder(app.config.dataDir, job.id), file)
  const found = await stat(path).catch(() => undefined)
  if (!found) throw notFound(`The file of job ${job.id} has expired: files are kept for a day. POST ${base}/ogc/jobs/${job.id}/again makes it anew.`)
  return { file: path, mediaType, fileName: file, bytes: found.size }
}
