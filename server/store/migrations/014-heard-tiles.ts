import { sql, type Kysely } from 'kysely'
import type { Database } from '../database.js'
import { changeLog } from '../functions.js'

/** Servers keep the revisions of tiles in memory: a write tells by NOTIFY which it moved, and its revision last of all. */
export async function up(db: Kysely<Database>): Promise<void> {
  const { rows } = await sql<{ schema: string }>`select quote_ident(extnamespace::regnamespace::text) as schema from pg_extension where extname = 'postgis'`.execute(db)
  await sql.raw(changeLog(rows[0]!.schema).replaceAll('create function', 'create or replace function')).execute(db)
  await sql.raw(ANNOUNCED).execute(db)
}

const ANNOUNCED = /* sql */ `
create or replace function dothi.allocate_revision(actor_ text, reason_ text, branch_ text) returns dothi.revisions language plpgsql as $$
declare
  last dothi.revisions;
  fresh dothi.revisions;
begin
  select * into last from dothi.revisions order by revision desc limit 1;
  insert into dothi.revisions (revision, at, actor, reason, branch)
    values (coalesce(last.revision, 0) + 1, greatest(date_trunc('milliseconds', clock_timestamp()), last.at + interval '1 millisecond'), actor_, reason_, branch_)
    returning * into fresh;
  perform set_config('dothi.revision', fresh.revision::text, true), set_config('dothi.revision_at', fresh.at::text, true);
  return fresh;
end $$;

create function dothi.announce_revision() returns trigger language plpgsql as $$
begin
  perform pg_notify('dothi_revision', new.revision::text);
  return null;
end $$;
comment on function dothi.announce_revision is 'The last word of a transaction: whoever hears it has heard everything else of the revision, and finds the rows';
create constraint trigger announce after insert on dothi.revisions deferrable initially deferred for each row execute function dothi.announce_revision();
`
