import { InvalidArgumentError, type Command } from 'commander'
import type { BBox } from '../../../core/bbox.js'
import type { CliContext } from '../../cli/context.js'
import { STEWARD } from '../../store/store.js'
import { tileFolder, WARM } from './jobs.js'
import { tileCacheOf } from './tile-cache.js'
import type { WarmInputs, WarmReport } from './warm.js'

interface Options { zoom?: WarmInputs['zoom']; bbox?: BBox; clearance?: 'open' | 'internal' }

/** `dothi warm [COLLECTION…]` */
export function register(program: Command, cli: CliContext): void {
  program.command('warm [collections...]').description('make vector tiles before they are asked for; “a,b” shares tiles between collections; all open ones if left out')
    .option('--zoom <from-to>', 'zooms, as in 10-16 (default: those of the collections)', zooms)
    .option('--bbox <west,south,east,north>', 'only tiles that meet this box, degrees', box)
    .option('--clearance <open|internal>', 'for whom: everybody, or staff', clearance)
    .action(async (collections: string[], options: Options) => {
      const [store, jobs] = [await cli.store(), await cli.jobs()]
      const files = tileCacheOf(store).keepOnDisk({ directory: tileFolder(cli.config) })
      const inputs: WarmInputs = { ...(collections.length > 0 && { collections }), ...options }
      const job = await jobs.run(WARM, inputs, STEWARD, { signal: cli.signal, onProgress: cli.progress })
      await files.settled()
      if (job.state !== 'successful') {
        cli.print(`${job.id} ${job.state}: ${job.message}`)
        process.exitCode = 1
        return
      }
      const { tiles, empty, bytes, largestBytes, seconds } = job.result as WarmReport
      cli.print(`${tiles} tiles in ${seconds.toFixed(1)} s, ${empty} of them empty, ${(bytes / 1e6).toFixed(1)} MB, the largest ${Math.round(largestBytes / 1000)} kB`)
    })
}

function zooms(text: string): { min: number; max: number } {
  const [, min, max = min] = /^(\d{1,2})(?:-(\d{1,2}))?$/.exec(text) ?? []
  if (min === undefined || Number(min) > Number(max)) throw new InvalidArgumentError('It must be a zoom or a range of zooms, as in 10-16.')
  return { min: Number(min), max: Number(max) }
}

function box(text: string): BBox {
  const sides = text.split(',').map(Number)
  if (sides.length !== 4 || !sides.every(Number.isFinite) || sides[0]! > sides[2]! || sides[1]! > sides[3]!) throw new InvalidArgumentError('It must be west,south,east,north in degrees.')
  return sides as unknown as BBox
}

function clearance(text: string): 'open' | 'internal' {
  if (text !== 'open' && text !== 'internal') throw new InvalidArgumentError('It must be open or internal; tiles with restricted columns are not kept.')
  return text
}
