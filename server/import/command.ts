import { basename, resolve } from 'node:path'
import type { Command } from 'commander'
import type { CliContext } from '../cli/context.js'
import { badParameter } from '../errors.js'
import { STEWARD } from '../store/store.js'
import { userCrs } from './crs.js'
import { userEncoding } from './encoding.js'
import { copyDatabase, isConnection } from './gdal.js'
import { previewFile, previewLines } from './preview.js'
import type { ImportInputs, ImportResult } from './run.js'
import { scratchFolder } from './unpack.js'
import { freeze } from './uploads.js'

interface Options { layer?: string; crs?: string; map?: string[]; replace?: string; source?: string; from?: string; name?: string; maxRejects?: string; encoding?: string; resolution?: string; ground?: boolean | string; exclusive?: boolean | string; preview?: boolean }

/** `dothi import FILE`, `dothi publish FILE`, `dothi unpublish NAME` */
export function register(program: Command, cli: CliContext): void {
  program.command('import <file>').description('load a file into a layer of the city; rasters become terrain')
    .option('--layer <id>', 'the layer to fill; OSM and CityJSON without it fill every layer they can')
    .option('--from <layer>', 'which layer of a file that has several')
    .option('--crs <epsg>', 'CRS of the file, EPSG:n, where it does not say or says wrong')
    .option('--encoding <name>', 'encoding of its texts: utf-8, tcvn3, vni, vps, viscii, windows-1258 …; recognised where it is clear')
    .option('--map <pairs...>', 'column=attribute where names differ, column=attribute*factor where units do')
    .option('--replace <source>', 'make this file the whole truth of that source: update, add and retire its rows')
    .option('--source <name>', 'name of the source (default: the file\'s name)')
    .option('--max-rejects <share>', 'more rejected rows than this, and nothing lands', '5%')
    .option('--exclusive', 'fastest first load of a layer of any size: other writers wait until it is done')
    .option('--resolution <m>', 'point clouds: size of a cell of the terrain (default by the density of the points)')
    .option('--ground', 'point clouds: only points classified as ground')
    .option('--preview', 'only tell what is in it: layers, fields, CRS, encoding, and which layer it could fill')
    .action((file: string, options: Options) => (options.preview ? preview(cli, file, options) : runJob(cli, 'import', file, options)))
  program.command('publish <file>').description('make a layer of its own of any file, at once in OGC, tiles and viewer')
    .option('--name <name>', 'what to call it (default: the name in the file)')
    .option('--from <layer>', 'only this layer of a file that has several')
    .option('--crs <epsg>', 'CRS of the file, EPSG:n, where it does not say or says wrong')
    .option('--encoding <name>', 'encoding of its texts: utf-8, tcvn3, vni, vps, viscii, windows-1258 …; recognised where it is clear')
    .option('--source <name>', 'name of the source (default: the file\'s name)')
    .option('--max-rejects <share>', 'more rejected rows than this, and nothing lands', '5%')
    .option('--exclusive', 'fastest first load of a layer of any size: other writers wait until it is done')
    .option('--preview', 'only tell what is in it')
    .action((file: string, options: Options) => (options.preview ? preview(cli, file, options) : runJob(cli, 'publish', file, options)))
  program.command('unpublish <name>').description('take a published layer away, with all its rows')
    .action(async (name: string) => {
      await (await cli.store()).catalogue.unpublish(name, STEWARD.subject)
      cli.print(`${name} is unpublished`)
    })
}

async function preview(cli: CliContext, file: string, options: Options): Promise<void> {
  const local = await fileOf(cli, file, options)
  try {
    const found = await previewFile(await cli.store(), { ...choices(fileChoices(file, options)), file: { path: local.path, name: basename(local.path) } }, cli.signal)
    for (const line of previewLines(found)) cli.print(line)
  } finally {
    await local.remove()
  }
}

/** Of a database, --from has chosen the table already when it was copied. */
const fileChoices = (file: string, options: Options): Options => (isConnection(file) ? { ...options, from: undefined } : options)

/** A file by its path; the tables of a database as a GeoPackage made of them. */
async function fileOf(cli: CliContext, file: string, { from }: Options): Promise<{ path: string; remove(): Promise<void> }> {
  if (!isConnection(file)) return { path: resolve(file), remove: async () => {} }
  const folder = await scratchFolder()
  try {
    return { path: await copyDatabase(file, folder.path, from, cli.signal), remove: folder.remove }
  } catch (error) {
    await folder.remove()
    throw error
  }
}

async function runJob(cli: CliContext, kind: 'import' | 'publish', file: string, options: Options): Promise<void> {
  const asked = choices(fileChoices(file, options))
  const local = await fileOf(cli, file, options)
  const frozen = await freeze(local.path, cli.config.dataDir).finally(() => local.remove())
  const inputs: ImportInputs = { file: frozen, dataDir: cli.config.dataDir, ...asked }
  const job = await (await cli.jobs()).run(kind, inputs, STEWARD, { signal: cli.signal, onProgress: cli.progress })
  if (job.state === 'successful') for (const line of summary(job.result as ImportResult)) cli.print(line)
  else {
    cli.print(`${job.state}: ${job.message}`)
    process.exitCode = 1
  }
}

/** What the user chose, checked; the upload form has the same words. */
export function choices(options: Options): Omit<ImportInputs, 'file' | 'dataDir'> {
  return {
    ...(options.layer ? { layer: options.layer } : {}), ...(options.from ? { from: options.from } : {}), ...(options.name ? { name: options.name } : {}),
    ...(options.crs ? { srid: userCrs(options.crs) } : {}), ...(options.encoding ? { encoding: userEncoding(options.encoding) } : {}), ...(options.map?.length ? { map: options.map } : {}),
    ...(options.resolution ? { resolution: metresOf(options.resolution) } : {}), ...(options.ground === true || options.ground === 'true' ? { ground: true } : {}),
    ...(options.replace ? { replace: options.replace } : {}), ...(options.source ? { source: options.source } : {}),
    ...(options.maxRejects ? { maxRejects: shareOf(options.maxRejects) } : {}),
    ...(options.exclusive === true || options.exclusive === 'true' ? { exclusive: true } : {}),
  }
}

function metresOf(text: string): number {
  const metres = Number(text)
  if (!(metres >= 0.05 && metres <= 10_000)) throw badParameter('resolution', `“${text}” is no size of a cell: give metres, for example 1.`)
  return metres
}

function shareOf(text: string): number {
  const share = text.endsWith('%') ? Number(text.slice(0, -1)) / 100 : Number(text)
  if (!(share >= 0 && share <= 1)) throw badParameter('maxRejects', `“${text}” is no share: write 5% or 0.05.`)
  return share
}

/** The outcome in a few lines. */
export function summary(result: ImportResult): string[] {
  const lines = Object.entries(result.layers).filter(([, rows], _, all) => rows > 0 || all.length === 1).map(([layer, rows]) => `${layer}: ${rows} rows`)
  if (result.read !== undefined)
    lines.push(`${result.read} read, ${result.inserted} inserted, ${result.updated} updated, ${result.unchanged} unchanged, ${result.deleted} retired, ${result.repaired} repaired, ${result.rejected} rejected; revision ${result.revision || 'unchanged'}`)
  if (result.rejectsFile) lines.push(`rejects: ${result.rejectsFile}`)
  if (result.left?.length) lines.push(`not imported: ${result.left.join(', ')}`)
  for (const { message, count } of result.warnings?.slice(0, 5) ?? []) lines.push(`warning: ${message} (${count} ×)`)
  return [...lines, ...result.notes ?? []]
}
