/** Parcels, what stands on them, and wards. Areas and distances in the city's CRS. */
import { sql, type RawBuilder } from 'kysely'
import { maxHousingDensity } from '../../../layers/plan-lots.js'
import type { Look, QualityRule } from '../rule.js'

/** Two surveys of one boundary agree to this; below it an overlap or a gap is no fault. */
export const PARCEL_TOLERANCE_M = 0.05
/** A strip narrower than this between two parcels is no lane but a gap. */
const GAP_M = 0.5
const QCVN = 'QCVN 01:2021/BXD'

/** Pairs of a layer's polygons that overlap thicker than a tolerance. Each pair once, under the older feature. */
export function overlaps(look: Look, layer: string, { thickerThanM, leastM2, where = sql`` }: { thickerThanM: number; leastM2: number; where?: RawBuilder<unknown> }): RawBuilder<unknown> {
  // The older one first, whichever was looked at: then the overlap is the same to the last digit.
  const inOrder = (one: 's' | 'o') => sql`case when s.id < o.id then ${look.metres(layer, one)} else ${look.metres(layer, one === 's' ? 'o' : 's')} end`
  const pairs = (first: RawBuilder<unknown>) => sql`
    select least(s.id, o.id) as a, greatest(s.id, o.id) as b, ${inOrder('s')} as ga, ${inOrder('o')} as gb
    from ${look.rows(layer)} as s join ${look.rows(layer)} as o on o.geom && s.geom and ${first} and st_intersects(s.geom, o.geom) ${where} where true ${look.scope('s')}`
  // In a scope both directions are looked at, since either of a pair may be what changed.
  const each = look.everything ? pairs(sql`o.id > s.id`) : sql`select distinct on (a, b) * from (${pairs(sql`o.id <> s.id`)}) as q`
  return sql`
    select p.a as feature_id, ${layer}::text as other_layer, p.b as other_id, ''::text as part, st_transform(i.geom, 4326) as geom,
      i.area as value, ${leastM2}::float8 as threshold, round(i.thick::numeric, 2)::float8::text as detail
    from (${each}) as p
    cross join lateral (select st_collectionextract(st_intersection(p.ga, p.gb), 3) as geom) as c
    cross join lateral (select c.geom, st_area(c.geom) as area, 2 * st_area(c.geom) / nullif(st_perimeter(c.geom), 0) as thick) as i
    where i.area > ${leastM2} and i.thick > ${thickerThanM}`
}

const parcelsOverlap: QualityRule = {
  id: 'parcels_overlap', layers: ['parcels', 'parcels'], pairs: true, severity: 'warning', unit: 'm²', columns: {},
  title: { vi: 'Thửa đất không chồng lấn', en: 'Parcels do not overlap' },
  description: { vi: 'Phần chồng dày hơn 5 cm. Mảnh mỏng hơn là sai số làm tròn tọa độ.', en: 'Overlaps thicker than 5 cm; thinner slivers are rounding of coordinates.' },
  message: { vi: 'Chồng lấn {value}, dày trung bình {detail} m', en: 'Overlaps by {value}, {detail} m thick on average' },
  suggestion: { vi: 'So hai thửa với hồ sơ đo đạc, giữ ranh của hồ sơ mới hơn.', en: 'Hold both parcels against their surveys; the newer boundary stays.' },
  source: 'Tolerance of 1–5 cm in the city\'s CRS, set by dothi',
  find: { statement: look => overlaps(look, 'parcels', { thickerThanM: PARCEL_TOLERANCE_M, leastM2: 0.1 }) },
}

