/** Lots inside their plans, and the city as built against the plan. */
import { sql } from 'kysely'
import type { Look, QualityRule } from '../rule.js'
import { overlaps } from './land.js'

const lotPlan: QualityRule = {
  id: 'plan_lot_unknown_plan', layers: ['plan_lots', 'plans'], severity: 'warning', needs: ['plans'], columns: { plan_lots: ['plan_code'], plans: ['plan_code'] }, neighbours: [{ layer: 'plans', on: sql`s.plan_code = o.plan_code` }],
  title: { vi: 'Ô đất thuộc một đồ án có thật', en: 'A lot belongs to a plan that there is' },
  description: { vi: 'Mã đồ án của ô đất có trong lớp đồ án.', en: 'The plan code of the lot is that of a plan.' },
  message: { vi: 'Không có đồ án {detail}', en: 'There is no plan {detail}' },
  suggestion: { vi: 'Sửa mã đồ án, hoặc nạp đồ án.', en: 'Correct the plan code, or load the plan.' },
  find: { statement: look => sql`
    select s.id as feature_id, null::text as other_layer, null::int8 as other_id, ''::text as part, st_pointonsurface(s.geom) as geom, null::float8 as value, null::float8 as threshold, coalesce(s.plan_code, '∅') as detail
    from ${look.rows('plan_lots')} as s where not exists (select from ${look.rows('plans')} as p where p.plan_code = s.plan_code) ${look.scope('s')}` },
}

/** Thinner than this beyond the plan's limit is how the limit was drawn. */
const LOT_TOLERANCE_M = 1
const lotOutside: QualityRule = {
  id: 'plan_lot_outside_plan', layers: ['plan_lots', 'plans'], severity: 'warning', unit: 'm²', columns: { plan_lots: ['plan_code'], plans: ['plan_code'] },
  neighbours: [{ layer: 'plans', on: sql`s.plan_code = o.plan_code` }],
  title: { vi: 'Ô đất nằm trong đồ án của nó', en: 'A lot lies inside its plan' },
  description: { vi: 'Phần ngoài ranh đồ án lớn hơn 10 m² và dày hơn 1 m.', en: 'More than 10 m², thicker than 1 m, lie outside the plan\'s limit.' },
  message: { vi: '{value} nằm ngoài ranh đồ án {detail}', en: '{value} lie outside plan {detail}' },
  suggestion: { vi: 'Kiểm tra mã đồ án và ranh giới đồ án.', en: 'Check the plan code and the limit of the plan.' },
  find: { statement: look => sql`
    select s.id as feature_id, 'plans'::text as other_layer, p.id as other_id, ''::text as part, st_transform(d.outside, 4326) as geom, st_area(d.outside) as value, 10::float8 as threshold, s.plan_code as detail
    from ${look.rows('plan_lots')} as s join lateral (select min(p.id) as id, st_union(p.geom) as geom from ${look.rows('plans')} as p where p.plan_code = s.plan_code) as p on p.id is not null
    cross join lateral (select case when st_covers(p.geom, s.geom) then null else st_collectionextract(st_difference(${look.metres('plan_lots', 's')}, st_transform(p.geom, ${look.srid}::int)), 3) end as outside) as d
    where st_area(d.outside) > 10 and 2 * st_area(d.outside) / nullif(st_perimeter(d.outside), 0) > ${LOT_TOLERANCE_M} ${look.scope('s')}` },
}

const lotsOverlap: QualityRule = {
  id: 'plan_lots_overlap', layers: ['plan_lots', 'plan_lots'], pairs: true, severity: 'warning', unit: 'm²', columns: { plan_lots: ['plan_code'] },
  title: { vi: 'Ô đất cùng đồ án không chồng nhau', en: 'Lots of one plan do not overlap' },
  description: { vi: 'Chồng quá 1 m² và dày hơn 10 cm. Ô của hai đồ án khác nhau được phép chồng.', en: 'More than 1 m², thicker than 10 cm. Lots of different plans may overlap.' },
  message: { vi: 'Chồng {value} lên ô khác của đồ án', en: 'Shares {value} with another lot of the plan' },
  suggestion: { vi: 'Sửa ranh hai ô theo bản vẽ đã duyệt.', en: 'Correct both after the approved drawing.' },
  find: { statement: look => overlaps(look, 'plan_lots', { thickerThanM: 0.1, leastM2: 1, where: sql`and s.plan_code = o.plan_code` }) },
}

