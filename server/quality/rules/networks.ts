/** Water, drains, power, telecom: lines joined to their nodes, everything fed from its root, drains that fall. */
import { sql, type RawBuilder } from 'kysely'
import type { Localized } from '../../../layers/layer.js'
import type { Look, QualityRule } from '../rule.js'

interface Network {
  readonly lines: string
  readonly nodes: string
  /** Kinds of nodes that feed the rest, or that it flows to. */
  readonly roots: readonly string[]
  readonly name: Localized
  readonly unfed: QualityRule['title']
}

const NETWORKS: readonly Network[] = [
  { lines: 'water_pipes', nodes: 'water_nodes', roots: ['source', 'treatment', 'tank'], name: { vi: 'cấp nước', en: 'water' }, unfed: { vi: 'Nút cấp nước nối với nguồn', en: 'A water node is joined to a source' } },
  { lines: 'drain_pipes', nodes: 'drain_nodes', roots: ['outfall'], name: { vi: 'thoát nước', en: 'drain' }, unfed: { vi: 'Hố ga thoát được tới cửa xả', en: 'A drain node leads to an outfall' } },
  { lines: 'power_lines', nodes: 'power_nodes', roots: ['source', 'substation'], name: { vi: 'điện', en: 'power' }, unfed: { vi: 'Nút điện nối với nguồn hoặc trạm 110 kV', en: 'A power node is joined to a source or substation' } },
  { lines: 'telecom_lines', nodes: 'telecom_nodes', roots: ['exchange'], name: { vi: 'viễn thông', en: 'telecom' }, unfed: { vi: 'Nút viễn thông nối với tổng đài', en: 'A telecom node is joined to an exchange' } },
]

/** Farther than this from its node an end is not joined to it. */
const JOIN_M = 0.5

/** Start and end of a line with the node that each names. */
const lineEnds = (look: Look, lines: string, ...more: readonly string[]) => sql`
  select s.id, s.geom, e.which, e.code, e.at ${more.length ? sql`, ${sql.join(more.map(name => sql.ref(`s.${name}`)))}` : sql``}
  from ${look.rows(lines)} as s cross join lateral (values ('from', s.from_node, st_startpoint(st_geometryn(s.geom, 1))), ('to', s.to_node, st_endpoint(st_geometryn(s.geom, st_numgeometries(s.geom))))) as e(which, code, at)`

function unknownNode({ lines, nodes, name }: Network): QualityRule {
  return {
    id: `${lines}.unknown_node`, layers: [lines, nodes], severity: 'warning', needs: [nodes], columns: { [lines]: ['from_node', 'to_node'], [nodes]: ['code'] }, neighbours: [{ layer: nodes, on: sql`(s.from_node = o.code or s.to_node = o.code)` }],
    title: { vi: 'Nút đầu cuối của tuyến có thật', en: 'The end nodes of a line exist' },
    description: { vi: `Nút mà tuyến ${name.vi} ghi ở hai đầu có trong lớp nút.`, en: `The nodes that a ${name.en} line names at its ends are in the layer of nodes.` },
    message: { vi: 'Không có nút {detail}', en: 'There is no node {detail}' },
    suggestion: { vi: 'Bổ sung nút, hoặc sửa mã nút của tuyến.', en: 'Add the node, or correct the code on the line.' },
    find: { statement: look => sql`
      select s.id as feature_id, null::text as other_layer, null::int8 as other_id, s.which as part, s.at as geom, null::float8 as value, null::float8 as threshold, s.code as detail
      from (${lineEnds(look, lines)}) as s left join (select distinct code from ${look.rows(nodes)} as n where code is not null) as n on n.code = s.code
      where s.code is not null and n.code is null ${look.scope('s')}` },
  }
}

