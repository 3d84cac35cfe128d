import { sql, type Kysely } from 'kysely'
import type { Database } from '../database.js'
import { branchFunctions } from '../functions.js'

/** What an overlay was made from, lineage of features that divide and merge, and attachments with their content. */
export async function up(db: Kysely<Database>): Promise<void> {
  await sql.raw(branchFunctions.replaceAll('create function', 'create or replace function')).execute(db)
  const { rows } = await sql<{ layer: string }>`select c.relname as layer from pg_class c where c.relnamespace = 'branch'::regnamespace and c.relkind = 'r'`.execute(db)
  for (const { layer } of rows) await baseOfOverlays(db, layer)
  await sql.raw(TABLES).execute(db)
}

/**
 * Overlays of a former dothi: they stand on the version of main that was current when the branch first touched the feature.
 * Too old a base only makes a merge ask more often.
 */
async function baseOfOverlays(db: Kysely<Database>, layer: string): Promise<void> {
  const [overlays, city, history] = ['branch', 'city', 'history'].map(schema => sql.table(`${schema}.${layer}`)) as [ReturnType<typeof sql.table>, ReturnType<typeof sql.table>, ReturnType<typeof sql.table>]
  await sql`alter table ${overlays} add column if not exists base_revision bigint`.execute(db)
  // Their log is of what was edited; this is not an edit.
  await sql`alter table ${overlays} disable trigger user`.execute(db)
  await sql`
    update ${overlays} as o set base_revision = v.revision
    from (select branch, id, min(revision) as first from ${overlays} group by branch, id) as f,
      (select id, revision, null::bigint as retired_revision from ${city} union all select id, revision, retired_revision from ${history}) as v
    where f.branch = o.branch and f.id = o.id and v.id = o.id and v.revision <= f.first and (v.retired_revision is null or v.retired_revision > f.first)`.execute(db)
  await sql`alter table ${overlays} enable trigger user`.execute(db)
  await sql`create or replace trigger base before insert on ${overlays} for each row execute function dothi.overlay_base()`.execute(db)
}

const TABLES = /* sql */ `
create table dothi.lineage (
  number bigint generated always as identity primary key,
  branch text not null,
  layer text not null,
  parent bigint not null,
  child bigint not null,
  kind text not null check (kind in ('split', 'merge')),
  share_of_parent float8 not null,
  share_of_child float8 not null,
  revision bigint not null references dothi.revisions,
  retired_revision bigint
);
comment on table dothi.lineage is 'Which feature became which: parcels and administrative units that were divided or merged';
comment on column dothi.lineage.share_of_parent is 'Part of the parent''s area that lies in the child, 0…1';
comment on column dothi.lineage.share_of_child is 'Part of the child''s area that came from the parent, 0…1';
comment on column dothi.lineage.retired_revision is 'The revision that undid it';
create index on dothi.lineage (layer, parent);
create index on dothi.lineage (layer, child);
create index on dothi.lineage (revision);

create table dothi.blobs (
  id bigint generated always as identity primary key,
  sha256 bytea not null unique,
  bytes bigint not null,
  stored timestamptz not null default now()
);
comment on table dothi.blobs is 'Content of attachments, each once';
create table dothi.blob_chunks (
  blob bigint not null,
  n integer not null,
  data bytea not null,
  primary key (blob, n)
);
comment on table dothi.blob_chunks is 'The content in order, in pieces that fit through a socket without filling memory';
alter table dothi.blob_chunks alter column data set storage external;

create table dothi.attachments (
  id bigint not null,
  branch text not null,
  layer text not null,
  feature bigint not null,
  name text not null,
  description text not null default '',
  media_type text not null,
  blob bigint not null references dothi.blobs,
  classification text not null check (classification in ('open', 'internal', 'restricted')),
  deleted boolean not null default false,
  revision bigint not null references dothi.revisions,
  retired_revision bigint,
  primary key (id, branch, revision)
);
comment on table dothi.attachments is 'Photos, scans and documents of features, versioned with them';
comment on column dothi.attachments.deleted is 'The scenario removes an attachment of main';
create index on dothi.attachments (layer, feature);
create index on dothi.attachments (revision);
create index on dothi.attachments (retired_revision);
create index on dothi.attachments (blob);

alter table dothi.attachments enable row level security;
create policy open on dothi.attachments for select to dothi_open using (classification = 'open');
create policy internal on dothi.attachments for select to dothi_internal using (classification <> 'restricted');
create policy restricted on dothi.attachments for select to dothi_restricted using (true);
alter table dothi.blobs enable row level security;
create policy attached on dothi.blobs for select to dothi_open, dothi_internal, dothi_restricted using (exists (select from dothi.attachments a where a.blob = blobs.id));
alter table dothi.blob_chunks enable row level security;
create policy attached on dothi.blob_chunks for select to dothi_open, dothi_internal, dothi_restricted using (exists (select from dothi.attachments a where a.blob = blob_chunks.blob));
grant select on dothi.lineage, dothi.attachments, dothi.blobs, dothi.blob_chunks to dothi_open, dothi_internal, dothi_restricted;
grant execute on function dothi.overlay_base() to dothi_open, dothi_internal, dothi_restricted;
`
