/** A store, or the whole server, for a test: `const store = await testStore(t)`. Both end with the test. */
import type { Layer } from '../../layers/layer.js'
import { openStore } from '../store/open-store.js'
import type { Store } from '../store/store.js'
import { testDatabase } from './test-cluster.js'

/** What is used of tap's test. */
export interface Tearable { teardown(handler: () => Promise<unknown>): unknown }

/** A Store on a fresh database. `layers` replaces the product's. */
export async function testStore(t: Tearable, options: { layers?: readonly Layer[] } = {}): Promise<Store> {
  const database = await testDatabase(options)
  const store = await openStore({ connection: database.connection, ...options }).catch(async error => {
    await database.drop()
    throw error
  })
  t.teardown(async () => {
    await store.close()
    await database.drop()
  })
  return store
}
