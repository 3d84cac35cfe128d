import { sql, type Kysely } from 'kysely'
import type { Database } from '../database.js'

/** Upstream sources that are kept in step: what they are, how far they came, and which rows of theirs staff hold on to. */
export async function up(db: Kysely<Database>): Promise<void> {
  await sql.raw(TABLES).execute(db)
}

const TABLES = /* sql */ `
create table dothi.sources (
  id text primary key,
  definition jsonb not null,
  headers jsonb not null default '{}',
  owner text not null,
  created timestamptz not null default now(),
  updated timestamptz not null default now(),
  next_run timestamptz,
  working uuid,
  last_revision bigint,
  last_sync timestamptz,
  memory jsonb not null default '{}'
);
comment on table dothi.sources is 'Sources: files, folders and services whose rows the city follows; rows carry the id as their source';
comment on column dothi.sources.headers is 'Secret request headers; never shown again';
comment on column dothi.sources.next_run is 'When the scheduler is to sync it; null without a schedule';
comment on column dothi.sources.working is 'The job that syncs it now, if that job is running';
comment on column dothi.sources.last_revision is 'The revision of the last sync that changed something: later revisions of its rows are edits made here';
comment on column dothi.sources.memory is 'What the last sync saw: validators, hash of the delivery, its attributes, files of a folder';

create table dothi.source_kept (
  source text not null references dothi.sources on delete cascade,
  layer text not null,
  id bigint not null,
  source_id text,
  state text not null check (state in ('edited', 'removed')),
  conflict boolean not null,
  upstream_hash text,
  upstream jsonb,
  since timestamptz not null default now(),
  primary key (source, layer, id)
);
comment on table dothi.source_kept is 'Rows of sources that were edited or removed here and are kept so against the source';
comment on column dothi.source_kept.conflict is 'The source changed the row too, after the edit made here';
comment on column dothi.source_kept.upstream_hash is 'Fingerprint of the row as the source has it; null where it is gone there';
comment on column dothi.source_kept.upstream is 'The row as the source has it';
`