const lotArea: QualityRule = {
  id: 'plan_lot_area', layers: ['plan_lots'], severity: 'warning', unit: 'm²', columns: { plan_lots: ['dien_tich_m2'] },
  title: { vi: 'Diện tích ô đất khớp hình', en: 'The stated area of a lot is that of its shape' },
  description: { vi: 'Lệch quá 5 % và quá 5 m².', en: 'More than 5 % and 5 m² apart.' },
  message: { vi: 'Ghi {detail} m², hình học lệch {value}', en: 'States {detail} m²; the shape differs by {value}' },
  suggestion: { vi: 'Đối chiếu bảng thống kê sử dụng đất của đồ án.', en: 'Compare with the land-use table of the plan.' },
  find: { statement: look => sql`
    select s.id as feature_id, null::text as other_layer, null::int8 as other_id, ''::text as part, st_pointonsurface(s.geom) as geom, abs(m.area - s.dien_tich_m2) as value, greatest(5, 0.05 * m.area) as threshold, s.dien_tich_m2::text as detail
    from ${look.rows('plan_lots')} as s cross join lateral (select st_area(${look.metres('plan_lots', 's')}) as area) as m
    where s.dien_tich_m2 is not null and abs(m.area - s.dien_tich_m2) > greatest(5, 0.05 * m.area) ${look.scope('s')}` },
}

/** What is approved governs; a draft does not. */
const governs = (look: Look) => sql`exists (select from ${look.rows('plans')} as p where p.plan_code = l.plan_code and p.trang_thai in ('approved', 'published', 'adjusted'))`
const PLAN_COLUMNS = { plans: ['plan_code', 'trang_thai'] }
const NEAR_LOT = [{ layer: 'plan_lots', withinM: 0 }]
/** A plan that comes into force touches all buildings on its ground. */
const NEAR_PLAN = [...NEAR_LOT, { layer: 'plans', withinM: 0 }]

/** A building against the lot that its middle lies in. */
function against(id: string, column: string, limit: string, unit: string | undefined, title: QualityRule['title'], least: number): QualityRule {
  return {
    id, layers: ['buildings', 'plan_lots', 'plans'], severity: 'warning', ...(unit && { unit }), needs: ['plan_lots'], title, neighbours: NEAR_PLAN,
    columns: { buildings: column === 'height' ? ['year_built'] : [column, 'year_built'], plan_lots: ['plan_code', limit, 'ky_hieu_lo'], ...PLAN_COLUMNS },
    description: { vi: 'So công trình với chỉ tiêu của ô đất trong đồ án đã duyệt. Công trình có trước đồ án được phép khác.', en: 'The building against the lot of an approved plan. What stood before the plan may differ.' },
    message: { vi: '{value}, ô {detail} cho phép {threshold}', en: '{value}; lot {detail} allows {threshold}' },
    suggestion: { vi: 'Đối chiếu giấy phép xây dựng và đồ án.', en: 'Compare with the permit and the plan.' },
    find: { statement: look => sql`
      select s.id as feature_id, 'plan_lots'::text as other_layer, l.id as other_id, ''::text as part, st_pointonsurface(s.geom) as geom, ${sql.ref(`s.${column}`)}::float8 as value, ${sql.ref(`l.${limit}`)}::float8 as threshold, l.ky_hieu_lo as detail
      from ${look.rows('buildings')} as s join ${look.rows('plan_lots')} as l on l.geom && s.geom and st_intersects(l.geom, st_pointonsurface(s.geom))
      where ${sql.ref(`s.${column}`)} > ${sql.ref(`l.${limit}`)} + ${least} and ${governs(look)} ${look.scope('s')}` },
  }
}

const storeys = against('building_over_storeys', 'storeys', 'tang_cao_max', undefined, { vi: 'Số tầng trong giới hạn quy hoạch', en: 'Storeys within the plan' }, 0)
const height = against('building_over_height', 'height', 'chieu_cao_max_m', 'm', { vi: 'Chiều cao trong giới hạn quy hoạch', en: 'Height within the plan' }, 0.5)

/** What is built on a lot: footprint and floors, by share of each footprint that lies on it. */
const built = (look: Look) => sql`
  select s.id, s.geom, s.ky_hieu_lo, s.mdxd, s.he_so_sdd, st_area(g.mine) as area, b.footprint, b.floors
  from ${look.rows('plan_lots')} as s cross join lateral (select ${look.metres('plan_lots', 's')} as mine) as g
  cross join lateral (select sum(i.area) as footprint, sum(i.area * coalesce(b.storeys, 1)) as floors from ${look.rows('buildings')} as b
    cross join lateral (select case when st_covers(s.geom, b.geom) then st_area(${look.metres('buildings', 'b')}) else st_area(st_intersection(g.mine, ${look.metres('buildings', 'b')})) end as area) as i
    where b.geom && s.geom and st_intersects(b.geom, s.geom)) as b
  where exists (select from ${look.rows('plans')} as p where p.plan_code = s.plan_code and p.trang_thai in ('approved', 'published', 'adjusted')) ${look.scope('s')}`
