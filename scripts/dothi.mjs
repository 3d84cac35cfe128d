#!/usr/bin/env node
// The command line, from the build.
import { existsSync } from 'node:fs'

const built = new URL('../dist/server/cli/main.js', import.meta.url)
if (!existsSync(built)) {
  console.error('dothi: not built yet: run `make build` (or `npm run build`) first.')
  process.exit(1)
}
const { main } = await import(built.href)
await main(process.argv.slice(2))
