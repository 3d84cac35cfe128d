/** A server of its own on a durable throwaway cluster: what is measured is what people get. */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type pg from 'pg'
import { joinStore } from '../server/compose.js'
import type { Backend } from '../server/compose.js'
import { readConfig } from '../server/config.js'
import { createListener } from '../server/main.js'
import { openCluster } from '../server/store/cluster.js'

export interface Workbench {
  readonly backend: Backend
  readonly connection: pg.PoolConfig
  /** The application on a free loopback port, with nothing in its caches. */
  serve(): Promise<{ readonly url: string; close(): Promise<void> }>
  /** For files; gone afterwards. */
  readonly folder: string
}

export async function withWorkbench<T>(work: (workbench: Workbench) => Promise<T>): Promise<T> {
  const folder = mkdtempSync('/tmp/dothi-bench-')
  chmodSync(folder, 0o755)
  const cluster = await openCluster({ dataDir: folder })
  const backend = await joinStore(cluster.connection())
  const serve = async () => {
    const own = await joinStore(cluster.connection()) // caches belong to a store
    const http = createServer(createListener(own, { ...readConfig({ SAMPLE: '0' }), dataDir: folder }))
    await new Promise<void>(done => http.listen(0, '127.0.0.1', done))
    return {
      url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
      close: async () => {
        http.close()
        http.closeAllConnections()
        await own.close()
      },
    }
  }
  try {
    return await work({ backend, connection: cluster.connection(), serve, folder })
  } finally {
    await backend.close()
    await cluster.release()
    rmSync(cluster.home, { recursive: true, force: true })
    rmSync(folder, { recursive: true, force: true })
  }
}
