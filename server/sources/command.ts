import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import { isAbsolute, resolve } from 'node:path'
import type { Command } from 'commander'
import type { CliContext } from '../cli/context.js'
import { badParameter } from '../errors.js'
import { STEWARD } from '../store/store.js'
import { keptRows, shown } from './operations.js'
import { addSource, getSource, listSources, removeSource, replaceSource } from './registry.js'
import { KINDS, type SourceInput, type SourceKind, type Target } from './source.js'
import { changesFile, deliveryOf, type SyncInputs, type SyncResult } from './sync.js'

interface AddOptions {
  kind: SourceKind; title?: string; collection?: string; layer?: string; from?: string; publish?: string; map?: string[]; identity?: string; crs?: string; axisOrder?: 'xy' | 'yx'
  schedule?: string; localEdits?: SourceInput['localEdits']; classification?: SourceInput['classification']; licence?: string; owner?: string; header?: string[]; maxDeletes?: string; disabled?: boolean; replace?: boolean
}

/** `dothi source add|list|show|remove|conflicts`, `dothi sync SOURCE` */
export function register(program: Command, cli: CliContext): void {
  const source = program.command('source').description('upstream sources that the city follows')
  source.command('add <id> <location>').description('declare a source: an address, or a folder where files are dropped')
    .requiredOption('--kind <kind>', KINDS.join(', '))
    .option('--layer <id>', 'the layer it fills')
    .option('--publish <name>', 'make a layer of its own of it instead')
    .option('--from <layer>', 'which layer of a file that has several')
    .option('--collection <name>', 'collection of an OGC API given by its landing page; feature type of a WFS')
    .option('--map <pairs...>', 'column=attribute where names differ, column=attribute*factor where units do, column==text for a constant')
    .option('--identity <attribute>', 'attribute with the identity that things have upstream')
    .option('--crs <epsg>', 'CRS, EPSG:n, where the source does not say or says wrong; services are asked for it')
    .option('--axis-order <order>', 'xy or yx, where a service keeps to no standard')
    .option('--schedule <when>', '15m, 6h, 1d, or five cron fields in the city\'s time')
    .option('--local-edits <policy>', 'rows edited here: keep, overwrite, or stop where both changed')
    .option('--classification <class>', 'open, internal or restricted, of the layer it publishes')
    .option('--licence <text>', 'licence of the data')
    .option('--title <text>', 'what people call it')
    .option('--owner <name>', 'who answers for it')
    .option('--header <headers...>', 'secret request headers, “Name: value”')
    .option('--max-deletes <share>', 'share of its rows that one sync may delete, such as 20%')
    .option('--disabled', 'only sync it by hand')
    .option('--replace', 'replace the declaration of a source that is there')
    .action(async (id: string, location: string, options: AddOptions) => {
      const input = inputOf(id, location, options)
      const stored = await (options.replace ? replaceSource : addSource)(await cli.store(), input, { actor: STEWARD.subject, anyFolder: true })
      cli.print(`${id}: ${stored.definition.kind} ${stored.definition.location}${stored.nextRun ? ', synced by the server from now on' : `. Look first: dothi sync ${id} --dry-run`}`)
    })
  source.command('list').description('sources and how far they are in step').action(async () => {
    for (const { definition, nextRun, lastSync, memory } of await listSources(await cli.store()))
      cli.print([definition.id, definition.kind, `${memory.shape?.rows ?? '–'} rows`, `last ${stamp(lastSync)}`, `next ${stamp(nextRun)}`, definition.location].join('\t'))
  })
  source.command('show <id>').description('a source as it is declared').action(async (id: string) => {
    cli.print(JSON.stringify(shown(await getSource(await cli.store(), id)), null, 2))
  })
  source.command('conflicts <id>').description('rows that are kept as they were edited here').action(async (id: string) => {
    for (const row of await keptRows(await cli.store(), id)) cli.print([row.layer, row.id, row.sourceId ?? '–', row.state, row.conflict ? 'conflict' : 'ours', JSON.stringify(row.upstream)].join('\t'))
  })
  source.command('remove <id>').description('forget a source; its rows stay').option('--rows', 'remove its rows too, in one revision')
    .action(async (id: string, { rows }: { rows?: boolean }) => {
      const { removed, revision } = await removeSource(await cli.store(), id, { actor: STEWARD.subject, rows: rows ? 'remove' : 'keep' })
      cli.print(`${id} is forgotten${revision === null ? '' : `, ${removed} rows removed in revision ${revision}`}`)
    })
  program.command('sync <source>').description('bring a source\'s rows in step now')
    .option('--dry-run', 'list what would change, change nothing')
    .option('--force', 'apply although something is suspicious')
    .option('--approve <job>', 'apply the very delivery that a stopped or dry sync looked at')
    .option('--local-edits <policy>', 'rows edited here, this time: keep, overwrite or stop')
    .option('--show <n>', 'how many changes to list', '20')
    .action(async (id: string, options: { dryRun?: boolean; force?: boolean; approve?: string; localEdits?: SyncInputs['localEdits']; show: string }) => {
      if (options.dryRun && (options.force || options.approve)) throw badParameter('dryRun', 'A dry run applies nothing: leave --dry-run or --force out.')
      const store = await cli.store()
      await getSource(store, id)
      const { dataDir } = cli.config
      const inputs: SyncInputs = {
        source: id, dataDir, ...options.dryRun && { dryRun: true }, ...(options.force || options.approve) && { force: true }, ...options.localEdits && { localEdits: policy(options.localEdits) },
        ...options.approve && { delivery: await deliveryOf(store, dataDir, id, options.approve) },
      }
      const job = await (await cli.jobs()).run('sync', inputs, STEWARD, { signal: cli.signal, onProgress: cli.progress })
      const stopped = (job.result as { problem?: { findings?: unknown } } | null)?.problem?.findings !== undefined
      if (options.dryRun || stopped) await listChanges(cli, changesFile(dataDir, id, job.id), Number(options.show))
      if (job.state === 'successful') for (const line of summary(job.result as SyncResult)) cli.print(line)
      else {
        cli.print(`${job.state}: ${job.message}`)
        if (stopped) cli.print(`To apply it all the same: dothi sync ${id} --approve ${job.id}`)
        process.exitCode = 1
      }
      if (options.dryRun && job.state === 'successful') cli.print(`To apply just this: dothi sync ${id} --approve ${job.id}`)
    })
}

