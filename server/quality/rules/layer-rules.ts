/** What every layer is held to by its own definition: geometry, ranges, codes, mandatory fields, patterns, twins, its file's rules. */
import { sql, type RawBuilder } from 'kysely'
import type { Classification, Column, Layer } from '../../../layers/layer.js'
import { CLASSES, classOf } from '../../store/rights.js'
import type { QualityRule } from '../rule.js'

export function layerRules(layer: Layer, layers: readonly Layer[]): readonly QualityRule[] {
  if (layer.kind !== 'city') return []
  return [
    validGeometry(layer), ...tooSmall(layer), ...CLASSES.flatMap(classification => [...values(layer, classification), ...unknownCodes(layer, classification)]),
    ...patterns(layer), ...fileRules(layer), twins(layer, 'duplicate_source', ['source', 'source_id']), ...twinCodes(layer), ...wrongWard(layer, layers),
  ]
}

const none = sql`null::text as other_layer, null::int8 as other_id`
const noMeasure = sql`null::float8 as value, null::float8 as threshold`
const at = (alias: string) => sql`st_pointonsurface(${sql.ref(`${alias}.geom`)})`

function validGeometry(layer: Layer): QualityRule {
  return {
    id: `${layer.id}.valid_geometry`, layers: [layer.id], severity: 'error', columns: {},
    title: { vi: 'Hình học hợp lệ', en: 'The geometry is valid' },
    description: { vi: 'Vùng không tự cắt, vòng khép kín, không rỗng.', en: 'Polygons do not cross themselves, rings are closed, nothing is empty.' },
    message: { vi: 'Hình học không hợp lệ: {detail}', en: 'The geometry is not valid: {detail}' },
    suggestion: { vi: 'Mở đối tượng ở chỗ được đánh dấu và vẽ lại đường biên.', en: 'Open the feature at the mark and redraw its boundary.' },
    find: { statement: look => sql`
      select s.id as feature_id, ${none}, ''::text as part, coalesce(st_setsrid(d.location, 4326), s.geom) as geom, ${noMeasure}, case when s.geom is null then 'none' when st_isempty(s.geom) then 'empty' else d.reason end as detail
      from ${look.rows(layer.id)} as s left join lateral st_isvaliddetail(s.geom) as d on true
      where (s.geom is null or st_isempty(s.geom) or not d.valid) ${look.scope('s')}` },
  }
}

/** Below these nobody drew anything on purpose. */
const LEAST_AREA_M2 = 0.05
const LEAST_LENGTH_M = 0.05

function tooSmall(layer: Layer): readonly QualityRule[] {
  if (layer.geometry !== 'polygon' && layer.geometry !== 'line') return []
  const isArea = layer.geometry === 'polygon'
  const least = isArea ? LEAST_AREA_M2 : LEAST_LENGTH_M
  return [{
    id: `${layer.id}.too_small`, layers: [layer.id], severity: 'warning', unit: isArea ? 'm²' : 'm', columns: {},
    title: isArea ? { vi: 'Vùng đủ lớn để là thật', en: 'The area is large enough to be real' } : { vi: 'Đường đủ dài để là thật', en: 'The line is long enough to be real' },
    description: { vi: 'Mảnh vụn còn sót khi cắt, nối.', en: 'Crumbs that cutting and joining left over.' },
    message: { vi: 'Chỉ {value}, ít hơn {threshold}', en: 'Only {value}, less than {threshold}' },
    suggestion: { vi: 'Xóa mảnh vụn hoặc nhập vào đối tượng bên cạnh.', en: 'Delete the crumb, or merge it into its neighbour.' },
    find: { statement: look => {
      const size = isArea ? sql`st_area(${look.metres(layer.id, 's')})` : sql`st_length(${look.metres(layer.id, 's')})`
      return sql`
        select s.id as feature_id, ${none}, ''::text as part, ${at('s')} as geom, m.size as value, ${least}::float8 as threshold, null::text as detail
        from ${look.rows(layer.id)} as s cross join lateral (select ${size} as size) as m
        where (st_xmax(s.geom) - st_xmin(s.geom) < 1e-4 and st_ymax(s.geom) - st_ymin(s.geom) < 1e-4) and m.size < ${least} ${look.scope('s')}`
    } },
  }]
}

const suffix = (classification: Classification) => classification === 'open' ? '' : `.${classification}`
const ofClass = (layer: Layer, classification: Classification) => layer.columns.filter(column => classOf(layer, column) === classification)