const parcelGaps: QualityRule = {
  id: 'parcels_gap', layers: ['parcels', 'parcels'], pairs: true, severity: 'warning', unit: 'm', columns: {},
  title: { vi: 'Không có khe giữa hai thửa liền kề', en: 'No slivers between neighbouring parcels' },
  description: { vi: 'Khe rộng từ 5 cm đến 50 cm không phải kiệt, mà là ranh chưa khớp.', en: 'A strip of 5 to 50 cm is no lane but a boundary that does not meet.' },
  message: { vi: 'Khe hở {value} giữa hai thửa', en: 'A gap of {value} between two parcels' },
  suggestion: { vi: 'Bắt điểm ranh của hai thửa vào nhau.', en: 'Snap the two boundaries to each other.' },
  neighbours: [{ layer: 'parcels', withinM: GAP_M }],
  find: { statement: look => sql`
    select least(p.a, p.b) as feature_id, 'parcels'::text as other_layer, greatest(p.a, p.b) as other_id, ''::text as part, st_transform(st_shortestline(p.ga, p.gb), 4326) as geom, p.gap as value, ${PARCEL_TOLERANCE_M}::float8 as threshold, null::text as detail
    from (select distinct on (least(a, b), greatest(a, b)) a, b, st_distance(ga, gb) as gap, case when a < b then ga else gb end as ga, case when a < b then gb else ga end as gb from (
      select s.id as a, o.id as b, ${look.metres('parcels', 's')} as ga, ${look.metres('parcels', 'o')} as gb
      from ${look.rows('parcels')} as s join ${look.rows('parcels')} as o on o.id <> s.id and o.geom && st_expand(s.geom, ${GAP_M / 100_000}::float8) and not st_intersects(s.geom, o.geom) where true ${look.scope('s')}) as q
      order by least(a, b), greatest(a, b), a) as p
    where p.gap > ${PARCEL_TOLERANCE_M} and p.gap < ${GAP_M}` },
}

const parcelArea: QualityRule = {
  id: 'parcel_area', layers: ['parcels'], severity: 'warning', unit: 'm²', columns: { parcels: ['dien_tich_do'] },
  title: { vi: 'Diện tích đo khớp hình thửa', en: 'The measured area is that of the shape' },
  description: { vi: 'Lệch quá 2 % (và quá 1 m²) giữa diện tích đo ghi trong hồ sơ và diện tích hình học trong hệ tọa độ của thành phố.', en: 'More than 2 % (and 1 m²) between the recorded area and the area of the shape in the city\'s CRS.' },
  message: { vi: 'Ghi {detail} m², hình học lệch {value}', en: 'States {detail} m²; the shape differs by {value}' },
  suggestion: { vi: 'Kiểm tra tọa độ đỉnh thửa hoặc diện tích trong hồ sơ.', en: 'Check the corners of the parcel, or the recorded area.' },
  find: { statement: look => sql`
    select s.id as feature_id, null::text as other_layer, null::int8 as other_id, ''::text as part, st_pointonsurface(s.geom) as geom, abs(m.area - s.dien_tich_do) as value, greatest(1, 0.02 * m.area) as threshold, s.dien_tich_do::text as detail
    from ${look.rows('parcels')} as s cross join lateral (select st_area(${look.metres('parcels', 's')}) as area) as m
    where s.dien_tich_do is not null and abs(m.area - s.dien_tich_do) > greatest(1, 0.02 * m.area) ${look.scope('s')}` },
}

/** Buildings that no parcel covers whole, with their shape and that of each parcel under them, largest share first. */
const parted = (look: Look) => sql`
  select s.id, s.geom, s.mine, st_area(s.mine) as area, p.id as parcel, p.share, coalesce(sum(p.share) over (partition by s.id), 0) as covered,
    row_number() over (partition by s.id order by p.share desc nulls last, p.id) as nth, p.part
  from (select s.id, s.geom, ${look.metres('buildings', 's')} as mine from ${look.rows('buildings')} as s
    where not exists (select from ${look.rows('parcels')} as p where p.geom && s.geom and st_covers(p.geom, s.geom)) ${look.scope('s')}) as s
  left join lateral (select p.id, i.part, st_area(i.part) as share from ${look.rows('parcels')} as p cross join lateral (select st_intersection(s.mine, ${look.metres('parcels', 'p')}) as part) as i
    where p.geom && s.geom and st_intersects(p.geom, s.geom)) as p on true`

