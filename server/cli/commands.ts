/** The commands of each part. */
import type { Command } from 'commander'
import { register as sample } from '../../fixtures/city/command.js'
import { register as access } from '../access/command.js'
import { register as exports } from '../export/command.js'
import { register as federation } from '../federation/command.js'
import { register as feed } from '../feed/command.js'
import { register as history } from '../history/command.js'
import { register as imports } from '../import/command.js'
import { register as jobs } from '../operations/command.js'
import { register as sources } from '../sources/command.js'
import { register as quality } from '../quality/command.js'
import { register as scenarios } from '../scenarios/command.js'
import { register as staticExport } from '../static/command.js'
import { register as terrain } from '../terrain/command.js'
import { register as city } from './city-command.js'
import type { CliContext } from './context.js'

export const COMMANDS: readonly ((program: Command, cli: CliContext) => void)[] = [city, sample, imports, exports, staticExport, sources, scenarios, quality, jobs, access, feed, federation, history, terrain]
