/**
 * The functions of the `dothi` schema. `gis` is the schema that PostGIS lives in: bodies name it, so that
 * generated columns can be computed again while a dump is restored, when no search path is set.
 */
export function functionsSql(gis: string): string {
  return [textFunctions, geometryFunctions(gis), revisionFunctions, changeLog(gis), branchFunctions, appendOnly].join('\n')
}

const textFunctions = /* sql */ `
create function dothi.fold_case(t text) returns text language sql immutable parallel safe
  return lower(normalize(t, nfc) collate "und-x-icu");
create function dothi.fold_accents(t text) returns text language sql immutable parallel safe
  return normalize(replace(replace(regexp_replace(normalize(t, nfd), '[\\u0300-\\u036f]', '', 'g'), 'đ', 'd'), 'Đ', 'D'), nfc);
create function dothi.fold(t text) returns text language sql immutable parallel safe
  return case when octet_length(t) = length(t) then lower(t collate "und-x-icu") else lower(dothi.fold_accents(t) collate "und-x-icu") end;
comment on function dothi.fold(text) is 'Text as a search sees it: lower case, no diacritics, đ as d. Equal to fold() in core/text.ts';
`

const geometryFunctions = (gis: string) => /* sql */ `
create function dothi.to_mercator(geom ${gis}.geometry) returns ${gis}.geometry language sql immutable parallel safe
  return case when ${gis}.st_ymax(geom) > 85.06 or ${gis}.st_ymin(geom) < -85.06
    then ${gis}.st_transform(${gis}.st_clipbybox2d(geom, ${gis}.st_makeenvelope(-180, -85.06, 180, 85.06, 4326)::${gis}.box2d), 3857)
    else ${gis}.st_transform(geom, 3857) end;
comment on function dothi.to_mercator is 'EPSG:4326 to 3857; what lies beyond 85.06° is cut off, because the projection has no place for it';

create function dothi.cell(geom ${gis}.geometry) returns integer language plpgsql immutable strict parallel safe as $$
declare
  centre ${gis}.geometry := ${gis}.st_centroid(geom);
  lon float8 := ${gis}.st_x(centre);
  s float8;
begin
  if lon is null then return null; end if;
  s := sin(radians(greatest(-85.05, least(85.05, ${gis}.st_y(centre)))));
  return (greatest(0, least(1023, floor((lon + 180) / 360 * 1024)))::integer << 10)
    | greatest(0, least(1023, floor((0.5 - ln((1 + s) / (1 - s)) / (4 * pi())) * 1024)))::integer;
end $$;
comment on function dothi.cell is 'z10 Web Mercator cell of the centroid, column << 10 | row';

create function dothi.grid_index(metres float8) returns integer language sql immutable parallel safe
  return greatest(0, least(1023, floor((metres + 20037508.342789244) / 39135.75848201024)))::integer;
comment on function dothi.grid_index is 'Column of a Web Mercator easting at z10; row of a negated northing';

create function dothi.box_union(a float8[], b float8[]) returns float8[] language sql immutable parallel safe
  return case when a is null then b when b is null then a
    else array[least(a[1], b[1]), least(a[2], b[2]), greatest(a[3], b[3]), greatest(a[4], b[4])] end;
`

const revisionFunctions = /* sql */ `
create function dothi.current_revision() returns bigint language plpgsql stable as $$
declare r text := current_setting('dothi.revision', true);
begin
  if coalesce(r, '') = '' then
    raise exception 'City rows change only inside withRevision: no revision is open in this transaction.';
  end if;
  return r::bigint;
end $$;
create function dothi.current_revision_at() returns timestamptz language plpgsql stable as $$
begin
  perform dothi.current_revision();
  return current_setting('dothi.revision_at')::timestamptz;
end $$;
create function dothi.next_id() returns bigint language sql volatile
  return ((select number from dothi.instance)::bigint << 40) | nextval('dothi.feature_number');
comment on function dothi.next_id is 'A new feature id: instance << 40 | n';
`

