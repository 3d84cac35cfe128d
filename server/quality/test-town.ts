/** A town of a few blocks without a fault, in which each rule of the checks has something to look at. */
import type { GeoJsonGeometry } from '../../core/filter/ast.js'
import { applyEdits, type Edit } from '../store/edits.js'
import type { Store } from '../store/store.js'

const ORIGIN = [108.2, 16.05] as const
const METRE = [1 / 107_030, 1 / 110_660] as const

/** A position so many metres east and north of the town's corner. */
export const at = (x: number, y: number): [number, number] => [ORIGIN[0] + x * METRE[0], ORIGIN[1] + y * METRE[1]]
export const point = (x: number, y: number): GeoJsonGeometry => ({ type: 'Point', coordinates: at(x, y) })
export const line = (...points: (readonly [number, number])[]): GeoJsonGeometry => ({ type: 'LineString', coordinates: points.map(([x, y]) => at(x, y)) })
export const box = (x0: number, y0: number, x1: number, y1: number): GeoJsonGeometry =>
  ({ type: 'Polygon', coordinates: [[at(x0, y0), at(x1, y0), at(x1, y1), at(x0, y1), at(x0, y0)]] })

const COLUMNS = 6, ROWS = 3
/** Parcels of 10 × 20 m in blocks of six, streets of 10 m around them. */
const BLOCK_W = COLUMNS * 10 + 10, BLOCK_H = 30

type Town = (layer: string, geometry: GeoJsonGeometry, properties: Record<string, unknown>, more?: { height?: number; groundZ?: number }) => void

