/** Files that export jobs leave: `DATA_DIR/exports/<job id>/<name>`, kept for a day. */
import { createWriteStream } from 'node:fs'
import { mkdir, readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { Problem } from '../errors.js'

const KEPT_MS = 24 * 3_600_000

const folderOf = (dataDir: string) => join(dataDir, 'exports')
export const jobFolder = (dataDir: string, jobId: string) => join(folderOf(dataDir), jobId)
export const expiresAt = (finished: Date) => new Date(finished.getTime() + KEPT_MS)

/** Writes chunks to a file; what was written goes again where it does not come to its end. Returns its bytes. */
export async function writeChunks(path: string, chunks: AsyncIterable<Uint8Array | string>, signal?: AbortSignal): Promise<number> {
  try {
    const out = createWriteStream(path)
    await pipeline(Readable.from(chunks), out, { signal })
    return out.bytesWritten
  } catch (error) {
    await rm(path, { force: true })
    if ((error as NodeJS.ErrnoException).code === 'ENOSPC') throw new Problem(507, 'unavailable', 'The disk is full. Free some space and export again.')
    throw error
  }
}

export async function writeExport(dataDir: string, jobId: string, name: string, chunks: AsyncIterable<Uint8Array | string>, signal: AbortSignal): Promise<number> {
  const folder = jobFolder(dataDir, jobId)
  await mkdir(folder, { recursive: true })
  return writeChunks(join(folder, name), chunks, signal)
}

/** Takes away what is older than a day. */
export async function sweepExports(dataDir: string, now = Date.now()): Promise<void> {
  for (const name of await readdir(folderOf(dataDir)).catch(() => [])) {
    const folder = join(folderOf(dataDir), name)
    const age = now - (await stat(folder).then(({ mtimeMs }) => mtimeMs, () => now))
    if (age > KEPT_MS) await rm(folder, { recursive: true, force: true })
  }
}
