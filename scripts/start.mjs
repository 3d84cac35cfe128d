#!/usr/bin/env node
// `make run` and `npm start`: whatever is missing, then the server in this process.
import { build, checkNode, installPackages, installPostgres, root } from './prepare.mjs'

checkNode()
installPackages()
installPostgres()
build()
process.chdir(root) // DATA_DIR is below the checkout, wherever it was started from
const { main } = await import('../dist/server/cli/main.js')
await main(['serve', ...process.argv.slice(2)])
