import { resolve } from 'node:path'
import type { Command } from 'commander'
import type { CliContext } from '../cli/context.js'
import { badParameter } from '../errors.js'
import { STEWARD } from '../store/store.js'
import { FORMAT_IDS } from './export.js'
import { writeChunks } from './files.js'
import { planExport, type ExportParams } from './plan.js'
import { exportChunks } from './stream.js'

interface Options {
  format: string; output?: string; filter?: string; bbox?: string; crs?: string; asOf?: string; branch?: string; run?: string; properties?: string
  geometry?: string; bom?: boolean
}

/** `dothi export LAYER… -f FORMAT -o FILE` */
export function register(program: Command, cli: CliContext): void {
  program.command('export <layers...>').description('write layers of the city to a file; “all” is the whole city')
    .requiredOption('-f, --format <format>', FORMAT_IDS.join(', '))
    .option('-o, --output <file>', 'where to (default: named after the layer, here; “-” is standard output)')
    .option('--filter <cql2>', 'only features that satisfy this filter')
    .option('--bbox <west,south,east,north>', 'only features that meet this box, degrees')
    .option('--crs <epsg>', 'CRS of the file, EPSG:n (default: degrees; drawings and city models in the city\'s)')
    .option('--properties <names>', 'only these attributes, with commas between them')
    .option('--as-of <instant>', 'the city as it was known then: an RFC 3339 instant or a revision')
    .option('--branch <scenario>', 'the city of this scenario')
    .option('--run <id>', 'which flood run, for layers of results')
    .option('--geometry <wkt|lonlat|none>', 'CSV: how geometry is written')
    .option('--bom', 'CSV: begin with a byte order mark, for Excel')
    .action((layers: string[], options: Options) => run(cli, layers, options))
}

async function run(cli: CliContext, layers: readonly string[], options: Options): Promise<void> {
  const store = await cli.store()
  const plan = await planExport({ app: { store }, reader: STEWARD, branch: options.branch ?? 'main' }, paramsOf(layers, options))
  const path = options.output ?? plan.fileName
  let features = 0
  const chunks = exportChunks(store, STEWARD, plan, { signal: cli.signal, onRows: rows => {
    features = rows
    cli.progress({ kind: 'export', progress: 0, message: `${rows} features` })
  } })
  if (path === '-') {
    for await (const chunk of chunks) if (!process.stdout.write(chunk)) await new Promise(done => process.stdout.once('drain', done))
    return
  }
  const bytes = await writeChunks(resolve(path), chunks, cli.signal)
  cli.print(`${path}: ${features} features of ${plan.plans.map(({ layer }) => layer.id).join(', ')}, ${(bytes / 1e6).toFixed(1)} MB`)
  for (const loss of plan.losses) cli.print(`${plan.format.title} does not keep: ${loss}`)
}

function paramsOf(layers: readonly string[], { format, filter, bbox, crs, asOf, run, properties, geometry, bom }: Options): ExportParams {
  if (geometry !== undefined && geometry !== 'wkt' && geometry !== 'lonlat' && geometry !== 'none') throw badParameter('geometry', `--geometry is wkt, lonlat or none, not “${geometry}”.`)
  const box = bbox?.split(',').map(Number)
  if (box && (box.length !== 4 || !box.every(Number.isFinite))) throw badParameter('bbox', `--bbox is west,south,east,north in degrees, not “${bbox}”.`)
  return {
    layers: layers.flatMap(layer => layer.split(',')), format, ...(filter === undefined ? {} : { filter }), ...(box ? { bbox: box } : {}), ...(crs === undefined ? {} : { crs }),
    ...(asOf === undefined ? {} : { asOf }), ...(run === undefined ? {} : { run }), ...(properties === undefined ? {} : { properties: properties.split(',') }),
    ...(geometry === undefined ? {} : { geometry }), ...(bom ? { bom } : {}),
  }
}
