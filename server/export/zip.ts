import { Readable } from 'node:stream'
import yazl from 'yazl'

export interface ZipEntry { readonly name: string; readonly chunks: AsyncIterable<Uint8Array | string> }

/** A zip file made while it is taken, one entry after the other. */
export async function* zipped(entries: readonly ZipEntry[]): AsyncGenerator<Uint8Array> {
  const zip = new yazl.ZipFile()
  const out = zip.outputStream as unknown as Readable
  zip.on('error', error => out.destroy(error as Error))
  const open: Readable[] = []
  for (const { name, chunks } of entries) {
    const content = Readable.from(asBytes(chunks), { objectMode: false })
    open.push(content)
    zip.addReadStream(content, name)
  }
  zip.end()
  try {
    yield* out as AsyncIterable<Uint8Array>
  } finally {
    for (const content of open) content.destroy()
  }
}

async function* asBytes(chunks: AsyncIterable<Uint8Array | string>): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) yield typeof chunk === 'string' ? Buffer.from(chunk) : chunk
}
