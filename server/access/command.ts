import type { Command } from 'commander'
import type { CliContext } from '../cli/context.js'
import { createToken, listTokens, revokeToken } from './tokens.js'

/** `dothi token create | list | revoke` */
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
}
