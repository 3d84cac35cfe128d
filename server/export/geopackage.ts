/**
 * OGC GeoPackage 1.3: a feature table with an R-tree a layer, all layers in one file. SQLite needs a file that it can
 * move about in, so it is made in a scratch folder, a batch at a time, and handed on from there.
 */
import { createReadStream } from 'node:fs'
import { join } from 'node:path'
import sqlite from 'node-sqlite3-wasm'
import type { ColumnType, Layer } from '../../layers/layer.js'
import { scratchFolder } from '../import/unpack.js'
import { hasType, solidLoss, type ExportFormat, type ExportRow, type ExportSource, type LayerPlan } from './export.js'
import { measured } from './measure.js'
import { RtreeWriter } from './sqlite-rtree.js'

export const geopackage: ExportFormat = {
  id: 'gpkg', title: 'GeoPackage', mediaType: 'application/geopackage+sqlite3', extension: '.gpkg', severalLayers: true,
  losses: plan => [...solidLoss(plan), ...(hasType(plan, 'json') ? ['JSON is text (of the media type application/json)'] : [])],
  async *write(source) {
    const folder = await scratchFolder()
    try {
      const path = join(folder.path, 'export.gpkg')
      await fill(path, source)
      yield* createReadStream(path, { highWaterMark: 1 << 18 }) as AsyncIterable<Buffer>
    } finally {
      await folder.remove()
    }
  },
}

type Database = InstanceType<typeof sqlite.Database>

async function fill(path: string, source: ExportSource): Promise<void> {
  const db = new sqlite.Database(path)
  try {
    // Nobody else reads it, and after a failure it is thrown away: no journal, no waiting for the disk.
    db.exec(`pragma page_size = 4096; pragma journal_mode = off; pragma synchronous = off; pragma cache_size = -65536; pragma application_id = 1196444487; pragma user_version = 10300; begin`)
    db.exec(TABLES)
    for (const plan of source.plans) await fillLayer(db, plan, source)
    db.exec('commit')
  } finally {
    db.close()
  }
}

/** The tables that every GeoPackage has, and those of the R-tree, schema and metadata extensions. */
const TABLES = `
  create table gpkg_spatial_ref_sys (srs_name text not null, srs_id integer primary key, organization text not null, organization_coordsys_id integer not null, definition text not null, description text);
  create table gpkg_contents (table_name text not null primary key, data_type text not null, identifier text unique, description text default '', last_change datetime not null default (strftime('%Y-%m-%dT%H:%M:%fZ','now')), min_x double, min_y double, max_x double, max_y double, srs_id integer, constraint fk_gc_r_srs_id foreign key (srs_id) references gpkg_spatial_ref_sys(srs_id));
  create table gpkg_geometry_columns (table_name text not null, column_name text not null, geometry_type_name text not null, srs_id integer not null, z tinyint not null, m tinyint not null, constraint pk_geom_cols primary key (table_name, column_name), constraint uk_gc_table_name unique (table_name), constraint fk_gc_tn foreign key (table_name) references gpkg_contents(table_name), constraint fk_gc_srs foreign key (srs_id) references gpkg_spatial_ref_sys (srs_id));
  create table gpkg_extensions (table_name text, column_name text, extension_name text not null, definition text not null, scope text not null, constraint ge_tce unique (table_name, column_name, extension_name));
  create table gpkg_data_columns (table_name text not null, column_name text not null, name text, title text, description text, mime_type text, constraint_name text, constraint pk_gdc primary key (table_name, column_name), constraint gdc_tn unique (table_name, name));
  create table gpkg_metadata (id integer constraint m_pk primary key asc not null, md_scope text not null default 'dataset', md_standard_uri text not null, mime_type text not null default 'text/xml', metadata text not null default '');
  create table gpkg_metadata_reference (reference_scope text not null, table_name text, column_name text, row_id_value integer, timestamp datetime not null default (strftime('%Y-%m-%dT%H:%M:%fZ','now')), md_file_id integer not null, md_parent_id integer, constraint crmr_mfi_fk foreign key (md_file_id) references gpkg_metadata(id), constraint crmr_mpi_fk foreign key (md_parent_id) references gpkg_metadata(id));
  insert into gpkg_spatial_ref_sys values ('Undefined cartesian SRS', -1, 'NONE', -1, 'undefined', null), ('Undefined geographic SRS', 0, 'NONE', 0, 'undefined', null),
    ('WGS 84', 4326, 'EPSG', 4326, 'GEOGCS["WGS 84",DATUM["WGS_1984",SPHEROID["WGS 84",6378137,298.257223563,AUTHORITY["EPSG","7030"]],AUTHORITY["EPSG","6326"]],PRIMEM["Greenwich",0,AUTHORITY["EPSG","8901"]],UNIT["degree",0.0174532925199433,AUTHORITY["EPSG","9122"]],AXIS["Latitude",NORTH],AXIS["Longitude",EAST],AUTHORITY["EPSG","4326"]]', null);
  insert into gpkg_extensions values ('gpkg_data_columns', null, 'gpkg_schema', 'http://www.geopackage.org/spec121/#extension_schema', 'read-write'),
    ('gpkg_metadata', null, 'gpkg_metadata', 'http://www.geopackage.org/spec121/#extension_metadata', 'read-write'),
    ('gpkg_metadata_reference', null, 'gpkg_metadata', 'http://www.geopackage.org/spec121/#extension_metadata', 'read-write')`

