/** CSV and EDR GeoJSON of a query: a line, or a feature, for each place and time. */
import { setImmediate as breathe } from 'node:timers/promises'
import { CRS84, type Crs } from '../../core/crs.js'
import { toDigits } from './coverage-json.js'
import { transform } from './crs.js'
import { placesOf, type Domain } from './domain.js'
import { both, instant, isOneTime, rounded, valuesOf, type Query } from './query.js'

interface Sample { readonly x: number; readonly y: number; readonly time: string; readonly values: readonly (number | null)[] }

/** Samples of the places inside the query's shape, time after time, some thousands at once. */
async function* samples(query: Query, step: number): AsyncGenerator<readonly Sample[]> {
  const { coverage, domain, quantities, times } = query
  const read = await valuesOf(query)
  const { x, y } = placesOf(domain)
  const inside = insideOf(domain)
  for (const time of isOneTime(query) ? times.slice(0, 1) : times) {
    const values: Float32Array[] = []
    for (const { name } of quantities) values.push(await read(name, time))
    const at = instant(coverage.times[time]!)
    for (let from = 0; from < x.length; from += step) {
      const batch: Sample[] = []
      for (let i = from; i < Math.min(x.length, from + step); i++) {
        if (!inside(i)) continue
        const passed = domain.kind === 'points' && domain.passed ? instant(domain.passed[i]!) : at
        batch.push({ x: x[i]!, y: y[i]!, time: passed, values: values.map(all => (all[i] === all[i] ? rounded(all[i]!) : null)) })
      }
      yield batch
      await breathe()
    }
  }
}

const insideOf = (domain: Domain): (i: number) => boolean => (domain.kind === 'grid' && domain.inside ? i => domain.inside![i] === 1 : () => true)

/** RFC 4180, UTF-8: time, position, values; what is not computed or not known is left empty. */
export async function* csv(query: Query): AsyncGenerator<string> {
  const { coverage: { label }, quantities, domain: { crs } } = query
  const names = ['time', ...(crs.srid === 4326 ? ['lon', 'lat'] : ['x', 'y']), ...quantities.map(({ name }) => name), ...(label ? ['simulation'] : [])]
  yield `${names.join(',')}\r\n`
  const end = `${label ? `,${label.en}` : ''}\r\n`
  for await (const batch of samples(query, 1 << 14)) yield batch.map(({ x, y, time, values }) => `${time},${toDigits(x, crs)},${toDigits(y, crs)},${values.map(value => value ?? '').join(',')}${end}`).join('')
}

/** A FeatureCollection of points with EDR's own members; a Feature's `id` is left out, since a moment at a place is no thing. */
export async function* edrGeoJson(query: Query): AsyncGenerator<string> {
  const { coverage, quantities, domain: { crs }, name, endpoint } = query
  const position = positionIn(crs)
  const common = {
    label: name ?? coverage.title.en, 'parameter-name': quantities.map(quantity => quantity.name), edrqueryendpoint: endpoint,
    ...(coverage.label && { simulation: coverage.label.en, run: coverage.run }),
  }
  yield `{"type":"FeatureCollection",${coverage.label ? `"simulation":${JSON.stringify(both(coverage.label))},` : ''}"parameters":${JSON.stringify(quantities.map(quantity => ({
    type: 'Parameter', id: quantity.name, label: quantity.title.en, description: quantity.description.en, 'data-type': 'float',
    unit: { label: quantity.unit.label.en, symbol: { value: quantity.unit.symbol, type: 'http://www.opengis.net/def/uom/UCUM/' } },
    observedProperty: { id: quantity.property, label: quantity.title.en },
  })))},"features":[`
  let first = true
  for await (const batch of samples(query, 1 << 12)) {
    if (batch.length === 0) continue
    yield `${first ? '' : ','}${batch.map(({ x, y, time, values }) => JSON.stringify({
      type: 'Feature', geometry: { type: 'Point', coordinates: position(x, y) },
      properties: { datetime: time, ...common, ...Object.fromEntries(quantities.map((quantity, i) => [quantity.name, values[i]])) },
    })).join(',')}`
    first = false
  }
  yield ']}'
}

/** GeoJSON is in CRS84, whatever the request's CRS. */
function positionIn(crs: Crs): (x: number, y: number) => number[] {
  const toLonLat = transform(crs, CRS84)
  return (x, y) => toLonLat(x, y).map(value => toDigits(value, CRS84))
}
