/** Runs of floods as coverages: depth over time, and the greatest values of a run. They hold exactly what the frames hold. */
import { promisify } from 'node:util'
import { inflate } from 'node:zlib'
import { sql } from 'kysely'
import { NOT_COMPUTED } from '../../simulation/flood/frame.js'
import { cellAt } from '../../simulation/flood/grid.js'
import type { RunManifest } from '../../simulation/manifest.js'
import type { Localized } from '../../layers/layer.js'
import { notFound } from '../errors.js'
import { frame, manifest, peak, PEAKS } from '../scenarios/results.js'
import { isUuid } from '../scenarios/scenario.js'
import type { Branch, Reader, Store } from '../store/store.js'
import type { Coverage, Places, Quantity, ValuesAt } from './coverage.js'
import { crsOf, placesIn } from './crs.js'

export const RUN_DEPTH = 'run_depth'
export const RUN_MAXIMUM = 'run_maximum'

const inflated = promisify(inflate)
const METRE = { symbol: 'm', label: { vi: 'mét', en: 'metre' } }
const SECOND = { symbol: 's', label: { vi: 'giây', en: 'second' } }
const quantity = (name: string, unit: Quantity['unit'], title: Localized, description: Localized, property = 'http://vocab.nerc.ac.uk/standard_name/depth_of_water_on_surface/'): Quantity => ({ name, unit, title, description, property })

const DEPTH = quantity('depth', METRE, { vi: 'Độ sâu ngập', en: 'Flood depth' }, { vi: 'Độ sâu nước trên mặt đất; 0 là khô, không có giá trị là không tính.', en: 'Depth of water above the ground; 0 is dry, no value is not computed.' })

/** By the names that runs keep them under. */
const GREATEST: Readonly<Record<(typeof PEAKS)[number], Quantity>> = {
  depth: quantity('max_depth', METRE, { vi: 'Độ sâu lớn nhất', en: 'Greatest depth' }, { vi: 'Độ sâu lớn nhất trong cả trận; 0 là khô.', en: 'Greatest depth over the run; 0 is dry.' }),
  depthTime: quantity('max_depth_time', SECOND, { vi: 'Lúc sâu nhất', en: 'Time of greatest depth' }, { vi: 'Giây kể từ đầu trận.', en: 'Seconds since the start of the run.' }, 'urn:dothi:time-of-greatest-depth'),
  arrival01: quantity('arrival_0_1_m', SECOND, { vi: 'Lúc ngập 0,1 m', en: 'Arrival of 0.1 m' }, { vi: 'Giây kể từ đầu trận đến khi ngập 0,1 m; không có giá trị: không bao giờ, hoặc không tính.', en: 'Seconds until 0.1 m of water; no value: never, or not computed.' }, 'urn:dothi:flood-arrival'),
  arrival03: quantity('arrival_0_3_m', SECOND, { vi: 'Lúc ngập 0,3 m', en: 'Arrival of 0.3 m' }, { vi: 'Giây kể từ đầu trận đến khi ngập 0,3 m; không có giá trị: không bao giờ, hoặc không tính.', en: 'Seconds until 0.3 m of water; no value: never, or not computed.' }, 'urn:dothi:flood-arrival'),
  duration01: quantity('duration_0_1_m', SECOND, { vi: 'Thời gian ngập từ 0,1 m', en: 'Time at 0.1 m or more' }, { vi: 'Tổng số giây ngập từ 0,1 m trở lên.', en: 'Seconds spent at 0.1 m or more.' }, 'urn:dothi:flood-duration'),
  duration03: quantity('duration_0_3_m', SECOND, { vi: 'Thời gian ngập từ 0,3 m', en: 'Time at 0.3 m or more' }, { vi: 'Tổng số giây ngập từ 0,3 m trở lên.', en: 'Seconds spent at 0.3 m or more.' }, 'urn:dothi:flood-duration'),
  depthSpeed: quantity('max_depth_speed', { symbol: 'm2/s', label: { vi: 'mét vuông trên giây', en: 'square metre per second' } }, { vi: 'Độ sâu × vận tốc lớn nhất', en: 'Greatest depth × speed' }, { vi: 'Lưu lượng lớn nhất trên một mét bề rộng: thước đo nguy hiểm.', en: 'Greatest discharge per metre of width: a measure of hazard.' }, 'urn:dothi:unit-discharge'),
}

/** A run that has ended well. */
export interface RunOf { readonly id: string; readonly scenario: string; readonly created: Date; readonly manifest: RunManifest }