function build(add: Town): void {
  add('wards', box(-200, -200, 35, 400), { code: '20194', name: 'Một', province_code: '48' })
  add('wards', box(35, -200, 500, 400), { code: '20195', name: 'Hai', province_code: '48' })
  add('plans', box(-100, -100, 300, 300), { plan_code: 'QH', name: 'Quy hoạch', trang_thai: 'approved', so_quyet_dinh: '1/QĐ' })
  add('water_bodies', box(300, 0, 340, 90), { name: 'Hồ', kind: 'lake' })
  for (let row = 0; row < ROWS; row++) {
    const y = row * BLOCK_H
    const ward = (x: number) => x < 35 ? '20194' : '20195'
    add('plan_lots', box(0, y, COLUMNS * 10, y + 20), { plan_code: 'QH', ky_hieu_lo: `L${row}`, chuc_nang: 'o_lien_ke', dien_tich_m2: COLUMNS * 200, mdxd: 80, he_so_sdd: 4, tang_cao_min: 1, tang_cao_max: 5, chieu_cao_max_m: 20 })
    for (let k = 0; k < COLUMNS; k++) {
      const x = k * 10, id = `${row}${k}`
      add('parcels', box(x, y, x + 10, y + 20), { parcel_geohash: `w6ugparcel${id}`, ward_code: ward(x + 5), so_to: 1 + row, so_thua: 1 + k, dien_tich_phap_ly: 200, dien_tich_do: 200, loai_dat: 'ODT', so_gcn: `BA ${id}` })
      add('buildings', box(x + 1, y + 2, x + 9, y + 14), { code: `CT-${id}`, use: 'residential', storeys: 3, year_built: 2010, ward_code: ward(x + 5), transformer_code: 'PT-0' }, { height: 10.5, groundZ: 2 })
      add('addresses', point(x + 5, y + 1), { full_address: `${1 + k} Đường ${row}`, so_nha: String(1 + k), duong: `Đường ${row}`, ward_code: ward(x + 5), building_code: `CT-${id}` })
    }
    add('certificates', point(5, y + 10), { so_gcn: `BA ${row}0`, parcel_geohash: `w6ugparcel${row}0`, trang_thai: 'hieu_luc', ngay_cap: '2020-01-01', muc_dich: 'Quản lý đất đai', co_so_phap_ly: 'luat_dat_dai', luu_den: '2090-01-01' })
    add('land_rights', point(5, y + 10), { so_gcn: `BA ${row}0`, parcel_geohash: `w6ugparcel${row}0`, loai_quyen: 'su_dung', loai_chu: 'ca_nhan', ten_chu: `NGƯỜI MẪU ${row}`, ty_le: 100, tu_ngay: '2020-01-01', muc_dich: 'Quản lý đất đai', co_so_phap_ly: 'luat_dat_dai', luu_den: '2090-01-01' })
    add('planning_lines', line([0, y], [COLUMNS * 10, y]), { line_type: 'chi_gioi_duong_do', lo_gioi_m: 10, plan_code: 'QH', road_name: `Đường ${row}` })
    add('trees', point(2, y - 2), { species: 'Bàng', ward_code: ward(2) }, { height: 6 })
  }
  const xs = [-5, BLOCK_W / 2 - 5 + 0.5, BLOCK_W - 5]
  for (let j = 0; j <= ROWS; j++) {
    const y = j * BLOCK_H - 5
    for (const [i, x] of xs.entries()) {
      const code = `${i}.${j}`
      const feed = i === 0 && j === 0
      add('water_nodes', point(x, y), { code: `NC-${code}`, kind: feed ? 'source' : 'junction' }, { groundZ: 2 })
      add('drain_nodes', point(x, y), { code: `HG-${code}`, kind: feed ? 'outfall' : 'manhole', cover_level_m: 2, bottom_level_m: -8 }, { groundZ: 2 })
      add('power_nodes', point(x, y), { code: feed ? 'PT-0' : `PN-${code}`, kind: feed ? 'substation' : 'pole' }, { groundZ: 2 })
      add('telecom_nodes', point(x, y), { code: `BC-${code}`, kind: feed ? 'exchange' : 'chamber' }, { groundZ: 2 })
      const ways = [...(i > 0 ? [[i - 1, j, xs[i - 1]!, y] as const] : []), ...(j > 0 && i !== 1 ? [[i, j - 1, x, y - BLOCK_H] as const] : [])]
      for (const [fi, fj, fx, fy] of ways) {
        const from = `${fi}.${fj}`, way = line([fx, fy], [x, y]), id = `${from}-${code}`
        add('roads', way, { code: `D-${id}`, class: 'residential', name: 'Đường', long_duong_m: 6, lo_gioi_m: 10 })
        add('water_pipes', way, { code: `OC-${id}`, from_node: `NC-${from}`, to_node: `NC-${code}`, dn_mm: 100 })
        // Drains fall towards the outfall at 0.0: the farther, the higher.
        add('drain_pipes', way, { code: `C-${id}`, from_node: `HG-${code}`, to_node: `HG-${from}`, diameter_mm: 400, invert_from_m: -7 + i + j, invert_to_m: -7 + fi + fj })
        add('power_lines', way, { code: `DD-${id}`, from_node: fi === 0 && fj === 0 ? 'PT-0' : `PN-${from}`, to_node: `PN-${code}`, voltage_kv: 22 })
        add('telecom_lines', way, { code: `VT-${id}`, from_node: `BC-${from}`, to_node: `BC-${code}` })
      }
    }
  }
  add('facilities', point(15, 8), { code: 'TI-1', name: 'Trạm y tế', kind: 'hospital', building_code: 'CT-01', power_node: 'PT-0', ward_code: '20194' })
  add('pumps', point(-4, -4), { code: 'TB-1', name: 'Trạm bơm', drain_node: 'HG-0.0', power_node: 'PT-0', ward_code: '20194' })
}

/** Builds it; ids by layer, in order. */
export async function buildTown(store: Store): Promise<Readonly<Record<string, readonly number[]>>> {
  const edits: Edit[] = []
  build((layer, geometry, properties, more = {}) => {
    const reversed = layer === 'drain_pipes' && geometry.type === 'LineString' ? { ...geometry, coordinates: [...geometry.coordinates as unknown[]].reverse() } as GeoJsonGeometry : geometry
    edits.push({ action: 'create', layer: store.catalogue.get(layer), feature: { geometry: reversed, properties, source: 'town', sourceId: `${layer}:${edits.length}`, ...more } })
  })
  const { ids } = await applyEdits(store, { actor: 'test', reason: 'town' }, edits)
  const byLayer: Record<string, number[]> = {}
  for (const [i, edit] of edits.entries()) (byLayer[edit.layer.id] ??= []).push(ids[i]!)
  return byLayer
}
