import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import t, { type Test } from 'tap'
import { isPublicAddress } from './address.js'
import { outbound } from './outbound.js'

const HERE = ['127.0.0.1']
const refusal = async (work: Promise<unknown>) => work.then(() => 'answered', (error: { status?: number; type?: string }) => `${error.status} ${error.type}`)

async function serverOf(t: Test, handle: RequestListener): Promise<{ url: string; port: number }> {
  const server = createServer(handle)
  await new Promise<void>(done => server.listen(0, '127.0.0.1', done))
  t.teardown(() => { server.closeAllConnections(); server.close() })
  const { port } = server.address() as AddressInfo
  return { url: `http://127.0.0.1:${port}`, port }
}

t.test('private, reserved and wrapped addresses are told from public ones', async t => {
  const closed = [
    '127.0.0.1', '127.8.8.8', '10.1.2.3', '172.16.0.1', '172.31.255.255', '192.168.1.1', '169.254.169.254', '100.64.0.1', '100.100.100.200', '168.63.129.16',
    '0.0.0.0', '0.1.2.3', '192.0.0.8', '192.0.2.1', '198.18.0.1', '198.51.100.7', '203.0.113.9', '224.0.0.1', '240.0.0.1', '255.255.255.255',
    '::', '::1', '::ffff:127.0.0.1', '::ffff:7f00:1', '0:0:0:0:0:ffff:a00:1', '::ffff:169.254.169.254', '::127.0.0.1', '64:ff9b::10.0.0.1', '64:ff9b::a00:1', '64:ff9b:1::1',
    'fc00::1', 'fd00:ec2::254', 'fe80::1', 'fe80::1%eth0', 'fec0::1', 'ff02::1', '2001::1', '2001:db8::1', '2002:7f00:1::', '2002:c0a8:101::1', '100::1', '3fff::1', 'nonsense', '',
  ]
  const open = ['8.8.8.8', '172.15.255.255', '172.32.0.1', '100.63.255.255', '100.128.0.1', '169.253.1.1', '192.169.0.1', '198.20.0.1', '2606:4700::1111', '2a00:1450::1', '::ffff:8.8.8.8', '64:ff9b::808:808']
  t.strictSame(closed.filter(isPublicAddress), [])
  t.strictSame(open.filter(address => !isPublicAddress(address)), [])
})

t.test('no spelling of a private address gets out', async t => {
  let asked = 0
  const { port } = await serverOf(t, (_request, response) => { asked++; response.end('inside') })
  const spellings = ['127.0.0.1', '127.1', '2130706433', '0x7f000001', '0x7f.1', '017700000001', '0177.0.0.01', '127.0.0.1.', '0', '[::1]', '[::ffff:127.0.0.1]', '[::ffff:7f00:1]', '[0:0:0:0:0:0:0:1]', 'localhost', 'LOCALHOST', '①②⑦.0.0.1', '169.254.169.254', '[fd00:ec2::254]']
  for (const host of spellings) t.equal(await refusal(outbound(`http://${host}:${port}/`, { allowPrivate: [] })), '403 private-address', host)
  for (const url of ['file:///etc/passwd', 'ftp://example.org/', 'gopher://x/', 'data:text/plain,hi', 'javascript:1', '//example.org', 'http://', 'x'])
    t.equal(await refusal(outbound(url)), '400 invalid-parameter', url)
  t.equal(await refusal(outbound(`http://user:pass@127.0.0.1:${port}/`, { allowPrivate: HERE })), '400 invalid-parameter', 'credentials in the address')
  t.equal(asked, 0, 'nothing was asked')
})

t.test('names are judged by where they point, and what was judged is what is called', async t => {
  let asked = 0
  const { port } = await serverOf(t, (_request, response) => { asked++; response.end('inside') })
  const pointing = (...answers: string[][]) => {
    let turn = 0
    return async () => answers[Math.min(turn++, answers.length - 1)]!.map(address => ({ address, family: address.includes(':') ? 6 : 4 }))
  }
  const ask = (resolve: () => Promise<{ address: string; family: number }[]>, allowPrivate: string[] = []) => outbound(`http://rebind.example:${port}/`, { resolve, allowPrivate, timeoutMs: 700 })
  t.equal(await refusal(ask(pointing(['127.0.0.1']))), '403 private-address')
  t.equal(await refusal(ask(pointing(['::ffff:127.0.0.1']))), '403 private-address')
  t.not(await refusal(ask(pointing(['192.88.98.1'], ['127.0.0.1']))), 'answered', 'rebinding: a second look-up would lead inside, but there is none')
  t.not(await refusal(ask(pointing(['192.88.98.1', '127.0.0.1']))), 'answered', 'of several addresses only the public one is tried')
  t.equal(asked, 0)
  t.equal(await (await ask(pointing(['127.0.0.1']), ['rebind.example'])).text(), 'inside', 'allowed by name')
  t.equal(await (await ask(pointing(['127.0.0.1']), ['10.0.0.0/8', '127.0.0.0/8'])).text(), 'inside', 'allowed by network')
  t.equal(await refusal(ask(pointing(['127.0.0.1']), ['other.example', '127.0.0.2'])), '403 private-address')
  await t.rejects(ask(pointing(['127.0.0.1']), ['127.0.0.1/99']), /ALLOW_PRIVATE/)
  t.equal(await refusal(outbound('http://no-such-name.invalid/')), '502 upstream')
})

