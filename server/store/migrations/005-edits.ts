import { sql, type Kysely } from 'kysely'
import type { Database } from '../database.js'

/** What edits over HTTP need: geometry brought to the store's form, and answers kept for clients that ask twice. */
export async function up(db: Kysely<Database>): Promise<void> {
  const { rows } = await sql<{ schema: string }>`select extnamespace::regnamespace::text as schema from pg_extension where extname = 'postgis'`.execute(db)
  await sql.raw(editedGeometry(rows[0]!.schema) + ANSWERS).execute(db)
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
