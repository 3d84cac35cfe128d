import { sql, type Kysely } from 'kysely'
import type { Database } from '../database.js'
import { functionsSql } from '../functions.js'

/** The system's own tables. Layer tables follow from the layer files (../tables.ts). */
export async function up(db: Kysely<Database>): Promise<void> {
  const { rows } = await sql<{ schema: string }>`select quote_ident(extnamespace::regnamespace::text) as schema from pg_extension where extname = 'postgis'`.execute(db)
  const gis = rows[0]!.schema.replace(/^"(.*)"$/, '$1')
  await sql.raw(SCHEMAS + TABLES).execute(db)
  await sql.raw(functionsSql(`"${gis}"`)).execute(db)
  await sql.raw(TRIGGERS).execute(db)
}

const SCHEMAS = /* sql */ `
create schema dothi;
create schema city;
create schema history;
create schema branch;
create schema runs;
comment on schema dothi is 'The system: revisions, change log, jobs, tokens, observations';
comment on schema city is 'The present city, one table a layer';
comment on schema history is 'Former versions of the city''s rows, one table a layer';
comment on schema branch is 'Overlays of scenarios over the present city, one table a layer';
comment on schema runs is 'Results of runs, keyed by (run, id), one table a layer';
grant usage on schema dothi, city, history, branch, runs to dothi_open, dothi_internal, dothi_restricted;
`

const TABLES = /* sql */ `
create table dothi.instance (
  one boolean primary key default true check (one),
  number integer not null check (number between 0 and 8191)
);
comment on table dothi.instance is 'This instance''s part of every feature id; federated instances have different numbers';
insert into dothi.instance (number) values (1 + floor(random() * 8191)::integer);
create sequence dothi.feature_number minvalue 1 maxvalue 1099511627775;
comment on sequence dothi.feature_number is 'The other 40 bits of feature ids, over all layers and branches; never reused';

create table dothi.city (
  one boolean primary key default true check (one),
  name text not null,
  srid integer not null,
  home jsonb not null,
  vertical_datum text not null,
  geoid_offset float8 not null,
  time_zone text not null,
  currency text not null,
  sample boolean not null
);
comment on table dothi.city is 'The one city of this instance';
comment on column dothi.city.srid is 'EPSG code of the city''s CRS in metres: areas and simulation';
comment on column dothi.city.geoid_offset is 'Added to an orthometric height it gives an ellipsoidal one, metres';
comment on column dothi.city.sample is 'True while the synthetic sample is in the store';

create table dothi.layers (
  id text primary key,
  definition jsonb not null,
  publisher text not null,
  published timestamptz not null default now()
);
comment on table dothi.layers is 'Layers that staff published from files: the same definition as a layer file, as data';

create table dothi.layer_tables (
  layer text primary key,
  fingerprint text not null
);
comment on table dothi.layer_tables is 'Layers whose tables exist, with a hash of the definition they were made from';

create table dothi.revisions (
  revision bigint primary key,
  at timestamptz not null,
  actor text not null,
  reason text not null,
  branch text not null default 'main'
);
comment on table dothi.revisions is 'One row a committed write, without gaps, in commit order';
create index on dothi.revisions (at);

create table dothi.changes (
  revision bigint not null references dothi.revisions,
  layer text not null,
  branch text not null,
  inserted bigint not null,
  updated bigint not null,
  deleted bigint not null,
  bbox float8[],
  cells integer[] not null,
  primary key (revision, layer, branch)
);
comment on table dothi.changes is 'The change feed: what a revision did to a layer on a branch';
comment on column dothi.changes.bbox is 'West, south, east, north of old and new geometry, degrees';
comment on column dothi.changes.cells is 'Touched z10 cells, column << 10 | row; -1 is every cell';
create index on dothi.changes (layer, branch, revision desc);

create table dothi.cell_revisions (
  layer text not null,
  branch text not null,
  cell integer not null,
  revision bigint not null,
  primary key (layer, branch, cell)
);
comment on table dothi.cell_revisions is 'The last revision that touched a z10 cell; -1 is every cell';

create table dothi.layer_summaries (
  layer text not null,
  branch text not null,
  count bigint not null,
  bbox float8[],
  revision bigint not null,
  updated timestamptz not null,
  primary key (layer, branch)
);
comment on table dothi.layer_summaries is 'Counts and extents, kept with the change log';

create table dothi.branches (
  id uuid primary key default gen_random_uuid(),
  title text not null default '',
  creator text not null default '',
  created timestamptz not null default now(),
  removed timestamptz
);
comment on table dothi.branches is 'Scenarios'' branches: overlays over the present city';

create table dothi.jobs (
  id uuid primary key default gen_random_uuid(),
  kind text not null,
  state text not null default 'accepted',
  progress float8 not null default 0,
  message text not null default '',
  inputs jsonb not null default '{}',
  inputs_hash text not null default '',
  owner text not null,
  owner_reader jsonb,
  branch text not null default 'main',
  created timestamptz not null default now(),
  started timestamptz,
  finished timestamptz,
  result jsonb,
  lease_holder text,
  lease_until timestamptz,
  again_of uuid
);
comment on table dothi.jobs is 'Long work: import, run, sample, export';
comment on column dothi.jobs.inputs is 'Frozen at submission; a rerun starts from them';
comment on column dothi.jobs.owner_reader is 'Subject, roles and clearance of the owner, as the work reads with';
comment on column dothi.jobs.lease_until is 'Work whose lease ran out was interrupted';
create index on dothi.jobs (kind, branch, state, finished desc);
create index on dothi.jobs (state, created);

create table dothi.tokens (
  id uuid primary key default gen_random_uuid(),
  hash text not null unique,
  subject text not null,
  roles text[] not null,
  clearance text not null check (clearance in ('open', 'internal', 'restricted')),
  label text not null default '',
  created timestamptz not null default now(),
  expires timestamptz,
  revoked timestamptz
);
comment on table dothi.tokens is 'Bearer tokens, by hash only';

create table dothi.series (
  id text primary key,
  title text not null default '',
  unit text not null default '',
  layer text,
  feature bigint,
  classification text not null default 'open' check (classification in ('open', 'internal', 'restricted')),
  source text not null default '',
  properties jsonb not null default '{}'
);
comment on table dothi.series is 'What is measured, in which unit, by which feature';

create table dothi.observations (
  series text not null references dothi.series,
  time timestamptz not null,
  value float8,
  quality text not null default 'good',
  recorded timestamptz not null default clock_timestamp(),
  primary key (series, time, recorded)
) partition by range (time);
comment on table dothi.observations is 'Readings, append-only: a correction is a later reading of the same time. Partitioned by month';
create table dothi.observations_default partition of dothi.observations default;
`

const TRIGGERS = /* sql */ `
create trigger keep before update or delete on dothi.observations for each row execute function dothi.refuse();
create trigger keep before update or delete or truncate on dothi.revisions for each statement execute function dothi.refuse();
grant select on dothi.city, dothi.revisions, dothi.changes, dothi.cell_revisions, dothi.layer_summaries, dothi.branches
  to dothi_open, dothi_internal, dothi_restricted;
grant execute on all functions in schema dothi to dothi_open, dothi_internal, dothi_restricted;
`
