import { readdirSync, readFileSync } from 'node:fs'
import t from 'tap'
import { en } from './en.js'
import { elapsed, number, text } from './text.js'
import { vi, type MessageKey } from './vi.js'

const placeholders = (s: string) => [...s.matchAll(/\{(\w+)\}/g)].map(([, name]) => name).sort()

t.test('both languages say everything, with the same values in it', async (t) => {
  t.strictSame(Object.keys(en).sort(), Object.keys(vi).sort())
  for (const key of Object.keys(vi) as MessageKey[]) {
    t.ok(vi[key].trim() && en[key].trim(), key)
    t.strictSame(placeholders(vi[key]), placeholders(en[key]), `${key}: the same values`)
    t.equal(vi[key], vi[key].normalize('NFC'), `${key}: composed letters`)
  }
})

t.test('no message is left that nothing shows, and no Vietnamese outside the messages', async (t) => {
  const folders = ['..', '../core', '../panels', '../scene', '.']
  const source = folders.flatMap((folder) => readdirSync(new URL(folder, import.meta.url)).filter((f) => f.endsWith('.ts') && !f.includes('.test.') && !['vi.ts', 'en.ts'].includes(f)).map((f) => [f, readFileSync(new URL(`${folder}/${f}`, import.meta.url), 'utf8')] as const))
  const all = source.map(([, body]) => body).join('\n')
  const families = [...all.matchAll(/`([a-z]+\.)\$\{/g)].map(([, family]) => family!)
  for (const key of Object.keys(vi)) t.ok(all.includes(`'${key}'`) || families.some((family) => key.startsWith(family)), key)
  for (const [file, body] of source.filter(([f]) => f !== 'main.ts')) {
    const words = body.replace(/\/\*[^]*?\*\/|\/\/.*$/gm, '').match(/[ăâđêôơưạảấầẩẫậắằẳẵặẹẻẽếềểễệỉịọỏốồổỗộớờởỡợụủứừửữựỳỵỷỹ]/i)
    t.notOk(words, `${file} takes its words from the messages`)
  }
})

t.test('values and numbers are put as each language writes them', async (t) => {
  t.equal(text('vi', 'filter.matched', { n: number('vi', 12345) }), '12.345 đối tượng phù hợp')
  t.equal(text('en', 'filter.matched', { n: number('en', 12345) }), '12,345 features match')
  t.equal(number('vi', 0.5, 2, true), '0,50')
  t.equal(elapsed('vi', 3 * 3600 + 5 * 60), '3 giờ 05 phút')
  t.equal(elapsed('en', 90 * 60), '1 h 30 min')
})
