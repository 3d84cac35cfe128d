import type { Command } from 'commander'
import type { CliContext } from '../cli/context.js'
import { badBody } from '../errors.js'
import { STEWARD } from '../store/store.js'
import { listConflicts, resolveConflict } from './conflicts.js'
import { httpConnection } from './connection.js'
import { addPeer, listPeers, removePeer, setInstanceNumber, updatePeer, type Direction, type Peer } from './peers.js'
import { pull, type PullOptions } from './pull.js'
import { replay } from './replay.js'
import { instanceOf } from './versions.js'

/** `dothi peer …`, `dothi instance`, `dothi replay` */
export function register(program: Command, cli: CliContext): void {
  const peer = program.command('peer').description('other instances that layers are kept in step with')
  peer.command('add <name> <url>').description('declare a peer; the running server begins to pull it')
    .requiredOption('--layers <list>', 'layers to keep in step, with commas, or all')
    .option('--token <secret>', 'the token that the peer gave us; what it may read is what comes')
    .option('--direction <d>', 'pull, push (it fetches from us; nothing is fetched) or both', 'both')
    .option('--owner <layer=instance...>', 'whose value stands where both changed the same field')
    .option('--allow-private', 'the address may be in a private network')
    .action(async (name: string, url: string, options: { layers: string; token?: string; direction: string; owner?: string[]; allowPrivate?: boolean }) => {
      const { layers, owners } = await addPeer(await cli.store(), {
        name, url, token: options.token ?? null, layers: options.layers.split(',').map(layer => layer.trim()),
        direction: directionOf(options.direction), owners: ownersOf(options.owner ?? []), allowPrivate: options.allowPrivate === true,
      }, STEWARD.subject)
      cli.print(`${name}: ${layers.join(', ')}${Object.keys(owners).length ? `; owners ${JSON.stringify(owners)}` : ''}`)
    })
  peer.command('list').description('peers, how far they are, and what went wrong').action(async () => {
    const store = await cli.store()
    cli.print(`this is instance ${(await instanceOf(store.db)).number}`)
    for (const each of await listPeers(store)) for (const line of describe(each)) cli.print(line)
  })
  peer.command('remove <name>').description('end federation with a peer; what came from it stays')
    .action(async name => { await removePeer(await cli.store(), name); cli.print(`${name} removed`) })
  peer.command('pause <name>').description('pull nothing from a peer until it is resumed')
    .action(async name => { await updatePeer(await cli.store(), name, { paused: true }); cli.print(`${name} paused`) })
  peer.command('resume <name>').description('pull from a paused peer again')
    .action(async name => { await updatePeer(await cli.store(), name, { paused: false }); cli.print(`${name} resumed`) })
  peer.command('sync [name]').description('pull a peer (or all) now, until it is in step')
    .option('--from-start', 'read its whole feed again; what is right already stays as it is')
    .action(async (name: string | undefined, { fromStart }: { fromStart?: boolean }) => {
      const store = await cli.store()
      const names = name ? [name] : (await listPeers(store)).filter(({ direction }) => direction !== 'push').map(each => each.name)
      for (const each of names) {
        const { pages, inserted, updated, deleted, clashes, cursor } = await pull(store, each, httpConnection(await updatePeer(store, each, { ...(fromStart && { fromStart }) })), progress(cli))
        cli.print(`${each}: ${inserted} new, ${updated} changed, ${deleted} removed, ${clashes} in conflict; at its revision ${cursor} (${pages} ${pages === 1 ? 'page' : 'pages'})`)
      }
    })
  peer.command('conflicts').description('fields that two instances changed without knowing of each other')
    .option('--all', 'decided ones too')
    .action(async ({ all }) => {
      for (const { id, layer, feature, field, mine, theirs, winner, peer: from, resolution } of await listConflicts(await cli.store(), STEWARD, { all, limit: 1000 }))
        cli.print([id, `${layer} ${feature}`, field === '-' ? 'removal' : field, `here ${JSON.stringify(mine)}`, `${from} ${JSON.stringify(theirs)}`, resolution ?? `stands: ${winner}`].join('\t'))
    })
  peer.command('resolve <conflict> <side>').description('decide a conflict: mine or theirs')
    .option('--reason <text>', 'why')
    .action(async (id: string, side: string, { reason }: { reason?: string }) => {
      if (side !== 'mine' && side !== 'theirs') throw badBody(`A conflict is decided for “mine” or “theirs”, not “${side}”.`)
      const { revision } = await resolveConflict(await cli.store(), STEWARD, Number(id), side, reason ?? `conflict ${id}: ${side}`)
      cli.print(revision === null ? `${id}: stays as it is` : `${id}: written in revision ${revision}`)
    })
  program.command('instance [number]').description('this instance\'s number, the first part of its feature ids; or set it while nothing has been written')
    .action(async (number: string | undefined) => {
      const store = await cli.store()
      if (number !== undefined) await setInstanceNumber(store, Number(number))
      cli.print(String((await instanceOf(store.db)).number))
    })
  program.command('replay').description('pull the whole change feed of another instance into this empty one')
    .requiredOption('--from <url>', 'the other instance')
    .option('--token <secret>', 'a token of it; without one, what is open comes')
    .option('--layers <list>', 'only these layers, with commas')
    .option('--allow-private', 'the address may be in a private network')
    .action(async ({ from, token, layers, allowPrivate }: { from: string; token?: string; layers?: string; allowPrivate?: boolean }) => {
      const { inserted, updated, deleted, cursor } = await replay(await cli.store(), {
        from, ...(token && { token }), ...(layers && { layers: layers.split(',') }), allowPrivate: allowPrivate === true, ...progress(cli),
      })
      cli.print(`${inserted} new, ${updated} changed, ${deleted} removed; as of revision ${cursor}`)
    })
}

function progress(cli: CliContext): Pick<PullOptions, 'signal' | 'onPage'> {
  return {
    signal: cli.signal,
    onPage: (peer, page) => cli.progress({ kind: peer.name, progress: page.latest === 0 ? 1 : page.through / page.latest, message: `revision ${page.through} of ${page.latest}` }),
  }
}

function directionOf(text: string): Direction {
  if (text !== 'pull' && text !== 'push' && text !== 'both') throw badBody(`A direction is pull, push or both, not “${text}”.`)
  return text
}

function ownersOf(pairs: readonly string[]): Record<string, number> {
  return Object.fromEntries(pairs.flatMap(pair => pair.split(',')).map(pair => {
    const [, layer, instance] = /^([a-z][a-z0-9_]*)=(\d{1,4})$/.exec(pair.trim()) ?? []
    if (!layer) throw badBody(`An owner is given as layer=instance number, not “${pair}”.`)
    return [layer, Number(instance)]
  }))
}

function describe({ name, url, direction, layers, state, cursor, latest, lastError, notes }: Peer): string[] {
  return [
    [name, url, direction, state, `revision ${cursor} of ${latest}`, layers.join(',')].join('\t'),
    ...(lastError ? [`  ${lastError}`] : []), ...notes.map(note => `  ${note}`),
  ]
}

