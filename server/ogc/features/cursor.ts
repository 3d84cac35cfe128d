import { badParameter } from '../../errors.js'

/** A row's place in an order: the values of the keys as the database writes them, and its id. */
export interface Place { readonly values: readonly (string | null)[]; readonly id: number }

/** Where a page lies: it begins after a place, or ends before one. */
export interface Cursor { readonly side: 'after' | 'before'; readonly place: Place }

/** Base64url without padding, and good for any `limit`. `sort` is the order that it holds for, as `sortby` has it. */
export function encodeCursor({ side, place: { id, values } }: Cursor, sort = ''): string {
  const mark = side === 'after' ? '>' : '<'
  const text = values.length === 0 ? `${mark}${id}` : `${mark}${id} ${JSON.stringify([sort, ...values])}`
  return Buffer.from(text).toString('base64url')
}

/** Undefined: the beginning. Throws 400 for what is no cursor of this order. */
export function decodeCursor(cursor: string | undefined, sort = '', keys = 0): Cursor | undefined {
  if (cursor === undefined) return undefined
  const match = /^([<>])(\d{1,16})(?: (\[.*\]))?$/s.exec(Buffer.from(cursor, 'base64url').toString())
  const id = Number(match?.[2])
  if (!match || !Number.isSafeInteger(id)) throw badCursor('is not one of ours')
  const [made, ...values] = match[3] === undefined ? [''] : readList(match[3])
  if (made !== sort || values.length !== keys) throw badCursor('was made for another order of features')
  return { side: match[1] === '>' ? 'after' : 'before', place: { id, values } }
}

function readList(text: string): (string | null)[] {
  try {
    const list: unknown = JSON.parse(text)
    if (Array.isArray(list) && list.every((item) => item === null || typeof item === 'string')) return list
  } catch { /* told below */ }
  throw badCursor('is not one of ours')
}

const badCursor = (fault: string) => badParameter('cursor', `This cursor ${fault}: follow the “next” link of a page, or leave it out to start anew.`)

/** The id that a page of a list by id comes after: 0 at the beginning. */
export function idAfter(cursor: string | undefined): number {
  return decodeCursor(cursor)?.place.id ?? 0
}

export const cursorAfter = (id: number): string => encodeCursor({ side: 'after', place: { id, values: [] } })
