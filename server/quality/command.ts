import type { Command } from 'commander'
import type { BBox } from '../../core/bbox.js'
import type { CliContext } from '../cli/context.js'
import { badBody } from '../errors.js'
import { STEWARD } from '../store/store.js'
import { rulesFor, type CheckReport } from './check.js'
import { CHECK, type CheckInputs } from './jobs.js'
import { findings, ruleInfo, summary, type Finding } from './summary.js'
import { waive } from './waivers.js'

interface Options { layer?: string[]; rule?: string[]; bbox?: string; format: string; limit: string; rules?: boolean; waived?: boolean; lang: string }

/** `dothi check`, `dothi waive` */
export function register(program: Command, cli: CliContext): void {
  program.command('check').description('check the data against the rules; exit code 2 where there are errors, 0 with warnings only')
    .option('--layer <ids...>', 'only features of these layers')
    .option('--rule <ids...>', 'only these rules, as parcels_overlap or buildings.height_possible')
    .option('--bbox <w,s,e,n>', 'only features that meet this box, degrees')
    .option('--format <form>', 'table, json or geojson', 'table')
    .option('--limit <n>', 'how many findings to list at most', '50')
    .option('--lang <lang>', 'vi or en', 'en')
    .option('--waived', 'list waived findings too')
    .option('--rules', 'list the rules and check nothing')
    .action((options: Options) => options.rules ? listRules(cli, options) : runCheck(cli, options))
  program.command('waive <id>').description('let a finding stand while it is what it is')
    .option('--reason <text>', 'why')
    .option('--back', 'take the waiver back')
    .action(async (id: string, { reason, back }: { reason?: string; back?: boolean }) => {
      if (!/^\d{1,16}$/.test(id)) throw badBody(`A finding has a number, not “${id}”.`)
      const { rule, state } = await waive(await cli.store(), STEWARD, Number(id), back ? null : reason ?? '')
      cli.print(`${rule} ${id} is ${state}`)
    })
}

async function listRules(cli: CliContext, { format, lang }: Options): Promise<void> {
  const store = await cli.store()
  const rules = rulesFor(store, STEWARD).map(rule => ruleInfo(store, rule))
  if (format !== 'table') return cli.print(JSON.stringify(rules, null, 1))
  for (const { id, severity, title } of rules) cli.print([id.padEnd(36), severity.padEnd(8), lang === 'vi' ? title.vi : title.en].join(' '))
}

async function runCheck(cli: CliContext, options: Options): Promise<void> {
  const { layer: layers, rule: rules, format, lang, waived } = options
  if (!['table', 'json', 'geojson'].includes(format)) throw badBody(`--format is table, json or geojson, not “${format}”.`)
  const limit = Number(options.limit)
  if (!Number.isSafeInteger(limit) || limit < 0) throw badBody(`--limit is a whole number, not “${options.limit}”.`)
  const bbox = options.bbox === undefined ? undefined : boxOf(options.bbox)
  const inputs: CheckInputs = { ...(layers && { layers }), ...(rules && { rules }), ...(bbox && { bbox }) }
  const job = await (await cli.jobs()).run(CHECK, inputs, STEWARD, { signal: cli.signal, onProgress: cli.progress })
  if (job.state !== 'successful') {
    cli.print(`${job.state}: ${job.message}`)
    process.exitCode = 1
    return
  }
  const store = await cli.store()
  const found = await findings(store, STEWARD, { layers, rules, bbox, limit, ...(waived ? {} : { state: 'open' as const }) })
  const { total } = await summary(store, STEWARD)
  const report = job.result as CheckReport
  if (format === 'json') cli.print(JSON.stringify({ ...report, total, findings: found }, null, 1))
  else if (format === 'geojson') cli.print(JSON.stringify({ type: 'FeatureCollection', features: found.map(asFeature) }))
  else {
    for (const line of found.map(one => tableLine(one, lang))) cli.print(line)
    cli.print(`revision ${report.revision}, ${report.rules} rules: ${report.found} found, ${report.fresh} new, ${report.mended} mended; the report holds ${total.errors} errors, ${total.warnings} warnings, ${total.waived} waived${found.length === limit ? `; ${limit} listed (--limit)` : ''}`)
  }
  if (found.some(one => one.severity === 'error' && one.state === 'open')) process.exitCode = 2
}

function tableLine({ id, severity, rule, layer, feature_id, lon, lat, message_vi, message_en }: Finding, lang: string): string {
  return [severity.padEnd(7), rule.padEnd(32), `${layer}/${feature_id}`.padEnd(34), lon === null ? '' : `${lat!.toFixed(5)},${lon.toFixed(5)}`, lang === 'vi' ? message_vi : message_en, `#${id}`].join('  ')
}

function asFeature({ id, geometry, ...rest }: Finding) {
  const { rule, severity, layer, feature_id, other_layer, other_id, message_vi, message_en, suggestion_vi, suggestion_en, value, threshold, unit, state, ward_code, first_seen, last_seen } = rest
  return { type: 'Feature', id, geometry, properties: { rule, severity, layer, feature_id, other_layer, other_id, message_vi, message_en, suggestion_vi, suggestion_en, value, threshold, unit, state, ward_code, first_seen, last_seen } }
}

function boxOf(text: string): BBox {
  const numbers = text.split(',').map(Number)
  if (numbers.length !== 4 || !numbers.every(Number.isFinite) || numbers[0]! > numbers[2]! || numbers[1]! > numbers[3]!) throw badBody(`--bbox is west,south,east,north in degrees, not “${text}”.`)
  return numbers as unknown as BBox
}
