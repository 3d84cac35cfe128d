import { sql, type Kysely } from 'kysely'
import type { Database } from '../database.js'

/** Reports of checks, what is known of each finding, and the log of restricted reads. */
export async function up(db: Kysely<Database>): Promise<void> {
  await sql.raw(REPORTS + QUALITY + ACCESS_LOG).execute(db)
}

const REPORTS = /* sql */ `
create schema report_open;
create schema report_internal;
create schema report_restricted;
comment on schema report_open is 'Findings of checks that everybody may read, one table a report';
comment on schema report_internal is 'Findings of checks that involve internal data';
comment on schema report_restricted is 'Findings of checks that involve restricted data';
grant usage on schema report_open to dothi_open, dothi_internal, dothi_restricted;
grant usage on schema report_internal to dothi_internal, dothi_restricted;
grant usage on schema report_restricted to dothi_restricted;

create sequence dothi.report_number as integer;
comment on sequence dothi.report_number is 'Numbers of findings below 2^31';
create table dothi.reports (
  layer text primary key,
  version bigint not null default 1,
  changed timestamptz not null default now()
);
comment on table dothi.reports is 'A report''s version, counted up whenever its rows change';
`

const QUALITY = /* sql */ `
create table dothi.quality_state (
  one boolean primary key default true check (one),
  revision bigint not null,
  checked timestamptz not null,
  complete timestamptz not null
);
comment on table dothi.quality_state is 'Up to which revision the city is checked';
comment on column dothi.quality_state.complete is 'When every rule last looked at everything';

create table dothi.quality_waivers (
  rule text not null,
  key text not null,
  fingerprint text not null,
  reason text not null,
  actor text not null,
  at timestamptz not null default now(),
  primary key (rule, key)
);
comment on table dothi.quality_waivers is 'Findings that somebody lets stand, while they are as they were then';
comment on column dothi.quality_waivers.fingerprint is 'Hash of measured value and place at the time; another one ends the waiver';
`

const ACCESS_LOG = /* sql */ `
create table dothi.access_log (
  id bigint generated always as identity,
  at timestamptz not null default clock_timestamp(),
  subject text not null,
  clearance text not null,
  layer text,
  columns text[] not null,
  operation text not null,
  how jsonb not null,
  purpose text
) partition by range (at);
comment on table dothi.access_log is 'Reads of restricted data: who, when, what, how, what for. Append-only, a partition a month';
create index on dothi.access_log (id);
create index on dothi.access_log (subject, id);
create trigger keep before update or delete on dothi.access_log for each row execute function dothi.refuse();

create function dothi.access_log_month(month date) returns void language plpgsql as $$
declare name text := 'access_log_' || to_char(month, 'YYYY_MM');
begin
  if to_regclass('dothi.' || name) is not null then return; end if;
  perform pg_advisory_xact_lock(hashtext('dothi.access_log'));
  if to_regclass('dothi.' || name) is not null then return; end if;
  -- “if not exists” all the same: what another transaction made while this one waited may not be seen here yet.
  execute format('create table if not exists dothi.%I partition of dothi.access_log for values from (%L) to (%L)', name,
    month::timestamp at time zone 'UTC', (month + interval '1 month') at time zone 'UTC');
  execute format('create or replace trigger keep_all before truncate on dothi.%I for each statement execute function dothi.refuse()', name);
end $$;
comment on function dothi.access_log_month is 'Makes the partition of a month (UTC) unless it is there';

create function dothi.note_access(subject_ text, clearance_ text, layer_ text, columns_ text[], operation_ text, how_ jsonb, purpose_ text) returns void language plpgsql as $$
declare now_ timestamptz := clock_timestamp();
begin
  perform dothi.access_log_month(date_trunc('month', now_ at time zone 'UTC')::date);
  insert into dothi.access_log (at, subject, clearance, layer, columns, operation, how, purpose)
  values (now_, subject_, clearance_, layer_, columns_, operation_, how_, purpose_);
end $$;

create function dothi.prune_access_log(kept interval) returns integer language plpgsql as $$
declare name text; dropped integer := 0;
begin
  for name in select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid
    where i.inhparent = 'dothi.access_log'::regclass and to_date(substr(c.relname, 12), 'YYYY_MM') + interval '1 month' < (now() at time zone 'UTC') - kept
  loop
    execute format('drop table dothi.%I', name);
    dropped := dropped + 1;
  end loop;
  return dropped;
end $$;
comment on function dothi.prune_access_log is 'Drops months that ended longer ago than this';
`
