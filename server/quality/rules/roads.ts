/** The road network: connected, split where roads meet, nothing ending just short of another road. */
import { sql } from 'kysely'
import type { Look, QualityRule } from '../rule.js'

/** Ends closer than this are one node. */
export const NODE_M = 0.1
/** An end that stops this near another road was meant to reach it. */
const NEAR_M = 5

/** Both ends of each part of each line: `id, line geom, end (metres), at (4326), place (node)`. */
export const ends = (look: Look, layer: string) => sql`
  select s.*, e.which, e.at, st_transform(e.at, ${look.srid}::int) as metres
  from ${look.rows(layer)} as s cross join lateral st_dump(s.geom) as d
  cross join lateral (values ('a' || d.path[1], st_startpoint(d.geom)), ('b' || d.path[1], st_endpoint(d.geom))) as e(which, at)`

const dangling: QualityRule = {
  id: 'road_end_near_road', layers: ['roads', 'roads'], severity: 'warning', unit: 'm', columns: { roads: ['bridge', 'tunnel'] }, neighbours: [{ layer: 'roads', withinM: NEAR_M + 1 }],
  title: { vi: 'Đầu đường không dừng sát đường khác', en: 'A road does not end just short of another' },
  description: { vi: `Đầu đường không nối với đường nào, nhưng cách một đường khác dưới ${NEAR_M} m: thiếu nối hoặc vẽ quá.`, en: `An end that meets no road but lies less than ${NEAR_M} m from one: an undershoot or an overshoot.` },
  message: { vi: 'Đầu đường hở, cách đường khác {value}', en: 'A loose end, {value} from another road' },
  suggestion: { vi: 'Bắt đầu đường vào đường kia và tách đường kia tại đó.', en: 'Snap the end to the other road, and split that one there.' },
  find: { statement: look => sql`
    select s.id as feature_id, 'roads'::text as other_layer, n.id as other_id, s.which as part, s.at as geom, n.away as value, ${NEAR_M}::float8 as threshold, null::text as detail
    from (${ends(look, 'roads')}) as s
    cross join lateral (select o.id, st_distance(s.metres, ${look.metres('roads', 'o')}) as away from ${look.rows('roads')} as o
      where o.id <> s.id and o.geom && st_expand(s.at, ${NEAR_M / 100_000}::float8) order by away, o.id limit 1) as n
    where n.away > ${NODE_M} and n.away < ${NEAR_M} ${look.scope('s')}` },
}

const crossing: QualityRule = {
  id: 'road_crossing_unsplit', layers: ['roads', 'roads'], pairs: true, severity: 'warning', columns: { roads: ['bridge', 'tunnel'] },
  title: { vi: 'Đường giao nhau cùng mức phải tách tại nút', en: 'Roads that cross at grade are split there' },
  description: { vi: 'Hai đường cắt nhau giữa đoạn mà không có cầu, hầm: mạng lưới không biết ở đó rẽ được.', en: 'Two roads cross between their ends without a bridge or tunnel: the network does not know that one can turn there.' },
  message: { vi: 'Cắt một đường khác mà không có nút', en: 'Crosses another road without a node' },
  suggestion: { vi: 'Tách cả hai đường tại điểm cắt, hoặc ghi là cầu, hầm.', en: 'Split both roads at the crossing, or mark one as bridge or tunnel.' },
  find: { statement: look => sql`
    select least(s.id, o.id) as feature_id, 'roads'::text as other_layer, greatest(s.id, o.id) as other_id, ''::text as part, st_pointonsurface(st_intersection(case when s.id < o.id then s.geom else o.geom end, case when s.id < o.id then o.geom else s.geom end)) as geom,
      null::float8 as value, null::float8 as threshold, null::text as detail
    from ${look.rows('roads')} as s join ${look.rows('roads')} as o on o.geom && s.geom and ${look.everything ? sql`o.id > s.id` : sql`o.id <> s.id`} and st_crosses(s.geom, o.geom)
    where s.bridge is not true and o.bridge is not true and s.tunnel is not true and o.tunnel is not true ${look.scope('s')}
      and not exists (select from st_dump(st_intersection(s.geom, o.geom)) as x cross join st_dump(st_boundary(s.geom)) as b where st_dwithin(st_transform(x.geom, ${look.srid}::int), st_transform(b.geom, ${look.srid}::int), ${NODE_M}))
      and not exists (select from st_dump(st_intersection(s.geom, o.geom)) as x cross join st_dump(st_boundary(o.geom)) as b where st_dwithin(st_transform(x.geom, ${look.srid}::int), st_transform(b.geom, ${look.srid}::int), ${NODE_M}))
    ${look.everything ? sql`` : sql`group by least(s.id, o.id), greatest(s.id, o.id), case when s.id < o.id then s.geom else o.geom end, case when s.id < o.id then o.geom else s.geom end`}` },
}

const island: QualityRule = {
  id: 'road_island', layers: ['roads'], severity: 'warning', whole: true, columns: { roads: ['class'] },
  title: { vi: 'Mạng đường liền nhau', en: 'The road network is one' },
  description: { vi: 'Đoạn đường mà từ phần lớn mạng không đi tới được (đường sắt tính riêng).', en: 'Roads that cannot be reached from the largest part of the network (railways apart).' },
  message: { vi: 'Tách khỏi mạng; cụm này có {detail} đoạn', en: 'Cut off from the network, in a group of {detail}' },
  suggestion: { vi: 'Tìm đầu hở gần nhất và nối lại.', en: 'Find the nearest loose end and join it.' },
  find: {
    links: look => sql`
      select s.id as a, o.id as b from (${ends(look, 'roads')}) as s join ${look.rows('roads')} as o
        on o.id <> s.id and o.geom && st_expand(s.at, ${NODE_M / 100_000}::float8) and st_dwithin(s.metres, ${look.metres('roads', 'o')}, ${NODE_M})
      where o.class is distinct from 'rail' and s.class is distinct from 'rail'
      union all select r.id, r.id from ${look.rows('roads')} as r where r.class is distinct from 'rail'`,
    statement: look => sql`
      select r.id as feature_id, null::text as other_layer, null::int8 as other_id, ''::text as part, st_pointonsurface(r.geom) as geom, null::float8 as value, null::float8 as threshold, g.size::text as detail
      from component as c join ${look.rows('roads')} as r on r.id = c.id join (select component, count(*) as size from component group by component) as g using (component)
      where g.component <> (select component from component group by component order by count(*) desc, component limit 1)`,
  },
}

export const roadRules: readonly QualityRule[] = [dangling, crossing, island]
