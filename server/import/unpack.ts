import { createReadStream, createWriteStream } from 'node:fs'
import { mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, extname, join } from 'node:path'
import { Transform, type Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip } from 'node:zlib'
import yauzl from 'yauzl'
import { badFile, reading } from './fault.js'
import { flatName, isImageName } from './image-names.js'

/** Beyond this many bytes, a file that grew more than `BOMB_RATIO` times is taken for a decompression bomb. */
const BOMB_FLOOR = 64 * 2 ** 20
const BOMB_RATIO = 300
const MAX_UNPACKED = 64 * 2 ** 30
const MAX_ENTRIES = 10_000

/** The first bytes of a file. */
export async function head(file: string, bytes: number): Promise<Buffer> {
  const handle = await open(file)
  try {
    const buffer = Buffer.alloc(bytes)
    const { bytesRead } = await handle.read(buffer, 0, bytes, 0)
    return buffer.subarray(0, bytesRead)
  } finally {
    await handle.close()
  }
}

export const isGzip = (start: Buffer) => start[0] === 0x1f && start[1] === 0x8b
export const isZip = (start: Buffer) => start.length >= 4 && start.readUInt32BE(0) === 0x504b0304

/** The file's bytes, gunzipped where it is gzip. Errors are told as `what`. */
export async function* bytesOf(file: string, what: string): AsyncGenerator<Buffer> {
  const gzip = isGzip(await reading(what, () => head(file, 2)))
  const raw = createReadStream(file, { highWaterMark: 1 << 18 })
  let packed = 0
  let unpacked = 0
  const stream: Readable = gzip ? raw.on('data', chunk => { packed += chunk.length }).pipe(createGunzip({ chunkSize: 1 << 18 })) : raw
  if (gzip) raw.on('error', error => stream.destroy(error))
  try {
    const iterator = stream[Symbol.asyncIterator]() as AsyncIterator<Buffer>
    for (;;) {
      const { value, done } = await reading(what, () => iterator.next())
      if (done) return
      unpacked += value.length
      if (gzip) refuseBomb(packed, unpacked, what)
      yield value
    }
  } finally {
    raw.destroy()
    stream.destroy()
  }
}

function refuseBomb(packed: number, unpacked: number, what: string) {
  if (unpacked > MAX_UNPACKED || (unpacked > BOMB_FLOOR && unpacked > BOMB_RATIO * packed))
    throw badFile(`The ${what} unpacks to more than ${BOMB_RATIO} times its size: it looks like a decompression bomb and was refused.`)
}

/** The first `bytes` of the content, through gzip. */
export async function contentHead(file: string, bytes: number): Promise<Buffer> {
  const parts: Buffer[] = []
  let size = 0
  for await (const chunk of bytesOf(file, 'file')) {
    parts.push(chunk)
    size += chunk.length
    if (size >= bytes) break
  }
  return Buffer.concat(parts).subarray(0, bytes)
}

/** The whole content, through gzip, for formats that cannot be read as a stream. */
export async function contentOf(file: string, what: string, maxBytes: number): Promise<Buffer> {
  const parts: Buffer[] = []
  let size = 0
  for await (const chunk of bytesOf(file, what)) {
    size += chunk.length
    if (size > maxBytes) throw badFile(`The ${what} is larger than ${Math.round(maxBytes / 2 ** 20)} MiB, which is more than can be read at once. Split it into smaller files.`)
    parts.push(chunk)
  }
  return Buffer.concat(parts)
}

/** A folder of its own under the system's temporary one. */
export async function scratchFolder(): Promise<{ path: string; remove(): Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), 'dothi-import-'))
  return { path, remove: () => rm(path, { recursive: true, force: true }) }
}

/** A gzipped file unpacked into `folder`, for formats that are read at random positions. */
export async function gunzipTo(file: string, folder: string): Promise<string> {
  const target = join(folder, basename(file).replace(/\.gz$/i, ''))
  await pipeline(bytesOf(file, 'gzip file'), createWriteStream(target))
  return target
}

/** Names of a zip's entries, so that formats which are zips themselves can be told. */
export async function zipEntries(file: string): Promise<string[]> {
  return reading('zip file', async () => {
    const zip = await yauzl.openPromise(file, { strictFileNames: true, validateEntrySizes: true })
    const names: string[] = []
    try {
      for await (const entry of zip.eachEntry()) {
        if (names.length >= MAX_ENTRIES) throw tooManyEntries()
        names.push(entry.fileName)
      }
    } finally {
      zip.close()
    }
    return names
  })
}

/** One entry of a zip, unpacked as a stream. */
export async function* zipMember(file: string, name: string, what: string): AsyncGenerator<Buffer> {
  // Left open by itself: the entry is read after the directory has been gone through.
  const zip = await reading(what, () => yauzl.openPromise(file, { strictFileNames: true, validateEntrySizes: true, autoClose: false }))
  try {
    const entry = await reading(what, async () => {
      let found: yauzl.Entry | undefined
      for await (const candidate of zip.eachEntry()) if (candidate.fileName === name) found ??= candidate
      return found
    })
    if (!entry) throw badFile(`The ${what} lacks its part ${name}.`)
    let unpacked = 0
    const stream = await reading(what, () => zip.openReadStreamPromise(entry))
    const chunks = stream[Symbol.asyncIterator]() as AsyncIterator<Buffer>
    try {
      for (;;) {
        const { value, done } = await reading(what, () => chunks.next())
        if (done) return
        unpacked += value.length
        refuseBomb(entry.compressedSize, unpacked, what)
        yield value
      }
    } finally {
      stream.destroy()
    }
  } finally {
    zip.close()
  }
}

const tooManyEntries = () => badFile(`The zip file has more than ${MAX_ENTRIES} entries. Pack only the data to import.`)

/**
 * Unpacks those entries of a zip whose extension is wanted, flat into `folder`, under harmless names.
 * Names that climb out of the archive, bombs and absurd numbers of entries are refused.
 */
export async function unzipTo(file: string, folder: string, wanted: ReadonlySet<string>): Promise<string[]> {
  return reading('zip file', async () => {
    const zip = await yauzl.openPromise(file, { strictFileNames: true, validateEntrySizes: true })
    const files: string[] = []
    let entries = 0
    let packed = 0
    let unpacked = 0
    try {
      for await (const entry of zip.eachEntry()) {
        if (++entries > MAX_ENTRIES) throw tooManyEntries()
        const name = entry.fileName.split('/').at(-1)!
        if (name === '' || entry.fileName.startsWith('__MACOSX/') || !wanted.has(extname(name).toLowerCase())) continue
        packed += entry.compressedSize
        const target = join(folder, isImageName(name) ? flatName(entry.fileName) : name.replace(/[^\p{L}\p{N}._ -]/gu, '_'))
        const bomb = new Transform({
          transform(chunk: Buffer, _encoding, next) {
            unpacked += chunk.length
            try {
              refuseBomb(packed, unpacked, 'zip file')
              next(null, chunk)
            } catch (error) {
              next(error as Error)
            }
          },
        })
        await pipeline(await zip.openReadStreamPromise(entry), bomb, createWriteStream(target, { flags: 'wx' }))
        files.push(target)
      }
    } finally {
      zip.close()
    }
    return files
  })
}
