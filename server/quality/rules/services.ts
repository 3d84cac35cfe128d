/** Addresses, public services, and records about people. */
import { sql } from 'kysely'
import type { QualityRule } from '../rule.js'

const ADDRESS = ['ward_code', 'duong', 'so_nha', 'kiet', 'hem', 'ngo', 'thon', 'toa_nha', 'tang', 'can_ho'] as const
/** An address as a postman hears it. */
const spoken = (alias: string) => sql`dothi.fold(concat_ws('|', ${sql.join(ADDRESS.map(name => sql`coalesce(${sql.ref(`${alias}.${name}`)}, '')`))}))`

const addressTwins: QualityRule = {
  id: 'address_duplicate', layers: ['addresses', 'addresses'], severity: 'warning', columns: { addresses: [...ADDRESS, 'full_address'] }, neighbours: [{ layer: 'addresses', on: sql`${spoken('s')} = ${spoken('o')}` }],
  title: { vi: 'Địa chỉ là duy nhất trong phường', en: 'An address stands once in its ward' },
  description: { vi: 'Cùng phường, đường, số nhà, kiệt, tòa nhà, căn hộ (không kể dấu và chữ hoa).', en: 'The same ward, street, number, lane, building and unit, whatever the diacritics and capitals.' },
  message: { vi: 'Trùng địa chỉ: {detail}', en: 'The same address again: {detail}' },
  suggestion: { vi: 'Cấp lại số, thêm chữ (45A), hoặc xóa điểm trùng.', en: 'Give another number, add a letter (45A), or delete the twin.' },
  find: { statement: look => sql`
    select s.id as feature_id, 'addresses'::text as other_layer, s.first_id as other_id, ''::text as part, s.geom, null::float8 as value, null::float8 as threshold, left(s.full_address, 200) as detail
    from (select r.id, r.geom, r.full_address, min(r.id) over (partition by ${spoken('r')}) as first_id from ${look.rows('addresses')} as r where r.so_nha is not null) as s
    where s.id <> s.first_id ${look.scope('s')}` },
}

const FAR_M = 200
const facilityOffRoad: QualityRule = {
  id: 'facility_off_road', layers: ['facilities', 'roads'], severity: 'warning', unit: 'm', needs: ['roads'], columns: { roads: ['class'], facilities: ['name'] }, neighbours: [{ layer: 'roads', withinM: 1200 }],
  title: { vi: 'Tới được cơ sở công cộng bằng đường', en: 'A public facility is reached by road' },
  description: { vi: `Từ điểm của cơ sở tới đường gần nhất không quá ${FAR_M} m.`, en: `From the point of a facility to the nearest road it is no more than ${FAR_M} m.` },
  message: { vi: '{detail}: đường gần nhất cách {value}', en: '{detail}: the nearest road is {value} away' },
  suggestion: { vi: 'Bổ sung đường vào, hoặc sửa vị trí.', en: 'Add the access road, or correct the position.' },
  find: { statement: look => sql`
    select s.id as feature_id, null::text as other_layer, null::int8 as other_id, ''::text as part, s.geom, n.away as value, ${FAR_M}::float8 as threshold, coalesce(s.name, '?') as detail
    from ${look.rows('facilities')} as s
    left join lateral (select st_distance(${look.metres('facilities', 's')}, ${look.metres('roads', 'r')}) as away from ${look.rows('roads')} as r where r.class is distinct from 'rail' and r.geom && st_expand(s.geom, 0.01) order by away limit 1) as n on true
    where coalesce(n.away, 1e9) > ${FAR_M} ${look.scope('s')}` },
}

const outsideParcel = (layer: string): QualityRule => ({
  id: `${layer}.outside_parcel`, layers: [layer, 'parcels'], severity: 'warning', unit: 'm', needs: ['parcels'], columns: { [layer]: ['parcel_geohash'], parcels: ['parcel_geohash'] }, neighbours: [{ layer: 'parcels', on: sql`s.parcel_geohash = o.parcel_geohash` }],
  title: { vi: 'Điểm nằm trong thửa đã ghi', en: 'The point lies in the parcel that it names' },
  description: { vi: 'Điểm của hồ sơ cách thửa quá 1 m.', en: 'The point of the record is more than 1 m from its parcel.' },
  message: { vi: 'Cách thửa {value}', en: '{value} from its parcel' },
  suggestion: { vi: 'Sửa mã thửa, hoặc đặt lại điểm.', en: 'Correct the parcel, or set the point again.' },
  find: { statement: look => sql`
    select s.id as feature_id, 'parcels'::text as other_layer, p.id as other_id, ''::text as part, s.geom, d.away as value, 1::float8 as threshold, null::text as detail
    from ${look.rows(layer)} as s join lateral (select p.id, p.geom from ${look.rows('parcels')} as p where p.parcel_geohash = s.parcel_geohash order by p.id limit 1) as p on true
    cross join lateral (select st_distance(st_transform(s.geom, ${look.srid}::int), st_transform(p.geom, ${look.srid}::int)) as away) as d
    where d.away > 1 ${look.scope('s')}` },
})

