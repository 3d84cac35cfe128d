import { badParameter } from '../../errors.js'

/** Where a page starts: after this id. Base64url without padding, and good for any `limit`. */
export function encodeCursor(lastId: number): string {
  return Buffer.from(`>${lastId}`).toString('base64url')
}

export function decodeCursor(cursor: string | undefined): number {
  if (cursor === undefined) return 0
  const match = /^>(\d{1,16})$/.exec(Buffer.from(cursor, 'base64url').toString('latin1'))
  const id = Number(match?.[1])
  if (!match || !Number.isSafeInteger(id)) throw badParameter('cursor', 'This cursor is not one of ours: follow the “next” link of a page, or leave it out to start anew.')
  return id
}