/**
 * Which places a statement's rows touch: their box (degrees), the z10 cells they reach, and the tiles whose bytes they may change.
 * `rows` is a query with geom and geom_3857. It is interpolated, because transition tables are seen only by the trigger function itself,
 * and static, because a planned statement is kept.
 *
 * Tiles are numbered `z << 32 | x << 16 | y`, z 10 to 16, each zoom with its own margin: the 64 of 4096 units that tiles are drawn
 * beyond their edge, and 4 more for rounding. That is 17 of the 1024 parts of a tile, so whole numbers of z26 cells decide.
 * A feature over more than 1,024 tiles of z16, or one of many rows, marks z10 cells with all that lies beneath: number `x << 10 | y`;
 * over more than 4,096 of those, everything: -1.
 */
function touchedSql(gis: string, rows: string, precise: boolean): string {
  const cell = (coordinate: string) => `dothi.grid_index_26(${coordinate})`
  // Many rows fall into few tiles of z16, and into many cells of z26.
  const kept = (index: string) => (precise ? index : `${index} >> 10 << 10`)
  const low = (axis: string, z: string) => `greatest(0, (${axis}0 - (17 << (16 - ${z}))) >> (26 - ${z}))`
  const high = (axis: string, z: string) => `least((1 << ${z}) - 1, (${axis}1 ${precise ? '' : '+ 1023 '}+ (17 << (16 - ${z}))) >> (26 - ${z}))`
  const span = (axis: string, z: string) => `generate_series(${low(axis, z)}, ${high(axis, z)}) ${axis}`
  const small = precise ? '((x1 >> 10) - (x0 >> 10) + 1)::bigint * ((y1 >> 10) - (y0 >> 10) + 1) <= 1024' : 'false'
  const cells = '((x1 >> 16) - (x0 >> 16) + 1) * ((y1 >> 16) - (y0 >> 16) + 1)'
  return `
    with spans as materialized (
      select ${kept(cell(`${gis}.st_xmin(b)`))} x0, ${kept(cell(`${gis}.st_xmax(b)`))} x1,
             ${kept(cell(`-${gis}.st_ymax(b)`))} y0, ${kept(cell(`-${gis}.st_ymin(b)`))} y1,
             min(lon0) lon0, min(lat0) lat0, max(lon1) lon1, max(lat1) lat1
      from (select ${gis}.box3d(${gis}.box2d(geom_3857)) b, ${gis}.st_xmin(geom) lon0, ${gis}.st_ymin(geom) lat0, ${gis}.st_xmax(geom) lon1, ${gis}.st_ymax(geom) lat1
            from (${rows}) t where geom is not null and not ${gis}.st_isempty(geom)) r
      group by 1, 2, 3, 4)
    select (select array[min(lon0), min(lat0), max(lon1), max(lat1)] from spans having count(*) > 0),
           (select array_agg(distinct cell order by cell) from (
              select (x << 10) | y cell from spans, generate_series(x0 >> 16, x1 >> 16) x, generate_series(y0 >> 16, y1 >> 16) y where ${cells} <= 4096
              union all select -1 from spans where ${cells} > 4096) c),
           (select array_agg(distinct tile) from (
              select (z::bigint << 32) | (x::bigint << 16) | y tile from spans, generate_series(10, 16) z, ${span('x', 'z')}, ${span('y', 'z')} where ${small}
              union all select (x << 10) | y from spans, ${span('x', '10')}, ${span('y', '10')} where not (${small}) and ${cells} <= 4096
              union all select -1 from spans where ${cells} > 4096) c)`
}

/** PL/pgSQL that puts what the rows touch into box, cells and tiles. */
const touchedInto = (gis: string, rows: string) => `if n <= ${PRECISE} then
      select * into box, cells, tiles from (${touchedSql(gis, rows, true)}) t;
    else
      select * into box, cells, tiles from (${touchedSql(gis, rows, false)}) t;
    end if;`

/** Rows a statement up to which tiles are told one by one, and ids are kept with the log. */
const PRECISE = 5000
const LISTED = 1000
/** PostgreSQL takes messages of up to 7,999 bytes. */
const HEARD_CHARACTERS = 7500