t.test('redirects are bounded, judged anew, and take no secret along', async t => {
  const seen: (string | undefined)[] = []
  const other = await serverOf(t, (request, response) => { seen.push(request.headers.authorization, request.headers['x-api-key'] as string, request.headers.accept); response.end('there') })
  const { url } = await serverOf(t, ({ url: path = '', headers, method }, response) => {
    const to = (location: string, status = 302) => response.writeHead(status, { Location: location }).end()
    if (path === '/inside') to('http://[::1]/')
    else if (path === '/metadata') to('http://169.254.169.254/latest/', 307)
    else if (path === '/file') to('file:///etc/passwd')
    else if (path === '/loop') to('/loop')
    else if (path === '/same') to('home', 301)
    else if (path === '/away') to(other.url)
    else response.end(`${method} ${headers.authorization}`)
  })
  const ask = (path: string, more = {}) => outbound(`${url}${path}`, { allowPrivate: HERE, headers: { Authorization: 'Bearer key', 'X-Api-Key': 'key', Accept: 'text/plain' }, ...more })
  t.equal(await refusal(ask('/inside')), '403 private-address')
  t.equal(await refusal(ask('/metadata')), '403 private-address')
  t.equal(await refusal(ask('/file')), '400 invalid-parameter')
  t.equal(await refusal(ask('/loop')), '502 upstream')
  t.equal(await refusal(ask('/same', { maxRedirects: 0 })), '502 upstream')
  const same = await ask('/same')
  t.equal(await same.text(), 'GET Bearer key', 'the same origin keeps the key')
  t.equal(same.url, `${url}/home`)
  t.equal(await (await ask('/away')).text(), 'there')
  t.strictSame(seen, [undefined, undefined, 'text/plain'])
  t.equal((await ask('/away', { method: 'POST', body: 'x' })).status, 302, 'what is sent stays where it was sent')
})

t.test('an answer arrives to its last byte, however slowly it is read', async t => {
  const whole = Buffer.alloc(3_000_001, 'abcdefghij')
  const { url } = await serverOf(t, ({ url: path }, response) => {
    if (path === '/gzip') response.writeHead(200, { 'Content-Encoding': 'gzip' }).end(gzipSync(whole))
    else response.end(whole)
  })
  for (const path of ['/plain', '/gzip']) {
    const { body } = await outbound(`${url}${path}`, { allowPrivate: HERE })
    const chunks: Buffer[] = []
    for await (const chunk of body) { chunks.push(chunk as Buffer); await sleep(2) }
    t.ok(Buffer.concat(chunks).equals(whole), path)
  }
})

t.test('size and time are bounded, compressed or not', async t => {
  const megabyte = Buffer.alloc(2 ** 20)
  const bomb = gzipSync(Buffer.alloc(64 * 2 ** 20))
  const { url } = await serverOf(t, async ({ url: path = '' }, response) => {
    if (path === '/declared') response.writeHead(200, { 'Content-Length': 2 ** 40 }).flushHeaders()
    else if (path === '/endless') while (response.write(megabyte) || !response.destroyed) { await sleep(1); if (response.destroyed) break }
    else if (path === '/bomb') response.writeHead(200, { 'Content-Encoding': 'gzip' }).end(bomb)
    else if (path === '/twice') response.writeHead(200, { 'Content-Encoding': 'gzip, gzip' }).end(gzipSync(gzipSync('x')))
    else if (path === '/broken') { response.writeHead(200, { 'Content-Length': 10 }).write('abc'); setTimeout(() => response.destroy(), 20) }
    else if (path === '/notgzip') response.writeHead(200, { 'Content-Encoding': 'gzip' }).end('plain')
    else if (path === '/drip') { response.write('x'); const timer = setInterval(() => response.write('x'), 50); response.on('close', () => clearInterval(timer)) }
    else if (path === '/good') response.writeHead(200, { 'Content-Encoding': 'gzip', ETag: '"1"' }).end(gzipSync('{"a":1}'))
    else if (path === '/page') response.end('<html>sorry')
    else if (path === '/same') response.writeHead(304, { 'Content-Encoding': 'gzip' }).end()
    // everything else never answers
  })
  const ask = async (path: string, more = {}) => (await outbound(`${url}${path}`, { allowPrivate: HERE, maxBytes: 4 * 2 ** 20, timeoutMs: 4000, ...more })).bytes()
  t.ok(bomb.length < 2 ** 20, 'the bomb is small on the wire')
  for (const path of ['/declared', '/endless', '/bomb', '/twice', '/broken', '/notgzip']) t.equal(await refusal(ask(path)), '502 upstream', path)
  t.equal(await refusal(ask('/drip', { timeoutMs: 300 })), '504 upstream')
  t.equal(await refusal(ask('/silent', { timeoutMs: 300 })), '504 upstream')
  const abort = new AbortController()
  const waiting = ask('/silent', { signal: abort.signal })
  setTimeout(() => abort.abort(new Error('no more')), 50)
  await t.rejects(waiting, { message: 'no more' })
  await t.rejects(ask('/good', { signal: AbortSignal.abort(new Error('never')) }), { message: 'never' })
  const good = await outbound(`${url}/good`, { allowPrivate: HERE })
  t.strictSame([good.status, good.headers.etag, await good.json()], [200, '"1"', { a: 1 }])
  t.equal(await refusal(outbound(`${url}/page`, { allowPrivate: HERE }).then(answer => answer.json())), '502 upstream')
  t.equal((await outbound(`${url}/same`, { allowPrivate: HERE }).then(async answer => [answer.status, await answer.text()])).join(), '304,')
  t.equal((await outbound(`${url}/declared`, { method: 'HEAD', allowPrivate: HERE }).then(answer => answer.bytes())).length, 0)
  const unread = await outbound(`${url}/drip`, { allowPrivate: HERE, timeoutMs: 100 })
  await sleep(200)
  t.ok(unread.body.destroyed, 'a body nobody reads ends too, and harms nobody')
})
