/** What deliveries look like, and what is suspicious in how one differs from the one before. */
import type { Feature } from '../../core/feature.js'
import type { SourceFile } from '../import/source.js'
import { GeometryFault } from '../../core/geometry/wkb-bytes.js'
import type { AttributeType, Shape } from './registry.js'

/** An attribute must have been in this share of rows before its absence says anything. */
const COMMON = 0.05

/** Watches the features of a file go by; `shape()` is complete when all layers were read to their end. */
export function observed(file: SourceFile): { readonly file: SourceFile; shape(): Shape } {
  const seen = new Map<string, Observer>()
  const layers = file.layers.map(layer => ({
    ...layer,
    // A layer is read several times (a sample, then all of it): each reading starts anew.
    features: (...args: []) => watch(layer.features(...args), observer => seen.set(layer.name, observer)),
  }))
  return { file: { ...file, layers }, shape: () => merged([...seen.values()]) }
}

async function* watch(features: AsyncIterable<Feature>, begin: (observer: Observer) => void): AsyncGenerator<Feature> {
  const observer = new Observer()
  begin(observer)
  for await (const feature of features) {
    observer.see(feature)
    yield feature
  }
}

class Observer {
  rows = 0
  readonly geometries = new Set<string>()
  readonly attributes = new Map<string, { type: AttributeType; filled: number }>()

  see({ geometry, properties }: Feature): void {
    this.rows++
    const kind = kindOf(geometry)
    if (kind) this.geometries.add(kind)
    for (const name in properties) {
      const value = properties[name]
      if (value === null || value === undefined || value === '') continue
      const type = typeOf(value)
      const known = this.attributes.get(name)
      if (!known) this.attributes.set(name, { type, filled: 1 })
      else {
        known.filled++
        if (known.type !== type) known.type = 'mixed'
      }
    }
  }
}

function kindOf(geometry: Feature['geometry']): string | undefined {
  try {
    return geometry?.type.replace(/^Multi/, '')
  } catch (error) {
    if (error instanceof GeometryFault) return undefined
    throw error
  }
}

function typeOf(value: unknown): AttributeType {
  switch (typeof value) {
    case 'number': case 'bigint': return 'number'
    case 'boolean': return 'boolean'
    case 'string': return /^\d{4}-\d{2}-\d{2}([T ]|$)/.test(value) ? 'date' : /^[+-]?\d+([.,]\d+)?$/.test(value.trim()) ? 'number' : 'text'
    default: return 'object'
  }
}

function merged(observers: readonly Observer[]): Shape {
  const attributes: Record<string, { type: AttributeType; filled: number }> = {}
  for (const observer of observers) for (const [name, { type, filled }] of observer.attributes) {
    const known = attributes[name]
    attributes[name] = known ? { type: known.type === type ? type : 'mixed', filled: known.filled + filled } : { type, filled }
  }
  return { rows: observers.reduce((sum, { rows }) => sum + rows, 0), geometries: [...new Set(observers.flatMap(({ geometries }) => [...geometries]))].sort(), attributes }
}

/** One reason not to apply a delivery, or one thing to know of it. */
export interface Finding {
  readonly kind: 'shrinks' | 'moved' | 'outside' | 'columns' | 'type' | 'geometry' | 'conflicts'
  readonly layer?: string
  readonly detail: string
}

/** Attributes lost or of another type, and another kind of geometry, against the delivery before. */
export function compareShapes(before: Shape | undefined, after: Shape): Finding[] {
  if (!before || before.rows === 0 || after.rows === 0) return []
  const findings: Finding[] = []
  const common = Object.entries(before.attributes).filter(([, { filled }]) => filled >= COMMON * before.rows)
  const lost = common.map(([name]) => name).filter(name => !after.attributes[name])
  if (lost.length) findings.push({ kind: 'columns', detail: `The source has lost ${lost.length === 1 ? 'the attribute' : 'the attributes'} ${lost.slice(0, 20).map(name => `“${name}”`).join(', ')}.` })
  for (const [name, { type }] of common) {
    const now = after.attributes[name]?.type
    if (now && now !== type && now !== 'mixed' && type !== 'mixed') findings.push({ kind: 'type', detail: `The attribute “${name}” was ${type} and is ${now} now.` })
    else if (now === 'mixed' && (type === 'number' || type === 'date')) findings.push({ kind: 'type', detail: `The attribute “${name}” was ${type} and is of several types now.` })
  }
  const foreign = after.geometries.filter(kind => !before.geometries.includes(kind))
  if (before.geometries.length && foreign.length && !after.geometries.some(kind => before.geometries.includes(kind)))
    findings.push({ kind: 'geometry', detail: `The source had ${before.geometries.join(' and ')} geometry and has ${foreign.join(' and ')} now.` })
  return findings
}

/** What the database measured of a replacement of one layer's rows. */
export interface Movement {
  readonly layer: string
  /** Rows of the source before, of which so many are to go. */
  readonly present: number
  readonly deletes: number
  /** Rows on both sides whose geometry differs, and how many of them by about the same vector (metres east, north). */
  readonly both: number
  readonly moved: number
  readonly together: number
  readonly east: number | null
  readonly north: number | null
  /** Distance between the middles (medians) of all rows before and after, and the former extent's diagonal, metres. */
  readonly jump: number | null
  readonly diagonal: number | null
  readonly incoming: number
  /** Incoming rows farther from the city than `OUTSIDE_KM`. */
  readonly outside: number
}

export const OUTSIDE_KM = 150
/** Shifts below are a better survey, not another CRS. */
const SHIFT_METRES = 1
const SHIFTED_SHARE = 0.5
const MANY = 3
const OUTSIDE_SHARE = 0.01

/** What is suspicious in the numbers: shrinking, a common shift, a jump, another place on Earth. */
export function judgeMovement(movement: Movement, maxDeletes: number): Finding[] {
  const { layer, present, deletes, both, moved, together, east, north, jump, diagonal, incoming, outside } = movement
  const findings: Finding[] = []
  if (present > 0 && deletes / present > maxDeletes)
    findings.push({ kind: 'shrinks', layer, detail: `${deletes} of ${present} rows (${percent(deletes / present)}) would be deleted; ${percent(maxDeletes)} are allowed.` })
  const shift = Math.hypot(east ?? 0, north ?? 0)
  if (both >= MANY && together >= MANY && together / both >= SHIFTED_SHARE && shift >= SHIFT_METRES)
    findings.push({ kind: 'moved', layer, detail: `${together} of ${both} rows have moved together by ${metres(shift)} (${metres(Math.abs(east!))} ${east! < 0 ? 'west' : 'east'}, ${metres(Math.abs(north!))} ${north! < 0 ? 'south' : 'north'}): is the CRS another one?` })
  else if (present >= MANY && incoming > 0 && jump !== null && jump > Math.max(1_000, (diagonal ?? 0) / 2))
    findings.push({ kind: 'moved', layer, detail: `The middle of all rows has moved by ${metres(jump)}${moved ? '' : ', to rows of other identities'}: is it the same area, and the same CRS?` })
  if (incoming > 0 && outside / incoming > OUTSIDE_SHARE)
    findings.push({ kind: 'outside', layer, detail: `${outside} of ${incoming} rows lie more than ${OUTSIDE_KM} km from the city: is the CRS right, and the order of coordinates?` })
  return findings
}

const percent = (share: number) => `${+(share * 100).toFixed(1)} %`
const metres = (distance: number) => (distance >= 10_000 ? `${Math.round(distance / 1000)} km` : `${+distance.toFixed(distance < 100 ? 1 : 0)} m`)
