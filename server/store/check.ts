import { nearMisses } from '../../core/text.js'
import type { Column, Layer } from '../../layers/layer.js'

/** What a row became: typed column values (with the `extra` ones that came with it) and the warnings it raised, or why it cannot be kept. */
export type CheckedRow =
  | { readonly ok: true; readonly row: Readonly<Record<string, unknown>>; readonly warnings: readonly string[] }
  | { readonly ok: false; readonly reason: string }

/**
 * Compiles a layer's checks into one function from source properties to typed columns:
 * coercion, required, ranges, lengths, patterns, codes, then the layer's own rules.
 * Properties that are no column of the layer are left out.
 */
export function rowChecker(layer: Layer): (properties: Readonly<Record<string, unknown>>, extra?: Readonly<Record<string, unknown>>) => CheckedRow {
  const columns = new Map(layer.columns.map(column => [column.name, { column, pattern: column.pattern === undefined ? null : new RegExp(column.pattern, 'u') }]))
  const required = layer.columns.filter(column => column.required)
  // Copied for each row, with what is absent there already. Object.assign is ten times faster than a spread in V8.
  const blank: Readonly<Record<string, unknown>> = Object.fromEntries(layer.columns.map(({ name }) => [name, null]))
  const rules = layer.rules ?? []
  const secretMark = secretMarks()
  return (properties, extra = {}) => {
    const secret = secretMark(properties)
    if (secret) return { ok: false, reason: `${secret}: secret data is never stored` }
    const row: Record<string, unknown> = Object.assign({}, blank, extra)
    const warnings: string[] = []
    // By what the row has: most columns of most layers are empty.
    for (const name in properties) {
      const known = columns.get(name)
      const given = properties[name]
      if (!known || given === null || given === undefined) continue
      const { column, pattern } = known
      let value: unknown
      try {
        value = coerce(given, column)
      } catch (error) {
        return { ok: false, reason: `${name}: ${(error as Error).message}` }
      }
      const fault = columnFault(value, column, pattern)
      if (fault) return { ok: false, reason: `${name}: ${fault}` }
      if (column.codes && value !== null && !Object.hasOwn(column.codes, String(value))) warnings.push(`${name}: code “${String(value)}” is not in the code list`)
      row[name] = value
    }
    for (const column of required) if (row[column.name] === null) return { ok: false, reason: `${column.name}: ${columnFault(null, column, null)}` }
    for (const rule of rules) {
      if (rule.holds(row)) continue
      if (rule.severity === 'error') return { ok: false, reason: `${rule.id}: ${rule.title.en}` }
      warnings.push(`${rule.id}: ${rule.title.en}`)
    }
    return { ok: true, row, warnings }
  }
}

/** Why a value cannot stand in a column; null where it can. */
export function attributeFault(value: unknown, column: Column): string | null {
  try {
    return columnFault(coerce(value, column), column, column.pattern === undefined ? null : new RegExp(column.pattern, 'u'))
  } catch (error) {
    return (error as Error).message
  }
}

function columnFault(value: unknown, column: Column, pattern: RegExp | null): string | null {
  if (value === null) return column.required ? 'a value is required' : null
  if (typeof value === 'number') {
    if (column.min !== undefined && value < column.min) return `${value} is below ${column.min}`
    if (column.max !== undefined && value > column.max) return `${value} is above ${column.max}`
  }
  if (typeof value === 'string' && column.type === 'text') {
    if (column.maxLength !== undefined && value.length > column.maxLength && [...value].length > column.maxLength) return `longer than ${column.maxLength} characters`
    if (pattern && !pattern.test(value)) return `“${short(value)}” does not match ${column.pattern}`
  }
  return null
}

/**
 * A source value as the column's type; empty text and absent values are null.
 * Dates and timestamps stay text (`YYYY-MM-DD`, RFC 3339 UTC). Throws an Error that says what was wanted and what came.
 */
export function coerce(value: unknown, column: Pick<Column, 'type'>): unknown {
  if (value === undefined || value === null || value === '') return null
  if (typeof value === 'number' && !Number.isFinite(value)) return null
  switch (column.type) {
    case 'text': return toText(value)
    case 'integer': return toInteger(value)
    case 'number': return toNumber(value)
    case 'boolean': return toBoolean(value)
    case 'date': return toDate(value)
    case 'timestamp': return toTimestamp(value)
    case 'json': return toJson(value)
  }
}

