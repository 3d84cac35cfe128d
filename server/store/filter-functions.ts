/** The functions of filters, beyond CQL2's own operators: what they take, what they answer, and their SQL. */
import { sql, type RawBuilder } from 'kysely'
import type { Layer, Localized } from '../../layers/layer.js'
import { badParameter } from '../errors.js'

/** What operands are. A `date` is a day, a `timestamp` an instant. */
export type Kind = 'text' | 'number' | 'boolean' | 'date' | 'timestamp' | 'json' | 'geometry'

export interface FilterFunction {
  readonly name: string
  readonly description: Localized
  /** The last of them may repeat where `variadic`. */
  readonly args: readonly { readonly name: string; readonly kinds: readonly Kind[] }[]
  readonly variadic?: true
  readonly returns: Kind
  readonly sql: (args: readonly RawBuilder<unknown>[], of: { readonly layer: Layer; readonly row: string }) => RawBuilder<unknown>
}

const say = (vi: string, en: string): Localized => ({ vi, en })
const geometry = { name: 'geometry', kinds: ['geometry'] } as const
const number = (name: string) => ({ name, kinds: ['number'] }) as const
const text = { name: 'text', kinds: ['text'] } as const
const instant = { name: 'instant', kinds: ['date', 'timestamp'] } as const
/** Farther than a city, less than what PostGIS would think about for long. */
const FARTHEST_M = 100_000
const near = (metres: RawBuilder<unknown>) => sql`least(greatest(${metres}::float8, 0), ${sql.lit(FARTHEST_M)})`

/** On the ellipsoid, with vertices between: an edge from pole to pole has no one shortest way, and PostGIS gives up on it. */
const onEarth = (shape: RawBuilder<unknown>) => sql`st_segmentize(${shape}, 60)::geography`

/** Where a run's results are kept, under the ids of the features that they are about. */
const RESULTS: Readonly<Record<string, string>> = { buildings: 'run_buildings', roads: 'run_roads', facilities: 'run_facilities', shelters: 'run_facilities', pumps: 'run_facilities' }
/** A text as a run's id, which the key of results is searched by; null where it is none. */
const runId = (run: RawBuilder<unknown>) => sql`case when lower(${run}) ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then lower(${run})::uuid end`

