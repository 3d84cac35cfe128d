import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Command } from 'commander'
import type { CliContext } from '../cli/context.js'
import { badParameter } from '../errors.js'
import { STEWARD } from '../store/store.js'
import type { StaticResult } from './export.js'
import { STATIC } from './jobs.js'
import { DEEPEST, type StaticInputs } from './plan.js'

interface Options { layers?: string; branch?: string; maxZoom: string; viewer: boolean }

/** `dothi static FOLDER` */
export function register(program: Command, cli: CliContext): void {
  program.command('static <folder>').description('write the city as a folder of files that any web server can serve, with the viewer; again, only what has changed')
    .option('--layers <ids>', 'only these layers, with commas between them (default: all that everybody may see)')
    .option('--branch <scenario>', 'the city of this scenario')
    .option('--max-zoom <z>', 'deepest zoom of the vector tiles', String(DEEPEST))
    .option('--no-viewer', 'the data alone')
    .action((folder: string, options: Options) => run(cli, folder, options))
}

async function run(cli: CliContext, folder: string, { layers, branch = 'main', maxZoom, viewer }: Options): Promise<void> {
  const viewerDir = viewer ? builtViewer() : undefined
  const inputs: StaticInputs = { folder: resolve(folder), maxzoom: Number(maxZoom), ...(viewerDir ? { viewerDir } : {}), ...(layers ? { layers: layers.split(',') } : {}) }
  const job = await (await cli.jobs()).run(STATIC, inputs, STEWARD, { branch, signal: cli.signal, onProgress: cli.progress })
  if (job.state !== 'successful') {
    cli.print(`static ${job.state}: ${job.message}`)
    process.exitCode = 1
    return
  }
  const { tiles, made, files, written, bytes, revision, truncated } = job.result as StaticResult
  cli.print(`${folder}: ${tiles} tiles in archives (${made} made now), ${files} files (${written} written now), ${(bytes / 1e6).toFixed(1)} MB, as of revision ${revision}`)
  if (truncated.length > 0) cli.print(`Some tiles hold only the most important features of: ${truncated.join(', ')}`)
}

/** The viewer's folder, from source or from dist/. */
function builtViewer(): string {
  const found = ['../../viewer/dist', '../../../viewer/dist'].map(path => fileURLToPath(new URL(path, import.meta.url))).find(path => existsSync(`${path}/index.html`))
  if (!found) throw badParameter('viewer', 'The viewer is not built yet. Run “make build” first, or export the data alone with --no-viewer.')
  return found
}
