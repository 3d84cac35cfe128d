import { sql, type Kysely } from 'kysely'
import type { Database } from '../database.js'

/**
 * What solids look like. Kept by content, not by row: a solid keeps its textures through history, on every branch and
 * when it is put back, and rows of a layer know nothing of them. Whoever may read a solid knows its key, nobody else does.
 */
export async function up(db: Kysely<Database>): Promise<void> {
  await sql.raw(APPEARANCES).execute(db)
}

const APPEARANCES = /* sql */ `
create table dothi.texture_images (
  sha256 bytea primary key check (length(sha256) = 32),
  media_type text not null,
  width integer not null check (width > 0),
  height integer not null check (height > 0),
  bytes bytea not null
);
comment on table dothi.texture_images is 'Images of textures as they were delivered, each once';
alter table dothi.texture_images alter column bytes set storage external;

create table dothi.appearances (
  solid uuid primary key,
  images jsonb not null,
  faces bytea not null
);
comment on table dothi.appearances is 'Textures and colours of a solid''s faces';
comment on column dothi.appearances.solid is 'md5 of the solid''s little-endian WKB, as it is stored';
comment on column dothi.appearances.images is '[{sha256, wrap}], which faces count from 0';
comment on column dothi.appearances.faces is 'See server/store/appearance.ts';

create unlogged table dothi.appearances_incoming (
  load uuid not null,
  layer text not null,
  source text not null,
  source_id text not null,
  images jsonb not null,
  faces bytea not null,
  at timestamptz not null default now()
);
comment on table dothi.appearances_incoming is 'Appearances of a load under way, until its solids are stored';
create index on dothi.appearances_incoming (load, layer, source_id);

create function dothi.appearances_of(keys uuid[]) returns setof dothi.appearances
  language sql stable security definer set search_path = pg_catalog, pg_temp
  as $$ select * from dothi.appearances where solid = any (keys) $$;
create function dothi.texture_images_of(keys bytea[]) returns setof dothi.texture_images
  language sql stable security definer set search_path = pg_catalog, pg_temp
  as $$ select * from dothi.texture_images where sha256 = any (keys) $$;
create function dothi.has_appearances() returns boolean
  language sql stable security definer set search_path = pg_catalog, pg_temp
  as $$ select exists (select from dothi.appearances) $$;
revoke execute on function dothi.appearances_of, dothi.texture_images_of from public;
grant execute on function dothi.appearances_of, dothi.texture_images_of to dothi_open, dothi_internal, dothi_restricted;
`
