import t from 'tap'
import { editDistance, fold, foldAccents, foldCase, nearMisses } from './text.js'

t.test('Vietnamese folds to what a person types without diacritics', async t => {
  t.equal(fold('Đường Điện Biên Phủ'), 'duong dien bien phu')
  t.equal(fold('Hoà Vang'), fold('Hòa Vang'))
  t.equal(fold('Ho\u0061\u0300 Vang'), 'hoa vang', 'decomposed or not')
  t.equal(foldAccents('Đà NẴNG'), 'Da NANG')
  t.equal(foldCase('ĐÀ NẴNG'), 'đà nẵng')
  t.equal(fold('K123/45 – 100%'), 'k123/45 – 100%', 'other signs stay')
})

t.test('a slip of the finger finds its name', async t => {
  const known = ['buildings', 'roads', 'wards', 'water_pipes', 'trees']
  t.strictSame(nearMisses('buidlings', known), ['buildings'])
  t.strictSame(nearMisses('Road', known), ['roads'])
  t.strictSame(nearMisses('pipes', known), ['water_pipes'])
  t.strictSame(nearMisses('xyzzy', known), [])
  t.strictSame(nearMisses('foo', ['roof', 'floor']), [], 'two of three letters are another word')
  t.strictSame(nearMisses('', known), [])
  t.strictSame([editDistance('kitten', 'sitting'), editDistance('', 'abc'), editDistance('a', 'a')], [3, 3, 0])
})