function endOffNode({ lines, nodes, name }: Network): QualityRule {
  return {
    id: `${lines}.end_off_node`, layers: [lines, nodes], severity: 'warning', unit: 'm', needs: [nodes], columns: { [lines]: ['from_node', 'to_node'], [nodes]: ['code'] },
    neighbours: [{ layer: nodes, on: sql`(s.from_node = o.code or s.to_node = o.code)` }, { layer: nodes, withinM: JOIN_M + 0.5 }],
    title: { vi: 'Hai đầu tuyến nằm tại nút', en: 'Both ends of a line lie at nodes' },
    description: { vi: `Đầu tuyến ${name.vi} cách nút đã ghi quá ${JOIN_M} m; tuyến không ghi nút thì cách mọi nút.`, en: `An end of a ${name.en} line lies more than ${JOIN_M} m from the node that it names; where it names none, from every node.` },
    message: { vi: 'Đầu “{detail}” cách nút {value}', en: 'The end “{detail}” is {value} from its node' },
    suggestion: { vi: 'Bắt đầu tuyến vào nút, hoặc sửa vị trí nút.', en: 'Snap the end to the node, or move the node.' },
    find: { statement: look => {
      const away = sql`st_distance(st_transform(s.at, ${look.srid}::int), st_transform(n.geom, ${look.srid}::int))`
      return sql`
        select s.id as feature_id, ${nodes}::text as other_layer, s.node as other_id, s.which as part, s.at as geom, s.away as value, ${JOIN_M}::float8 as threshold, s.which as detail from (
          select distinct on (s.id, s.which) s.id, s.which, s.at, n.id as node, ${away} as away
          from (${lineEnds(look, lines)}) as s join ${look.rows(nodes)} as n on n.code = s.code where s.code is not null ${look.scope('s')}
          order by s.id, s.which, away, n.id
        ) as s where s.away > ${JOIN_M}
        union all
        select s.id, null::text, null::int8, s.which, s.at, null::float8, ${JOIN_M}::float8, s.which
        from (${lineEnds(look, lines)}) as s where s.code is null ${look.scope('s')}
          and not exists (select from ${look.rows(nodes)} as n where n.geom && st_expand(s.at, ${JOIN_M / 100_000}::float8) and ${away} <= ${JOIN_M})`
    } },
  }
}

function unrooted({ lines, nodes, roots, name, unfed }: Network): QualityRule {
  return {
    id: `${nodes}.unrooted`, layers: [nodes, lines], severity: 'warning', whole: true, needs: [lines], columns: { [nodes]: ['code', 'kind'], [lines]: ['from_node', 'to_node'] }, title: unfed,
    description: { vi: `Cụm nút ${name.vi} không có gốc (${roots.join(', ')}): sự cố và mô phỏng lan truyền không tới được.`, en: `A group of ${name.en} nodes without a root (${roots.join(', ')}): failures and simulations cannot follow it.` },
    message: { vi: 'Không nối với gốc; cụm này có {detail} nút', en: 'Not joined to a root, in a group of {detail}' },
    suggestion: { vi: 'Bổ sung tuyến còn thiếu, hoặc sửa nút đầu cuối của tuyến.', en: 'Add the missing line, or correct the end nodes of the lines.' },
    find: {
      links: look => sql`
        select a.id as a, b.id as b from ${look.rows(lines)} as l join ${look.rows(nodes)} as a on a.code = l.from_node join ${look.rows(nodes)} as b on b.code = l.to_node
        union all select n.id, n.id from ${look.rows(nodes)} as n`,
      statement: look => sql`
        with groups as (select c.component, count(*) as size, bool_or(n.kind = any(${roots as string[]}::text[])) as rooted from component as c join ${look.rows(nodes)} as n on n.id = c.id group by c.component)
        select n.id as feature_id, null::text as other_layer, null::int8 as other_id, ''::text as part, n.geom, null::float8 as value, null::float8 as threshold, g.size::text as detail
        from component as c join groups as g using (component) join ${look.rows(nodes)} as n on n.id = c.id
        where g.rooted is not true and exists (select from ${look.rows(lines)} as l where l.from_node is not null)`,
    },
  }
}

