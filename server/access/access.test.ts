import { get } from 'node:http'
import type { IncomingHttpHeaders } from 'node:http'
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { sql } from 'kysely'
import t from 'tap'
import { STEWARD } from '../store/store.js'
import { testServer, testStore } from '../testing/test-store.js'
import { sessionToken } from './session.js'
import { createToken, listTokens, readerOf, revokeToken } from './tokens.js'

const NO_LAYERS = { layers: [] }

t.test('a token stands for a reader until it expires or is revoked, and only its hash is kept', async t => {
  const store = await testStore(t, NO_LAYERS)
  const { secret } = await createToken(store, { subject: 'Lan', role: 'editor' })
  t.match(await readerOf(store, secret), { subject: 'Lan', roles: ['viewer', 'editor'], clearance: 'internal' })
  t.equal(await readerOf(store, `${secret}x`), undefined)
  t.equal(await readerOf(store, ''), undefined)
  const kept = await sql<{ row: string }>`select t::text as row from dothi.tokens t`.execute(store.db)
  t.notMatch(JSON.stringify(kept.rows), secret)

  const short = await createToken(store, { subject: 'Minh', role: 'viewer', clearance: 'restricted', days: 1 })
  t.match(await readerOf(store, short.secret), { roles: ['viewer'], clearance: 'restricted' })
  await sql`update dothi.tokens set expires = now() - interval '1 s' where subject = 'Minh'`.execute(store.db)
  t.equal(await readerOf(store, short.secret), undefined)

  t.equal(await revokeToken(store, 'Lan'), 1)
  t.equal(await readerOf(store, secret), undefined)
  t.strictSame((await listTokens(store)).map(({ subject }) => subject), ['Minh'])
  await t.rejects(revokeToken(store, 'Lan'), { message: /no token with the id or subject “Lan”/ })
  await t.rejects(createToken(store, { subject: 'x', role: 'king' }), { message: /role is one of viewer, editor, steward, not “king”/ })
  await t.rejects(createToken(store, { subject: 'x', role: 'viewer', clearance: 'all' }), { message: /clearance is one of/ })
  await t.rejects(createToken(store, { subject: ' ', role: 'viewer' }), { message: /name of whom/ })
  await t.rejects(createToken(store, { subject: 'x', role: 'viewer', days: Number('soon') }), { message: /1 to 3650 days/ })
})

t.test('the link of this machine stays the same over restarts, and is readable by its owner only', async t => {
  const store = await testStore(t, NO_LAYERS)
  const dataDir = mkdtempSync('/tmp/dothi-token-')
  t.teardown(() => rmSync(dataDir, { recursive: true }))
  const first = await sessionToken(store, dataDir)
  t.equal(await sessionToken(store, dataDir), first)
  t.equal(readFileSync(join(dataDir, 'token'), 'utf8').trim(), first)
  t.equal(statSync(join(dataDir, 'token')).mode & 0o777, 0o600)
  await revokeToken(store, STEWARD.subject)
  t.not(await sessionToken(store, dataDir), first)
})

t.test('bearer tokens and the cookie over HTTP', async t => {
  const { url, token, jobs } = await testServer(t, NO_LAYERS)
  jobs.register('flood', async () => null)
  const job = await jobs.run('flood', {}, STEWARD)
  const secret = await token('editor')
  const again = `${url}/ogc/jobs/${job.id}/again`
  const status = async (path: string, init: RequestInit = {}) => (await fetch(path, { redirect: 'manual', ...init })).status
  const post = (headers: Record<string, string>) => status(again, { method: 'POST', headers })

  t.equal(await status(`${url}/ogc/jobs`), 200, 'open data need no token')
  t.equal(await post({}), 401)
  t.equal(await post({ authorization: 'Bearer wrong' }), 401)
  t.equal(await post({ authorization: 'Basic eDp5' }), 401)
  t.equal(await status(`${url}/ogc/jobs`, { headers: { authorization: 'Bearer wrong' } }), 401, 'a wrong token is not silently public')
  t.equal(await post({ authorization: `Bearer ${await token('viewer')}` }), 403)
  t.equal(await post({ authorization: `Bearer ${secret}` }), 201)

  const login = await fetch(`${url}/?lang=vi&token=${secret}`, { redirect: 'manual' })
  t.match({ status: login.status, location: login.headers.get('location') }, { status: 303, location: '/?lang=vi' }, 'the secret leaves the address')
  const set = login.headers.get('set-cookie')!
  for (const attribute of ['HttpOnly', 'SameSite=Strict', 'Path=/']) t.match(set, attribute)
  t.equal(await status(`${url}/?token=wrong`), 401)
  t.equal(await status(`${url}/?token=${secret}&token=other`), 303)

  const cookie = set.split(';')[0]!
  t.equal(await post({ cookie, 'sec-fetch-site': 'same-origin' }), 201)
  t.equal(await post({ cookie, 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' }), 403)
  t.equal(await post({ cookie, 'sec-fetch-site': 'same-site' }), 403, 'another port of this host is another site')
  t.equal(await post({ cookie }), 403, 'a program that is no browser uses a bearer token')

  // fetch sets Sec-Fetch-* and Origin itself; an old browser sends Origin only.
  const raw = (headers: IncomingHttpHeaders) => new Promise<number>((done, fail) => get(again, { method: 'POST', headers }, response => { response.resume(); done(response.statusCode!) }).on('error', fail))
  t.equal(await raw({ cookie, origin: url }), 201)
  t.equal(await raw({ cookie, origin: 'http://evil.example' }), 403)
  t.equal(await raw({ cookie, origin: 'null' }), 403)

  const stale = `${cookie.split('=')[0]}=dothi_stale`
  const page = await fetch(`${url}/ogc/jobs`, { headers: { cookie: stale } })
  t.equal(page.status, 200, 'an old cookie does not close what is open')
  t.match(page.headers.get('set-cookie'), /Max-Age=0/, 'and is taken away')
  t.equal(await post({ cookie: stale, 'sec-fetch-site': 'same-origin' }), 401)
})
