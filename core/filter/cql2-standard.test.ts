/** The examples that come with the standard: text and JSON of one name say the same. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import t from 'tap'
import { parseCql2Json, printCql2Json } from './cql2-json.js'
import { parseCql2Text } from './cql2-text.js'

const examples = `${process.env.REAL_DATA}/cql2/schema/examples`

t.test('every example of CQL2 reads the same from text and JSON, and prints as it was', { skip: !existsSync(examples) && 'REAL_DATA names no folder with cql2' }, async t => {
  const files = readdirSync(`${examples}/text`)
  t.equal(files.length, 120)
  // One instant may be written with and without its noughts.
  const plain = (value: unknown) => JSON.parse(JSON.stringify(value).replaceAll('.000000Z', 'Z')) as unknown
  for (const file of files) {
    const json = JSON.parse(readFileSync(`${examples}/json/${file.replace(/(-alt\d+)?\.txt$/, '.json')}`, 'utf8')) as unknown
    const fromJson = parseCql2Json(json)
    t.strictSame(plain(parseCql2Text(readFileSync(`${examples}/text/${file}`, 'utf8'))), plain(fromJson), file)
    t.strictSame(parseCql2Json(printCql2Json(fromJson)), fromJson, `${file} printed`)
  }
})
