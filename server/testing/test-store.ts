/** A store, or the whole server, for a test: `const store = await testStore(t)`. Both end with the test. */
import type { AddressInfo } from 'node:net'
import type { Layer } from '../../layers/layer.js'
import { createToken } from '../access/tokens.js'
import { joinStore } from '../compose.js'
import { readConfig } from '../config.js'
import type { Config } from '../config.js'
import { httpServer } from '../http/server.js'
import { createListener } from '../main.js'
import type { LocalJobs } from '../operations/jobs-impl.js'
import { openStore } from '../store/open-store.js'
import type { Role, Store } from '../store/store.js'
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

export interface TestServer {
  /** `http://127.0.0.1:…`, no slash behind. */
  readonly url: string
  readonly store: Store
  readonly jobs: LocalJobs
  readonly config: Config
  /** A bearer token of this role, with the clearance that goes with it. */
  token(role: Role): Promise<string>
}

/** The whole application on a free loopback port, over a fresh database; queued jobs are done. */
export async function testServer(t: Tearable, options: { layers?: readonly Layer[]; config?: Partial<Config> } = {}): Promise<TestServer> {
  const database = await testDatabase(options)
  const backend = await joinStore(database.connection, options).catch(async error => {
    await database.drop()
    throw error
  })
  const config: Config = { ...readConfig({ SAMPLE: '0', PORT: '0' }), ...options.config }
  const http = httpServer(createListener(backend, config))
  await new Promise<void>(done => http.listen(0, '127.0.0.1', done))
  backend.jobs.start()
  t.teardown(async () => {
    http.close()
    http.closeAllConnections()
    await backend.close()
    await database.drop()
  })
  return {
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
    store: backend.store,
    jobs: backend.jobs,
    config,
    token: async role => (await createToken(backend.store, { subject: `test ${role}`, role })).secret,
  }
}
