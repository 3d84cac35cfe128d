import { sql, type Kysely, type Transaction } from 'kysely'
import { VN2000_PROJ4 } from '../../core/vn2000.js'
import type { Database } from './database.js'

/**
 * Makes PostGIS take the pinned operation between VN-2000 and WGS 84. With an authority PostGIS asks PROJ for
 * “EPSG:5899” and PROJ chooses among its operations; without one it uses the proj4 text, which names the shift.
 * Where the user may not write spatial_ref_sys (a managed server) the rows stay, and a warning says how far off they are.
 */
export async function pinVn2000(tx: Transaction<Database>): Promise<void> {
  const wanted = Object.entries(VN2000_PROJ4).map(([srid, proj4text]) => ({ srid: Number(srid), proj4text }))
  const { rows } = await sql<{ srid: number }>`
    select w.srid from jsonb_to_recordset(${JSON.stringify(wanted)}::jsonb) as w (srid int, proj4text text)
    where not exists (select from spatial_ref_sys s where s.srid = w.srid and s.auth_name is null and s.proj4text = w.proj4text)`.execute(tx)
  if (rows.length === 0) return
  const { rows: [allowed] } = await sql<{ ok: boolean }>`
    select has_table_privilege('spatial_ref_sys', 'insert') and has_table_privilege('spatial_ref_sys', 'update') as ok`.execute(tx)
  if (!allowed!.ok) {
    const metres = await vn2000Error(tx)
    if (metres > 0.001) process.emitWarning(`VN-2000 positions of this database are ${metres.toFixed(2)} m off the official ones, and this user may not correct spatial_ref_sys. Let a superuser “GRANT INSERT, UPDATE ON spatial_ref_sys” to it, then start again.`)
    return
  }
  await sql`
    insert into spatial_ref_sys (srid, auth_name, auth_srid, srtext, proj4text)
    select srid, null, null, null, proj4text from jsonb_to_recordset(${JSON.stringify(wanted)}::jsonb) as w (srid int, proj4text text)
    on conflict (srid) do update set auth_name = null, auth_srid = null, srtext = null, proj4text = excluded.proj4text`.execute(tx)
}

/** Metres at Đà Nẵng between where this database puts a VN-2000 position and where the pinned operation does. */
export async function vn2000Error(db: Kysely<Database>): Promise<number> {
  const { rows } = await sql<{ metres: number }>`
    select st_distance(st_setsrid(st_transform(p, 5899), 0), st_setsrid(st_transform(p, ${VN2000_PROJ4[5899]!}::text), 0)) as metres
    from st_setsrid(st_makepoint(108.22, 16.06), 4326) p`.execute(db)
  return rows[0]!.metres
}
