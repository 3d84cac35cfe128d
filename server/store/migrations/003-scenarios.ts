import { sql, type Kysely } from 'kysely'
import type { Database } from '../database.js'

/**
 * Scenarios (a branch and what drives the water) and their runs. A run's inputs are frozen as a case before it computes;
 * frames are rows, written as they come, so that they survive a crash and travel in the database's own backup.
 */
export async function up(db: Kysely<Database>): Promise<void> {
  await sql.raw(TABLES).execute(db)
}

const TABLES = /* sql */ `
create table dothi.scenarios (
  id uuid primary key references dothi.branches,
  title jsonb not null,
  description jsonb not null,
  forcing jsonb not null,
  owner text not null,
  created timestamptz not null default now()
);
comment on table dothi.scenarios is 'What if: a branch of the city with the rain, rivers and sea that drive a flood over it';
comment on column dothi.scenarios.title is '{vi, en}';

create table dothi.run_cases (
  id uuid primary key,
  inputs_hash text not null,
  "case" jsonb not null,
  ground bytea not null,
  created timestamptz not null default now()
);
comment on table dothi.run_cases is 'Frozen inputs of runs: a rerun computes from the same case, whatever became of the city';
comment on column dothi.run_cases.inputs_hash is 'SHA-256 of the case, which holds the SHA-256 of each ground array';
comment on column dothi.run_cases.ground is 'The ground arrays one after another, deflated; the case lists them';
alter table dothi.run_cases alter column ground set storage external;

create table dothi.runs (
  id uuid primary key references dothi.jobs on delete cascade,
  scenario uuid not null references dothi.scenarios,
  case_id uuid not null references dothi.run_cases,
  manifest jsonb not null,
  balance jsonb,
  summary jsonb,
  created timestamptz not null default now()
);
comment on table dothi.runs is 'Runs by job id; the job tells their state';
comment on column dothi.runs.balance is 'Water volumes in m3: in, out, stored, relative error';
comment on column dothi.runs.summary is 'Impacts by depth class and use, people, roads, facilities';
create index on dothi.runs (scenario, created desc);

create table dothi.run_frames (
  run uuid not null references dothi.runs on delete cascade,
  frame integer not null,
  time_s float8 not null,
  depth bytea not null,
  primary key (run, frame)
);
comment on table dothi.run_frames is 'Depth in mm as deflated uint16, row-major, north first, 65535 not computed';
alter table dothi.run_frames alter column depth set storage external;

create table dothi.run_peaks (
  run uuid not null references dothi.runs on delete cascade,
  name text not null,
  type text not null,
  data bytea not null,
  primary key (run, name)
);
comment on table dothi.run_peaks is 'Greatest depth, arrival, duration, depth x speed of a whole run, deflated arrays like the frames';
alter table dothi.run_peaks alter column data set storage external;

grant select on dothi.scenarios, dothi.runs, dothi.run_frames, dothi.run_peaks to dothi_open, dothi_internal, dothi_restricted;
`
