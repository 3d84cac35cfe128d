/** RFC 3339, with a zone and a day that exists: `2025-07-01T06:00:00Z`. */
export function isTimestamp(value: string): boolean {
  return /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)$/.test(value)
    && isRealDay(value.slice(0, 10)) && !Number.isNaN(Date.parse(value))
}

/** `2024-02-29` is one, `2023-02-29` is not. */
export function isRealDay(day: string): boolean {
  const date = new Date(`${day}T00:00:00Z`)
  return !Number.isNaN(date.getTime()) && date.toISOString().startsWith(day) && !day.startsWith('0000')
}