const LOT_COLUMNS = { plan_lots: ['plan_code', 'ky_hieu_lo', 'mdxd', 'he_so_sdd'], buildings: ['storeys'], ...PLAN_COLUMNS }
const LOT_NEIGHBOURS = [{ layer: 'buildings', withinM: 0 }, { layer: 'plans', on: sql`s.plan_code = o.plan_code` }]

const DENSITY_MARGIN = 5
const density: QualityRule = {
  id: 'plan_lot_density', layers: ['plan_lots', 'buildings', 'plans'], severity: 'warning', unit: '%', needs: ['buildings'], columns: LOT_COLUMNS, neighbours: LOT_NEIGHBOURS,
  title: { vi: 'Mật độ xây dựng của ô đất', en: 'Building density of a lot' },
  description: { vi: `Mật độ hiện trạng vượt mật độ quy hoạch quá ${DENSITY_MARGIN} điểm.`, en: `What is built exceeds the planned density by more than ${DENSITY_MARGIN} points.` },
  message: { vi: 'Ô {detail}: mật độ {value}, quy hoạch {threshold}', en: 'Lot {detail}: density {value}, planned {threshold}' },
  suggestion: { vi: 'Kiểm tra công trình trên ô và chỉ tiêu của đồ án.', en: 'Check the buildings on the lot and the plan\'s figure.' },
  find: { statement: look => sql`
    select l.id as feature_id, null::text as other_layer, null::int8 as other_id, ''::text as part, st_pointonsurface(l.geom) as geom, 100 * l.footprint / l.area as value, l.mdxd as threshold, l.ky_hieu_lo as detail
    from (${built(look)}) as l where 100 * l.footprint / nullif(l.area, 0) > l.mdxd + ${DENSITY_MARGIN}` },
}

const floorRatio: QualityRule = {
  id: 'plan_lot_floor_ratio', layers: ['plan_lots', 'buildings', 'plans'], severity: 'warning', needs: ['buildings'], columns: LOT_COLUMNS, neighbours: LOT_NEIGHBOURS,
  title: { vi: 'Hệ số sử dụng đất của ô đất', en: 'Floor-area ratio of a lot' },
  description: { vi: 'Tổng sàn (mặt bằng × số tầng) chia diện tích ô vượt hệ số quy hoạch quá 5 %.', en: 'Floors (footprint × storeys) by area exceed the planned ratio by more than 5 %.' },
  message: { vi: 'Ô {detail}: hệ số {value}, quy hoạch {threshold}', en: 'Lot {detail}: ratio {value}, planned {threshold}' },
  suggestion: { vi: 'Kiểm tra số tầng và chỉ tiêu của đồ án.', en: 'Check storeys and the plan\'s figure.' },
  find: { statement: look => sql`
    select l.id as feature_id, null::text as other_layer, null::int8 as other_id, ''::text as part, st_pointonsurface(l.geom) as geom, l.floors / l.area as value, l.he_so_sdd as threshold, l.ky_hieu_lo as detail
    from (${built(look)}) as l where l.floors / nullif(l.area, 0) > 1.05 * l.he_so_sdd` },
}

const BEYOND_M2 = 1
const redLine: QualityRule = {
  id: 'building_over_red_line', layers: ['buildings', 'planning_lines'], severity: 'warning', unit: 'm', needs: ['planning_lines'], columns: { planning_lines: ['line_type', 'road_name'] }, neighbours: [{ layer: 'planning_lines', withinM: 0 }],
  title: { vi: 'Công trình không vượt chỉ giới đường đỏ', en: 'A building keeps behind the red line' },
  description: { vi: `Chỉ giới đường đỏ cắt qua mặt bằng hơn ${BEYOND_M2} m.`, en: `The red line runs through the footprint for more than ${BEYOND_M2} m.` },
  message: { vi: 'Chỉ giới đường đỏ {detail} cắt qua {value}', en: 'The red line of {detail} runs through it for {value}' },
  suggestion: { vi: 'Kiểm tra vị trí công trình và chỉ giới; nhà cũ chờ giải tỏa thì chấp nhận.', en: 'Check both; waive old houses that wait for clearance.' },
  find: { statement: look => sql`
    select s.id as feature_id, 'planning_lines'::text as other_layer, l.id as other_id, ''::text as part, i.part as geom, i.length as value, ${BEYOND_M2}::float8 as threshold, coalesce(l.road_name, '?') as detail
    from ${look.rows('buildings')} as s join ${look.rows('planning_lines')} as l on l.geom && s.geom and l.line_type = 'chi_gioi_duong_do' and st_crosses(l.geom, s.geom)
    cross join lateral (select st_intersection(l.geom, s.geom) as part) as g cross join lateral (select g.part, st_length(st_transform(g.part, ${look.srid}::int)) as length) as i
    where i.length > ${BEYOND_M2} ${look.scope('s')}` },
}

export const planningRules: readonly QualityRule[] = [lotPlan, lotOutside, lotsOverlap, lotArea, storeys, height, density, floorRatio, redLine]
