import type { Layer } from '../../layers/layer.js'
import { testDatabase } from '../testing/test-cluster.js'
import type { Tearable } from '../testing/test-store.js'
import { openStore } from './open-store.js'
import type { Store } from './store.js'

const title = (en: string) => ({ vi: en, en })

/** Small layers for the store's own tests: a point with a restricted column, a surveyed 3D polygon, an internal line, a run result. */
export const WELLS: Layer = {
  id: 'wells', title: title('Wells'), description: title('The city\'s wells'), group: 'water', kind: 'city', geometry: 'point',
  columns: [
    { name: 'name', type: 'text', title: title('Name') },
    { name: 'depth', type: 'number', unit: 'm', title: title('Depth') },
    { name: 'floors', type: 'integer', title: title('Floors') },
    { name: 'dug', type: 'date', title: title('Dug on') },
    { name: 'seen', type: 'timestamp', title: title('Last seen') },
    { name: 'open', type: 'boolean', title: title('Open') },
    { name: 'extra', type: 'json', title: title('Extra') },
    { name: 'flow', type: 'number', title: title('Flow'), classification: 'internal' },
    { name: 'owner', type: 'text', title: title('Owner'), classification: 'restricted' },
  ],
  label: 'name', searchable: ['name'], style: {}, zoom: { min: 8, max: 16 }, classification: 'open', licence: 'test',
}

export const LOTS: Layer = {
  id: 'lots', title: title('Lots'), description: title('Lots with a body'), group: 'land', kind: 'city', geometry: 'polygon',
  surveyed: { srid: 5899 }, threeD: { form: 'extrude' },
  columns: [{ name: 'code', type: 'text', title: title('Code'), required: true }],
  label: 'code', style: {}, zoom: { min: 8, max: 16 }, classification: 'open', licence: 'test',
}

export const CABLES: Layer = {
  id: 'cables', title: title('Cables'), description: title('Not for everybody'), group: 'utilities', kind: 'city', geometry: 'line',
  columns: [{ name: 'kv', type: 'number', title: title('Voltage') }],
  style: {}, zoom: { min: 8, max: 16 }, classification: 'internal', licence: 'test',
}

export const WET_LOTS: Layer = {
  id: 'run_lots', title: title('Wet lots'), description: title('Lots under water'), group: 'results', kind: 'run', geometry: 'point',
  columns: [{ name: 'depth', type: 'number', unit: 'm', title: title('Depth') }],
  style: {}, zoom: { min: 8, max: 16 }, classification: 'open', licence: 'test',
}

export const EXAMPLES: readonly Layer[] = [WELLS, LOTS, CABLES, WET_LOTS]

/** A store with these layers on a fresh database, without the server around it. */
export async function exampleStore(t: Tearable, layers: readonly Layer[] = EXAMPLES): Promise<Store> {
  const database = await testDatabase({ layers })
  const store = await openStore({ connection: database.connection, layers })
  t.teardown(async () => {
    await store.close()
    await database.drop()
  })
  return store
}
