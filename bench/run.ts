/** `make bench`: every comparison, as a table and in bench/latest.json. */
import { writeFileSync } from 'node:fs'
import { eventsBench } from './events.js'
import { historyBench } from './history.js'
import { exportBench } from './export.js'
import { importBench } from './import.js'
import { machine, table } from './result.js'
import type { Result } from './result.js'
import { tilesBench } from './tiles.js'
import { withWorkbench } from './workbench.js'
import { writesBench } from './writes.js'

const results: Result[] = []
await withWorkbench(async workbench => {
  for (const bench of [importBench, exportBench, tilesBench, eventsBench, historyBench, writesBench]) results.push(...await bench(workbench))
})
console.log(table(results, machine()))
writeFileSync('bench/latest.json', `${JSON.stringify({ at: new Date().toISOString(), machine: machine(), results }, null, 2)}\n`)
