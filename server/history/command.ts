import type { Command } from 'commander'
import { Option } from 'commander'
import type { CliContext } from '../cli/context.js'
import { parseAsOf } from '../ogc/common/time.js'
import { layerDiff, pinned, revisionLog, versionsOf } from '../store/history.js'
import { mergeBranch } from '../store/merge.js'
import { STEWARD } from '../store/store.js'
import { undoRevision } from '../store/undo.js'
import { revisionAsOf } from '../store/view.js'
import { scenarioOf } from '../scenarios/scenario.js'
import { Problem } from '../errors.js'
import type { ToldConflict } from '../store/conflicts.js'

/** `dothi history`, `dothi diff`, `dothi undo`, `dothi merge` */
export function register(program: Command, cli: CliContext): void {
  const onBranch = () => new Option('--scenario <id>', 'in this scenario instead of the city')
  program.command('history [layer] [id]').description('what was written, newest first; with layer and id the versions of a feature')
    .option('--limit <n>', 'how many at most', '20').addOption(onBranch())
    .action(async (layerId: string | undefined, id: string | undefined, { limit, scenario }) => {
      const store = await cli.store()
      const branch = await branchOf(cli, scenario)
      if (layerId && id) {
        const versions = await versionsOf(store, { layer: store.catalogue.get(layerId), branch, reader: STEWARD, id: Number(id) }, Number(limit))
        for (const { revision, at, actor, reason, op, fields } of versions) cli.print([revision, at.toISOString(), op, fields.join(','), actor, reason].join('\t'))
        return
      }
      if (layerId) store.catalogue.get(layerId)
      for (const { revision, at, actor, reason, changes } of await revisionLog(store, { reader: STEWARD, branch, layer: layerId, limit: Number(limit) }))
        cli.print([revision, new Date(at).toISOString(), actor, reason, changes.map(({ layer, inserted, updated, deleted }) => `${layer} +${inserted} ~${updated} -${deleted}`).join(' ')].join('\t'))
    })

  program.command('diff <layer>').description('what differs between two moments of a layer')
    .requiredOption('--from <moment>', 'instant or revision').option('--to <moment>', 'instant or revision; default now').addOption(onBranch())
    .action(async (layerId: string, { from, to, scenario }) => {
      const store = await cli.store()
      const now = await pinned(store, STEWARD, 'now')
      const moment = async (text: string | undefined) => await revisionAsOf(store.db, parseAsOf(text)) ?? now
      const query = { layer: store.catalogue.get(layerId), branch: await branchOf(cli, scenario), reader: STEWARD, from: await moment(from), to: await moment(to) }
      for await (const rows of layerDiff(store, query)) for (const { id, change, fields } of rows) cli.print([id, change, fields.join(',')].join('\t'))
    })

  program.command('undo <revision>').description('undo all that a revision did, as a new revision')
    .addOption(new Option('--on-conflict <what>', 'features changed since').choices(['fail', 'skip', 'merge']).default('fail')).option('--reason <text>', 'why').addOption(onBranch())
    .action(async (revision: string, { onConflict, reason, scenario }) => {
      const store = await cli.store()
      const branch = await branchOf(cli, scenario)
      await telling(cli, async () => {
        const undone = await undoRevision(store, { reader: STEWARD, branch, revision: Number(revision), onConflict, reason })
        cli.print(undone.revision ? `revision ${undone.revision.revision}: ${undone.added} added, ${undone.changed} changed, ${undone.removed} removed, ${undone.kept.count} left as they are` : 'nothing was left to undo')
        tell(cli, undone.kept.conflicts)
      })
    })

  program.command('merge <scenario>').description('bring a scenario’s edits into the city, as one revision')
    .option('--dry-run', 'only tell what would happen').option('--plan <plan>', 'of a dry run: merge only if nothing has changed since').option('--reason <text>', 'why')
    .addOption(new Option('--otherwise <side>', 'whose value wins where both changed: ours is the scenario’s').choices(['ours', 'theirs']))
    .action(async (scenario: string, { dryRun, plan, reason, otherwise }) => {
      const store = await cli.store()
      const branch = (await scenarioOf(store, scenario)).id
      await telling(cli, async () => {
        const report = await mergeBranch(store, { reader: STEWARD, branch, dryRun, plan, reason, otherwise })
        cli.print(`${report.revision ? `revision ${report.revision.revision}` : `plan ${report.plan}`}: ${report.added} added, ${report.changed} changed, ${report.removed} removed, ${report.count} in conflict`)
        tell(cli, report.conflicts)
      })
    })
}

async function branchOf(cli: CliContext, scenario: string | undefined): Promise<string> {
  return scenario === undefined ? 'main' : (await scenarioOf(await cli.store(), scenario)).id
}

/** Conflicts on lines of their own before the sentence that refuses. */
async function telling(cli: CliContext, work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (error) {
    if (error instanceof Problem && Array.isArray(error.more.conflicts)) tell(cli, error.more.conflicts as ToldConflict[])
    throw error
  }
}

function tell(cli: CliContext, conflicts: readonly ToldConflict[]): void {
  for (const { layer, id, fields } of conflicts) for (const { field, base, ours, theirs } of fields)
    cli.print([layer, id, field, ...[base, ours, theirs].map(value => JSON.stringify(value))].join('\t'))
}