const TYPES: Readonly<Record<ColumnType, string>> = { text: 'TEXT', integer: 'INTEGER', number: 'DOUBLE', boolean: 'BOOLEAN', date: 'DATE', timestamp: 'DATETIME', json: 'TEXT' }
const GEOMETRY_TYPES: Readonly<Record<Layer['geometry'], string>> = { point: 'POINT', line: 'MULTILINESTRING', polygon: 'MULTIPOLYGON', any: 'GEOMETRY' }

async function fillLayer(db: Database, plan: LayerPlan, source: ExportSource): Promise<void> {
  const { layer, columns, srid } = plan
  const { id } = layer
  describe(db, plan, await source.wkt(srid))
  db.exec(`create table ${quote(id)} (${quote(keyOf(plan))} integer primary key autoincrement not null, geom ${GEOMETRY_TYPES[layer.geometry]}${columns.map(({ name, type }) => `, ${quote(name)} ${TYPES[type]}`).join('')})`)
  const insert = db.prepare(`insert into ${quote(id)} values (${['?', '?', ...columns.map(() => '?')].join(', ')})`)
  const box = new Float64Array(4)
  try {
    // In the order of the key, so that SQLite only ever appends.
    for await (const batch of source.rows(plan, { geometry: 'wkb' }))
      for (const row of batch) insert.run([row.id, row.geometry === null ? null : encode(row.geometry as Buffer, srid, box), ...valuesOf(row)])
  } finally {
    insert.finalize()
  }
  const extent = await fillIndex(db, plan, source)
  if (extent[0]! <= extent[2]!) db.run('update gpkg_contents set min_x = ?, min_y = ?, max_x = ?, max_y = ? where table_name = ?', [...extent, id])
  db.exec(triggers(id, keyOf(plan)))
}

/** The boxes again, now along PostGIS' Hilbert curve, packed into an R-tree. Returns the extent. */
async function fillIndex(db: Database, plan: LayerPlan, source: ExportSource): Promise<Float64Array> {
  const extent = new Float64Array([Infinity, Infinity, -Infinity, -Infinity])
  const box = new Float64Array(4)
  const index = new RtreeWriter(db, `rtree_${plan.layer.id}_geom`)
  for await (const batch of source.rows({ ...plan, columns: [] }, { geometry: 'envelope', clustered: true })) {
    for (const { id, geometry } of batch) {
      if (geometry === null || !measured(geometry as Buffer, box)) continue
      index.add(id, box)
      for (const i of [0, 1]) { extent[i] = Math.min(extent[i]!, box[i]!); extent[i + 2] = Math.max(extent[i + 2]!, box[i + 2]!) }
    }
  }
  index.finish()
  return extent
}

