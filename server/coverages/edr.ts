/** EDR's queries: what a request's parameters come to. */
import type { BBox } from '../../core/bbox.js'
import { CRS84, type Crs } from '../../core/crs.js'
import { badParameter } from '../errors.js'
import { parseDatetime } from '../ogc/common/time.js'
import type { Call } from '../operations/operation.js'
import { coverageThen, hasRuns } from './collections.js'
import type { Coverage } from './coverage.js'
import { transform, wantedCrs } from './crs.js'
import { alongLines, clipped, clippedTo, gridOver, type Domain, type GridSize, type PointsDomain } from './domain.js'
import { locationOf } from './locations.js'
import { quantitiesOf, timesIn, type Query } from './query.js'
import { around, boxAround, boxOf, metresOf, shapeOf, type Position } from './shapes.js'

export type QueryType = 'position' | 'radius' | 'area' | 'cube' | 'trajectory' | 'corridor'

/** The query of a request; undefined where the coverage has nothing there or then. Throws Problems. */
export async function queryOf(call: Call, type: QueryType): Promise<Query | undefined> {
  const coverage = await coverageThen(call)
  if (!coverage) return undefined
  const crs = wantedCrs(call.params.crs, coverage.crs) ?? CRS84
  const domain = await DOMAINS[type](call, coverage, crs)
  return domain && finished(call, coverage, domain)
}

/** The values at an address. */
export async function locationQuery(call: Call): Promise<Query | undefined> {
  const coverage = await coverageThen(call)
  const { name, lon, lat } = await locationOf(call, call.params.locationId)
  if (!coverage) return undefined
  const crs = wantedCrs(call.params.crs, coverage.crs) ?? CRS84
  const [x, y] = transform(CRS84, crs)(lon, lat)
  const query = finished(call, coverage, { kind: 'points', form: 'point', crs, x: Float64Array.of(x), y: Float64Array.of(y) })
  return query && { ...query, name }
}

/** What all queries say alike: parameters, times, levels. */
export function finished(call: Call, coverage: Coverage, domain: Domain, names = 'parameter-name'): Query | undefined {
  const { params } = call
  const quantities = quantitiesOf(coverage, params[names], names)
  const levels = levelsOf(params.z, coverage)
  // The ground is what it was at the end of an interval; a run has its moments.
  const times = hasRuns(coverage.id) ? timesIn(coverage, parseDatetime(params.datetime)) : [0]
  if (times.length === 0) return undefined
  return { coverage, quantities, times, domain, ...(levels && { levels }), endpoint: `${call.origin}${call.request.originalUrl.split('?')[0]}` }
}

/** `least/greatest`: of the ground only what lies between. */
function levelsOf(z: string | undefined, { id }: Coverage): readonly [number, number] | undefined {
  if (z === undefined) return undefined
  if (hasRuns(id)) throw badParameter('z', `${id} is water on the ground and has no levels: leave z out.`)
  const [least, greatest, ...more] = z.split('/').map(level => (level === '..' ? NaN : Number(level)))
  const [low, high] = [least ?? NaN, greatest ?? NaN]
  const open = z.startsWith('..') !== z.endsWith('..')
  if (more.length > 0 || greatest === undefined || z.split('/').some(level => level.trim() === '') || (!open && !(low <= high)) || (Number.isNaN(low) && !z.startsWith('../')) || (Number.isNaN(high) && !z.endsWith('/..')))
    throw badParameter('z', `“${z.slice(0, 40)}” is no range of levels: write z=least/greatest in metres, such as 0/2.5 or ../5; of the ground only what lies between is told.`)
  return [Number.isNaN(low) ? -Infinity : low, Number.isNaN(high) ? Infinity : high]
}

type DomainOf = (call: Call, coverage: Coverage, crs: Crs) => Promise<Domain | undefined> | Domain | undefined