const OUTSIDE_SHARE = 0.5
const buildingOutside: QualityRule = {
  id: 'building_outside_parcel', layers: ['buildings', 'parcels'], severity: 'warning', unit: '%', needs: ['parcels'], columns: {}, neighbours: [{ layer: 'parcels', withinM: 0 }],
  title: { vi: 'Công trình nằm trên thửa đất', en: 'A building stands on a parcel' },
  description: { vi: 'Quá nửa mặt bằng công trình nằm ngoài mọi thửa.', en: 'More than half of the footprint lies outside every parcel.' },
  message: { vi: '{value} mặt bằng nằm ngoài mọi thửa đất', en: '{value} of the footprint lies outside every parcel' },
  suggestion: { vi: 'Bổ sung thửa, hoặc sửa vị trí công trình (thường do lệch hệ tọa độ).', en: 'Add the parcel, or move the building: often its CRS was shifted.' },
  find: { statement: look => sql`
    select b.id as feature_id, null::text as other_layer, null::int8 as other_id, ''::text as part, b.geom, 100 * (1 - b.covered / b.area) as value, ${100 * OUTSIDE_SHARE}::float8 as threshold, null::text as detail
    from (${parted(look)}) as b where b.nth = 1 and b.area > 0 and b.covered < ${1 - OUTSIDE_SHARE} * b.area` },
}

const STRADDLE = { share: 0.05, leastM2: 1 }
const buildingStraddles: QualityRule = {
  id: 'building_straddles_parcels', layers: ['buildings', 'parcels'], severity: 'warning', unit: 'm²', needs: ['parcels'], columns: {}, neighbours: [{ layer: 'parcels', withinM: 0 }],
  title: { vi: 'Công trình không lấn sang thửa khác', en: 'A building keeps to its parcel' },
  description: { vi: 'Phần trên thửa thứ hai lớn hơn 1 m² và 5 % mặt bằng. Thửa hợp của một chủ là chuyện thường: khi đó chấp nhận hoặc hợp thửa.', en: 'More than 1 m² and 5 % of the footprint lie on a second parcel. One owner of both is common: waive it, or merge the parcels.' },
  message: { vi: '{value} ({detail} % mặt bằng) nằm trên thửa khác', en: '{value} ({detail} % of the footprint) lie on another parcel' },
  suggestion: { vi: 'So với ranh thửa; tách công trình hoặc hợp thửa nếu cùng chủ.', en: 'Hold it against the boundary; split the building, or merge parcels of one owner.' },
  find: { statement: look => sql`
    select b.id as feature_id, 'parcels'::text as other_layer, b.parcel as other_id, ''::text as part, st_transform(b.part, 4326) as geom, b.share as value, ${STRADDLE.leastM2}::float8 as threshold, round((100 * b.share / b.area)::numeric, 1)::float8::text as detail
    from (${parted(look)}) as b where b.nth > 1 and b.share > ${STRADDLE.leastM2} and b.share > ${STRADDLE.share} * b.area` },
}

const buildingsOverlap: QualityRule = {
  id: 'buildings_overlap', layers: ['buildings', 'buildings'], pairs: true, severity: 'warning', unit: 'm²', columns: {},
  title: { vi: 'Công trình không chồng nhau', en: 'Buildings do not overlap' },
  description: { vi: 'Hai mặt bằng chồng nhau quá 1 m² và dày hơn 20 cm: vẽ hai lần, hoặc nạp hai nguồn.', en: 'Two footprints share more than 1 m², thicker than 20 cm: drawn twice, or loaded from two sources.' },
  message: { vi: 'Chồng {value} lên công trình khác', en: 'Shares {value} with another building' },
  suggestion: { vi: 'Xóa bản trùng, hoặc sửa đường biên chung.', en: 'Delete the twin, or correct the shared wall.' },
  find: { statement: look => overlaps(look, 'buildings', { thickerThanM: 0.2, leastM2: 1 }) },
}

