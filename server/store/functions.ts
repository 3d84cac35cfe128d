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

/** Archive and change log. Row numbers, boxes and cells come from the statement's transition tables, once a statement. */
const changeLog = (gis: string) => /* sql */ `
create function dothi.log_change(layer_ text, branch_ text, inserted_ bigint, updated_ bigint, deleted_ bigint, box float8[], touched integer[])
returns void language plpgsql as $$
declare
  rev bigint := dothi.current_revision();
  at_ timestamptz := dothi.current_revision_at();
begin
  insert into dothi.changes as c (revision, layer, branch, inserted, updated, deleted, bbox, cells)
  values (rev, layer_, branch_, inserted_, updated_, deleted_, box, coalesce(touched, '{}'))
  on conflict (revision, layer, branch) do update set
    inserted = c.inserted + excluded.inserted, updated = c.updated + excluded.updated, deleted = c.deleted + excluded.deleted,
    bbox = dothi.box_union(c.bbox, excluded.bbox),
    cells = (select coalesce(array_agg(distinct cell order by cell), '{}') from unnest(c.cells || excluded.cells) cell);

  insert into dothi.cell_revisions as c (layer, branch, cell, revision)
  select layer_, branch_, cell, rev from unnest(touched) cell
  on conflict (layer, branch, cell) do update set revision = excluded.revision where c.revision <> excluded.revision;

  insert into dothi.layer_summaries as s (layer, branch, count, bbox, revision, updated)
  values (layer_, branch_, inserted_ - deleted_, box, rev, at_)
  on conflict (layer, branch) do update set
    count = s.count + excluded.count, bbox = dothi.box_union(s.bbox, excluded.bbox), revision = excluded.revision, updated = excluded.updated;
end $$;

-- The statement that tells box and touched z10 cells of a set of rows. Features over more than 4,096 cells touch “every cell”, -1.
-- It is text because transition tables are seen only by the trigger function itself.
create function dothi.touched(rows_sql text) returns text language sql immutable return format($q$
    with spans as (
      select dothi.grid_index(${gis}.st_xmin(b)) x0, dothi.grid_index(${gis}.st_xmax(b)) x1,
             dothi.grid_index(-${gis}.st_ymax(b)) y0, dothi.grid_index(-${gis}.st_ymin(b)) y1,
             min(w) w, min(s) s, max(e) e, max(n) n
      from (select ${gis}.box3d(${gis}.box2d(geom_3857)) b, ${gis}.st_xmin(geom) w, ${gis}.st_ymin(geom) s, ${gis}.st_xmax(geom) e, ${gis}.st_ymax(geom) n
            from (%s) t where geom is not null and not ${gis}.st_isempty(geom)) r
      group by 1, 2, 3, 4)
    select (select array[min(w), min(s), max(e), max(n)] from spans having count(*) > 0),
           (select array_agg(distinct cell order by cell) from (
              select (x << 10) | y cell from spans, generate_series(x0, x1) x, generate_series(y0, y1) y
              where (x1 - x0 + 1) * (y1 - y0 + 1) <= 4096
              union all select -1 from spans where (x1 - x0 + 1) * (y1 - y0 + 1) > 4096) c)
  $q$, rows_sql);

create function dothi.column_list(t regclass, prefix text) returns text language sql stable
  return (select string_agg(prefix || quote_ident(attname), ', ' order by attnum) from pg_attribute where attrelid = t and attnum > 0 and not attisdropped);

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
  box float8[]; cells integer[];
  own text;
begin
  if tg_op = 'INSERT' then
    select count(*), bool_and(revision = rev) into n, kept from new_rows;
    if not kept then raise exception 'A new row of % carries another revision than the open one, %.', tg_table_name, rev; end if;
    execute dothi.touched('select geom, geom_3857 from new_rows') into box, cells;
  else
    select count(*) into n from old_rows;
    own := dothi.column_list(tg_relid, '');
    -- A version that this very revision made was never seen by anybody: it leaves no history.
    execute format('insert into history.%1$I (%2$s, retired_revision) select %2$s, $1 from old_rows where revision < $1', tg_table_name, own) using rev;
    execute dothi.touched('select geom, geom_3857 from old_rows'
      || case tg_op when 'UPDATE' then ' union all select geom, geom_3857 from new_rows' else '' end) into box, cells;
  end if;
  if n = 0 then return null; end if;
  perform dothi.log_change(tg_table_name, 'main',
    case tg_op when 'INSERT' then n else 0 end, case tg_op when 'UPDATE' then n else 0 end, case tg_op when 'DELETE' then n else 0 end, box, cells);
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
  b uuid; ins bigint; upd bigint; del bigint; box float8[]; cells integer[];
begin
  for b in select distinct branch from new_rows loop
    if tg_op = 'INSERT' then
      execute format('select count(*) filter (where not n.deleted and not p.known), count(*) filter (where not n.deleted and p.known), count(*) filter (where n.deleted)
        from new_rows n cross join lateral (select exists (select from city.%1$I c where c.id = n.id)
          or exists (select from branch.%1$I o where o.branch = n.branch and o.id = n.id and o.revision < n.revision and not o.deleted) known) p
        where n.branch = $1', tg_table_name) into ins, upd, del using b;
      execute dothi.touched(format(
        'select geom, geom_3857 from new_rows where branch = %1$L union all select c.geom, c.geom_3857 from city.%2$I c join new_rows n on n.id = c.id and n.branch = %1$L', b, tg_table_name)) into box, cells;
      perform dothi.log_change(tg_table_name, b::text, ins, upd, del, box, cells);
    else
      execute dothi.touched(format('select geom, geom_3857 from new_rows where branch = %L', b)) into box, cells;
      perform dothi.log_change(tg_table_name, b::text, 0, 0, 0, box, cells);
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