/** Mandatory, in range, not too long. */
function values(layer: Layer, classification: Classification): readonly QualityRule[] {
  const faults = ofClass(layer, classification).flatMap(column => columnFaults(column).map(([kind, condition, detail]) => ({ column, kind, condition, detail })))
  if (faults.length === 0) return []
  return [{
    id: `${layer.id}.values${suffix(classification)}`, layers: [layer.id], severity: 'error', columns: { [layer.id]: [...new Set(faults.map(fault => fault.column.name))] },
    title: { vi: 'Giá trị nằm trong giới hạn của cột', en: 'Values keep to what their columns hold' },
    description: { vi: 'Trường bắt buộc có giá trị; số nằm trong khoảng; chữ không quá dài.', en: 'Mandatory fields are filled, numbers in range, texts not too long.' },
    message: { vi: '{detail}', en: '{detail}' },
    suggestion: { vi: 'Sửa giá trị của cột được nêu.', en: 'Correct the value of the named column.' },
    find: { statement: look => sql`
      select s.id as feature_id, ${none}, v.part, ${at('s')} as geom, v.value, v.threshold, v.detail
      from ${look.rows(layer.id)} as s cross join lateral (values ${sql.join(faults.map(({ column, kind, condition, detail }) => {
        const limit = kind === 'min' ? column.min! : kind === 'max' ? column.max! : kind === 'length' ? column.maxLength! : null
        const measured = kind === 'min' || kind === 'max' ? sql`${ref(column)}::float8` : kind === 'length' ? sql`length(${ref(column)})::float8` : sql`null::float8`
        return sql`(${`${column.name}:${kind}`}::text, ${condition}, ${measured}, ${limit}::float8, ${detail}::text)`
      }))}) as v(part, broken, value, threshold, detail)
      where v.broken ${look.scope('s')}` },
  }]
}

const ref = (column: Column) => sql.ref(`s.${column.name}`)

function columnFaults(column: Column): readonly (readonly [kind: string, condition: RawBuilder<unknown>, detail: string])[] {
  const { name, required, min, max, maxLength, type } = column
  return [
    ...(required ? [['required', sql`${ref(column)} is null`, `${name}: ∅`] as const] : []),
    ...(min !== undefined ? [['min', sql`${ref(column)} < ${min}`, `${name} < ${min}`] as const] : []),
    ...(max !== undefined ? [['max', sql`${ref(column)} > ${max}`, `${name} > ${max}`] as const] : []),
    ...(maxLength !== undefined && type === 'text' ? [['length', sql`length(${ref(column)}) > ${maxLength}`, `${name}: > ${maxLength}`] as const] : []),
  ]
}

/** Codes are data: one that is not in the list may be newer than the list. */
function unknownCodes(layer: Layer, classification: Classification): readonly QualityRule[] {
  const coded = ofClass(layer, classification).filter(column => column.codes)
  if (coded.length === 0) return []
  return [{
    id: `${layer.id}.codes${suffix(classification)}`, layers: [layer.id], severity: 'warning', columns: { [layer.id]: coded.map(column => column.name) },
    title: { vi: 'Mã có trong danh mục', en: 'Codes are in the code list' },
    description: { vi: 'Mã lạ chỉ là cảnh báo: danh mục có thể cũ hơn dữ liệu.', en: 'An unknown code is a warning only: the list may be older than the data.' },
    message: { vi: 'Mã không có trong danh mục: {detail}', en: 'Not in the code list: {detail}' },
    suggestion: { vi: 'Dùng mã trong danh mục, hoặc bổ sung danh mục nếu mã đúng.', en: 'Use a code of the list, or add the code to the list if it is right.' },
    find: { statement: look => sql`
      select s.id as feature_id, ${none}, v.part, ${at('s')} as geom, ${noMeasure}, v.part || ' = ' || left(v.code, 80) as detail
      from ${look.rows(layer.id)} as s cross join lateral (values ${sql.join(coded.map(column =>
        sql`(${column.name}::text, ${ref(column)}::text, ${ref(column)}::text <> all (${Object.keys(column.codes!)}::text[]))`))}) as v(part, code, strange)
      where v.strange ${look.scope('s')}` },
  }]
}

/** In JavaScript, as at import: PostgreSQL reads other expressions. */
function patterns(layer: Layer): readonly QualityRule[] {
  return layer.columns.filter(column => column.pattern !== undefined && column.type === 'text').map((column): QualityRule => {
    const pattern = new RegExp(column.pattern!, 'u')
    return {
      id: `${layer.id}.pattern_${column.name}`, layers: [layer.id], severity: 'error', columns: { [layer.id]: [column.name] },
      title: { vi: `${column.title.vi} viết đúng mẫu`, en: `${column.title.en} follows its pattern` },
      description: { vi: `Mẫu: ${column.pattern}`, en: `Pattern: ${column.pattern}` },
      suggestion: { vi: 'Đối chiếu với hồ sơ gốc.', en: 'Compare with the original record.' },
      find: { holds: row => typeof row[column.name] !== 'string' || pattern.test(row[column.name] as string) },
    }
  })
}

function fileRules(layer: Layer): readonly QualityRule[] {
  return (layer.rules ?? []).map((rule): QualityRule => {
    const titles = rule.reads.map(name => layer.columns.find(column => column.name === name)?.title ?? { vi: name, en: name })
    return {
      id: `${layer.id}.${rule.id}`, layers: [layer.id], severity: rule.severity, title: rule.title, description: rule.title, columns: { [layer.id]: rule.reads },
      suggestion: rule.suggestion ?? { vi: `Kiểm tra: ${titles.map(title => title.vi).join(', ')}.`, en: `Check: ${titles.map(title => title.en).join(', ')}.` },
      find: { holds: rule.holds },
    }
  })
}

