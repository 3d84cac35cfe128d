/** Kysely table types of the `dothi` schema; layer tables are dynamic and typed by their Layer. */
export interface Database { [table: string]: any }
