import { sql, type Kysely } from 'kysely'
import type { Database } from '../database.js'

/**
 * `Hòa` and `Hoà` are one name in the older and the newer spelling: the tone of a syllable that ends in oa, oe or uy
 * stands on its first or on its second vowel. For comparing; what was given is stored as it was given.
 */
export async function up(db: Kysely<Database>): Promise<void> {
  await sql.raw(PLACE_TONE).execute(db)
}

const PLACE_TONE = /* sql */ `
create function dothi.place_tone(t text) returns text language sql immutable parallel safe
  return case when octet_length(t) = length(t) then t else normalize(regexp_replace(normalize(t, nfd),
    '([oO](?=[aAeE])|[uU](?=[yY]))([aAeEyY])([\\u0300\\u0301\\u0303\\u0309\\u0323])(?![a-zA-Z\\u0300-\\u036f])', '\\1\\3\\2', 'g'), nfc) end;
comment on function dothi.place_tone(text) is 'Text with the tone of final oa, oe, uy on the first vowel, so that older and newer spelling compare equal';
`