/** NFC, without NUL (which PostgreSQL cannot hold) and outer blanks. */
function toText(value: unknown): string | null {
  const text = value instanceof Date ? value.toISOString() : typeof value === 'object' ? JSON.stringify(value) : String(value)
  return text.replaceAll('\0', '').trim().normalize('NFC') || null
}

function toNumber(value: unknown): number | null {
  if (typeof value === 'number') return value
  if (typeof value === 'bigint') return Number(value)
  if (typeof value === 'boolean') return Number(value)
  if (typeof value === 'string') {
    const text = value.trim()
    if (text === '') return null
    // Vietnamese and most European offices write a decimal comma.
    const number = Number(/^[+-]?\d+,\d+$/.test(text) ? text.replace(',', '.') : text)
    if (Number.isFinite(number)) return number
  }
  throw new Error(`wanted a number, got “${short(value)}”`)
}

function toInteger(value: unknown): number | null {
  const number = toNumber(value)
  if (number !== null && !Number.isSafeInteger(number)) throw new Error(`wanted a whole number, got “${short(value)}”`)
  return number
}

const TRUE = new Set(['true', 't', '1', 'yes', 'y', 'có'])
const FALSE = new Set(['false', 'f', '0', 'no', 'n', 'không'])
function toBoolean(value: unknown): boolean {
  if (typeof value === 'boolean') return value
  const text = String(value).trim().toLowerCase().normalize('NFC')
  if (TRUE.has(text)) return true
  if (FALSE.has(text)) return false
  throw new Error(`wanted true or false, got “${short(value)}”`)
}

/** Reads ISO dates and times, `YYYY/MM/DD`, `YYYYMMDD`, and the Vietnamese `DD/MM/YYYY`. */
function toDate(value: unknown): string {
  if (value instanceof Date) return value.toISOString().slice(0, 10)
  const text = String(value).trim()
  const iso = /^(\d{4})[-/.]?(\d{2})[-/.]?(\d{2})(?:[T ].*)?$/.exec(text)
  const local = /^(\d{1,2})[/.-](\d{1,2})[/.-](\d{4})$/.exec(text)
  const [year, month, day] = iso ? [iso[1], iso[2], iso[3]] : local ? [local[3], local[2], local[1]] : []
  const date = `${year}-${month?.padStart(2, '0')}-${day?.padStart(2, '0')}`
  // The round trip refuses 31 February.
  const instant = new Date(`${date}T00:00:00Z`)
  if (Number.isNaN(instant.getTime()) || instant.toISOString().slice(0, 10) !== date) throw new Error(`wanted a date (YYYY-MM-DD), got “${short(value)}”`)
  return date
}

/** RFC 3339 in UTC. A time without a zone is taken as UTC. */
function toTimestamp(value: unknown): string {
  if (value instanceof Date) return value.toISOString()
  const text = String(value).trim().replace(' ', 'T').replaceAll('/', '-')
  const zoned = /(?:Z|[+-]\d{2}:?\d{2})$/i.test(text.slice(10))
  const instant = new Date(text.length === 10 ? `${text}T00:00:00Z` : zoned ? text : `${text}Z`)
  if (!/^\d{4}-/.test(text) || Number.isNaN(instant.getTime())) throw new Error(`wanted a time (RFC 3339), got “${short(value)}”`)
  return instant.toISOString()
}

function toJson(value: unknown): unknown {
  if (typeof value !== 'string') return value
  try { return JSON.parse(value) } catch { return value.normalize('NFC') }
}

const MARK = /^(classification|security|secrecy|do_?mat|độ mật|muc_?do_?mat|mức độ mật)$/iu
const SECRET = /^(top[ _-]?secret|secret|tuyệt mật|tối mật|mật|tuyet[ _]mat|toi[ _]mat|mat)$/iu
/** Finds the property that marks a record as a state secret, as `name = value`; null where none does. Each name is judged once. */
function secretMarks() {
  const judged = new Map<string, boolean>()
  return (properties: Readonly<Record<string, unknown>>): string | null => {
    for (const name in properties) {
      let mark = judged.get(name)
      if (mark === undefined) judged.set(name, mark = MARK.test(name.normalize('NFC')))
      const value = mark ? properties[name] : undefined
      if (typeof value === 'string' && SECRET.test(value.trim().normalize('NFC'))) return `${name} = ${value}`
    }
    return null
  }
}

