import { sql, type Kysely } from 'kysely'
import type { Database } from '../database.js'
import { CLASSES, covers, roleOf } from '../rights.js'

/** What the city looks like from afar, kept square by square: a table a class, since grants on whole tables are rights that nothing leaks around. */
export async function up(db: Kysely<Database>): Promise<void> {
  await sql.raw(`create schema tiles;
comment on schema tiles is 'Crowded layers from afar, square by square; made from the rows, and made again where they change';
${CLASSES.map(rows => tableOf(rows)).join('\n')}`).execute(db)
}

const tableOf = (rows: (typeof CLASSES)[number]) => /* sql */ `
create table tiles.${rows} (
  layer text not null,
  z smallint not null,
  x integer not null,
  y integer not null,
  recipe text not null,
  revision bigint not null,
  body bytea not null,
  primary key (layer, z, x, y)
);
alter table tiles.${rows} alter column body set storage external;
comment on table tiles.${rows} is 'Squares made from what the clearance “${rows}” may see';
comment on column tiles.${rows}.recipe is 'How it was made; another one makes it anew';
comment on column tiles.${rows}.revision is 'What the square stands on: it holds while its tile has this revision';
${CLASSES.filter(clearance => covers(clearance, rows)).map(clearance => `grant usage on schema tiles to ${roleOf(clearance)}; grant select on tiles.${rows} to ${roleOf(clearance)};`).join('\n')}`
