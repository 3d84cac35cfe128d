import { sql, type Kysely } from 'kysely'
import type { Database } from '../database.js'

/**
 * Terrain: sources (one raster each, immutable once stored) and their pyramid of height tiles.
 * A source lives from `revision` until before `retired_revision`; replacing one retires it and stores another,
 * so tiles need no history of their own and may be cached for ever by (source, z, x, y).
 */
export async function up(db: Kysely<Database>): Promise<void> {
  await sql`
    create table dothi.terrain_sources (
      id bigint generated always as identity primary key,
      name text not null,
      branch text not null default 'main',
      actor text not null,
      created timestamptz not null default now(),
      bounds double precision[] not null check (array_length(bounds, 1) = 4),
      minzoom smallint not null,
      maxzoom smallint not null,
      resolution_m double precision not null check (resolution_m > 0),
      priority integer not null default 0,
      revision bigint not null,
      retired_revision bigint check (retired_revision > revision)
    )`.execute(db)
  await sql`create unique index terrain_sources_live on dothi.terrain_sources (branch, name) where retired_revision is null`.execute(db)
  // Tiles are written before the revision is allocated, hence the deferred reference.
  await sql`
    create table dothi.terrain_tiles (
      source bigint not null references dothi.terrain_sources (id) on delete cascade deferrable initially deferred,
      z smallint not null,
      x integer not null,
      y integer not null,
      heights bytea not null,
      min real not null,
      max real not null,
      primary key (source, z, x, y)
    )`.execute(db)
  // The heights are deflated already: compressing them again costs time and gains nothing.
  await sql`alter table dothi.terrain_tiles alter column heights set storage external`.execute(db)
  await sql`comment on table dothi.terrain_sources is 'Terrain rasters as given, each valid from revision until before retired_revision'`.execute(db)
  await sql`comment on column dothi.terrain_sources.bounds is 'west, south, east, north in CRS84 degrees'`.execute(db)
  await sql`comment on column dothi.terrain_sources.priority is 'Higher is on top, whatever its resolution; then the finer, then the later'`.execute(db)
  await sql`comment on table dothi.terrain_tiles is 'WebMercatorQuad height tiles, 256 x 256 orthometric millimetres, see server/terrain/height-tile.ts'`.execute(db)
  await sql`grant select on dothi.terrain_sources, dothi.terrain_tiles to public`.execute(db)
}
