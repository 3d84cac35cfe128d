/** The environment, read once. Everything else is a constant beside the code that uses it. */
import { resolve } from 'node:path'

export interface Config {
  /** Names the PostGIS to use; without it dothi keeps a private cluster under `dataDir`. */
  readonly databaseUrl: string | undefined
  readonly port: number
  readonly host: string
  readonly dataDir: string
  readonly baseUrl: string | undefined
  /** Load the sample city into an empty store. */
  readonly sample: boolean
}

export function readConfig(env: NodeJS.ProcessEnv = process.env): Config {
  const port = Number(env.PORT ?? 8080)
  if (!Number.isInteger(port) || port < 0 || port > 65535) throw new Error(`PORT must be a number from 0 to 65535, not “${env.PORT}”.`)
  return {
    databaseUrl: env.DATABASE_URL || undefined,
    port,
    host: env.HOST ?? '127.0.0.1',
    dataDir: resolve(env.DATA_DIR ?? '.data'),
    baseUrl: env.BASE_URL?.replace(/\/+$/, '') || undefined,
    sample: env.SAMPLE !== '0',
  }
}