function short(value: unknown): string {
  const text = typeof value === 'object' ? JSON.stringify(value) : String(value)
  return text.length > 60 ? `${text.slice(0, 57)}…` : text
}

/** A fault of an edited row: where in the GeoJSON feature, and what is wrong there. */
export interface RowFault { readonly path: string; readonly detail: string }

/** Attribute values that an edit sets, typed as the columns are; or all that is wrong with them. */
export interface CheckedEdit { readonly values: Readonly<Record<string, unknown>>; readonly faults: readonly RowFault[] }

type EditCheck = (properties: Readonly<Record<string, unknown>>, extra: Readonly<Record<string, unknown>>, before: Readonly<Record<string, unknown>> | null) => CheckedEdit

const editCheckers = new WeakMap<Layer, EditCheck>()

/**
 * The same checks for an edit: JSON types are meant as they stand, names that are no column are faults, and all faults are told.
 * `extra` are the edited store columns that rules read; `before` is the row as it is now, null for a new one.
 * A rule that the row broke before is no fault of an edit.
 */
export function editChecker(layer: Layer): EditCheck {
  const known = editCheckers.get(layer)
  if (known) return known
  const columns = new Map(layer.columns.map(column => [column.name, { column, pattern: column.pattern === undefined ? null : new RegExp(column.pattern, 'u') }]))
  const required = layer.columns.filter(column => column.required)
  const rules = (layer.rules ?? []).filter(rule => rule.severity === 'error')
  const secretMark = secretMarks()
  const blank: Readonly<Record<string, unknown>> = Object.fromEntries(layer.columns.map(({ name }) => [name, null]))

  const check: EditCheck = (properties, extra, before) => {
    const secret = secretMark(properties)
    if (secret) return { values: {}, faults: [{ path: `/properties/${secret.split(' = ')[0]}`, detail: `${secret}: secret data is never stored` }] }
    const values: Record<string, unknown> = {}
    const faults: RowFault[] = []
    for (const name in properties) {
      const found = columns.get(name)
      const fault = found ? setValue(values, found.column, found.pattern, properties[name]) : unknownColumn(layer, name)
      if (fault) faults.push({ path: `/properties/${name.slice(0, 60)}`, detail: fault })
    }
    const row = { ...blank, ...before, ...extra, ...values }
    for (const { name } of required) {
      const set = before === null || name in values
      if (set && row[name] === null && !faults.some(({ path }) => path === `/properties/${name}`)) faults.push({ path: `/properties/${name}`, detail: 'a value is required' })
    }
    if (faults.length === 0) for (const rule of rules) {
      if (!rule.holds(row) && (before === null || rule.holds(before))) faults.push({ path: '/properties', detail: `${rule.id}: ${rule.title.en}` })
    }
    return { values, faults }
  }
  editCheckers.set(layer, check)
  return check
}

function unknownColumn(layer: Layer, name: string): string {
  const [near] = nearMisses(name, [...layer.columns.map(column => column.name), ...(layer.threeD ? ['height', 'ground_z'] : [])])
  return `“${layer.id}” has no property “${name.slice(0, 60)}”.${near ? ` Did you mean “${near}”?` : ''}`
}

/** Sets a column's value, or tells why it cannot be set. */
function setValue(values: Record<string, unknown>, column: Column, pattern: RegExp | null, given: unknown): string | null {
  if (given !== null && given !== undefined && !FITS[column.type](given)) return `wanted ${column.type}, got ${short(given)}`
  let value: unknown
  try {
    value = coerce(given, column)
  } catch (error) {
    return (error as Error).message
  }
  values[column.name] = value
  return columnFault(value, column, pattern)
}

/** What JSON may bring for a column; numbers in quotes are a client's mistake here, not an office's habit. */
const FITS: Readonly<Record<Column['type'], (value: unknown) => boolean>> = {
  text: value => typeof value === 'string',
  integer: value => Number.isSafeInteger(value),
  number: value => Number.isFinite(value),
  boolean: value => typeof value === 'boolean',
  date: value => typeof value === 'string' || value instanceof Date,
  timestamp: value => typeof value === 'string' || value instanceof Date,
  json: () => true,
}
