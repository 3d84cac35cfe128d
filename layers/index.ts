import type { Layer } from './layer.js'
import { addresses } from './addresses.js'
import { antennas } from './antennas.js'
import { bridges } from './bridges.js'
import { buildings } from './buildings.js'
import { cameras } from './cameras.js'
import { certificates } from './certificates.js'
import { culverts } from './culverts.js'
import { districtsFormer } from './districts-former.js'
import { drainNodes } from './drain-nodes.js'
import { drainPipes } from './drain-pipes.js'
import { earthworks } from './earthworks.js'
import { facilities } from './facilities.js'
import { gauges } from './gauges.js'
import { landRights } from './land-rights.js'
import { levees } from './levees.js'
import { parcels } from './parcels.js'
import { planLots } from './plan-lots.js'
import { planningLines } from './planning-lines.js'
import { plans } from './plans.js'
import { powerLines } from './power-lines.js'
import { powerNodes } from './power-nodes.js'
import { pumps } from './pumps.js'
import { qualityIssues } from './quality-issues.js'
import { roads } from './roads.js'
import { runBuildings } from './run-buildings.js'
import { runFacilities } from './run-facilities.js'
import { runRoads } from './run-roads.js'
import { shelters } from './shelters.js'
import { telecomLines } from './telecom-lines.js'
import { telecomNodes } from './telecom-nodes.js'
import { trees } from './trees.js'
import { wards } from './wards.js'
import { waterBodies } from './water-bodies.js'
import { waterNodes } from './water-nodes.js'
import { waterPipes } from './water-pipes.js'

/** What the city is made of, in the order people see it listed and a flat map draws it: the first lies lowest. */
export const LAYERS: readonly Layer[] = [
  wards, districtsFormer, waterBodies, parcels, certificates, landRights, plans, planLots, planningLines, earthworks, levees, culverts, roads,
  bridges, buildings, trees, addresses, facilities, shelters, pumps, waterPipes, waterNodes, drainPipes,
  drainNodes, powerLines, powerNodes, telecomLines, telecomNodes, cameras, antennas, gauges, runBuildings,
  runRoads, runFacilities, qualityIssues,
]
