/**
 * Jobs over the table `dothi.jobs`, shared by the server and every command line on the same database.
 *
 * Who works on a job leases it, renews the lease while it works, and holds one advisory lock as long as its connection lives.
 * A job whose lease has run out, or (seen at start) whose holder's lock is gone, is interrupted: nobody else takes it up
 * by itself, since half its work may have been committed; `again` reruns it from its frozen inputs.
 */
import { createHash, randomInt, randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'kysely'
import pg from 'pg'
import { conflict, isConnectionLost, notFound, toProblem } from '../errors.js'
import type { Reader, Store } from '../store/store.js'
import type { Execution, Job, JobFilter, JobHandler, Jobs, JobState, KindOptions, Lane } from './jobs.js'

const CHANNEL = 'dothi_jobs'
/** Class of the holders' advisory locks: 'jobs'. */
const HOLDERS = 0x6a6f6273
const LEASE_SECONDS = 30
const HEARTBEAT_MS = 8_000
const SWEEP_MS = 5_000
const REPORT_MS = 250
/** After that the lease tells the same. */
const FINISH_MS = 60_000
/** Jobs at a time in one server, by lane: a long run must not hold up an import, and neither of them what takes a moment. */
const CONCURRENCY: Readonly<Record<Lane, number>> = { long: 2, short: 4 }
const LANES = ['long', 'short'] as const

/** What a process needs beyond Jobs. */
export interface LocalJobs extends Jobs {
  /** Marks jobs interrupted whose process is gone; called when a process opens the store. */
  recover(): Promise<void>
  /** Repeats here and now, for the command line. */
  runAgain(id: string, owner: Reader, options?: { signal?: AbortSignal; onProgress?: (job: Job) => void }): Promise<Job>
}

/** A job with whom it reads as. */
type OwnedJob = Job & { readonly reader: Reader }

interface Working { readonly lane: Lane; readonly abort: AbortController; done: Promise<unknown>; reason?: 'dismissed' | 'interrupted' }
interface Submission { readonly kind: string; readonly inputs: unknown; readonly owner: Reader; readonly branch: string; readonly againOf?: string; readonly execution?: Execution | null }
interface Kind extends KindOptions { readonly handle: JobHandler; readonly lane: Lane }

export function createJobs({ store, connection }: { store: Store; connection: pg.PoolConfig }): LocalJobs {
  const { db } = store
  const kinds = new Map<string, Kind>()
  const working = new Map<string, Working>()
  const listeners = new Set<(job: Job) => void>()
  const key = randomInt(1, 2 ** 31 - 1)
  const holder = `${process.pid}-${key}`
  let link: Promise<pg.Client> | undefined
  let timers: NodeJS.Timeout[] = []
  let serving = false
  let stopped = false

  // ---- the table ----

  const columns = sql`id, kind, state, progress, message, inputs, inputs_hash, owner, owner_reader, branch, created, started, finished, result, execution`
  const select = async (where: ReturnType<typeof sql>) => (await sql<JobRow>`select ${columns} from dothi.jobs ${where}`.execute(db)).rows.map(toJob)
  const get = async (id: string) => isUuid(id) ? (await select(sql`where id = ${id}`))[0] : undefined
  const announce = (id: string) => sql`select pg_notify(${CHANNEL}, ${id})`.execute(db)

  async function insert({ kind, inputs, owner, branch, againOf, execution = null }: Submission, state: 'accepted' | 'running'): Promise<OwnedJob> {
    if (!kinds.has(kind)) throw new Error(`No handler is registered for jobs of kind ${kind}.`)
    const frozen = canonical(inputs)
    const lease = state === 'running'
    const { rows } = await sql<JobRow>`
      with job as (insert into dothi.jobs (id, kind, state, progress, message, inputs, inputs_hash, owner, owner_reader, branch, again_of, execution, started, lease_holder, lease_until)
      values (${randomUUID()}, ${kind}, ${state}, 0, '', ${frozen}::jsonb, ${createHash('sha256').update(`${kind}\n${frozen}`).digest('hex')},
        ${owner.subject}, ${JSON.stringify(owner)}::jsonb, ${branch}, ${againOf ?? null},
        ${execution && JSON.stringify(execution)}::jsonb, ${lease ? sql`now()` : null}, ${lease ? holder : null}, ${lease ? leaseEnd : null})
      returning ${columns}),
      subscribed as (insert into dothi.job_callbacks (job) select id from job where execution ? 'subscriber')
      select * from job`.execute(db)
    const row = rows[0]!
    await announce(row.id)
    await prune(kind)
    return toJob(row)
  }

  /** Takes away what is kept no longer. */
  async function prune(kind: string): Promise<void> {
    const { keep } = kinds.get(kind)!
    if (keep === undefined) return
    await sql`delete from dothi.jobs where id in (select id from dothi.jobs where kind = ${kind} and state not in ('accepted', 'running') order by created desc, id offset ${keep})`.execute(db)
  }

  /** Takes the oldest waiting job of a lane that this process knows how to do. */
  async function claim(lane: Lane): Promise<OwnedJob | undefined> {
    const known = [...kinds].filter(([, kind]) => kind.lane === lane).map(([id]) => id)
    const { rows } = await sql<JobRow>`
      update dothi.jobs set state = 'running', started = now(), lease_holder = ${holder}, lease_until = ${leaseEnd}
      where id = (select id from dothi.jobs where state = 'accepted' and kind = any(${known}) order by created, id for update skip locked limit 1)
      returning ${columns}`.execute(db)
    return rows[0] && toJob(rows[0])
  }

  /** Ends a job that is still ours; a job that was dismissed or interrupted meanwhile stays so. Waits for a database that is coming back. */
  async function finish(id: string, state: JobState, message: string, result: unknown): Promise<void> {
    for (const until = Date.now() + FINISH_MS; ;) {
      try {
        return await writeEnd(id, state, message, result)
      } catch (error) {
        if (!isConnectionLost(error) || stopped || Date.now() > until) throw error
        await sleep(500)
      }
    }
  }

  async function writeEnd(id: string, state: JobState, message: string, result: unknown) {
    await sql`
      update dothi.jobs set state = ${state}, finished = now(), message = ${message}, result = ${JSON.stringify(result ?? null)}::jsonb,
        progress = ${state === 'successful' ? sql`1` : sql`progress`}, lease_until = null
      where id = ${id} and state = 'running' and lease_holder = ${holder}`.execute(db)
    await announce(id)
  }

  // ---- doing one ----

  async function work(job: OwnedJob, outer?: AbortSignal): Promise<void> {
    const abort = new AbortController()
    const { handle, lane } = kinds.get(job.kind)!
    const entry: Working = { lane, abort, done: Promise.resolve() }
    working.set(job.id, entry)
    const giveUp = () => { entry.reason ??= 'dismissed'; abort.abort() }
    if (outer?.aborted) giveUp()
    outer?.addEventListener('abort', giveUp, { once: true })
    const reporter = report(job.id)
    const heartbeat = setInterval(() => void beat(job.id), HEARTBEAT_MS)
    entry.done = (async () => {
      try {
        const context = { id: job.id, store, owner: job.reader, branch: job.branch, signal: abort.signal, report: reporter.report }
        const result = await handle(context, job.inputs)
        await reporter.flush()
        await finish(job.id, 'successful', '', result)
      } catch (error) {
        await reporter.flush()
        if (isConnectionLost(error)) entry.reason ??= 'interrupted'
        if (entry.reason) await finish(job.id, entry.reason, endings[entry.reason], null)
        else {
          const problem = toProblem(error)
          if (problem.status >= 500) console.error(`job ${job.id} (${job.kind}):`, error)
          await finish(job.id, 'failed', problem.detail, { problem: { status: problem.status, type: problem.type, detail: problem.detail, ...problem.more } })
        }
      } finally {
        clearInterval(heartbeat)
        outer?.removeEventListener('abort', giveUp)
        working.delete(job.id)
      }
    })()
    await entry.done
  }

  /** Writes progress at most four times a second, never two at once, and never backwards. */
  function report(id: string) {
    let wanted: { progress: number; message: string } | undefined
    let high = 0
    let writing: Promise<void> | undefined
    const write = async () => {
      while (wanted) {
        const { progress, message } = wanted
        wanted = undefined
        await sql`update dothi.jobs set progress = ${progress}, message = ${message} where id = ${id} and state = 'running'`.execute(db)
        await announce(id)
        await sleep(REPORT_MS)
      }
    }
    return {
      report(progress: number, message: string) {
        high = Math.max(high, Math.min(1, Number.isFinite(progress) ? progress : 0))
        wanted = { progress: high, message }
        writing ??= write().catch(() => {}).finally(() => { writing = undefined })
      },
      async flush() { wanted = undefined; await writing },
    }
  }

  /** Renews the lease; a job that is no longer ours is given up. A database that does not answer is no reason to. */
  async function beat(id: string) {
    const renewed = await sql`
      update dothi.jobs set lease_until = ${leaseEnd} where id = ${id} and state = 'running' and lease_holder = ${holder} returning id`
      .execute(db).catch(() => undefined)
    if (renewed && renewed.rows.length === 0) drop(id, 'interrupted')
  }

  function drop(id: string, reason: 'dismissed' | 'interrupted') {
    const entry = working.get(id)
    if (!entry) return
    entry.reason ??= reason
    entry.abort.abort()
  }

  // ---- hearing of others ----

  /** The connection that hears of changes and whose lock says that this process lives. */
  function connect(): Promise<pg.Client> {
    link ??= (async () => {
      const client = new pg.Client({ ...connection, application_name: `dothi jobs ${process.pid}` })
      client.on('error', () => {})
      await client.connect()
      await client.query('select pg_advisory_lock_shared($1::int, $2::int)', [HOLDERS, key])
      await client.query(`listen ${CHANNEL}`)
      client.on('notification', ({ payload }) => void changed(payload ?? ''))
      client.once('end', () => {
        link = undefined
        if (!stopped) void reconnect()
      })
      return client
    })().catch(error => { link = undefined; throw error })
    return link
  }

  async function reconnect() {
    while (!stopped && !link) await connect().catch(() => sleep(1000))
  }

  async function changed(id: string) {
    if (serving) void takeMore()
    if (!working.has(id) && listeners.size === 0) return
    const job = await get(id).catch(() => undefined)
    if (!job) return
    if (job.state === 'dismissed' || job.state === 'interrupted') drop(id, job.state)
    for (const listener of listeners) listener(job)
  }

  // ---- serving the queue ----

  async function takeMore() {
    await Promise.all(LANES.map(takeOf))
  }

  async function takeOf(lane: Lane) {
    const busy = () => [...working.values()].filter(entry => entry.lane === lane).length
    while (serving && busy() < CONCURRENCY[lane]) {
      const job = await claim(lane).catch(() => undefined)
      if (!job) return
      void work(job).catch(error => console.error(`job ${job.id}:`, error)).finally(() => void takeMore())
    }
  }

  /** Marks what nobody works on any more. At start the holders' locks are asked too, so that a killed server's job need not wait for its lease. */
  async function sweep(atStart: boolean) {
    const dead = atStart
      ? sql`(lease_until < now() or not exists (select from pg_locks where locktype = 'advisory' and classid = ${HOLDERS}::int8::oid
          and objid = split_part(lease_holder, '-', 2)::int8::oid and database = (select oid from pg_database where datname = current_database())))`
      : sql`lease_until < now()`
    const { rows } = await sql<{ id: string }>`
      update dothi.jobs set state = 'interrupted', finished = now(), message = ${endings.interrupted}, lease_until = null
      where state = 'running' and ${dead} returning id`.execute(db)
    for (const { id } of rows) await announce(id)
  }

  // ---- Jobs ----

  async function runHere(submission: Submission, { signal, onProgress }: { signal?: AbortSignal; onProgress?: (job: Job) => void } = {}): Promise<Job> {
    await connect()
    const job = await insert(submission, 'running')
    const listener = (changed: Job) => { if (changed.id === job.id) onProgress?.(changed) }
    if (onProgress) listeners.add(listener)
    try {
      await work(job, signal)
      const ended = (await get(job.id))!
      onProgress?.(ended)
      return ended
    } finally {
      listeners.delete(listener)
    }
  }

  /** The frozen inputs of a job that has ended. */
  async function repeat(id: string, owner: Reader): Promise<Submission> {
    const old = await get(id)
    if (!old) throw notFound(`There is no job ${id}.`)
    if (old.state === 'accepted' || old.state === 'running') throw conflict(`Job ${id} is ${old.state}: wait for its end or dismiss it before running it again.`)
    if (!kinds.has(old.kind)) throw conflict(`Jobs of kind ${old.kind} cannot be run again.`)
    const { subscriber: _, ...execution } = old.execution ?? {}
    return { kind: old.kind, inputs: old.inputs, owner, branch: old.branch, againOf: id, execution: old.execution && execution as Execution }
  }

  return {
    register: (kind, handle, options = {}) => void kinds.set(kind, { lane: 'long', ...options, handle }),
    submit: async (kind, inputs, owner, branch = 'main', execution) => insert({ kind, inputs, owner, branch, execution }, 'accepted'),
    run: (kind, inputs, owner, { branch = 'main', execution, ...options } = {}) => runHere({ kind, inputs, owner, branch, execution }, options),
    again: async (id, owner) => insert(await repeat(id, owner), 'accepted'),
    recover: () => sweep(true),
    runAgain: async (id, owner, options) => runHere(await repeat(id, owner), options),
    get,
    list: filter => select(wanted(filter)),
    cancel: async id => {
      const { rows } = isUuid(id) ? await sql`
        update dothi.jobs set state = 'dismissed', finished = now(), message = ${endings.dismissed}, lease_until = null
        where id = ${id} and state in ('accepted', 'running') returning id`.execute(db) : { rows: [] }
      if (rows.length === 0) {
        if (!(await get(id))) throw notFound(`There is no job ${id}.`)
        return // it has ended: nothing to cancel
      }
      drop(id, 'dismissed')
      await announce(id)
    },
    forget: async id => {
      if (isUuid(id)) await sql`delete from dothi.jobs where id = ${id} and state not in ('accepted', 'running')`.execute(db)
      await announce(id)
    },
    onChange: listener => {
      listeners.add(listener)
      void connect().catch(() => {})
      return () => void listeners.delete(listener)
    },
    start: () => {
      if (serving) return
      serving = true
      void (async () => {
        await connect().catch(() => reconnect())
        await sweep(true).catch(() => {})
        await takeMore()
      })()
      timers = [setInterval(() => void sweep(false).then(takeMore).catch(() => {}), SWEEP_MS)]
    },
    stop: async () => {
      serving = false
      stopped = true
      timers.forEach(clearInterval)
      const running = [...working.entries()].map(([id, { done }]) => { drop(id, 'interrupted'); return done })
      await Promise.allSettled(running)
      const client = await link?.catch(() => undefined)
      await client?.end().catch(() => {})
    },
  }
}

/** A filter's condition, order and limit. */
function wanted({ kind, branch, state, created, minSeconds, maxSeconds, after, limit = 100, visibleTo }: JobFilter = {}) {
  const all = <T extends string>(value: T | readonly T[]) => typeof value === 'string' ? [value] : [...value]
  const duration = sql`extract(epoch from coalesce(finished, now()) - started)`
  const conditions = [
    visibleTo !== undefined && sql`(kind = 'flood' or owner = ${visibleTo})`,
    kind !== undefined && sql`kind = any(${all(kind)})`,
    state !== undefined && sql`state = any(${all(state)})`,
    branch !== undefined && sql`branch = ${branch}`,
    created?.start && sql`created >= ${created.start}`,
    created?.end && sql`created <= ${created.end}`,
    minSeconds !== undefined && sql`${duration} >= ${minSeconds}::float8`,
    maxSeconds !== undefined && sql`${duration} <= ${maxSeconds}::float8`,
    after !== undefined && sql`(created, id) < (select created, id from dothi.jobs where id = ${after}::uuid)`,
  ].filter(condition => condition !== false && condition !== undefined && condition !== null)
  return sql`where ${sql.join([sql`true`, ...conditions], sql` and `)} order by created desc, id desc limit ${limit}`
}

const endings = {
  dismissed: 'Cancelled.',
  interrupted: 'Interrupted: whoever worked on it stopped. Run it again to repeat it from the same inputs.',
} as const

const leaseEnd = sql`now() + make_interval(secs => ${sql.lit(LEASE_SECONDS)})`

interface JobRow {
  id: string; kind: string; state: JobState; progress: number; message: string; inputs: unknown; inputs_hash: string
  owner: string; owner_reader: Reader; branch: string; created: Date; started: Date | null; finished: Date | null; result: unknown; execution: Execution | null
}

const toJob = ({ inputs_hash: inputsHash, owner_reader: reader, ...row }: JobRow): OwnedJob => ({ ...row, inputsHash, reader })

const isUuid = (text: string) => /^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$/i.test(text)

/** JSON with sorted keys: equal inputs have equal hashes. */
export function canonical(value: unknown): string {
  return JSON.stringify(value ?? null, (_key, part) => part && typeof part === 'object' && !Array.isArray(part)
    ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => a < b ? -1 : 1))
    : part)
}
