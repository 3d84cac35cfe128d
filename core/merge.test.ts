import fc from 'fast-check'
import t from 'tap'
import { changedFields, merge, resolve, same, WHOLE, type Side } from './merge.js'

const field = fc.constantFrom('name', 'height', 'geometry')
const value = fc.oneof(fc.constantFrom<unknown>(1, 2, 'a', null), fc.record({ x: fc.constantFrom(1, 2) }), fc.array(fc.constantFrom(1, 2), { maxLength: 2 }))
const side: fc.Arbitrary<Side> = fc.option(fc.dictionary(field, value), { nil: null, freq: 5 })
const holds = (t: { doesNotThrow(work: () => void, sentence: string): unknown }, sentence: string, predicate: (base: Side, ours: Side, theirs: Side) => boolean) =>
  t.doesNotThrow(() => fc.assert(fc.property(side, side, side, predicate), { numRuns: 2000 }), sentence)

t.test('a field that one side changed is that side’s; a field that both changed differently is a conflict', async t => {
  const base = { name: 'chợ', floors: 2, use: 'market' }
  t.strictSame(merge(base, { ...base, floors: 3 }, { ...base, name: 'Chợ Hàn' }), { value: { name: 'Chợ Hàn', floors: 3, use: 'market' }, conflicts: [] })
  t.strictSame(merge(base, { ...base, floors: 3 }, { ...base, floors: 4, use: 'shop' }),
    { value: { name: 'chợ', floors: 4, use: 'shop' }, conflicts: [{ field: 'floors', base: 2, ours: 3, theirs: 4 }] })
  t.strictSame(merge(base, null, base), { value: null, conflicts: [] })
  t.strictSame(merge(base, null, { ...base, floors: 4 }).conflicts.map(({ field }) => field), [WHOLE])
  t.strictSame(changedFields({ a: 1, b: { c: 1, d: 2 } }, { a: 2, b: { d: 2, c: 1 }, e: null }), ['a'])
})

t.test('what a person decides is done, what nobody decides stays open', async t => {
  const base = { name: 'a', floors: 2 }
  const [ours, theirs] = [{ name: 'b', floors: 3 }, { name: 'c', floors: 4 }]
  t.strictSame(resolve(base, ours, theirs, 'ours'), { value: ours, conflicts: [] })
  t.strictSame(resolve(base, ours, theirs, 'theirs'), { value: theirs, conflicts: [] })
  t.strictSame(resolve(base, ours, theirs, { name: { value: 'd' } }), { value: { name: 'd', floors: 4 }, conflicts: [{ field: 'floors', base: 2, ours: 3, theirs: 4 }] })
  t.strictSame(resolve(base, null, theirs, 'ours'), { value: null, conflicts: [] })
  t.strictSame(resolve(base, ours, null, { [WHOLE]: { take: 'ours' } }), { value: ours, conflicts: [] })
})

t.test('laws of the merge, over any three sides', async t => {
  holds(t, 'nothing happened: nothing changes', base => same(merge(base, base, base).value, base) && merge(base, base, base).conflicts.length === 0)
  holds(t, 'what only one side changed is taken whole, from either side', (base, ours) =>
    [merge(base, ours, base), merge(base, base, ours)].every(merged => same(merged.value, ours) && merged.conflicts.length === 0))
  holds(t, 'both did the same: no conflict', (base, ours) => same(merge(base, ours, ours).value, ours) && merge(base, ours, ours).conflicts.length === 0)
  holds(t, 'the same conflicts from either side, and the same value where there are none', (base, ours, theirs) => {
    const [one, other] = [merge(base, ours, theirs), merge(base, theirs, ours)]
    const names = (conflicts: typeof one.conflicts) => conflicts.map(({ field }) => field).sort()
    return same(names(one.conflicts), names(other.conflicts)) && (one.conflicts.length > 0 || same(one.value, other.value))
  })
  holds(t, 'a conflict exactly where both changed a field, differently', (base, ours, theirs) => {
    const { conflicts } = merge(base, ours, theirs)
    if (!ours || !theirs) return (conflicts.length === 1) === (!same(ours, theirs) && !same(ours, base) && !same(theirs, base))
    const differs = (a: Side, b: Side, name: string) => !same(a?.[name], b?.[name])
    const whole = same(ours, theirs) || same(ours, base) || same(theirs, base)
    return ['name', 'height', 'geometry'].every(name =>
      conflicts.some(conflict => conflict.field === name) === (!whole && differs(ours, base, name) && differs(theirs, base, name) && differs(ours, theirs, name)))
  })
  holds(t, 'a decision for one side leaves no conflict, and no field of neither side’s making', (base, ours, theirs) =>
    (['ours', 'theirs'] as const).every(take => {
      const { value, conflicts } = resolve(base, ours, theirs, take)
      return conflicts.length === 0 && Object.keys(value ?? {}).every(name => same(value?.[name], ours?.[name]) || same(value?.[name], theirs?.[name]))
    }))
})
