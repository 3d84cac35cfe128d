/** The case: everything a run computes from, as one versioned JSON document plus the ground arrays that it lists by hash. */
import { Type, type Static } from '@sinclair/typebox'

const closed = { additionalProperties: false }
const Localized = Type.Object({ vi: Type.String(), en: Type.String() }, closed)
const Sha256 = Type.String({ pattern: '^[0-9a-f]{64}$' })
const Series = Type.Object({
  times: Type.Array(Type.Number(), { description: 'Seconds from the start, ascending.' }),
  values: Type.Array(Type.Number()),
}, closed)
const Cells = Type.Array(Type.Integer({ minimum: 0 }), { description: 'Row-major cell indices, north row first.' })
const Sink = { name: Type.String(), cells: Cells }

export const CaseSchema = Type.Object({
  version: Type.Literal(1),
  scenario: Type.String({ format: 'uuid' }),
  title: Localized,
  asOf: Type.Integer({ description: 'The revision of the city that ground and features were read from.' }),
  start: Type.String({ description: 'RFC 3339' }),
  duration: Type.Number({ description: 'Seconds' }),
  frameEvery: Type.Number({ description: 'Seconds' }),
  grid: Type.Object({
    crs: Type.Integer({ description: 'EPSG code, metres' }),
    origin: Type.Tuple([Type.Number(), Type.Number()], { description: 'Easting and northing of the north-west corner, metres' }),
    cell: Type.Number({ description: 'Metres' }), rows: Type.Integer(), cols: Type.Integer(),
    corners: Type.Array(Type.Tuple([Type.Number(), Type.Number()]), { minItems: 4, maxItems: 4, description: 'NW, NE, SE, SW in CRS84' }),
    box: Type.Tuple([Type.Number(), Type.Number(), Type.Number(), Type.Number()], { description: 'Extent in CRS84' }),
  }, closed),
  verticalDatum: Type.String(),
  ground: Type.Array(Type.Object({
    name: Type.String(), type: Type.Union([Type.Literal('float32'), Type.Literal('uint8')]), length: Type.Integer(), sha256: Sha256,
  }, closed), { description: 'The arrays in the order in which they are stored, little-endian.' }),
  computedCells: Type.Integer(),
  forcing: Type.Object({
    rain: Type.Optional(Series),
    inflows: Type.Array(Type.Object({ ...Sink, shares: Type.Optional(Type.Array(Type.Number())), discharge: Series }, closed)),
    stages: Type.Array(Type.Object({ ...Sink, level: Series }, closed)),
    outflows: Type.Array(Type.Object({ ...Sink, slope: Type.Number() }, closed)),
  }, closed),
  sources: Type.Array(Type.String(), { description: 'Where the forcing comes from.' }),
  notes: Type.Array(Type.String(), { description: 'What was simplified, and what is not computed.' }),
  solver: Type.Object({ name: Type.String(), version: Type.String(), parameters: Type.Record(Type.String(), Type.Number()) }, closed),
}, { ...closed, $id: 'dothi-flood-case-1', title: 'Flood case, version 1' })
export type FloodCase = Static<typeof CaseSchema>
