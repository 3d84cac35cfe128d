import { createHash } from 'node:crypto'
import { constants, createReadStream } from 'node:fs'
import { copyFile, mkdir, readdir, rename, rm, stat } from 'node:fs/promises'
import { randomUUID } from 'node:crypto'
import { basename, dirname, extname, join, resolve } from 'node:path'
import { reading } from './fault.js'
import { flatName, isImageName } from './image-names.js'
import { imageReferences, TextureFiles } from './texture-files.js'

/** An input kept under its hash, so that a rerun after a crash reads the same bytes. */
export interface FrozenFile {
  readonly path: string
  /** What people call it. */
  readonly name: string
  readonly sha256: string
}

export const uploadsFolder = (dataDir: string) => join(dataDir, 'uploads')
export const rejectsFile = (dataDir: string, jobId: string) => join(dataDir, 'rejects', `${jobId}.ndjson`)

/** Files that belong to another of the same name. */
const COMPANIONS: Readonly<Record<string, readonly string[]>> = {
  '.shp': ['.shp', '.dbf', '.prj', '.cpg', '.shx'], '.asc': ['.asc', '.prj'], '.tab': ['.tab', '.dat', '.map', '.id', '.ind'], '.mif': ['.mif', '.mid'],
}
/** Of several files sent at once, the one that the others belong to. */
export const mainOf = (names: readonly string[]) => names.find(name => COMPANIONS[extname(name).toLowerCase()]) ?? names.find(name => !isImageName(name)) ?? names[0]

/** Copies a file (a Shapefile with its companions) into the data folder. */
export async function freeze(file: string, dataDir: string): Promise<FrozenFile> {
  return reading('file', async () => {
    await stat(file)
    const incoming = await incomingFolder(dataDir)
    for (const name of await companionsOf(file)) await copyFile(join(dirname(file), name), join(incoming, safeName(name)), constants.COPYFILE_FICLONE)
    for (const [from, name] of await texturesOf(file)) await copyFile(from, join(incoming, name), constants.COPYFILE_FICLONE)
    return keep(incoming, safeName(basename(file)), dataDir)
  })
}

async function companionsOf(file: string): Promise<string[]> {
  const own = basename(file)
  const extension = extname(own).toLowerCase()
  const wanted = COMPANIONS[extension]
  if (!wanted) return [own]
  const stem = own.slice(0, -extension.length).toLowerCase()
  return (await readdir(dirname(file))).filter(name => wanted.includes(extname(name).toLowerCase()) && name.slice(0, -extname(name).length).toLowerCase() === stem)
}

/** Images that a city model names, and what they are called beside it. */
async function texturesOf(file: string): Promise<[from: string, name: string][]> {
  if (!/\.(gml|citygml|xml|json)(\.gz)?$/i.test(file)) return []
  const files = new TextureFiles(file)
  return [...await imageReferences(file)].flatMap(reference => {
    const from = files.find(reference)
    return from === undefined ? [] : [[from, flatName(from.slice(dirname(resolve(file)).length))] as [string, string]]
  })
}

/** A new folder beside the kept ones, so that keeping is a rename. */
export async function incomingFolder(dataDir: string): Promise<string> {
  const folder = join(uploadsFolder(dataDir), `incoming-${randomUUID()}`)
  await mkdir(folder, { recursive: true })
  return folder
}

/** Gives an incoming folder its name by content. The same content is kept once. */
export async function keep(incoming: string, main: string, dataDir: string): Promise<FrozenFile> {
  const hash = createHash('sha256')
  for (const name of (await readdir(incoming)).sort()) {
    hash.update(`${name}\0`)
    for await (const chunk of createReadStream(join(incoming, name))) hash.update(chunk as Buffer)
  }
  const sha256 = hash.digest('hex')
  const folder = join(uploadsFolder(dataDir), sha256)
  try {
    await rename(incoming, folder)
  } catch (error) {
    if (!['ENOTEMPTY', 'EEXIST'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error
    await rm(incoming, { recursive: true, force: true })
  }
  return { path: join(folder, main), name: main, sha256 }
}

/** The last part of a name that came from outside, without what a file system or shell may trip over. */
export function safeName(name: string): string {
  const last = name.split(/[\\/]/).at(-1)!.normalize('NFC').replace(/[^\p{L}\p{N}._ ()-]/gu, '_').replace(/^\.+/, '')
  return last.slice(-120) || 'upload'
}
