import { sql, type Kysely } from 'kysely'
import type { Database } from '../database.js'
import { changeLog } from '../functions.js'

/** Revisions of tiles instead of z10 cells, ids in the change log, and webhooks. */
export async function up(db: Kysely<Database>): Promise<void> {
  const { rows } = await sql<{ schema: string }>`select quote_ident(extnamespace::regnamespace::text) as schema from pg_extension where extname = 'postgis'`.execute(db)
  await sql.raw(TABLES).execute(db)
  await sql.raw(changeLog(rows[0]!.schema).replaceAll('create function', 'create or replace function')).execute(db)
  await sql.raw(WEBHOOKS).execute(db)
}

const TABLES = /* sql */ `
create table dothi.tile_revisions (
  layer text not null,
  branch text not null,
  tile bigint not null,
  revision bigint not null,
  primary key (layer, branch, tile)
) with (fillfactor = 70);
comment on table dothi.tile_revisions is 'The last revision that touched a tile, its margin included';
comment on column dothi.tile_revisions.tile is 'z << 32 | x << 16 | y for z 10 to 16; x << 10 | y: a z10 tile with all beneath it; -1: everything';
insert into dothi.tile_revisions (layer, branch, tile, revision) select layer, branch, cell, revision from dothi.cell_revisions;
-- The cells knew no margins: a ring around each stands for them.
insert into dothi.tile_revisions (layer, branch, tile, revision)
  select layer, branch, ((cell >> 10) + dx) << 10 | ((cell & 1023) + dy), max(revision)
  from dothi.cell_revisions, generate_series(-1, 1) dx, generate_series(-1, 1) dy
  where cell >= 0 and (cell >> 10) + dx between 0 and 1023 and (cell & 1023) + dy between 0 and 1023
  group by 1, 2, 3
  on conflict (layer, branch, tile) do update set revision = greatest(tile_revisions.revision, excluded.revision);
drop table dothi.cell_revisions;
grant select on dothi.tile_revisions to dothi_open, dothi_internal, dothi_restricted;

alter table dothi.changes add column ids bigint[];
comment on column dothi.changes.ids is 'Touched features, where they are few; null where they are many';
drop function if exists dothi.log_change(text, text, bigint, bigint, bigint, float8[], integer[]);
`

const WEBHOOKS = /* sql */ `
create table dothi.webhooks (
  id uuid primary key default gen_random_uuid(),
  url text not null,
  description text not null default '',
  secret bytea not null,
  branch text not null default 'main',
  layers text[],
  bbox float8[],
  clearance text not null check (clearance in ('open', 'internal', 'restricted')),
  owner text not null,
  created timestamptz not null default now(),
  cursor bigint not null,
  pending bigint,
  state text not null default 'active' check (state in ('active', 'dead')),
  failures integer not null default 0,
  failing_since timestamptz,
  next_attempt timestamptz not null default now(),
  removed timestamptz
);
comment on table dothi.webhooks is 'Addresses that are told of changes';
comment on column dothi.webhooks.secret is 'Signs each delivery; no serving role reads it';
comment on column dothi.webhooks.cursor is 'Everything up to this revision was delivered, or did not concern the hook';
comment on column dothi.webhooks.pending is 'How far the delivery under way goes; every attempt carries the same';
comment on column dothi.webhooks.clearance is 'What it is told of: at most what its maker may see';

create table dothi.webhook_deliveries (
  number bigint generated always as identity primary key,
  webhook uuid not null references dothi.webhooks,
  message text not null,
  revision bigint,
  at timestamptz not null default clock_timestamp(),
  attempt integer not null,
  status integer,
  detail text not null default '',
  duration_ms float8 not null
);
comment on table dothi.webhook_deliveries is 'Each attempt to deliver, the last of each hook';
comment on column dothi.webhook_deliveries.message is 'Idempotency id: equal in every attempt of the same delivery';
create index on dothi.webhook_deliveries (webhook, number desc);
`
