import type { Command } from 'commander'
import type { CliContext } from '../cli/context.js'
import { STEWARD } from '../store/store.js'

/** `dothi jobs`, `dothi again JOB`, `dothi cancel JOB` */
export function register(program: Command, cli: CliContext): void {
  program.command('jobs').description('long work, newest first')
    .option('--limit <n>', 'how many', '20')
    .action(async ({ limit }) => {
      for (const job of await (await cli.jobs()).list({ limit: Number(limit) }))
        cli.print([job.id, job.kind, job.state, `${Math.floor(job.progress * 100)} %`, job.created.toISOString().slice(0, 19), job.message].join('\t'))
    })
  program.command('again <job>').description('repeat a job that has ended, from its frozen inputs')
    .action(async id => {
      const job = await (await cli.jobs()).runAgain(id, STEWARD, { signal: cli.signal, onProgress: cli.progress })
      cli.print(`${job.id} ${job.state}${job.message ? `: ${job.message}` : ''}`)
      if (job.state !== 'successful') process.exitCode = 1
    })
  program.command('cancel <job>').description('cancel a job, whoever works on it')
    .action(async id => {
      await (await cli.jobs()).cancel(id)
      cli.print(`${id} dismissed`)
    })
}
