/** What scenarios and runs answer. */
import { Type } from '@sinclair/typebox'
import { answer, FREE, INSTANT, json, LINKS, named, nullable, TEXT, TITLES } from '../ogc/common/schemas.js'

const { Array: list, Object: object } = Type

const SCENARIO = named('Scenario', object({
  id: TEXT, title: TITLES, description: TITLES, forcing: FREE, owner: TEXT, created: INSTANT, label: TITLES, latestRun: nullable(TEXT), latestRunState: nullable(TEXT), links: LINKS,
}))

export const SCENARIOS = { 200: json('The scenarios.', object({ scenarios: list(SCENARIO), links: LINKS })) }
export const SCENARIO_MADE = { 201: { ...json('The scenario; its address is in Location.', SCENARIO), headers: { Location: { description: 'Address of the scenario.', schema: TEXT } } } }
export const ONE_SCENARIO = { 200: json('The scenario.', SCENARIO) }
export const CASE_SCHEMA = { 200: answer('The schema.', 'application/schema+json', FREE) }
export const RUN = { 200: json('The manifest.', object({ id: TEXT, scenario: TEXT, links: LINKS })) }
export const ARRAY = { 200: {
  ...answer('The deflated array; Content-Encoding says so.', 'application/octet-stream'),
  headers: { 'X-Array-Type': { description: 'uint16 or float32.', schema: TEXT }, 'X-Simulation': { description: 'That this is simulated.', schema: TEXT } },
} }
export const IMPACTS = { 200: json('The impacts.', object({ run: TEXT })) }
