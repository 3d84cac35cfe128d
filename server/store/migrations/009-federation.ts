import { sql, type Kysely } from 'kysely'
import type { Database } from '../database.js'

/** Peers, and what is known of the changes that came from them (server/federation). */
export async function up(db: Kysely<Database>): Promise<void> {
  await sql.raw(TABLES).execute(db)
}

const TABLES = /* sql */ `
alter table dothi.instance add column uid uuid not null default gen_random_uuid();
comment on column dothi.instance.uid is 'Which store this is: a copy or a new one behind the same address has another';

create table dothi.peers (
  name text primary key,
  url text not null,
  token text,
  layers text[] not null,
  direction text not null default 'both' check (direction in ('pull', 'push', 'both')),
  owners jsonb not null default '{}',
  allow_private boolean not null default false,
  paused boolean not null default false,
  instance integer,
  uid uuid,
  columns jsonb not null default '{}',
  notes jsonb not null default '[]',
  cursor bigint not null default 0,
  cursor_ms bigint,
  after jsonb,
  latest bigint not null default 0,
  state text not null default 'new',
  last_error text,
  failures integer not null default 0,
  last_contact timestamptz,
  last_change timestamptz,
  added timestamptz not null default now(),
  added_by text not null default ''
);
comment on table dothi.peers is 'Other instances that chosen layers are kept in step with';
comment on column dothi.peers.token is 'The secret that the peer gave us; sent to it, shown to nobody';
comment on column dothi.peers.owners is 'Layer → number of the instance whose value stands where both changed the same field';
comment on column dothi.peers.columns is 'Layer → columns that both sides have, as last seen';
comment on column dothi.peers.cursor is 'The last of the peer''s revisions that is wholly applied here';
comment on column dothi.peers.cursor_ms is 'When the peer made that revision: another time means that it was restored from a backup since';
comment on column dothi.peers.after is 'How far into the revision after it: {revision, layer, id}';

create table dothi.federation_marks (
  layer text not null,
  id bigint not null,
  revision bigint not null,
  stamps jsonb not null,
  lifeless boolean not null default false,
  primary key (layer, id, revision)
);
comment on table dothi.federation_marks is 'Where versions that came from peers were written: field → [ms, instance, revision]. Versions without a mark were written here';
comment on column dothi.federation_marks.lifeless is 'The feature was already removed here: the mark alone tells of a later removal elsewhere';
create index on dothi.federation_marks (revision) where lifeless;

create table dothi.federation_knowledge (
  revision bigint primary key,
  known jsonb not null,
  clock_ms bigint not null
);
comment on table dothi.federation_knowledge is 'From this revision on: instance → the last of its revisions that is known here; and what local stamps begin at';

create table dothi.federation_conflicts (
  id bigint generated always as identity primary key,
  peer text not null,
  layer text not null,
  feature bigint not null,
  field text not null,
  mine jsonb,
  theirs jsonb,
  mine_stamp jsonb not null,
  theirs_stamp jsonb not null,
  winner text not null check (winner in ('mine', 'theirs')),
  detected timestamptz not null default now(),
  resolved timestamptz,
  resolved_by text,
  resolution text
);
comment on table dothi.federation_conflicts is 'Fields that two instances changed without knowing of each other, with both values';
comment on column dothi.federation_conflicts.field is 'A column, geom, or - where one side removed what the other changed';
create unique index federation_conflicts_open on dothi.federation_conflicts (layer, feature, field) where resolved is null;
`