/** Successful runs of a scenario, or of all from main; the latest first. */
export async function runsOf(store: Store, branch: Branch, limit = 1000): Promise<readonly RunOf[]> {
  const { rows } = await sql<RunOf>`
    select r.id, r.scenario, r.created, r.manifest from dothi.runs r join dothi.jobs j using (id) join dothi.branches b on b.id = r.scenario
    where j.state = 'successful' and b.removed is null and (${branch} = 'main' or r.scenario::text = ${branch})
    order by r.created desc, r.id limit ${limit}`.execute(store.db)
  return rows
}

/** The id of the run that was asked for, else of the latest successful one; undefined where there is none. Throws a 404 Problem for one that is not there. */
export async function runIdOf(store: Store, branch: Branch, wanted: string | undefined): Promise<string | undefined> {
  if (wanted === undefined) return (await runsOf(store, branch, 1))[0]?.id
  if (!isUuid(wanted)) throw notFound(`There is no run “${wanted.slice(0, 60)}”.`)
  return (await manifest(store, wanted.toLowerCase(), branch)).id
}

/** Depth at each frame's time. */
export async function runDepth(store: Store, reader: Reader, branch: Branch, run: string): Promise<Coverage> {
  const found = await manifest(store, run, branch)
  const start = Date.parse(found.start)
  return {
    ...await common(store, found, 'depth'),
    id: RUN_DEPTH,
    title: { vi: 'Độ sâu ngập theo thời gian', en: 'Flood depth over time' },
    quantities: [DEPTH],
    times: found.times.map(seconds => start + seconds * 1000),
    open: over(store, found, async (_, time) => as(Uint16Array, await inflated(await frame(store, reader, found.id, time)))),
  }
}

/** Greatest values, arrivals and durations; undefined while the run has none. */
export async function runMaximum(store: Store, reader: Reader, branch: Branch, run: string): Promise<Coverage | undefined> {
  const found = await manifest(store, run, branch)
  if (!found.complete) return undefined
  return {
    ...await common(store, found, 'maximum'),
    id: RUN_MAXIMUM,
    title: { vi: 'Giá trị lớn nhất của trận ngập', en: 'Greatest values of a flood' },
    quantities: PEAKS.map(name => GREATEST[name]),
    times: [Date.parse(found.start) + found.duration * 1000],
    open: over(store, found, async name => {
      const { type, data } = await peak(store, reader, found.id, PEAKS.find(kept => GREATEST[kept].name === name)!)
      return as<Uint16Array | Float32Array>(type === 'uint16' ? Uint16Array : Float32Array, await inflated(data))
    }),
  }
}

async function common(store: Store, { id, title, label, grid, state, times, sources }: RunManifest, kind: string) {
  const lons = grid.corners.map(([lon]) => lon), lats = grid.corners.map(([, lat]) => lat)
  const text = (lang: 'vi' | 'en') => `${label[lang]}. ${title[lang]}. ${sources.join(' ')}`
  return {
    description: { vi: text('vi'), en: text('en') },
    bbox: [Math.min(...lons), Math.min(...lats), Math.max(...lons), Math.max(...lats)] as const,
    crs: await crsOf(store, grid.crs), grid, resolutionM: grid.cell,
    label, run: id, version: `${kind} ${id} ${state} ${times.length}`,
  }
}

/** What a run keeps of one time: whole millimetres of depth, or numbers as they are. */
type Cells = Uint16Array | Float32Array

/** Values of the cells that places lie in: the rest of the cells is not looked at. */
function over(store: Store, { grid }: RunManifest, cells: (quantity: string, time: number) => Promise<Cells>): Coverage['open'] {
  return async (places: Places): Promise<ValuesAt> => {
    const { x, y } = placesIn(await crsOf(store, grid.crs), places)
    const at = new Int32Array(x.length)
    for (let i = 0; i < at.length; i++) at[i] = cellAt(grid, x[i]!, y[i]!)
    return async (name, time) => valuesAt(await cells(name, time), at)
  }
}

function valuesAt(cells: Cells, at: Int32Array): Float32Array {
  const values = new Float32Array(at.length)
  const inMillimetres = cells instanceof Uint16Array
  for (let i = 0; i < at.length; i++) {
    const value = at[i]! < 0 ? NaN : cells[at[i]!]!
    values[i] = !inMillimetres ? value : value === NOT_COMPUTED ? NaN : value / 1000
  }
  return values
}

/** The bytes of a little-endian array, copied where they lie crooked. */
function as<T>(type: { new (buffer: ArrayBuffer): T; readonly BYTES_PER_ELEMENT: number }, bytes: Buffer): T {
  return new type(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer)
}
