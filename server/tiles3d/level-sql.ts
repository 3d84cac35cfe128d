/** How high a feature reaches, said in SQL: the same as prepare.ts draws, so that boxes hold what is in them. */
import { sql, type RawBuilder } from 'kysely'
import type { Column, Layer } from '../../layers/layer.js'
import { BANK_SLOPE, DEFAULT_BANK_M, DEFAULT_HEIGHT_M, FOUNDATION_M, STOREY_M } from './prepare.js'

/**
 * Columns `ground` (its own level; null where it stands on the terrain), `low` and `high` (known levels), `above_low` and `above_high`
 * (metres above the ground), `tall` (metres from bottom to top); each null where it does not apply.
 */
export function levelsOf(layer: Layer, visible: readonly Column[], alias: string): RawBuilder<unknown> {
  const { ground, low, high, aboveLow, aboveHigh, tall } = levelTexts(layer, visible, alias)
  return sql.raw(`(${ground})::float8 as ground, (${low})::float8 as low, (${high})::float8 as high, (${aboveLow})::float8 as above_low, (${aboveHigh})::float8 as above_high, (${tall})::float8 as tall`)
}

interface LevelTexts { readonly ground: string; readonly low: string; readonly high: string; readonly aboveLow: string; readonly aboveHigh: string; readonly tall: string }

function levelTexts(layer: Layer, visible: readonly Column[], alias: string): LevelTexts {
  const { threeD } = layer
  const row = (name: string) => `"${alias}"."${name}"`
  const column = (name: string | undefined) => visible.some(column => column.name === name) ? row(name!) : 'null::float8'
  const [level, levelTo] = [column(threeD?.level), column(threeD?.levelTo)]
  switch (threeD?.form) {
    case 'extrude': case undefined: {
      const [base, top] = [column(threeD?.base), column(threeD?.top)]
      const height = `coalesce(${row('height')}, nullif(${column(threeD?.storeys)}, 0) * ${STOREY_M}, ${DEFAULT_HEIGHT_M})`
      const [solid, ownTall] = [row('solid'), `coalesce(${top} - coalesce(${base}, ${top} - 1), ${height})`]
      return {
        ground: row('ground_z'),
        low: `case when ${solid} is null then coalesce(${base}, ${top} - 1) else st_zmin(${solid}) end`,
        high: `case when ${solid} is null then greatest(${top}, ${base}) else st_zmax(${solid}) end`,
        aboveLow: `case when ${solid} is not null then 0 when ${top} is null then case when ${base} is null then ${-FOUNDATION_M} else ${height} end end`,
        aboveHigh: `case when ${solid} is null and ${top} is null then ${height} end`,
        tall: `case when ${solid} is null then ${ownTall} else st_zmax(${solid}) - st_zmin(${solid}) end`,
      }
    }
    case 'instance': {
      const height = `coalesce(${row('height')}, ${column(threeD.tall)}, 10)`
      return {
        ground: row('ground_z'), low: `least(${level}, ${levelTo}) - 1`, high: `greatest(${level}, ${levelTo}) + ${height} + 1`,
        aboveLow: '-1', aboveHigh: `${height} + 1`, tall: height,
      }
    }
    case 'tube': {
      const slack = `(${drapeSlack(row('geom'))} + coalesce(${inMetres(layer, threeD.diameter, column(threeD.diameter))}, 0))`
      return {
        ground: 'null', low: `least(${level}, ${levelTo}) - ${slack}`, high: `greatest(${level}, ${levelTo}) + ${slack}`,
        aboveLow: `-coalesce(${column(threeD.cover)}, 1) - ${slack}`, aboveHigh: `coalesce(${row('height')}, 0) + ${slack}`, tall: '0',
      }
    }
    case 'embankment': {
      const [toe, crest] = [column(threeD.base), column(threeD.top)]
      const slack = drapeSlack(row('geom'))
      const height = `coalesce(${row('height')}, ${DEFAULT_BANK_M})`
      return {
        ground: 'null', low: `least(${toe}, ${crest}, ${row('ground_z')}) - ${slack}`, high: `greatest(${crest}, ${row('ground_z')} + ${height}) + ${slack}`,
        aboveLow: `-${slack}`, aboveHigh: `${height} + ${slack}`, tall: height,
      }
    }
  }
}

/** Draped lines follow ground that may rise and fall along them: a tenth of their length is steeper than streets are. Metres. */
function drapeSlack(geom: string): string {
  return `(3 + 0.1 * sqrt(((st_xmax(${geom}) - st_xmin(${geom})) * 111320 * cos(radians(st_ymin(${geom})))) ^ 2 + ((st_ymax(${geom}) - st_ymin(${geom})) * 110574) ^ 2))`
}

/** How far a mesh between these levels may reach sideways beyond its feature's box, metres: crowns, pipes' walls, the slopes of banks. */
export function reachM({ threeD }: Layer, tall: number): number {
  switch (threeD?.form) {
    case 'tube': return 2
    case 'embankment': return 10 + BANK_SLOPE * tall
    case 'instance': return 8
    default: return 0
  }
}

function inMetres({ columns }: Layer, name: string | undefined, text: string): string {
  const unit = columns.find(column => column.name === name)?.unit
  return unit === 'mm' ? `${text} / 1000.0` : unit === 'cm' ? `${text} / 100.0` : text
}