const WATER_SHARE = 0.1
const buildingInWater: QualityRule = {
  id: 'building_in_water', layers: ['buildings', 'water_bodies'], severity: 'warning', unit: '%', needs: ['water_bodies'], columns: {}, neighbours: [{ layer: 'water_bodies', withinM: 0 }],
  title: { vi: 'Công trình không đứng trong nước', en: 'A building does not stand in water' },
  description: { vi: 'Quá 10 % mặt bằng nằm trong sông, hồ, biển. Kết quả ngập của công trình như vậy không dùng được.', en: 'More than 10 % of the footprint is in a river, lake or the sea. What a flood run says of such a building is of no use.' },
  message: { vi: '{value} mặt bằng nằm trong mặt nước', en: '{value} of the footprint lies in water' },
  suggestion: { vi: 'Kiểm tra bờ nước và vị trí; nhà sàn, bến thì chấp nhận có lý do.', en: 'Check the shore and the position; waive stilts and quays with a reason.' },
  find: { statement: look => sql`
    select s.id as feature_id, 'water_bodies'::text as other_layer, w.id as other_id, ''::text as part, st_transform(i.part, 4326) as geom, 100 * i.share as value, ${100 * WATER_SHARE}::float8 as threshold, null::text as detail
    from ${look.rows('buildings')} as s join ${look.rows('water_bodies')} as w on w.geom && s.geom and st_intersects(w.geom, s.geom)
    cross join lateral (select st_intersection(${look.metres('buildings', 's')}, ${look.metres('water_bodies', 'w')}) as part) as g
    cross join lateral (select g.part, st_area(g.part) / nullif(st_area(${look.metres('buildings', 's')}), 0) as share) as i
    where i.share > ${WATER_SHARE} ${look.scope('s')}` },
}

const ON_ROAD_M = 1
const buildingOnRoad: QualityRule = {
  id: 'building_on_road', layers: ['buildings', 'roads'], severity: 'warning', unit: 'm', needs: ['roads'], columns: { roads: ['bridge', 'tunnel'] }, neighbours: [{ layer: 'roads', withinM: 0 }],
  title: { vi: 'Công trình không nằm trên tim đường', en: 'A building does not stand on a road\'s axis' },
  description: { vi: 'Tim đường (không phải cầu, hầm) chạy qua mặt bằng hơn 1 m.', en: 'A road\'s axis, not on a bridge or in a tunnel, runs through the footprint for more than 1 m.' },
  message: { vi: 'Tim đường chạy qua công trình {value}', en: 'The axis of a road runs through it for {value}' },
  suggestion: { vi: 'Sửa tim đường hoặc mặt bằng; lối đi dưới nhà thì chấp nhận.', en: 'Correct the axis or the footprint; waive passages under buildings.' },
  find: { statement: look => sql`
    select s.id as feature_id, 'roads'::text as other_layer, r.id as other_id, ''::text as part, i.part as geom, i.length as value, ${ON_ROAD_M}::float8 as threshold, null::text as detail
    from ${look.rows('buildings')} as s join ${look.rows('roads')} as r on r.geom && s.geom and st_intersects(r.geom, s.geom)
    cross join lateral (select st_intersection(r.geom, s.geom) as part) as g cross join lateral (select g.part, st_length(st_transform(g.part, ${look.srid}::int)) as length) as i
    where r.bridge is not true and r.tunnel is not true and i.length > ${ON_ROAD_M} ${look.scope('s')}` },
}

/** The table of the standard as SQL: linear between its points, as maxHousingDensity. */
const densityPoints = [90, 100, 200, 300, 500, 1000].map(area => [area, maxHousingDensity(area)] as const)
const allowed = (area: RawBuilder<unknown>) => sql`(case ${sql.join(densityPoints.slice(1).map(([high, to], i) => {
  const [low, from] = densityPoints[i]!
  return sql`when ${area} <= ${high} then ${from}::float8 + ${(to - from) / (high - low)}::float8 * (greatest(${area}, ${low}) - ${low})`
}), sql` `)} else ${densityPoints[densityPoints.length - 1]![1]} end)`

