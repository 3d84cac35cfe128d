#!/usr/bin/env node
// The conformance runner, from the build.
import { existsSync } from 'node:fs'

const built = new URL('../dist/conformance/main.js', import.meta.url)
if (!existsSync(built)) {
  console.error('dothi-conformance: not built yet: run `make build` (or `npm run build`) first.')
  process.exit(1)
}
const { main } = await import(built.href)
process.exitCode = await main(process.argv.slice(2))
