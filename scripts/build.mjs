#!/usr/bin/env node
// `make build`: packages if they are missing, then what has changed.
import { build, checkNode, installPackages } from './prepare.mjs'

checkNode()
installPackages()
build()
