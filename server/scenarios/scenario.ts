/** Scenarios in the store: a branch of the city with what drives a flood over it. */
import { randomUUID } from 'node:crypto'
import { Type, type Static } from '@sinclair/typebox'
import { sql } from 'kysely'
import type { Localized } from '../../layers/layer.js'
import { notFound } from '../errors.js'
import type { Reader, Store } from '../store/store.js'

const closed = { additionalProperties: false }
const Source = Type.String({ maxLength: 500, description: 'Where the numbers come from; say so where a shape is synthetic.' })
const series = (unit: string, limits: { minimum?: number; maximum: number }) => ({
  hours: Type.Array(Type.Number({ minimum: 0, maximum: 1000 }), { minItems: 1, maxItems: 5000, description: 'Hours from the start, ascending.' }),
  values: Type.Array(Type.Number(limits), { minItems: 1, maxItems: 5000, description: unit }),
})

/** What drives the flood, and where it is computed. Hours count from `start`. */
export const ForcingSchema = Type.Object({
  start: Type.String({ maxLength: 40, description: 'RFC 3339 instant of the start.' }),
  hours: Type.Number({ exclusiveMinimum: 0, maximum: 240, description: 'Length of the run.' }),
  rain: Type.Optional(Type.Object({ source: Source, ...series('mm/h, each until the next', { minimum: 0, maximum: 1000 }) }, closed)),
  sea: Type.Optional(Type.Object({ source: Source, ...series('Sea level, metres in the city’s vertical datum', { minimum: -10, maximum: 50 }) }, closed)),
  rivers: Type.Optional(Type.Array(Type.Object({
    name: Type.String({ maxLength: 200 }), source: Source,
    at: Type.Tuple([Type.Number({ minimum: -180, maximum: 180 }), Type.Number({ minimum: -90, maximum: 90 })], { description: 'Longitude and latitude where the river enters.' }),
    ...series('Discharge, m³/s', { minimum: 0, maximum: 1e6 }),
  }, closed), { maxItems: 50 })),
  drainsMmPerHour: Type.Optional(Type.Number({ minimum: 0, maximum: 500, description: 'What storm drains take in built-up cells.' })),
  infiltrationMmPerHour: Type.Optional(Type.Number({ minimum: 0, maximum: 500, description: 'What open ground takes.' })),
  window: Type.Optional(Type.Tuple([Type.Number(), Type.Number(), Type.Number(), Type.Number()], { description: 'West, south, east, north, degrees. Default: around the buildings.' })),
  cell: Type.Optional(Type.Number({ minimum: 1, maximum: 500, description: 'Cell size, metres. Default 30; enlarged where the window needs more than 350,000 cells.' })),
  uplandAbove: Type.Optional(Type.Number({ minimum: 0, maximum: 9000, description: 'Ground above this level is not computed: its rain runs off to the plain. Metres, default 60.' })),
}, closed)
export type ScenarioForcing = Static<typeof ForcingSchema>

const LocalizedSchema = Type.Object({ vi: Type.String({ minLength: 1, maxLength: 2000 }), en: Type.String({ minLength: 1, maxLength: 2000 }) }, closed)
export const NewScenarioSchema = Type.Object({ title: LocalizedSchema, description: Type.Optional(LocalizedSchema), forcing: ForcingSchema }, closed)
export type NewScenario = Static<typeof NewScenarioSchema>

export interface Scenario {
  readonly id: string
  readonly title: Localized
  readonly description: Localized
  readonly forcing: ScenarioForcing
  readonly owner: string
  readonly created: Date
}

export async function createScenario(store: Store, scenario: NewScenario, owner: Reader, id: string = randomUUID()): Promise<Scenario> {
  const { title, description = { vi: '', en: '' }, forcing } = scenario
  await store.db.transaction().execute(async tx => {
    await sql`insert into dothi.branches (id, title, creator) values (${id}, ${title.en}, ${owner.subject})`.execute(tx)
    await sql`insert into dothi.scenarios (id, title, description, forcing, owner)
      values (${id}, ${JSON.stringify(title)}::jsonb, ${JSON.stringify(description)}::jsonb, ${JSON.stringify(forcing)}::jsonb, ${owner.subject})`.execute(tx)
  })
  return scenarioOf(store, id)
}

const columns = sql`s.id, s.title, s.description, s.forcing, s.owner, s.created`

/** Newest last, so that the sample's stays first. */
export async function listScenarios(store: Store): Promise<readonly Scenario[]> {
  const { rows } = await sql<Scenario>`select ${columns} from dothi.scenarios s join dothi.branches b using (id) where b.removed is null order by s.created, s.id`.execute(store.db)
  return rows
}

/** Throws a 404 Problem. */
export async function scenarioOf(store: Store, id: string): Promise<Scenario> {
  const { rows } = isUuid(id) ? await sql<Scenario>`select ${columns} from dothi.scenarios s join dothi.branches b using (id) where s.id = ${id}::uuid and b.removed is null`.execute(store.db) : { rows: [] }
  if (!rows[0]) throw notFound(`There is no scenario “${id.slice(0, 60)}”. GET /scenarios lists them.`)
  return rows[0]
}

export const isUuid = (text: string) => /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i.test(text)
