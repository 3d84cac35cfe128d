#!/usr/bin/env node
// `make bench`: whatever is missing, then bench/run.ts from the build.
import { build, checkNode, installPackages, installPostgres, root } from './prepare.mjs'

checkNode()
installPackages()
installPostgres()
build()
process.chdir(root)
await import('../dist/bench/run.js')