const stamp = (date: Date | null) => date?.toISOString().slice(0, 16) ?? '–'

function inputOf(id: string, location: string, options: AddOptions): SourceInput {
  const { kind, layer, from, map, header, maxDeletes, disabled, replace: _replace, localEdits, axisOrder, ...plain } = options
  if (!KINDS.includes(kind)) throw badParameter('kind', `“${kind}” is no kind of source. There are ${KINDS.join(', ')}.`)
  const target: Target | undefined = layer === undefined ? undefined : { layer, ...from === undefined ? {} : { from }, ...map ? { columns: Object.fromEntries(map.map(pair)) } : {} }
  return {
    id, kind, location: kind === 'folder' && (isAbsolute(location) || /[\\/]/.test(location)) ? resolve(location) : location, ...plain,
    ...target ? { targets: [target] } : {}, ...disabled ? { enabled: false } : {}, ...localEdits ? { localEdits: policy(localEdits) } : {},
    ...axisOrder ? { axisOrder: axisOrder === 'yx' ? 'yx' : 'xy' } : {}, ...maxDeletes ? { maxDeletes: share(maxDeletes) } : {},
    ...header ? { headers: Object.fromEntries(header.map(headerOf)) } : {},
  }
}

function pair(text: string): [string, string] {
  const at = text.indexOf('=')
  if (at < 1 || at === text.length - 1) throw badParameter('map', `“${text}” is no mapping: write column=attribute.`)
  return [text.slice(0, at), text.slice(at + 1)]
}

function headerOf(text: string): [string, string] {
  const at = text.indexOf(':')
  if (at < 1) throw badParameter('header', 'Write a header as “Name: value”.')
  return [text.slice(0, at).trim(), text.slice(at + 1).trim()]
}

function share(text: string): number {
  const value = text.endsWith('%') ? Number(text.slice(0, -1)) / 100 : Number(text)
  if (!(value >= 0 && value <= 1)) throw badParameter('maxDeletes', `“${text}” is no share: write 20% or 0.2.`)
  return value
}

function policy(text: string): NonNullable<SourceInput['localEdits']> {
  if (text === 'keep' || text === 'overwrite' || text === 'stop') return text
  throw badParameter('localEdits', `“${text}” is no policy: it is keep, overwrite or stop.`)
}

/** The first changes, a line each. */
async function listChanges(cli: CliContext, path: string, limit: number): Promise<void> {
  let listed = 0
  const lines = createInterface({ input: createReadStream(path), crlfDelay: Infinity })
  try {
    for await (const line of lines) {
      if (listed++ === limit) return cli.print('…')
      const { op, layer, id, sourceId, changes, geometryChanged, movedMetres } = (JSON.parse(line) as { properties: Record<string, any> }).properties
      const fields = Object.entries(changes ?? {}).map(([name, [before, after]]: [string, any]) => `${name}: ${JSON.stringify(before)} → ${JSON.stringify(after)}`)
      cli.print([op, layer, sourceId ?? id ?? '–', [...fields, ...geometryChanged ? [`geometry${movedMetres > 0 ? `, moved ${movedMetres} m` : ''}`] : []].join(', ')].join('\t'))
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
}

/** The outcome in a few lines. */
function summary(result: SyncResult): string[] {
  if (result.nothing) return [`nothing to do: ${result.nothing}`]
  const { kept = 0, overwritten = 0, conflicts = 0 } = result.localEdits ?? {}
  return [
    `${result.read} read: ${result.inserted} inserted, ${result.updated} updated, ${result.deleted} deleted, ${result.unchanged} as they were, ${result.rejected} rejected${result.dryRun ? ' (dry run: nothing was changed)' : `; revision ${result.revision || 'unchanged'}`}`,
    ...kept + overwritten > 0 ? [`edited here: ${kept} kept, ${overwritten} overwritten, ${conflicts} of them changed by the source too`] : [],
    ...(result.findings ?? []).map(finding => `suspicious: ${finding.detail}`),
    ...result.notes,
  ]
}
