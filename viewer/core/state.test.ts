import t from 'tap'
import { conditionsOf, filterOf, operatorsOf } from './conditions.js'
import { partsOf } from './filter.js'
import { createStore, type AppState } from './state.js'
import { decodeState, encodeState } from './url-state.js'
import { isShown, shownLayers } from './visibility.js'
import type { ClientLayer } from './api.js'
import { LAYERS } from '../../layers/index.js'

const state: AppState = {
  language: 'en', camera: { lon: 108.2268, lat: 16.061, distance: 3800, heading: 24.5, pitch: 30 }, shown: { parcels: false, water_pipes: true }, panel: 'filter',
  selection: { layer: 'buildings', id: 2 ** 32 + 5, at: [108.2, 16.05] }, underground: true, run: '0b2f8a1e-1111-4222-8333-444455556666', time: 5400, playing: false, speed: 900,
  compare: '1c3f8a1e-1111-4222-8333-444455556666',
  filter: { layer: 'buildings', where: { op: 'and', args: [{ op: '>=', left: { property: 'storeys' }, right: { literal: 8 } }, { op: 'like', left: { fold: 'accenti', arg: { property: 'name' } }, pattern: '%chợ & hàn%' }] } },
}

t.test('the address bar brings back what it was given', async (t) => {
  const { speed, ...kept } = state
  t.strictSame(decodeState(encodeState(state)), kept)
  t.equal(encodeState({ ...state, ...decodeState(encodeState(state)) }), encodeState(state), 'and is stable')
  t.equal(speed, 900, 'the speed is nobody else’s business')
})

t.test('a hand-made or broken address does no harm', async (t) => {
  t.strictSame(decodeState(''), {})
  t.strictSame(decodeState('#c=a,b,c,d,e&lang=xx&s=buildings/NaN&f=%7Bbroken&p=nothing&run=../../etc'), {})
  t.strictSame(decodeState('#c=108,95,10,0,0'), {}, 'no latitude beyond the map')
})

t.test('the store tells which keys changed, once', async (t) => {
  const store = createStore(state)
  const heard: string[] = []
  const stop = store.subscribe((_, changed) => heard.push([...changed].join()))
  store.update({ time: 5400, language: 'vi' })
  store.update({ time: 5400 })
  stop()
  store.update({ time: 0 })
  t.strictSame(heard, ['language'])
  t.equal(store.state.time, 0)
})

t.test('layers are on as their file says, unless the reader said otherwise', async (t) => {
  const layers = LAYERS as readonly ClientLayer[]
  const pipes = layers.find(({ id }) => id === 'water_pipes')!
  t.equal(isShown(pipes, { shown: {}, underground: false }), false)
  t.equal(isShown(pipes, { shown: {}, underground: true }), true, 'networks come with the underground')
  t.equal(isShown(pipes, { shown: { water_pipes: false }, underground: true }), false)
  t.notOk(shownLayers(layers, { shown: {}, underground: false }).includes('run_buildings'), 'results are reached through the simulation')
})

t.test('rows of the filter form and the filter AST', async (t) => {
  const columns = LAYERS.find(({ id }) => id === 'buildings')!.columns
  const rows = [{ column: 'storeys', operator: '>=', value: '8' }, { column: 'name', operator: 'like', value: '50%' }, { column: 'use', operator: 'isNull', value: '' }] as const
  const filter = filterOf(rows, columns)!
  t.strictSame(filter, {
    op: 'and', args: [
      { op: '>=', left: { property: 'storeys' }, right: { literal: 8 } },
      { op: 'like', left: { fold: 'accenti', arg: { fold: 'casei', arg: { property: 'name' } } }, pattern: '%50\\%%' },
      { op: 'isNull', arg: { property: 'use' } },
    ],
  })
  t.strictSame(conditionsOf(filter), rows, 'and back')
  t.equal(filterOf([{ column: 'storeys', operator: '>=', value: ' ' }], columns), null, 'an empty row says nothing')
  t.notOk(operatorsOf(columns.find(({ name }) => name === 'use')).includes('like'), 'codes are chosen, not typed')
})

t.test('every GeoJSON geometry comes apart into lists of positions', async (t) => {
  t.strictSame(partsOf({ type: 'Point', coordinates: [1, 2] }), [[[1, 2]]])
  t.strictSame(partsOf({ type: 'MultiPolygon', coordinates: [[[[0, 0], [1, 0], [0, 0]]], [[[5, 5]]]] }), [[[0, 0], [1, 0], [0, 0]], [[5, 5]]])
  t.strictSame(partsOf({ type: 'GeometryCollection', geometries: [{ type: 'LineString', coordinates: [[0, 0], [1, 1]] }, { type: 'Point', coordinates: [3, 3] }] }), [[[0, 0], [1, 1]], [[3, 3]]])
  t.strictSame(partsOf(null), [])
})