/** Archive and change log. Row numbers, boxes, cells and tiles come from the statement's transition tables, once a statement. */
export const changeLog = (gis: string) => /* sql */ `
create function dothi.grid_index_26(metres float8) returns integer language sql immutable parallel safe
  return greatest(0, least(67108863, floor((metres + 20037508.342789244) / 40075016.685578488 * 67108864)))::integer;
comment on function dothi.grid_index_26 is 'Column of a Web Mercator easting at z26; row of a negated northing';

create function dothi.log_change(layer_ text, branch_ text, inserted_ bigint, updated_ bigint, deleted_ bigint, box float8[], touched integer[], tiles bigint[] default null, ids_ bigint[] default '{}')
returns void language plpgsql as $$
declare
  rev bigint := dothi.current_revision();
  at_ timestamptz := dothi.current_revision_at();
  total bigint;
  told text := array_to_string(coalesce(tiles, '{}'), ',');
begin
  insert into dothi.changes as c (revision, layer, branch, inserted, updated, deleted, bbox, cells, ids)
  values (rev, layer_, branch_, inserted_, updated_, deleted_, box, coalesce(touched, '{}'), ids_)
  on conflict (revision, layer, branch) do update set
    inserted = c.inserted + excluded.inserted, updated = c.updated + excluded.updated, deleted = c.deleted + excluded.deleted,
    bbox = dothi.box_union(c.bbox, excluded.bbox),
    cells = (select coalesce(array_agg(distinct cell order by cell), '{}') from unnest(c.cells || excluded.cells) cell),
    ids = case when cardinality(c.ids) + cardinality(excluded.ids) <= ${LISTED} then (select coalesce(array_agg(distinct id order by id), '{}') from unnest(c.ids || excluded.ids) id) end;

  insert into dothi.tile_revisions as c (layer, branch, tile, revision)
  select layer_, branch_, tile, rev from unnest(tiles) tile
  on conflict (layer, branch, tile) do update set revision = excluded.revision where c.revision <> excluded.revision;

  insert into dothi.layer_summaries as s (layer, branch, count, bbox, revision, updated)
  values (layer_, branch_, inserted_ - deleted_, box, rev, at_)
  on conflict (layer, branch) do update set
    count = s.count + excluded.count, bbox = dothi.box_union(s.bbox, excluded.bbox), revision = excluded.revision, updated = excluded.updated
  returning s.count into total;
  -- What servers keep in memory: see tile-memory.ts. Too many tiles for one message are read again.
  perform pg_notify('dothi_tiles', concat_ws(' ', rev, layer_, branch_, total, case when length(told) > ${HEARD_CHARACTERS} then '*' else told end));
end $$;

-- The statement that tells box, z10 cells and tiles of a set of rows, for branches, whose tables a trigger knows only by name.
create function dothi.touched(rows_sql text) returns text language sql immutable return format($q$${touchedSql(gis, '%s', true)}$q$, rows_sql);

create function dothi.stamp() returns trigger language plpgsql as $$
begin
  if new.id <> old.id then raise exception 'A feature keeps its id: % cannot become %.', old.id, new.id; end if;
  new.revision := dothi.current_revision();
  new.valid_from := dothi.current_revision_at();
  return new;
end $$;
comment on function dothi.stamp is 'An updated row is a new version: it carries the revision that made it';

create function dothi.archive_and_log() returns trigger language plpgsql as $$
declare
  rev bigint := dothi.current_revision();
  n bigint;
  kept boolean;
  box float8[]; cells integer[]; tiles bigint[]; ids bigint[];
begin
  if tg_op = 'INSERT' then
    select count(*), bool_and(revision = rev) into n, kept from new_rows;
    if not kept then raise exception 'A new row of % carries another revision than the open one, %.', tg_table_name, rev; end if;
    if n = 0 then return null; end if;
    if n <= ${LISTED} then select array_agg(id) into ids from new_rows; end if;
    ${touchedInto(gis, 'select geom, geom_3857 from new_rows')}
  else
    select count(*) into n from old_rows;
    if n = 0 then return null; end if;
    if n <= ${LISTED} then select array_agg(id) into ids from old_rows; end if;
    if tg_op = 'UPDATE' then
      ${touchedInto(gis, 'select geom, geom_3857 from old_rows union all select geom, geom_3857 from new_rows')}
    else
      ${touchedInto(gis, 'select geom, geom_3857 from old_rows')}
    end if;
  end if;
  perform dothi.log_change(tg_table_name, 'main',
    case tg_op when 'INSERT' then n else 0 end, case tg_op when 'UPDATE' then n else 0 end, case tg_op when 'DELETE' then n else 0 end, box, cells, tiles, ids);
  if tg_op = 'DELETE' then perform dothi.shrink_summary(tg_table_name, box); end if;
  return null;
end $$;

-- The extent can only have shrunk where the removed rows reached its edge; only then it is computed again.
create function dothi.shrink_summary(layer_ text, removed float8[]) returns void language plpgsql as $$
declare s dothi.layer_summaries; fresh float8[];
begin
  select * into s from dothi.layer_summaries where layer = layer_ and branch = 'main';
  if s.count <= 0 then
    fresh := null;
  elsif removed[1] <= s.bbox[1] or removed[2] <= s.bbox[2] or removed[3] >= s.bbox[3] or removed[4] >= s.bbox[4] then
    execute format('select array[${gis}.st_xmin(e), ${gis}.st_ymin(e), ${gis}.st_xmax(e), ${gis}.st_ymax(e)] from (select ${gis}.st_extent(geom) e from city.%I) x', layer_) into fresh;
  else
    return;
  end if;
  update dothi.layer_summaries set bbox = fresh where layer = layer_ and branch = 'main';
end $$;

-- Overlay rows of branches: inserted as they come into being, updated only to be retired.
create function dothi.log_branch() returns trigger language plpgsql as $$
declare
  b uuid; ins bigint; upd bigint; del bigint; box float8[]; cells integer[]; tiles bigint[]; ids bigint[]; about text;
begin
  for b in select distinct branch from new_rows loop
    select case when count(*) <= ${LISTED} then array_agg(distinct id) end into ids from new_rows where branch = b;
    -- Main's row goes out of sight or comes back, wherever it is by now.
    about := format('select geom, geom_3857 from new_rows where branch = %1$L union all select c.geom, c.geom_3857 from city.%2$I c join new_rows n on n.id = c.id and n.branch = %1$L', b, tg_table_name);
    if tg_op = 'INSERT' then
      execute format('select count(*) filter (where not n.deleted and not p.known), count(*) filter (where not n.deleted and p.known), count(*) filter (where n.deleted)
        from new_rows n cross join lateral (select exists (select from city.%1$I c where c.id = n.id)
          or exists (select from branch.%1$I o where o.branch = n.branch and o.id = n.id and o.revision < n.revision and not o.deleted) known) p
        where n.branch = $1', tg_table_name) into ins, upd, del using b;
      execute dothi.touched(about) into box, cells, tiles;
      perform dothi.log_change(tg_table_name, b::text, ins, upd, del, box, cells, tiles, ids);
    else
      execute dothi.touched(about) into box, cells, tiles;
      perform dothi.log_change(tg_table_name, b::text, 0, 0, 0, box, cells, tiles, ids);
    end if;
  end loop;
  return null;
end $$;
`

