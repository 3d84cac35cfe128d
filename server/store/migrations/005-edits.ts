import { sql, type Kysely } from 'kysely'
import type { Database } from '../database.js'

/**
 * What edits need: geometry brought to the store's form, answers kept for clients that ask twice, and many small edits,
 * each with its own revision, in one call.
 */
export async function up(db: Kysely<Database>): Promise<void> {
  const { rows } = await sql<{ schema: string }>`select extnamespace::regnamespace::text as schema from pg_extension where extname = 'postgis'`.execute(db)
  await sql.raw(editedGeometry(rows[0]!.schema) + ANSWERS + REVISIONS).execute(db)
}

/** `gis` is the quoted schema that PostGIS lives in. */
const editedGeometry = (gis: string) => /* sql */ `
create function dothi.edited_geometry(given ${gis}.geometry, multi boolean, native_srid integer, digits integer,
  own_geom ${gis}.geometry, own_native ${gis}.geometry,
  out geom ${gis}.geometry, out geom_native ${gis}.geometry, out same boolean, out fault text) language plpgsql stable as $$
declare
  srid integer := ${gis}.st_srid(given);
  shown ${gis}.geometry;
begin
  given := ${gis}.st_force2d(given);
  if multi then given := ${gis}.st_multi(given); end if;
  same := false;
  if own_geom is not null then
    shown := case srid when 4326 then own_geom when native_srid then coalesce(own_native, ${gis}.st_transform(own_geom, srid)) else ${gis}.st_transform(own_geom, srid) end;
    same := ${gis}.st_asewkb(shown) = ${gis}.st_asewkb(given) or ${gis}.st_asgeojson(${gis}.st_forcepolygonccw(shown), digits, 0) = ${gis}.st_asgeojson(${gis}.st_forcepolygonccw(given), digits, 0);
    if same then return; end if;
  end if;
  if ${gis}.st_isempty(given) then fault := 'the geometry is empty'; return; end if;
  if not ${gis}.st_isvalid(given) then fault := 'the geometry is not valid: ' || ${gis}.st_isvalidreason(given); return; end if;
  geom := case srid when 4326 then given else ${gis}.st_transform(given, 4326) end;
  if not (${gis}.st_xmin(geom) >= -180.0000001 and ${gis}.st_xmax(geom) <= 180.0000001 and ${gis}.st_ymin(geom) >= -90.0000001 and ${gis}.st_ymax(geom) <= 90.0000001) then
    fault := case srid when 4326 then 'coordinates beyond −180…180, −90…90; the order is longitude, latitude' else 'coordinates outside EPSG:' || srid end;
    geom := null;
    return;
  end if;
  geom_native := case when native_srid is null then null when srid = native_srid then given else ${gis}.st_transform(given, native_srid) end;
-- PROJ refuses what lies outside a projection, as an internal error of the database.
exception when internal_error or numeric_value_out_of_range or invalid_parameter_value then
  geom := null; geom_native := null; fault := 'coordinates outside EPSG:' || srid || ': ' || sqlerrm;
end $$;
comment on function dothi.edited_geometry is 'A geometry as an editor gave it, in the forms that the store keeps; “same” where it is what the editor was shown, rounded as served, so that reading and writing back moves nothing';
`

const ANSWERS = /* sql */ `
create table dothi.answers (
  subject text not null,
  key text not null,
  fingerprint text not null,
  revision bigint not null references dothi.revisions,
  answer jsonb not null,
  at timestamptz not null default clock_timestamp(),
  primary key (subject, key)
);
create index on dothi.answers (at);
comment on table dothi.answers is 'What was answered to a write with an Idempotency-Key: a client that lost the answer and asks again is told the same, and nothing is written twice';
`

const REVISIONS = /* sql */ `
create function dothi.allocate_revision(actor_ text, reason_ text, branch_ text) returns dothi.revisions language plpgsql as $$
declare
  last dothi.revisions;
  fresh dothi.revisions;
begin
  select * into last from dothi.revisions order by revision desc limit 1;
  insert into dothi.revisions (revision, at, actor, reason, branch)
    values (coalesce(last.revision, 0) + 1, greatest(date_trunc('milliseconds', clock_timestamp()), last.at + interval '1 millisecond'), actor_, reason_, branch_)
    returning * into fresh;
  perform set_config('dothi.revision', fresh.revision::text, true), set_config('dothi.revision_at', fresh.at::text, true);
  -- Sent at commit: whoever hears it finds the rows.
  perform pg_notify('dothi_revision', fresh.revision::text);
  return fresh;
end $$;
comment on function dothi.allocate_revision is 'The next revision, for a transaction that holds the writers'' lock. Times never run backwards, even if the clock does, and are whole milliseconds, so that the time that a client was told names its revision exactly';

create function dothi.forget_statements() returns void language plpgsql as $$
declare p text;
begin
  if (select count(*) from pg_prepared_statements where name like 'edit\_%') < 200 then return; end if;
  for p in select name from pg_prepared_statements where name like 'edit\_%' loop execute format('deallocate %I', p); end loop;
end $$;
comment on function dothi.forget_statements is 'Bounds what a session keeps of prepared edits';

create function dothi.run_statements(statements text[], rows json[], revision bigint, branch text) returns void language plpgsql as $$
declare own text;
begin
  for i in 1 .. cardinality(statements) loop
    -- Planning costs more than the edit of a row: a session keeps the plans of the kinds of edits that it has seen.
    own := 'edit_' || md5(statements[i]);
    if not exists (select from pg_prepared_statements p where p.name = own) then
      perform dothi.forget_statements();
      execute format('prepare %I (json, bigint, text) as %s', own, statements[i]);
    end if;
    execute format('execute %I (%L, %s, %L)', own, rows[i], revision, branch);
  end loop;
end $$;
comment on function dothi.run_statements is 'Statements of one edit in one call: $1 its rows, $2 the revision, $3 the branch';

create function dothi.apply_group(entries json) returns table (revision bigint, at timestamptz, code text, message text) language plpgsql as $$
declare
  entry json;
  fresh dothi.revisions;
begin
  for entry in select json_array_elements(entries) loop
    revision := null; at := null; code := null; message := null;
    begin
      fresh := dothi.allocate_revision(entry->>'actor', entry->>'reason', entry->>'branch');
      perform dothi.run_statements(array(select json_array_elements_text(entry->'statements')), array(select json_array_elements(entry->'rows')), fresh.revision, entry->>'branch');
      if entry->>'key' is not null then
        insert into dothi.answers (subject, key, fingerprint, revision, answer) values (entry->>'actor', entry->>'key', entry->>'fingerprint', fresh.revision, (entry->'answer')::jsonb);
      end if;
      revision := fresh.revision; at := fresh.at;
    -- What fails takes its revision number back with it; the others of the group go on.
    exception when others then
      code := sqlstate; message := sqlerrm;
    end;
    return next;
  end loop;
end $$;
comment on function dothi.apply_group is 'Many small edits in one transaction, each with its own savepoint and its own revision';
`