const STEP_M = 0.02
const drainStep: QualityRule = {
  id: 'drain_runs_uphill', layers: ['drain_pipes', 'drain_pipes'], severity: 'warning', unit: 'm', columns: { drain_pipes: ['from_node', 'to_node', 'invert_from_m', 'invert_to_m'] }, neighbours: [{ layer: 'drain_pipes', on: sql`(s.from_node = o.to_node or s.to_node = o.from_node)` }],
  title: { vi: 'Đáy cống không cao lên ở hố ga', en: 'Inverts do not rise across a manhole' },
  description: { vi: `Đáy cống đi cao hơn mọi cống đến quá ${STEP_M * 100} cm: nước đọng trong hố ga.`, en: `The outgoing invert lies more than ${STEP_M * 100} cm above an incoming one: water stands in the manhole.` },
  message: { vi: 'Đáy cống đi cao hơn cống đến {value} tại {detail}', en: 'Leaves {detail} {value} above a drain that arrives there' },
  suggestion: { vi: 'Kiểm tra cao độ đáy hai cống và hướng dòng chảy.', en: 'Check both inverts and the direction of flow.' },
  find: { statement: look => sql`
    select s.id as feature_id, 'drain_pipes'::text as other_layer, i.id as other_id, ''::text as part, st_startpoint(st_geometryn(s.geom, 1)) as geom, s.invert_from_m - i.invert_to_m as value, ${STEP_M}::float8 as threshold, s.from_node as detail
    from ${look.rows('drain_pipes')} as s join ${look.rows('drain_pipes')} as i on i.to_node = s.from_node and i.id <> s.id
    where s.invert_from_m > i.invert_to_m + ${STEP_M} ${look.scope('s')}` },
}

const BELOW_M = 0.05
const drainBelowNode: QualityRule = {
  id: 'drain_below_node', layers: ['drain_pipes', 'drain_nodes'], severity: 'warning', unit: 'm', needs: ['drain_nodes'], columns: { drain_pipes: ['from_node', 'to_node', 'invert_from_m', 'invert_to_m'], drain_nodes: ['code', 'bottom_level_m', 'cover_level_m'] },
  neighbours: [{ layer: 'drain_nodes', on: sql`(s.from_node = o.code or s.to_node = o.code)` }],
  title: { vi: 'Đáy cống nằm giữa đáy và nắp hố ga', en: 'A drain\'s invert lies between bottom and cover of its manhole' },
  description: { vi: 'Đáy cống thấp hơn đáy hố ga, hoặc cao hơn nắp.', en: 'The invert lies below the bottom, or above the cover.' },
  message: { vi: 'Đáy cống lệch {value} khỏi hố ga {detail}', en: 'The invert is {value} outside manhole {detail}' },
  suggestion: { vi: 'Kiểm tra cao độ của cống và hố ga, cùng một hệ cao độ.', en: 'Check both levels; they must share one datum.' },
  find: { statement: look => sql`
    select s.id as feature_id, 'drain_nodes'::text as other_layer, n.id as other_id, s.which as part, s.at as geom, greatest(n.bottom_level_m - s.level, s.level - n.cover_level_m) as value, ${BELOW_M}::float8 as threshold, s.code as detail
    from (select e.*, case e.which when 'from' then e.invert_from_m else e.invert_to_m end as level from (${lineEnds(look, 'drain_pipes', 'invert_from_m', 'invert_to_m')}) as e) as s join ${look.rows('drain_nodes')} as n on n.code = s.code
    where greatest(n.bottom_level_m - s.level, s.level - n.cover_level_m) > ${BELOW_M} ${look.scope('s')}` },
}

interface Reference { readonly layer: string; readonly column: string; readonly of: string; readonly by: string; readonly what: Localized }

