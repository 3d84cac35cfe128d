#!/usr/bin/env node
// `make bench`: whatever is missing, then bench/run.ts from the build; `make bench-city`: bench/keep-city.ts.
import { build, checkNode, installPackages, installPostgres, root } from './prepare.mjs'

checkNode()
installPackages()
installPostgres()
build()
process.chdir(root)
await import(process.argv[2] === 'city' ? '../dist/bench/keep-city.js' : '../dist/bench/run.js')
