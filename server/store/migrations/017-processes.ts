import { sql, type Kysely } from 'kysely'
import type { Database } from '../database.js'

/** How a job was asked for by OGC API Processes, and whom to tell of its end. */
export async function up(db: Kysely<Database>): Promise<void> {
  await sql.raw(PROCESSES).execute(db)
}

const PROCESSES = /* sql */ `
alter table dothi.jobs add column execution jsonb;
comment on column dothi.jobs.execution is 'Of an execute request: outputs wanted, form of the response, subscriber, address of the API; null where the job was started otherwise';

create table dothi.job_callbacks (
  job uuid primary key references dothi.jobs on delete cascade,
  attempts int not null default 0,
  next_attempt timestamptz not null default now(),
  told timestamptz,
  last_error text
);
comment on table dothi.job_callbacks is 'Jobs whose subscriber waits for their end; told once the subscriber has taken it, or no more is tried';
create index on dothi.job_callbacks (next_attempt) where told is null;

create index on dothi.jobs (created desc, id desc);
`