export const FILTER_FUNCTIONS: readonly FilterFunction[] = [
  {
    name: 'floodDepth', args: [{ name: 'run', kinds: ['text'] }], returns: 'number',
    description: say('Độ sâu ngập lớn nhất (m) của đối tượng trong một lần mô phỏng (mã của lần chạy); 0 khi khô, trống nơi không được tính. Dùng cho công trình, đường, công trình công cộng, nơi trú ẩn, trạm bơm.', 'Greatest flood depth (m) of the feature in a run, by the run’s id; 0 where it stayed dry, null where nothing was computed. For buildings, roads, facilities, shelters and pumps.'),
    sql: ([run], { layer, row }) => {
      const table = RESULTS[layer.id]
      if (!table) throw badParameter('filter', `floodDepth is known for ${Object.keys(RESULTS).join(', ')}, not for ${layer.id}.`)
      return sql`(select d.depth_max_m from ${sql.table(`runs.${table}`)} as d where d.run = ${runId(run!)} and d.id = ${sql.ref(`${row}.id`)})`
    },
  },
  { name: 'area', args: [geometry], returns: 'number', description: say('Diện tích (m²) trên mặt ellipsoid.', 'Area (m²) on the ellipsoid.'), sql: ([g]) => sql`st_area(${onEarth(g!)})` },
  { name: 'length', args: [geometry], returns: 'number', description: say('Chiều dài đường hoặc chu vi vùng (m) trên mặt ellipsoid.', 'Length of a line or of an area’s outline (m) on the ellipsoid.'), sql: ([g]) => sql`(st_length(${onEarth(g!)}) + st_perimeter(${onEarth(g!)}))` },
  { name: 'distance', args: [geometry, geometry], returns: 'number', description: say('Khoảng cách ngắn nhất (m).', 'Shortest distance (m).'), sql: ([a, b]) => sql`st_distance(${onEarth(a!)}, ${onEarth(b!)})` },
  {
    name: 'dwithin', args: [geometry, geometry, number('metres')], returns: 'boolean', description: say('Đúng khi hai hình cách nhau không quá số mét đã cho (nhiều nhất 100 km).', 'True where two geometries are at most so many metres apart (100 km at most).'),
    sql: ([a, b, m]) => sql`((${a}) && st_envelope(st_buffer(${onEarth(b!)}, ${near(m!)} * 1.01 + 1)::geometry) and st_dwithin(${onEarth(a!)}, ${onEarth(b!)}, ${near(m!)}))`,
  },
  { name: 'buffer', args: [geometry, number('metres')], returns: 'geometry', description: say('Vùng đệm quanh hình (m, nhiều nhất 100 km).', 'The area within so many metres of a geometry (100 km at most).'), sql: ([g, m]) => sql`st_buffer(${onEarth(g!)}, ${near(m!)})::geometry` },
  { name: 'centroid', args: [geometry], returns: 'geometry', description: say('Trọng tâm.', 'The centroid.'), sql: ([g]) => sql`st_centroid(${g})` },
  { name: 'abs', args: [number('x')], returns: 'number', description: say('Giá trị tuyệt đối.', 'Absolute value.'), sql: ([x]) => sql`abs((${x})::float8)` },
  { name: 'round', args: [number('x')], returns: 'number', description: say('Số nguyên gần nhất.', 'The nearest whole number.'), sql: ([x]) => sql`round((${x})::float8)` },
  { name: 'floor', args: [number('x')], returns: 'number', description: say('Số nguyên ngay dưới.', 'The whole number below.'), sql: ([x]) => sql`floor((${x})::float8)` },
  { name: 'ceil', args: [number('x')], returns: 'number', description: say('Số nguyên ngay trên.', 'The whole number above.'), sql: ([x]) => sql`ceil((${x})::float8)` },
  { name: 'least', args: [number('x')], variadic: true, returns: 'number', description: say('Số nhỏ nhất.', 'The smallest of its numbers.'), sql: args => sql`least(${sql.join(args)})` },
  { name: 'greatest', args: [number('x')], variadic: true, returns: 'number', description: say('Số lớn nhất.', 'The largest of its numbers.'), sql: args => sql`greatest(${sql.join(args)})` },
  { name: 'charLength', args: [text], returns: 'number', description: say('Số ký tự.', 'How many characters a text has.'), sql: ([x]) => sql`char_length(${x})` },
  { name: 'concat', args: [text], variadic: true, returns: 'text', description: say('Nối các văn bản.', 'Texts put together.'), sql: args => sql`(${sql.join(args, sql` || `)})` },
  { name: 'trim', args: [text], returns: 'text', description: say('Bỏ khoảng trắng ở hai đầu.', 'Without spaces at both ends.'), sql: ([x]) => sql`btrim(${x})` },
  { name: 'year', args: [instant], returns: 'number', description: say('Năm (UTC).', 'The year (UTC).'), sql: ([x]) => sql`extract(year from (${x}) at time zone 'UTC')::int8` },
  { name: 'month', args: [instant], returns: 'number', description: say('Tháng, 1–12 (UTC).', 'The month, 1–12 (UTC).'), sql: ([x]) => sql`extract(month from (${x}) at time zone 'UTC')::int8` },
  { name: 'now', args: [], returns: 'timestamp', description: say('Bây giờ.', 'The present instant.'), sql: () => sql`now()` },
]

const BY_NAME = new Map(FILTER_FUNCTIONS.map(each => [each.name.toLowerCase(), each]))

/** Throws a 400 Problem that lists what there is. */
export function filterFunction(name: string): FilterFunction {
  const found = BY_NAME.get(name.toLowerCase())
  if (!found) throw badParameter('filter', `There is no function “${name.slice(0, 60)}”. There are: ${FILTER_FUNCTIONS.map(each => each.name).join(', ')}.`)
  return found
}