function describe(db: Database, { layer, columns, srid }: LayerPlan, wkt: string): void {
  const { id, title, description, licence, attribution } = layer
  const name = /^\w+\["([^"]+)"/.exec(wkt)?.[1] ?? `EPSG:${srid}`
  db.run('insert or ignore into gpkg_spatial_ref_sys values (?, ?, ?, ?, ?, null)', [name, srid, 'EPSG', srid, wkt || 'undefined'])
  db.run('insert into gpkg_contents (table_name, data_type, identifier, description, srs_id) values (?, ?, ?, ?, ?)', [id, 'features', `${title.vi} / ${title.en} (${id})`, `${description.vi} / ${description.en}`, srid])
  db.run('insert into gpkg_geometry_columns values (?, ?, ?, ?, 0, 0)', [id, 'geom', GEOMETRY_TYPES[layer.geometry], srid])
  db.run('insert into gpkg_extensions values (?, ?, ?, ?, ?)', [id, 'geom', 'gpkg_rtree_index', 'http://www.geopackage.org/spec120/#extension_rtree', 'write-only'])
  for (const column of columns) {
    const unit = column.unit ? ` [${column.unit}]` : ''
    db.run('insert into gpkg_data_columns values (?, ?, null, ?, ?, ?, null)', [id, column.name, `${column.title.vi} / ${column.title.en}${unit}`, column.description?.en ?? null, column.type === 'json' ? 'application/json' : null])
  }
  db.run('insert into gpkg_metadata (md_scope, md_standard_uri, mime_type, metadata) values (?, ?, ?, ?)', ['dataset', 'http://schema.org/Dataset', 'application/json', JSON.stringify({ '@type': 'Dataset', name: id, license: licence, creator: attribution })])
  db.run(`insert into gpkg_metadata_reference (reference_scope, table_name, md_file_id) values ('table', ?, last_insert_rowid())`, [id])
}

function valuesOf({ values }: ExportRow): (string | number | null)[] {
  return values.map(value => (typeof value === 'boolean' ? Number(value) : value))
}

/** Header of a geometry (OGC 12-128r17 §2.1.3) with its box, which also lands in `box`; then the WKB as it is. */
function encode(wkb: Buffer, srid: number, box: Float64Array): Uint8Array {
  const empty = !measured(wkb, box)
  const out = Buffer.allocUnsafe(8 + (empty ? 0 : 32) + wkb.length)
  out.write('GP', 0, 'latin1')
  out[2] = 0
  // Little-endian, with an x, y envelope unless it is empty.
  out[3] = empty ? 0b010001 : 0b000011
  let at = out.writeInt32LE(srid, 4)
  if (!empty) for (const i of [0, 2, 1, 3]) at = out.writeDoubleLE(box[i]!, at)
  wkb.copy(out, at)
  return out
}

/** By which programs that edit the file keep its R-tree (annex F.3); the functions in them are those programs'. */
function triggers(id: string, fid: string): string {
  const table = quote(id)
  const rtree = quote(`rtree_${id}_geom`)
  const name = (what: string) => quote(`rtree_${id}_geom_${what}`)
  const box = (row: string) => `${row}.${fid}, ST_MinX(${row}.geom), ST_MaxX(${row}.geom), ST_MinY(${row}.geom), ST_MaxY(${row}.geom)`
  const there = 'NEW.geom notnull and not ST_IsEmpty(NEW.geom)'
  return `
    create trigger ${name('insert')} after insert on ${table} when (${there}) begin insert or replace into ${rtree} values (${box('NEW')}); end;
    create trigger ${name('update1')} after update of geom on ${table} when OLD.${fid} = NEW.${fid} and (${there}) begin insert or replace into ${rtree} values (${box('NEW')}); end;
    create trigger ${name('update2')} after update of geom on ${table} when OLD.${fid} = NEW.${fid} and (NEW.geom isnull or ST_IsEmpty(NEW.geom)) begin delete from ${rtree} where id = OLD.${fid}; end;
    create trigger ${name('update3')} after update on ${table} when OLD.${fid} != NEW.${fid} and (${there}) begin delete from ${rtree} where id = OLD.${fid}; insert or replace into ${rtree} values (${box('NEW')}); end;
    create trigger ${name('update4')} after update on ${table} when OLD.${fid} != NEW.${fid} and (NEW.geom isnull or ST_IsEmpty(NEW.geom)) begin delete from ${rtree} where id in (OLD.${fid}, NEW.${fid}); end;
    create trigger ${name('delete')} after delete on ${table} when old.geom notnull begin delete from ${rtree} where id = OLD.${fid}; end`
}

/** Programs expect `fid`; a published layer may have a column of that name. */
const keyOf = ({ columns }: LayerPlan) => (columns.some(({ name }) => name === 'fid') ? 'feature_id' : 'fid')

const quote = (name: string) => `"${name.replaceAll('"', '""')}"`
