import { Cron } from 'croner'
import { badBody } from '../errors.js'

const UNITS = { m: 60_000, h: 3_600_000, d: 86_400_000 } as const
const SHORTEST_MS = 60_000

/** Throws a Problem for what is neither an interval nor a cron line. */
export function checkSchedule(schedule: string): void {
  const interval = intervalMs(schedule)
  if (interval !== undefined) {
    if (interval < SHORTEST_MS) throw badBody('The shortest interval is one minute.')
    return
  }
  const fields = schedule.trim().split(/\s+/)
  if (fields.length !== 5) throw badBody(`“${schedule}” is no schedule: write an interval (15m, 6h, 1d) or five cron fields (“30 2 * * 1-5”: at 2:30 from Monday to Friday).`)
  let next: Date | null
  try {
    next = new Cron(schedule, { paused: true }).nextRun()
  } catch (error) {
    throw badBody(`“${schedule}” is no cron line: ${(error as Error).message}.`)
  }
  if (!next) throw badBody(`“${schedule}” never comes.`)
}

/**
 * The first time after `now` that a schedule names. Intervals keep their rhythm from `last`; runs that were missed
 * meanwhile are not made up for one by one. Cron fields are read in the city's time zone.
 */
export function nextRun(schedule: string, now: Date, { last, timeZone }: { last: Date; timeZone: string }): Date {
  const interval = intervalMs(schedule)
  if (interval === undefined) return new Cron(schedule, { paused: true, timezone: timeZone }).nextRun(now)!
  const passed = Math.max(0, Math.floor((now.getTime() - last.getTime()) / interval))
  return new Date(last.getTime() + (passed + 1) * interval)
}

function intervalMs(schedule: string): number | undefined {
  const match = /^\s*(\d{1,4})\s*([mhd])\s*$/.exec(schedule)
  return match ? Number(match[1]) * UNITS[match[2] as keyof typeof UNITS] : undefined
}
