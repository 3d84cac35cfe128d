import { sql, type Kysely } from 'kysely'
import type { Database } from '../database.js'

/** What a city says of its layers otherwise than their files do: title, owner, contact, licence … */
export async function up(db: Kysely<Database>): Promise<void> {
  await sql.raw(METADATA).execute(db)
}

const METADATA = /* sql */ `
create table dothi.layer_metadata (
  layer text primary key,
  metadata jsonb not null,
  actor text not null,
  at timestamptz not null default now()
);
comment on table dothi.layer_metadata is 'What stands instead of a layer file''s own words in every catalogue and list';
`
