import { isRealDay, isTimestamp } from '../../../core/filter/instants.js'
import { badParameter } from '../../errors.js'
import type { AsOf } from '../../store/store.js'

/** `asOf`: nothing or `now`, a revision number, or an RFC 3339 instant. */
export function parseAsOf(text: string | undefined): AsOf {
  if (text === undefined || text === 'now') return 'now'
  if (/^\d{1,15}$/.test(text)) return Number(text)
  if (isTimestamp(text)) return new Date(text)
  throw badParameter('asOf', `“${text}” is not a time of the store: give a revision number (see /changes) or an RFC 3339 instant such as 2026-07-01T06:00:00Z${text.includes(' ') ? ' (write + as %2B)' : ''}.`)
}

/** An instant is an interval whose ends are equal; `null` is open. */
export interface Interval { readonly start: Date | null; readonly end: Date | null }

/** `datetime` of OGC API Features: a date or instant, or `start/end` with `..` or nothing for an open end. */
export function parseDatetime(text: string | undefined): Interval | undefined {
  if (text === undefined) return undefined
  const parts = text.split('/')
  if (parts.length > 2) throw badDatetime(text)
  const start = edge(parts[0]!, 'start', text, parts.length === 1)
  const end = edge(parts[parts.length - 1]!, 'end', text, parts.length === 1)
  if (parts.length === 2 && !start && !end && parts.join('') === '') throw badDatetime(text)
  if (start && end && start > end) throw badParameter('datetime', `The interval “${text}” ends before it starts.`)
  return { start, end }
}

function edge(part: string, side: 'start' | 'end', whole: string, alone: boolean): Date | null {
  if (!alone && (part === '' || part === '..')) return null
  if (isTimestamp(part)) return new Date(part)
  if (/^\d{4}-\d\d-\d\d$/.test(part) && isRealDay(part)) return new Date(`${part}T${side === 'start' ? '00:00:00.000' : '23:59:59.999'}Z`)
  throw badDatetime(whole)
}

function badDatetime(text: string) {
  return badParameter('datetime', `“${text}” is not a time: give an RFC 3339 instant such as 2026-07-01T06:00:00Z, or an interval such as 2026-01-01T00:00:00Z/.. .`)
}

/** The city as it stood at the end of the interval, but never beyond `asOf`. */
export function asOfEnd(asOf: AsOf, interval: Interval | undefined): AsOf {
  if (!interval?.end || interval.end.getTime() >= Date.now()) return asOf
  if (asOf === 'now') return interval.end
  return asOf instanceof Date && asOf < interval.end ? asOf : interval.end
}

/** Where an interval begins, open ones before all time; undefined for an instant, at which nothing retired counts. */
export function intervalStart(interval: Interval | undefined): Date | undefined {
  if (!interval || (interval.start && interval.start.getTime() === interval.end?.getTime())) return undefined
  return interval.start ?? new Date(0)
}
