/** `make bench`: every comparison, as a table and in bench/latest.json. */
import { writeFileSync } from 'node:fs'
import { eventsBench } from './events.js'
import { floodBench } from './flood.js'
import { historyBench } from './history.js'
import { exportBench } from './export.js'
import { importBench } from './import.js'
import { itemsBench } from './items.js'
import { machine, table } from './result.js'
import type { Result } from './result.js'
import { tilesBench } from './tiles.js'
import { withWorkbench } from './workbench.js'
import { writesBench } from './writes.js'

/** BENCH=tiles,import runs only those. */
const only = process.env.BENCH?.split(',')
const chosen = (name: string) => !only || only.includes(name.replace('Bench', ''))

const results: Result[] = []
await withWorkbench(async workbench => {
  for (const bench of [importBench, exportBench, eventsBench, historyBench, writesBench].filter(({ name }) => chosen(name))) results.push(...await bench(workbench))
})
if (chosen('itemsBench')) results.push(...await itemsBench())
if (chosen('tilesBench')) results.push(...await tilesBench())
if (chosen('floodBench')) results.push(...await floodBench())
console.log(table(results, machine()))
writeFileSync('bench/latest.json', `${JSON.stringify({ at: new Date().toISOString(), machine: machine(), results }, null, 2)}\n`)
