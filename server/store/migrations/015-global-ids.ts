import { sql, type Kysely } from 'kysely'
import type { Database } from '../database.js'

/** GlobalIDs that Esri clients gave to the features they made; all other features have one that follows from their id. */
export async function up(db: Kysely<Database>): Promise<void> {
  await sql.raw(GLOBAL_IDS).execute(db)
}

const GLOBAL_IDS = /* sql */ `
create table dothi.global_ids (
  global_id uuid primary key,
  layer text not null,
  feature bigint not null unique
);
comment on table dothi.global_ids is 'A client that works offline names its new features itself and relates others to them; it finds them again under that name';
grant select on dothi.global_ids to dothi_open, dothi_internal, dothi_restricted;
`