const retention = (layer: string): QualityRule => ({
  id: `${layer}.retention`, layers: [layer], severity: 'error', daily: true, columns: { [layer]: ['luu_den'] },
  title: { vi: 'Dữ liệu cá nhân chưa quá hạn lưu', en: 'Personal data is not kept beyond its day' },
  description: { vi: 'Quá ngày lưu thì phải xóa, hoặc gia hạn có căn cứ.', en: 'After that day it is to be erased, or prolonged for a reason.' },
  message: { vi: 'Quá hạn lưu từ {detail}', en: 'To be erased since {detail}' },
  suggestion: { vi: 'Xóa bản ghi, hoặc gia hạn kèm căn cứ pháp lý.', en: 'Erase the record, or prolong it with its legal basis.' },
  source: 'Luật Bảo vệ dữ liệu cá nhân 91/2025/QH15',
  find: { statement: look => sql`
    select s.id as feature_id, null::text as other_layer, null::int8 as other_id, ''::text as part, s.geom, null::float8 as value, null::float8 as threshold, s.luu_den::text as detail
    from ${look.rows(layer)} as s where s.luu_den < current_date ${look.scope('s')}` },
})

const sharesOver: QualityRule = {
  id: 'land_rights_over_whole', layers: ['land_rights', 'land_rights'], severity: 'warning', unit: '%', columns: { land_rights: ['parcel_geohash', 'loai_quyen', 'ty_le', 'den_ngay'] }, neighbours: [{ layer: 'land_rights', on: sql`s.parcel_geohash = o.parcel_geohash` }],
  title: { vi: 'Tổng phần quyền của một thửa không quá 100 %', en: 'Shares in a parcel do not exceed the whole' },
  description: { vi: 'Cộng các quyền sử dụng, đồng sử dụng đang hiệu lực.', en: 'Sum of the rights of use and shared use in force.' },
  message: { vi: 'Tổng phần quyền của thửa {detail} là {value}', en: 'Shares in parcel {detail} sum to {value}' },
  suggestion: { vi: 'Kết thúc quyền cũ khi chuyển nhượng.', en: 'End the former right when one is transferred.' },
  find: { statement: look => sql`
    select s.id as feature_id, null::text as other_layer, null::int8 as other_id, ''::text as part, s.geom, s.total as value, 100::float8 as threshold, s.parcel_geohash as detail
    from (select r.id, r.geom, r.parcel_geohash, sum(r.ty_le) over (partition by r.parcel_geohash) as total, min(r.id) over (partition by r.parcel_geohash) as first_id
      from ${look.rows('land_rights')} as r where r.loai_quyen in ('su_dung', 'dong_su_dung') and r.den_ngay is null) as s
    where s.total > 100.01 and s.id = s.first_id ${look.scope('s')}` },
}

const certificateNumber: QualityRule = {
  id: 'certificate_number_differs', layers: ['parcels', 'certificates'], severity: 'warning', needs: ['certificates'], columns: { parcels: ['parcel_geohash', 'so_gcn'], certificates: ['parcel_geohash', 'so_gcn', 'trang_thai'] }, neighbours: [{ layer: 'certificates', on: sql`s.parcel_geohash = o.parcel_geohash` }],
  title: { vi: 'Số giấy chứng nhận của thửa khớp hồ sơ', en: 'The certificate number of a parcel is that of the register' },
  description: { vi: 'Số ghi trong dữ liệu thửa khác mọi giấy đang hiệu lực của thửa.', en: 'The number in the parcel\'s data is none of its certificates in force.' },
  message: { vi: 'Số giấy ghi ở thửa khác hồ sơ', en: 'The number on the parcel is not that of its certificate' },
  suggestion: { vi: 'Cập nhật theo giấy mới nhất.', en: 'Update it from the latest certificate.' },
  find: { statement: look => sql`
    select s.id as feature_id, 'certificates'::text as other_layer, min(c.id) as other_id, ''::text as part, st_pointonsurface(s.geom) as geom, null::float8 as value, null::float8 as threshold, null::text as detail
    from ${look.rows('parcels')} as s join ${look.rows('certificates')} as c on c.parcel_geohash = s.parcel_geohash and c.trang_thai = 'hieu_luc'
    where s.so_gcn is not null ${look.scope('s')} group by s.id, s.geom, s.so_gcn having not bool_or(c.so_gcn = s.so_gcn)` },
}

export const serviceRules: readonly QualityRule[] = [
  addressTwins, facilityOffRoad, outsideParcel('certificates'), outsideParcel('land_rights'), retention('certificates'), retention('land_rights'), sharesOver, certificateNumber,
]