/** Columns that name a feature of another layer by its code. */
const REFERENCES: readonly Reference[] = [
  { layer: 'buildings', column: 'transformer_code', of: 'power_nodes', by: 'code', what: { vi: 'trạm biến áp', en: 'transformer' } },
  { layer: 'power_nodes', column: 'fed_by', of: 'power_nodes', by: 'code', what: { vi: 'nguồn cấp điện', en: 'feeding node' } },
  { layer: 'pumps', column: 'power_node', of: 'power_nodes', by: 'code', what: { vi: 'nút điện', en: 'power node' } },
  { layer: 'pumps', column: 'drain_node', of: 'drain_nodes', by: 'code', what: { vi: 'nút thoát nước', en: 'drain node' } },
  { layer: 'facilities', column: 'power_node', of: 'power_nodes', by: 'code', what: { vi: 'nút điện', en: 'power node' } },
  { layer: 'facilities', column: 'building_code', of: 'buildings', by: 'code', what: { vi: 'công trình', en: 'building' } },
  { layer: 'addresses', column: 'building_code', of: 'buildings', by: 'code', what: { vi: 'công trình', en: 'building' } },
  { layer: 'antennas', column: 'power_node', of: 'power_nodes', by: 'code', what: { vi: 'nút điện', en: 'power node' } },
  { layer: 'telecom_nodes', column: 'power_node', of: 'power_nodes', by: 'code', what: { vi: 'nút điện', en: 'power node' } },
  { layer: 'water_nodes', column: 'power_node', of: 'power_nodes', by: 'code', what: { vi: 'nút điện', en: 'power node' } },
  { layer: 'certificates', column: 'parcel_geohash', of: 'parcels', by: 'parcel_geohash', what: { vi: 'thửa đất', en: 'parcel' } },
  { layer: 'land_rights', column: 'parcel_geohash', of: 'parcels', by: 'parcel_geohash', what: { vi: 'thửa đất', en: 'parcel' } },
  { layer: 'land_rights', column: 'so_gcn', of: 'certificates', by: 'so_gcn', what: { vi: 'giấy chứng nhận', en: 'certificate' } },
]

function reference({ layer, column, of, by, what }: Reference): QualityRule {
  const matches: RawBuilder<unknown> = sql`${sql.ref(`s.${column}`)} = ${sql.ref(`o.${by}`)}`
  return {
    id: `${layer}.unknown_${column}`, layers: [layer, of], severity: 'warning', needs: [of], columns: layer === of ? { [layer]: [column, by] } : { [layer]: [column], [of]: [by] }, neighbours: [{ layer: of, on: matches }],
    title: { vi: `Mã ${what.vi} có thật`, en: `The ${what.en} named is there` },
    description: { vi: `Đối tượng ghi mã ${what.vi} không có trong lớp ${of}.`, en: `It names a ${what.en} that is not in ${of}.` },
    message: { vi: `Không có ${what.vi} {detail}`, en: `There is no ${what.en} {detail}` },
    suggestion: { vi: 'Sửa mã, hoặc bổ sung đối tượng được nhắc tới.', en: 'Correct the code, or add what it names.' },
    find: { statement: look => sql`
      select s.id as feature_id, null::text as other_layer, null::int8 as other_id, ''::text as part, st_pointonsurface(s.geom) as geom, null::float8 as value, null::float8 as threshold, left(${sql.ref(`s.${column}`)}, 80) as detail
      from ${look.rows(layer)} as s left join (select distinct ${sql.ref(by)} as known from ${look.rows(of)} as k) as k on k.known = ${sql.ref(`s.${column}`)}
      where ${sql.ref(`s.${column}`)} is not null and k.known is null ${look.scope('s')}` },
  }
}

export const networkRules: readonly QualityRule[] = [
  ...NETWORKS.flatMap(network => [unknownNode(network), endOffNode(network), unrooted(network)]), drainStep, drainBelowNode, ...REFERENCES.map(reference),
]
