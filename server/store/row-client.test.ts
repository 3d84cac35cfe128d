import { EventEmitter } from 'node:events'
import fc from 'fast-check'
import t from 'tap'
import { ProtoWriter } from '../../core/mvt/proto-writer.js'
import { testDatabase } from '../testing/test-cluster.js'
import { RowClient } from './row-client.js'

/** A message of the protocol: its type, its length with itself, its body. */
function message(type: string, body: Buffer): Buffer {
  const head = Buffer.alloc(5, type)
  head.writeInt32BE(body.length + 4, 1)
  return Buffer.concat([head, body])
}
const row = (value: Buffer) => {
  const head = Buffer.alloc(6)
  head.writeInt16BE(1)
  head.writeInt32BE(value.length, 2)
  return message('D', Buffer.concat([head, value]))
}
const COMPLETE = message('C', Buffer.from('SELECT 1\0'))
const READY = message('Z', Buffer.from('I'))

t.test('rows go one way and all else the other, wherever the stream is cut', async (t) => {
  const part = fc.oneof(
    fc.uint8Array({ maxLength: 40 }).map((value) => row(Buffer.from(value))),
    fc.constantFrom(COMPLETE, message('2', Buffer.alloc(0)), message('1', Buffer.alloc(0))),
  )
  await fc.assert(fc.asyncProperty(fc.array(part, { maxLength: 12 }), fc.array(fc.nat(), { maxLength: 20 }), async (parts, cuts) => {
    const client = new RowClient()
    const { connection } = client as unknown as { connection: EventEmitter & { attachListeners(stream: EventEmitter): void } }
    const stream = new EventEmitter()
    connection.attachListeners(stream)
    const heard: string[] = []
    for (const name of ['dataRow', 'commandComplete', 'bindComplete', 'parseComplete', 'readyForQuery']) connection.on(name, () => heard.push(name))
    const whole = Buffer.concat([...parts, READY])
    const rows = new ProtoWriter()
    client.query = (() => new Promise<void>((done) => connection.once('readyForQuery', () => done()))) as never
    const reading = client.readRows({ text: '', values: [] }, rows)
    const places = [...new Set([0, ...cuts.map((cut) => cut % whole.length), whole.length])].sort((a, b) => a - b)
    for (const [i, at] of places.slice(1).entries()) stream.emit('data', Buffer.from(whole.subarray(places[i]!, at)))
    await reading
    const isRow = (bytes: Buffer) => bytes[0] === 'D'.charCodeAt(0)
    t.strictSame(Buffer.from(rows.written()), Buffer.concat(parts.filter(isRow)))
    t.equal(heard.length, parts.filter((bytes) => !isRow(bytes)).length + 1)
    t.notOk(heard.includes('dataRow'))
    stream.emit('data', Buffer.concat([COMPLETE, READY]))
    t.equal(heard.at(-1), 'readyForQuery', 'afterwards pg hears everything again')
  }), { numRuns: 200 })
})

t.test('values arrive in binary, and the connection serves ordinary statements before and after', async (t) => {
  const database = await testDatabase({ bare: true })
  const client = new RowClient(database.connection)
  await client.connect()
  t.teardown(async () => {
    await client.end()
    await database.drop()
  })
  const read = async (text: string, values: unknown[] = [], name?: string) => {
    const rows = new ProtoWriter()
    await client.readRows({ text, values, name }, rows)
    return Buffer.from(rows.written())
  }
  for (let i = 0; i < 2; i++) {
    t.strictSame(await read('select $1::int8, null::text, $2::bytea', [2 ** 40 + 3, Buffer.from([0xff, 0x00, 0xc3, 0x28])], 'again'), message('D', Buffer.concat([
      Buffer.from([0, 3]), Buffer.from([0, 0, 0, 8, 0, 0, 1, 0, 0, 0, 0, 3]), Buffer.from([0xff, 0xff, 0xff, 0xff]), Buffer.from([0, 0, 0, 4, 0xff, 0x00, 0xc3, 0x28]),
    ])))
    t.strictSame((await client.query('select 7 as n')).rows, [{ n: 7 }])
  }
  await t.rejects(read('select 1 / (i - 5000) from generate_series(1, 10000) as i'), { code: '22012' }, 'a fault after half of the rows')
  t.equal((await read('select repeat($1, 100)::text from generate_series(1, 5000)', ['é'])).length, 5000 * (5 + 2 + 4 + 200))
})