/** What an overlay was made from. A trigger sees to it, so that no writer can forget it. */
export const branchFunctions = /* sql */ `
create function dothi.overlay_base() returns trigger language plpgsql as $$
begin
  if new.base_revision is not null then return new; end if;
  execute format('select base_revision from branch.%I where branch = $1 and id = $2 and retired_revision = $3 order by revision desc limit 1', tg_table_name)
    into new.base_revision using new.branch, new.id, dothi.current_revision();
  if new.base_revision is null then
    execute format('select revision from city.%I where id = $1', tg_table_name) into new.base_revision using new.id;
  end if;
  return new;
end $$;
comment on function dothi.overlay_base is 'An overlay that follows another keeps its base; a first one stands on the present version of main';
`

const appendOnly = /* sql */ `
create function dothi.observations_month(month date) returns void language plpgsql as $$
declare name text := 'observations_' || to_char(month, 'YYYY_MM');
begin
  if to_regclass('dothi.' || name) is not null then return; end if;
  perform pg_advisory_xact_lock(hashtext('dothi.observations'));
  if to_regclass('dothi.' || name) is not null then return; end if;
  execute format('create table dothi.%I partition of dothi.observations for values from (%L) to (%L)', name,
    month::timestamp at time zone 'UTC', (month + interval '1 month') at time zone 'UTC');
end $$;
comment on function dothi.observations_month is 'Makes the partition of a month (UTC) unless it is there';

create function dothi.refuse() returns trigger language plpgsql as $$
begin
  raise exception '% is not possible on %.%: its rows are kept.', lower(tg_op), tg_table_schema, tg_table_name;
end $$;
`
