/** The command line: `npx dothi …`. Commands come from the parts; this file gives them their context and tells errors. */
import { readFileSync } from 'node:fs'
import { Command, CommanderError } from 'commander'
import { openBackend } from '../compose.js'
import type { Backend } from '../compose.js'
import { readConfig } from '../config.js'
import { serve } from '../main.js'
import { startError } from '../start-error.js'
import { COMMANDS } from './commands.js'
import type { CliContext } from './context.js'
import { progressLine } from './progress.js'

/** Runs one command line; the exit code is in process.exitCode. */
export async function main(args: readonly string[]): Promise<void> {
  let backend: Promise<Backend> | undefined
  const line = progressLine()
  const abort = new AbortController()
  // Who reads our lines may leave early (`dothi jobs | head -1`); the work is still finished properly.
  process.stdout.on('error', () => {})
  try {
    const config = readConfig()
    const open = () => (backend ??= openBackend(config).then(opened => { stopOnSignals(abort); return opened }))
    const cli: CliContext = {
      config,
      store: async () => (await open()).store,
      jobs: async () => (await open()).jobs,
      print: text => { line.end(); console.log(text) },
      progress: job => line.show(job.kind, job.progress, job.message),
      signal: abort.signal,
    }
    await createProgram(cli).parseAsync([...args], { from: 'user' })
  } catch (error) {
    line.end()
    if (error instanceof CommanderError) process.exitCode = error.exitCode
    else {
      console.error(`dothi: ${startError(error)}`)
      process.exitCode = 1
    }
  } finally {
    line.end()
    await (await backend?.catch(() => undefined))?.close()
  }
}

function createProgram(cli: CliContext): Command {
  const program = new Command('dothi')
    .description('An open urban digital twin: a city over PostGIS, its OGC services, its 3D view and its floods.')
    .version((JSON.parse(readFileSync(new URL(packageJson(), import.meta.url), 'utf8')) as { version: string }).version)
    .exitOverride()
    .showHelpAfterError('(dothi --help lists the commands)')
  program.command('serve', { isDefault: true }).description('start the server; the sample city is loaded into an empty store (SAMPLE=0: not)')
    .action(() => serve(cli.config))
  for (const register of COMMANDS) register(program, cli)
  for (const command of program.commands) command.exitOverride()
  return program
}

/** From source, or from dist/. */
const packageJson = () => import.meta.url.includes('/dist/server/') ? '../../../package.json' : '../../package.json'

/** The first Ctrl-C asks the work to stop, so that nothing is left half-done; the second does not wait. */
function stopOnSignals(abort: AbortController) {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (abort.signal.aborted) process.exit(130)
      process.exitCode = 130
      abort.abort()
    })
  }
}
