import type { Command } from 'commander'
import type { CliContext } from '../cli/context.js'
import { badBody } from '../errors.js'
import { accessLog, noteAccess, pruneAccessLog } from '../store/access-log.js'
import { STEWARD } from '../store/store.js'
import { createToken, listTokens, revokeToken } from './tokens.js'

/** `dothi token create | list | revoke`, `dothi access-log` */
export function register(program: Command, cli: CliContext): void {
  const token = program.command('token').description('tokens by which people and programs write')
  token.command('create').description('make a token and print it; it cannot be shown again')
    .requiredOption('--subject <name>', 'whom it is for')
    .option('--role <role>', 'viewer, editor (writes and runs) or steward (imports, publishes, manages)', 'editor')
    .option('--clearance <class>', 'open, internal or restricted (default by role)')
    .option('--days <n>', 'valid for so many days', '365')
    .action(async ({ subject, role, clearance, days }) => {
      const { secret } = await createToken(await cli.store(), { subject, role, clearance, days: Number(days) })
      cli.print(secret)
    })
  token.command('list').description('who holds a token').action(async () => {
    for (const { id, subject, roles, clearance, expires } of await listTokens(await cli.store()))
      cli.print([id, subject, roles.at(-1), clearance, expires ? `until ${expires.toISOString().slice(0, 10)}` : 'for ever'].join('\t'))
  })
  token.command('revoke <id-or-subject>').description('take a token away, or all of a person').action(async idOrSubject => {
    const count = await revokeToken(await cli.store(), idOrSubject)
    cli.print(`${count} ${count === 1 ? 'token' : 'tokens'} revoked`)
  })
  program.command('access-log').description('who read restricted data, newest first')
    .option('--since <instant>', 'from then on').option('--until <instant>', 'before then')
    .option('--subject <name>', 'only this reader').option('--layer <id>', 'only this collection')
    .option('--limit <n>', 'how many entries', '50').option('--json', 'whole entries, one a line')
    .option('--prune <months>', 'drop the months that ended longer ago than so many, and print nothing else')
    .action(async ({ since, until, subject, layer, limit, json, prune }) => {
      const { db } = await cli.store()
      if (prune !== undefined) {
        const months = wholeNumber(prune, '--prune')
        await noteAccess(db, STEWARD, { layer: null, columns: [], operation: 'access-log prune', how: { months } })
        return cli.print(`${await pruneAccessLog(db, months)} months dropped`)
      }
      for (const entry of await accessLog(db, { since: instant(since), until: instant(until), subject, layer, limit: wholeNumber(limit, '--limit') })) {
        cli.print(json ? JSON.stringify(entry) : [entry.at.toISOString(), entry.subject, entry.layer ?? '', entry.columns.join(','), entry.operation, JSON.stringify(entry.how), entry.purpose ?? ''].join('\t'))
      }
    })
}

function instant(text: string | undefined): Date | undefined {
  if (text === undefined) return undefined
  const at = new Date(text)
  if (Number.isNaN(at.getTime())) throw badBody(`An instant is written as 2026-01-31T00:00:00Z, not “${text}”.`)
  return at
}

function wholeNumber(text: string, name: string): number {
  const n = Number(text)
  if (!Number.isSafeInteger(n) || n < 1) throw badBody(`${name} is a whole number from 1, not “${text}”.`)
  return n
}
