/** Tokens for ArcGIS clients that log in with a name and a password: the password is a token of ours. */
import type { Response } from 'express'
import { readerOf } from '../access/tokens.js'
import { badBody } from '../errors.js'
import type { Call } from '../operations/operation.js'
import { formOf } from './parameters.js'

const HOUR_MS = 3_600_000

/** `POST /arcgis/tokens/generateToken` with `username` and `password`. */
export async function postToken(call: Call, response: Response): Promise<void> {
  const { password } = await formOf(call.request)
  response.set('Cache-Control', 'no-store')
  if (!password) throw badBody('generateToken takes a form with username and password; the password is a token (`dothi token create`).')
  const found = await readerOf(call.app.store, password)
  // Status 200 with the error inside is what their login flow reads.
  if (!found) return void response.json({ error: { code: 400, message: 'Unable to generate token.', details: ['Invalid username or password.'] } })
  const soon = Date.now() + HOUR_MS
  response.json({ token: password, expires: Math.min(found.expires?.getTime() ?? soon, soon), ssl: call.origin.startsWith('https:') })
}