const IN_FORCE_YEAR = 2022
const DENSITY_MARGIN = 5
const housingDensity: QualityRule = {
  id: 'housing_density_qcvn', layers: ['parcels', 'buildings'], severity: 'warning', unit: '%', columns: { parcels: ['loai_dat'], buildings: ['use', 'year_built'] }, neighbours: [{ layer: 'buildings', withinM: 0 }],
  title: { vi: 'Mật độ xây dựng thuần theo diện tích thửa', en: 'Net density by the area of the parcel' },
  description: { vi: `Thửa đất ở có nhà xây từ ${IN_FORCE_YEAR}: mật độ không vượt bảng của quy chuẩn quá ${DENSITY_MARGIN} điểm (≤ 90 m²: 100 %, 200: 70 %, 1000: 40 %).`, en: `Residential parcels with a house built from ${IN_FORCE_YEAR} on: no more than ${DENSITY_MARGIN} points above the standard's table (≤ 90 m²: 100 %, 200: 70 %, 1000: 40 %).` },
  message: { vi: 'Mật độ {value}, tối đa {threshold} cho thửa {detail} m²', en: 'Density {value}; {threshold} is the most for a parcel of {detail} m²' },
  suggestion: { vi: 'Đối chiếu giấy phép xây dựng.', en: 'Compare with the building permit.' },
  source: `${QCVN}, table of net density for single houses, in force from 2021-07-05`,
  find: { statement: look => sql`
    select s.id as feature_id, null::text as other_layer, null::int8 as other_id, ''::text as part, st_pointonsurface(s.geom) as geom, 100 * b.built / m.area as value, ${allowed(sql`m.area`)} + 0 as threshold, round(m.area::numeric)::text as detail
    from ${look.rows('parcels')} as s cross join lateral (select ${look.metres('parcels', 's')} as mine) as g cross join lateral (select st_area(g.mine) as area) as m
    cross join lateral (select sum(st_area(st_intersection(g.mine, ${look.metres('buildings', 'b')}))) as built, bool_and(b.use in ('residential', 'mixed')) as housing, max(b.year_built) as year
      from ${look.rows('buildings')} as b where b.geom && s.geom and st_intersects(b.geom, s.geom) and not st_touches(b.geom, s.geom)) as b
    where s.loai_dat in ('ODT', 'ONT') and b.housing and b.year >= ${IN_FORCE_YEAR} and 100 * b.built / nullif(m.area, 0) > ${allowed(sql`m.area`)} + ${DENSITY_MARGIN} ${look.scope('s')}` },
}

const wardsOverlap: QualityRule = {
  id: 'wards_overlap', layers: ['wards', 'wards'], pairs: true, severity: 'warning', unit: 'm²', columns: { wards: ['hieu_luc_den'] },
  title: { vi: 'Phường, xã không chồng lấn', en: 'Wards do not overlap' },
  description: { vi: 'Các đơn vị đang hiệu lực chồng nhau dày hơn 1 m.', en: 'Units in force share ground more than 1 m thick.' },
  message: { vi: 'Chồng {value} lên đơn vị khác', en: 'Shares {value} with another unit' },
  suggestion: { vi: 'Dùng ranh giới theo nghị quyết.', en: 'Use the boundary of the decision.' },
  find: { statement: look => overlaps(look, 'wards', { thickerThanM: 1, leastM2: 100, where: sql`and s.hieu_luc_den is null and o.hieu_luc_den is null` }) },
}

const treeInBuilding: QualityRule = {
  id: 'tree_in_building', layers: ['trees', 'buildings'], severity: 'warning', needs: ['buildings'], columns: {}, neighbours: [{ layer: 'buildings', withinM: 0 }],
  title: { vi: 'Cây không mọc trong nhà', en: 'A tree does not stand in a building' },
  description: { vi: 'Gốc cây nằm trong mặt bằng công trình.', en: 'The stem lies inside a footprint.' },
  suggestion: { vi: 'Kiểm tra vị trí cây; cây đã chặt thì xóa.', en: 'Check the position; delete trees that were felled.' },
  find: { statement: look => sql`
    select s.id as feature_id, 'buildings'::text as other_layer, min(b.id) as other_id, ''::text as part, s.geom, null::float8 as value, null::float8 as threshold, null::text as detail
    from ${look.rows('trees')} as s join ${look.rows('buildings')} as b on b.geom && s.geom and st_contains(b.geom, s.geom) where true ${look.scope('s')} group by s.id, s.geom` },
}

export const landRules: readonly QualityRule[] = [
  parcelsOverlap, parcelGaps, parcelArea, buildingOutside, buildingStraddles, buildingsOverlap, buildingInWater, buildingOnRoad, housingDensity, wardsOverlap, treeInBuilding,
]