const DOMAINS: Readonly<Record<QueryType, DomainOf>> = {
  position: ({ params }, _, crs) => {
    const { points, several } = shapeOf(params.coords, 'points', crs)
    return pointsDomain(crs, several ? 'points' : 'point', points)
  },
  area: ({ params }, coverage, crs) => {
    const { polygons } = shapeOf(params.coords, 'polygons', crs)
    const grid = gridOver(coverage, crs, boxAround(polygons.flatMap(([outer]) => outer!)), sizeOf(params))
    return grid && clippedTo(grid, polygons)
  },
  cube: ({ params }, coverage, crs) => gridOver(coverage, crs, boxOf(params.bbox, crs), sizeOf(params)),
  radius: async ({ app, params }, coverage, crs) => within(app.store, coverage, crs, shapeOf(params.coords, 'points', crs), metresOf('within', params.within, params['within-units']), sizeOf(params)),
  corridor: async ({ app, params }, coverage, crs) => {
    const shape = shapeOf(params.coords, 'lines', crs)
    refuseTwice(params, shape)
    if (params['corridor-height'] !== undefined) metresOf('corridor-height', params['corridor-height'], params['height-units'] ?? 'm')
    return within(app.store, coverage, crs, shape, metresOf('corridor-width', params['corridor-width'], params['width-units']) / 2, sizeOf(params))
  },
  trajectory: ({ params }, coverage, crs) => {
    const { lines, seconds, ...shape } = shapeOf(params.coords, 'lines', crs)
    refuseTwice(params, { ...shape, ...(seconds && { seconds }) })
    if (seconds) return { ...pointsDomain(crs, 'line', lines.flat()), passed: Float64Array.from(seconds, second => second * 1000) }
    const toLonLat = transform(crs, CRS84)
    return alongLines(coverage, crs, lines.map(line => line.map(([x, y]) => toLonLat(x, y))))
  },
}

function pointsDomain(crs: Crs, form: PointsDomain['form'], positions: readonly Position[]): PointsDomain {
  return { kind: 'points', form, crs, x: Float64Array.from(positions, ([x]) => x), y: Float64Array.from(positions, ([, y]) => y) }
}

/** A line that brings times or heights does not take them from parameters too. */
function refuseTwice(params: Call['params'], { seconds, has3d }: { readonly seconds?: readonly number[]; readonly has3d: boolean }): void {
  if (seconds && params.datetime !== undefined) throw badParameter('datetime', 'The line has its own times (M): leave datetime out, or the times.')
  if (has3d && params.z !== undefined) throw badParameter('z', 'The line has its own heights (Z): leave z out, or the heights.')
}

async function within(store: Call['app']['store'], coverage: Coverage, crs: Crs, shape: Parameters<typeof around>[1], metres: number, size: GridSize): Promise<Domain | undefined> {
  const polygons = await around(store, shape, crs, metres, coverage.bbox)
  if (polygons.length === 0) return undefined
  const project = transform(CRS84, crs)
  const projected = polygons.map(rings => rings.map(ring => ring.map(([x, y]) => project(x, y) as Position)))
  const grid = gridOver(coverage, crs, boxAround(projected.flatMap(([outer]) => outer!)), size)
  if (!grid) return undefined
  const box: BBox = [grid.x0 - grid.dx, grid.y0 - grid.rows * grid.dy, grid.x0 + grid.cols * grid.dx, grid.y0 + grid.dy]
  const lines = shape.type === 'lines' ? shape.lines.flatMap(line => line.slice(1).flatMap((to, i) => clipped(line[i]!, to, box) ?? [])) : []
  return clippedTo(grid, projected, lines)
}

/** `resolution-x` and `resolution-y`: how many positions across; 0 is as fine as the coverage. */
function sizeOf(params: Call['params']): GridSize {
  const [cols, rows] = [params['resolution-x'] as number | undefined, params['resolution-y'] as number | undefined]
  return { ...(cols && { cols }), ...(rows && { rows }), as: cols || rows ? 'positions' : 'cells' }
}