/** Features that share what should be one feature's own; each later one names the first. */
function twins(layer: Layer, id: string, columns: readonly string[]): QualityRule {
  const same = sql.join(columns.map(name => sql`${sql.ref(`s.${name}`)} = ${sql.ref(`o.${name}`)}`), sql` and `)
  const named = columns.filter(name => layer.columns.some(column => column.name === name))
  const last = columns[columns.length - 1]!
  return {
    id: `${layer.id}.${id}`, layers: [layer.id], severity: 'warning', columns: { [layer.id]: named },
    title: id === 'duplicate_source' ? { vi: 'Mã tại nguồn là duy nhất', en: 'A source\'s id stands once' } : { vi: 'Mã là duy nhất trong nguồn', en: 'A code stands once in its source' },
    description: { vi: 'Cùng nguồn và cùng mã thì phải là cùng một đối tượng.', en: 'The same source and id should be the same feature.' },
    message: { vi: 'Trùng {detail} với một đối tượng có trước', en: 'Shares {detail} with an earlier feature' },
    suggestion: { vi: 'Giữ một đối tượng; nạp lại bằng --replace thay vì nạp thêm.', en: 'Keep one of them; load again with --replace instead of adding.' },
    neighbours: [{ layer: layer.id, on: same }],
    find: { statement: look => sql`
      select s.id as feature_id, ${layer.id}::text as other_layer, s.first_id as other_id, ''::text as part, ${at('s')} as geom, ${noMeasure}, left(${sql.ref(`s.${last}`)}, 80) as detail
      from (select id, geom, ${sql.ref(last)}, min(id) over (partition by ${sql.join(columns.map(name => sql.ref(name)))}) as first_id
        from ${look.rows(layer.id)} as r where ${sql.ref(last)} is not null) as s
      where s.id <> s.first_id ${look.scope('s')}` },
  }
}

const twinCodes = (layer: Layer): readonly QualityRule[] => layer.columns.some(({ name, type }) => name === 'code' && type === 'text')
  ? [twins(layer, 'duplicate_code', ['source', 'code'])] : []

/** Farther than this inside another ward is not the thickness of a boundary. */
const WARD_TOLERANCE_M = 5

function wrongWard(layer: Layer, layers: readonly Layer[]): readonly QualityRule[] {
  if (!layer.columns.some(column => column.name === 'ward_code') || !layers.some(({ id }) => id === 'wards')) return []
  return [{
    id: `${layer.id}.ward`, layers: [layer.id, 'wards'], severity: 'warning', unit: 'm', needs: ['wards'], columns: { [layer.id]: ['ward_code'], wards: ['code', 'hieu_luc_den'] },
    title: { vi: 'Nằm trong phường, xã đã ghi', en: 'Lies in the ward that it names' },
    description: { vi: `Đối tượng nằm trọn ngoài đơn vị đã ghi quá ${WARD_TOLERANCE_M} m. Tên đường trùng nhau giữa các phường nên mã sai dẫn tới sai địa chỉ.`, en: `The feature lies wholly outside the unit that it names, by more than ${WARD_TOLERANCE_M} m. Street names repeat between wards, so that a wrong code means a wrong address.` },
    message: { vi: 'Ghi phường {detail}, cách phường đó {value}', en: 'Names ward {detail}, which is {value} away' },
    suggestion: { vi: 'Sửa mã phường, hoặc vị trí.', en: 'Correct the ward code, or the position.' },
    neighbours: [{ layer: 'wards', withinM: 1 }, { layer: 'wards', on: sql`s.ward_code = o.code` }],
    find: { statement: look => sql`
      select s.id as feature_id, 'wards'::text as other_layer, w.id as other_id, ''::text as part, ${at('s')} as geom, d.away as value, ${WARD_TOLERANCE_M}::float8 as threshold, left(s.ward_code, 20) as detail
      from ${look.rows(layer.id)} as s
      join lateral (select w.id, w.geom from ${look.rows('wards')} as w where w.code = s.ward_code and w.hieu_luc_den is null order by w.id limit 1) as w on not st_intersects(w.geom, s.geom)
      cross join lateral (select st_distance(st_transform(s.geom, ${look.srid}::int), st_transform(w.geom, ${look.srid}::int)) as away) as d
      where d.away > ${WARD_TOLERANCE_M} ${look.scope('s')}
      union all
      select s.id, null::text, null::int8, '', ${at('s')}, null::float8, null::float8, left(s.ward_code, 20)
      from ${look.rows(layer.id)} as s where s.ward_code is not null ${look.scope('s')}
        and not exists (select from ${look.rows('wards')} as w where w.code = s.ward_code and w.hieu_luc_den is null) and exists (select from ${look.rows('wards')} as w where st_intersects(w.geom, s.geom))` },
  }]
}
