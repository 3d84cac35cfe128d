import type { Command } from 'commander'
import type { CliContext } from '../cli/context.js'
import { badParameter } from '../errors.js'
import { changeEntries } from '../store/changes.js'
import { STEWARD, type Store } from '../store/store.js'
import { addWebhook, listWebhooks, removeWebhook } from './webhooks.js'

/** `dothi changes`, `dothi webhook add | list | remove` */
export function register(program: Command, cli: CliContext): void {
  program.command('changes').description('what changed: revision, time, who, layer, + new ~ changed − removed, why')
    .option('--since <revision>', 'only after this revision', '0')
    .option('--layers <ids>', 'only these layers, comma-separated')
    .option('--scenario <id>', 'of a scenario and of the city below it')
    .option('--limit <n>', 'how many at most', '1000')
    .action(async ({ since, layers, scenario, limit }) => {
      await printChanges(await cli.store(), { since: whole('since', since), layers: layers?.split(','), branch: scenario ?? 'main', limit: whole('limit', limit) }, cli.print)
    })
  const webhook = program.command('webhook').description('addresses that are told of changes')
  webhook.command('add <url>').description('tell an address; prints its id and the secret that signs, which cannot be shown again')
    .option('--layers <ids>', 'only of these layers, comma-separated')
    .option('--bbox <w,s,e,n>', 'only of changes that meet this box, degrees')
    .option('--clearance <class>', 'open, internal or restricted: what it may be told of', 'open')
    .option('--scenario <id>', 'of a scenario and of the city below it')
    .option('--since <revision>', 'beginning after this revision (default: from now on)')
    .option('--description <text>', 'what it is for')
    .action(async (url: string, { layers, bbox, clearance, scenario, since, description }) => {
      const { webhook: { id }, secret } = await addWebhook(await cli.store(), STEWARD, {
        url, description, clearance, branch: scenario, layers: layers?.split(','), bbox: bbox && box(bbox), since: since === undefined ? undefined : whole('since', since),
      })
      cli.print(`${id}\t${secret}`)
    })
  webhook.command('list').description('who is told, up to which revision, and how it goes').action(async () => {
    for (const { id, url, state, cursor, failures, layers } of await listWebhooks(await cli.store()))
      cli.print([id, state, `revision ${cursor}`, failures ? `${failures} failed` : 'well', layers?.join(',') ?? 'all layers', url].join('\t'))
  })
  webhook.command('remove <id>').description('tell an address no more').action(async id => {
    await removeWebhook(await cli.store(), id)
    cli.print(`${id} removed`)
  })
}

interface Wanted { readonly since: number; readonly layers?: readonly string[]; readonly branch: string; readonly limit: number }

async function printChanges(store: Store, { since, layers, branch, limit }: Wanted, print: (line: string) => void): Promise<void> {
  for (let left = limit, more = true; more && left > 0;) {
    const page = await changeEntries(store, { reader: STEWARD, branch, since, layers, limit: Math.min(left, 1000) })
    for (const { revision, at, actor, reason, layer, branch: on, inserted, updated, deleted } of page.entries.slice(0, left))
      print([revision, at.toISOString(), actor, on === 'main' ? layer : `${layer} (scenario)`, `+${inserted} ~${updated} −${deleted}`, reason].join('\t'))
    left -= page.entries.length
    ;({ through: since, more } = page)
  }
}

function whole(name: string, text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw badParameter(name, `--${name} takes a whole number, not “${text.slice(0, 40)}”.`)
  return Number(text)
}

function box(text: string): [number, number, number, number] {
  const numbers = text.split(',').map(Number)
  if (numbers.length !== 4 || !numbers.every(Number.isFinite)) throw badParameter('bbox', `--bbox takes four numbers west,south,east,north, not “${text.slice(0, 60)}”.`)
  return numbers as [number, number, number, number]
}
