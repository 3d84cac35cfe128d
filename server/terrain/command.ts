import { readFile } from 'node:fs/promises'
import { InvalidArgumentError, Option, type Command } from 'commander'
import type { GeoJsonGeometry } from '../../core/filter/ast.js'
import type { CliContext } from '../cli/context.js'
import { badParameter } from '../errors.js'
import { parseAsOf } from '../ogc/common/time.js'
import { groundAt } from './ground.js'
import { MOST_SAMPLES, terrainProfile, terrainStatistics, wktOf } from './statistics.js'
import { removeTerrain, terrainSummary, type TerrainAt } from './terrain-store.js'

interface Options { branch?: string; asOf?: string; json?: boolean; samples: number; level?: number }

const at = ({ branch, asOf }: Options): TerrainAt => ({ ...(branch === undefined ? {} : { branch }), asOf: parseAsOf(asOf) })

/** `dothi terrain list | height | profile | area | remove` */
export function register(program: Command, cli: CliContext): void {
  const terrain = program.command('terrain').description('the ground: what it is made of, and how high it is')
  const command = (name: string, description: string) => terrain.command(name).description(description)
    .option('--branch <scenario>', 'the ground of this scenario')
    .option('--as-of <instant>', 'the ground as it was known then: an RFC 3339 instant or a revision')
    .addOption(new Option('--json', 'as JSON'))

  command('list', 'stored rasters, the topmost first').action(async (options: Options) => {
    const summary = await terrainSummary(await cli.store(), at(options))
    if (options.json) return cli.print(JSON.stringify(summary ?? { sources: [] }))
    for (const { name, resolutionM, maxzoom, bounds, revision } of summary?.sources ?? []) cli.print([name, `${resolutionM.toFixed(2)} m`, `zoom ${maxzoom}`, bounds.map(degrees => degrees.toFixed(5)).join(','), `revision ${revision}`].join('\t'))
  })

  command('height <lon> <lat>', 'height at a position, metres').action(async (lon: string, lat: string, options: Options) => {
    const [height] = await groundAt(await cli.store(), [[number(lon), number(lat)]], at(options))
    const isKnown = height === height
    cli.print(options.json ? JSON.stringify({ height: isKnown ? Math.round(height! * 1000) / 1000 : null }) : isKnown ? height!.toFixed(3) : 'no terrain there')
  })

  command('profile <line>', 'heights along a line: well-known text, or a GeoJSON file')
    .option('--samples <n>', 'how many places at least', number, 200)
    .action(async (line: string, options: Options) => {
      if (!Number.isInteger(options.samples) || options.samples < 2 || options.samples > MOST_SAMPLES) throw badParameter('samples', `--samples is a whole number from 2 to ${MOST_SAMPLES}.`)
      const profile = await terrainProfile(await cli.store(), await shape(line), options.samples, at(options))
      if (options.json) return cli.print(JSON.stringify(profile))
      cli.print(`length ${profile.length} m, from ${profile.min} to ${profile.max} m, rises ${profile.ascent} m, falls ${profile.descent} m`)
      for (const { distance, lon, lat, height } of profile.points) cli.print([distance, lon.toFixed(7), lat.toFixed(7), height ?? ''].join('\t'))
    })

  command('area <polygon>', 'statistics of the ground within a polygon: well-known text, or a GeoJSON file')
    .option('--level <m>', 'tell volumes above and below this level', number)
    .action(async (polygon: string, options: Options) => {
      const statistics = await terrainStatistics(await cli.store(), await shape(polygon), { ...at(options), ...(options.level === undefined ? {} : { level: options.level }) })
      if (options.json) return cli.print(JSON.stringify(statistics))
      const { percentiles, level, change, ...rest } = statistics
      const print = (name: string, values: object) => { for (const [key, value] of Object.entries(values)) cli.print(`${name}${key}\t${value ?? 'unknown'}`) }
      print('', rest)
      print('percentile ', percentiles ?? {})
      if (level) print('level: ', level)
      if (change) print('change: ', change)
    })

  terrain.command('remove <name>').description('take a raster away; what lies below shows again').option('--branch <scenario>', 'of this scenario')
    .action(async (name: string, { branch }: Options) => {
      await removeTerrain(await cli.store(), name, branch === undefined ? {} : { branch })
      cli.print(`${name} removed`)
    })
}

function number(text: string): number {
  const value = Number(text)
  if (text.trim() === '' || !Number.isFinite(value)) throw new InvalidArgumentError('It must be a number.')
  return value
}

/** Well-known text, or the first geometry of a GeoJSON file. */
async function shape(argument: string): Promise<GeoJsonGeometry> {
  if (/^\s*[A-Za-z;=\d]+\s*(Z|M|ZM)?\s*\(/.test(argument)) return wktOf(argument)
  const text = await readFile(argument, 'utf8').catch(() => { throw badParameter('coords', `“${argument.slice(0, 80)}” is neither well-known text nor a file that can be read.`) })
  try {
    const json = JSON.parse(text)
    const geometry = json.type === 'FeatureCollection' ? json.features?.[0]?.geometry : json.type === 'Feature' ? json.geometry : json
    if (typeof geometry?.type === 'string') return geometry
  } catch {
    // Told below: a file that is no JSON is no GeoJSON either.
  }
  throw badParameter('coords', `The file “${argument.slice(0, 80)}” is no GeoJSON with a geometry.`)
}
