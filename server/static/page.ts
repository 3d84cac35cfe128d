/** The viewer beside the data: the built page, told where its data are. */
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { Problem } from '../errors.js'
import type { FileSet } from './file-set.js'

/** The manifest's address for the page; see viewer/core/source.ts. */
const SOURCE = '<meta name="dothi-source" content="dothi.json">'

export async function writePage(viewerDir: string, files: FileSet): Promise<void> {
  const names = await readdir(viewerDir, { recursive: true }).catch((): string[] => [])
  if (!names.includes('index.html')) throw new Problem(409, 'conflict', 'The viewer is not built yet. Run “make build” first, or export the data alone with --no-viewer.')
  for (const name of names) {
    const path = join(viewerDir, name)
    if (name.endsWith('.map') || !(await stat(path)).isFile()) continue
    const content = await readFile(path)
    const own = name === 'index.html' ? Buffer.from(content.toString().replace('</head>', `  ${SOURCE}\n</head>`)) : content
    await files.put(name.replaceAll('\\', '/'), own.toString('base64'), async () => own)
  }
}
