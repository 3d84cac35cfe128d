import fc from 'fast-check'
import { sql } from 'kysely'
import t from 'tap'
import type { Layer } from '../../layers/layer.js'
import { merge, same, type Fields, type Side } from '../../core/merge.js'
import { attach, attachmentsOf, contentOf, detach } from './attachments.js'
import { layerHash } from './changes.js'
import { applyEdits, type Edit } from './edits.js'
import { EXAMPLES, exampleStore, LOTS, WELLS } from './example-store.js'
import { layerDiff, revisionLog, versionsOf, type DiffRow } from './history.js'
import { lineageOf, mergeFeatures, splitFeature } from './lineage.js'
import { testDatabase } from '../testing/test-cluster.js'
import { branchDiff, discardBranch, mergeBranch, rebaseBranch } from './merge.js'
import { openStore } from './open-store.js'
import { PUBLIC, STEWARD, type Branch, type Row, type Store, type ViewArgs } from './store.js'
import { restoreFeature, undoRevision } from './undo.js'

const problem = (status: number, more: object = {}) => ({ status, ...more }) as unknown as Error
const point = (lon: number, lat: number) => ({ type: 'Point', coordinates: [lon, lat] })

async function rows(store: Store, args: Partial<ViewArgs> = {}): Promise<Row[]> {
  return (await store.view({ layer: WELLS, branch: 'main', asOf: 'now', reader: STEWARD, ...args })).orderBy('id').execute()
}
const names = async (store: Store, args: Partial<ViewArgs> = {}) => (await rows(store, args)).map(({ name }) => name)
const edit = (store: Store, edits: readonly Edit[], branch: Branch = 'main') => applyEdits(store, { actor: 'me', reason: 'test', branch }, edits)
const add = async (store: Store, properties: Fields, branch: Branch = 'main', lon = 108.2) =>
  (await edit(store, [{ action: 'create', layer: WELLS, feature: { geometry: point(lon, 16.05), properties } }], branch)).ids[0]!
const change = (store: Store, id: number, properties: Fields, branch: Branch = 'main') => edit(store, [{ action: 'update', layer: WELLS, id, feature: { properties } }], branch)
const remove = (store: Store, id: number, branch: Branch = 'main') => edit(store, [{ action: 'delete', layer: WELLS, id }], branch)
const newBranch = async (store: Store) => (await sql<{ id: string }>`insert into dothi.branches (title) values ('t') returning id`.execute(store.db)).rows[0]!.id
const latest = async (store: Store) => (await sql<{ n: number }>`select coalesce(max(revision), 0) as n from dothi.revisions`.execute(store.db)).rows[0]!.n
const hash = async (store: Store, asOf: number | 'now' = 'now', branch: Branch = 'main') => (await layerHash(store, { layer: WELLS, branch, asOf, reader: STEWARD })).hash
const undo = (store: Store, revision: number, onConflict: 'fail' | 'skip' | 'merge' = 'fail', branch: Branch = 'main') => undoRevision(store, { reader: STEWARD, branch, revision, onConflict })

t.test('a feature tells its versions, cut to what the reader may see', async t => {
  const store = await exampleStore(t)
  const id = await add(store, { name: 'a', owner: 'X' })
  await change(store, id, { name: 'b', owner: 'Y' })
  await change(store, id, { owner: 'Z' })
  await edit(store, [{ action: 'update', layer: WELLS, id, feature: { geometry: point(108.3, 16) } }])
  await remove(store, id)
  await restoreFeature(store, { reader: STEWARD, branch: 'main', layer: WELLS, id, revision: 2 })
  const told = async (reader = STEWARD) => (await versionsOf(store, { layer: WELLS, branch: 'main', reader, id }, 100)).map(({ revision, op, fields }) => [revision, op, ...fields])
  t.strictSame(await told(), [[6, 'restored'], [5, 'removed'], [4, 'changed', 'geom'], [3, 'changed', 'owner'], [2, 'changed', 'name', 'owner'], [1, 'created']])
  t.strictSame(await told(PUBLIC), [[6, 'restored'], [5, 'removed'], [4, 'changed', 'geom'], [3, 'changed'], [2, 'changed', 'name'], [1, 'created']])
  t.strictSame((await versionsOf(store, { layer: WELLS, branch: 'main', reader: STEWARD, id }, 2, 4)).map(({ revision, op }) => [revision, op]), [[3, 'changed'], [2, 'changed']])
  const [first] = await versionsOf(store, { layer: WELLS, branch: 'main', reader: PUBLIC, id }, 1)
  t.strictSame([first!.actor, first!.reason], [null, null], 'who and why is for staff')
  t.strictSame((await rows(store)).map(({ name, owner, revision }) => [name, owner, revision]), [['b', 'Y', 6]])
  t.strictSame(await versionsOf(store, { layer: WELLS, branch: 'main', reader: STEWARD, id: 12345 }, 10), [])

  const branch = await newBranch(store)
  await change(store, id, { depth: 5 }, branch)
  await change(store, id, { depth: 7 })
  const onBranch = await versionsOf(store, { layer: WELLS, branch, reader: STEWARD, id }, 2)
  t.strictSame(onBranch.map(({ revision, op, fields }) => [revision, op, ...fields]), [[7, 'changed', 'depth'], [6, 'restored']], 'main goes on unseen beneath an overlay')
})

t.test('the difference between two moments is what differs, not what happened', async t => {
  const store = await exampleStore(t)
  const [a, b, c] = [await add(store, { name: 'a' }), await add(store, { name: 'b' }), await add(store, { name: 'c' })]
  const from = await latest(store)
  await change(store, a, { name: 'a2', owner: 'hidden' })
  await remove(store, b)
  await change(store, c, { name: 'c2' })
  await change(store, c, { name: 'c' })
  const d = await add(store, { name: 'd' }, 'main', 109)
  const e = await add(store, { name: 'e' })
  await remove(store, e)
  const to = await latest(store)
  const diff = async (more: object = {}) => {
    const found: DiffRow[] = []
    for await (const batch of layerDiff(store, { layer: WELLS, branch: 'main', reader: STEWARD, from, to, ...more })) found.push(...batch)
    return found.map(({ id, change, fields }) => [id, change, ...fields])
  }
  t.strictSame(await diff(), [[a, 'changed', 'name', 'owner'], [b, 'removed'], [d, 'added']])
  t.strictSame(await diff({ reader: PUBLIC }), [[a, 'changed', 'name'], [b, 'removed'], [d, 'added']])
  t.strictSame(await diff({ bbox: [108.9, 15, 110, 17] }), [[d, 'added']])
  t.strictSame(await diff({ from: to }), [])
  const branch = await newBranch(store)
  await change(store, a, { name: 'on branch' }, branch)
  await remove(store, d, branch)
  t.strictSame(await diff({ branch, from: to, to: await latest(store) }), [[a, 'changed', 'name'], [d, 'removed']])
  t.strictSame(await diff({ from: to, to: await latest(store) }), [], 'which main does not see')
  const log = await revisionLog(store, { reader: STEWARD, branch: 'main', limit: 3 })
  t.strictSame(log.map(({ revision, changes }) => [revision, changes.map(({ inserted, updated, deleted }) => [inserted, updated, deleted])]), [[10, [[0, 0, 1]]], [9, [[1, 0, 0]]], [8, [[1, 0, 0]]]])
  t.strictSame((await revisionLog(store, { reader: STEWARD, branch, limit: 9 })).map(({ revision }) => revision), [12, 11])
})

t.test('a whole revision is undone; what changed since is told, skipped or merged', async t => {
  const store = await exampleStore(t)
  const [a, b, c, d] = [await add(store, { name: 'a', depth: 1 }), await add(store, { name: 'b', depth: 1 }), await add(store, { name: 'c' }), await add(store, { name: 'd', depth: 1 })]
  const before = await hash(store)
  const { revision, ids: [e] } = await edit(store, [
    { action: 'update', layer: WELLS, id: a, feature: { properties: { name: 'a2' } } },
    { action: 'update', layer: WELLS, id: b, feature: { properties: { name: 'b2', depth: 2 } } },
    { action: 'delete', layer: WELLS, id: c },
    { action: 'update', layer: WELLS, id: d, feature: { properties: { depth: 3 } } },
    { action: 'create', layer: WELLS, feature: { geometry: point(108, 16), properties: { name: 'e' } } },
  ]).then(({ revision, ids }) => ({ revision: revision!.revision, ids: ids.slice(4) }))
  const done = await undo(store, revision)
  t.match(done, { added: 1, changed: 3, removed: 1, kept: { count: 0 } })
  t.equal(await hash(store), before, 'everything is as it was, under its own ids')
  t.match(await undo(store, revision), { revision: null, kept: { count: 0 } }, 'what is undone already needs no revision')
  t.match(await undo(store, done.revision!.revision), { added: 1, changed: 3, removed: 1 }, 'an undo can be undone')
  t.strictSame(await names(store), ['a2', 'b2', 'd', 'e'])

  await change(store, b, { depth: 9 }) // the same field
  await change(store, d, { name: 'D' }) // another one
  const redo = await latest(store) - 2
  await t.rejects(undo(store, redo), problem(409, { more: { count: 2, conflicts: [
    { layer: 'wells', id: b, fields: [{ field: 'depth', base: 2, ours: 1, theirs: 9 }] },
    { layer: 'wells', id: d, fields: [{ field: 'name', base: 'd', ours: 'd', theirs: 'D' }, { field: 'depth', base: 3, ours: 1, theirs: 3 }] },
  ] } }))
  const merged = await undo(store, redo, 'merge')
  t.match(merged, { added: 1, changed: 3, removed: 1, kept: { count: 1, conflicts: [{ id: b, fields: [{ field: 'depth' }] }] } })
  t.strictSame((await rows(store)).map(({ id, name, depth }) => [id, name, depth]), [[a, 'a', 1], [b, 'b', 9], [c, 'c', null], [d, 'D', 1]])
  await t.rejects(undo(store, 999), problem(404))
  t.notOk((await rows(store)).some(({ id }) => id === e))
})

t.test('skip leaves what changed since', async t => {
  const store = await exampleStore(t)
  const ids = (await edit(store, ['a', 'b', 'c'].map((name): Edit => ({ action: 'create', layer: WELLS, feature: { geometry: point(108, 16), properties: { name } } })))).ids
  await change(store, ids[1]!, { name: 'kept' })
  await t.rejects(undo(store, 1), problem(409, { more: { count: 1, conflicts: [{ id: ids[1]! }] } }))
  t.match(await undo(store, 1, 'skip'), { removed: 2, kept: { count: 1 } })
  t.strictSame(await names(store), ['kept'])
})

t.test('on a branch an undo shows main again, or the edit before', async t => {
  const store = await exampleStore(t)
  const [a, b] = [await add(store, { name: 'a' }), await add(store, { name: 'b' })]
  const branch = await newBranch(store)
  await change(store, a, { name: 'a on branch' }, branch)
  const { revision } = await edit(store, [
    { action: 'update', layer: WELLS, id: a, feature: { properties: { name: 'again' } } }, { action: 'delete', layer: WELLS, id: b },
    { action: 'create', layer: WELLS, feature: { geometry: point(108, 16), properties: { name: 'c' } } }], branch)
  t.strictSame(await names(store, { branch }), ['again', 'c'])
  const done = await undo(store, revision!.revision, 'fail', branch)
  t.match(done, { added: 1, changed: 1, removed: 1 })
  t.strictSame(await names(store, { branch }), ['a on branch', 'b'])
  t.match(await undo(store, done.revision!.revision, 'fail', branch), { added: 1, changed: 1, removed: 1 })
  t.strictSame(await names(store, { branch }), ['again', 'c'])
  t.strictSame(await names(store), ['a', 'b'])
  await t.rejects(undo(store, revision!.revision), problem(409), 'main knows nothing of it')
  await restoreFeature(store, { reader: STEWARD, branch, layer: WELLS, id: a, revision: 2 })
  t.strictSame(await names(store, { branch }), ['a', 'c'])
})

t.test('an import of many rows is undone set by set', async t => {
  const store = await exampleStore(t)
  const before = await hash(store)
  await store.withRevision({ actor: 'me', reason: 'bulk' }, async ({ tx }) => {
    await sql`insert into city.wells (geom, name) select st_setsrid(st_makepoint(108 + i / 1e5, 16), 4326), 'w' || i from generate_series(1, 20000) i`.execute(tx)
  })
  t.match(await undo(store, 1), { removed: 20000, kept: { count: 0 } })
  t.equal(await hash(store), before)
  t.match(await undo(store, 2), { added: 20000 })
  t.equal(await hash(store), await hash(store, 1))
})

t.test('a branch merges into main: conflicts are told field by field, nothing is overwritten silently', async t => {
  const store = await exampleStore(t)
  const [a, b, c, d] = [await add(store, { name: 'a', depth: 1, owner: 'o' }), await add(store, { name: 'b' }), await add(store, { name: 'c' }), await add(store, { name: 'd' })]
  const branch = await newBranch(store)
  await edit(store, [
    { action: 'update', layer: WELLS, id: a, feature: { properties: { name: 'ours', depth: 2, owner: 'ours' } } },
    { action: 'update', layer: WELLS, id: b, feature: { properties: { name: 'b2' } } }, { action: 'delete', layer: WELLS, id: c },
    { action: 'delete', layer: WELLS, id: d },
    { action: 'create', layer: WELLS, feature: { geometry: point(108, 16), properties: { name: 'e' } } }], branch)
  await change(store, a, { name: 'theirs', floors: 4, owner: 'theirs' })
  await change(store, d, { name: 'd2' })
  t.strictSame((await branchDiff(store, { reader: STEWARD, branch, layer: WELLS, after: 0, limit: 10 })).rows.map(({ id, change, conflicts }) => [id === a, change, ...conflicts]),
    [[true, 'changed', 'name', 'owner'], [false, 'changed'], [false, 'removed'], [false, 'removed', '*'], [false, 'added']])
  const dry = await mergeBranch(store, { reader: STEWARD, branch, dryRun: true })
  t.match(dry, { revision: null, count: 2, added: 1, changed: 2, removed: 1 })
  t.strictSame(dry.conflicts.map(({ id, fields }) => [id, ...fields.map(({ field, base, ours, theirs }) => field === '*' ? field : [field, base, ours, theirs])]),
    [[a, ['name', 'a', 'ours', 'theirs'], ['owner', 'o', 'ours', 'theirs']], [d, '*']])
  const seen = await mergeBranch(store, { reader: PUBLIC, branch, dryRun: true })
  t.strictSame(seen.conflicts[0], { layer: 'wells', id: a, fields: [{ field: 'name', base: 'a', ours: 'ours', theirs: 'theirs' }], withheld: true }, 'what a reader may not see is not told')
  t.notMatch(JSON.stringify(seen), /owner/)
  t.equal(await latest(store), 7, 'a dry run leaves nothing')
  await t.rejects(mergeBranch(store, { reader: STEWARD, branch }), problem(409, { more: { count: 2 } }))
  const decisions = [{ layer: 'wells', id: a, resolution: { name: { take: 'ours' as const }, owner: { value: 'both' } } }, { layer: 'wells', id: d, resolution: 'theirs' as const }]
  await add(store, { name: 'f' })
  t.equal((await mergeBranch(store, { reader: STEWARD, branch, dryRun: true })).plan, dry.plan, 'an edit of something else does not make the plan stale')
  await change(store, b, { floors: 1 })
  await t.rejects(mergeBranch(store, { reader: STEWARD, branch, plan: dry.plan, decisions }), problem(409, { more: { stale: true } }))
  const { plan } = await mergeBranch(store, { reader: STEWARD, branch, dryRun: true, decisions })
  const done = await mergeBranch(store, { reader: STEWARD, branch, plan, decisions })
  t.match(done, { count: 0, added: 1, changed: 2, removed: 1 })
  const expected = [['ours', 2, 4, 'both'], ['b2', null, 1, null], ['d2', null, null, null], ['e', null, null, null], ['f', null, null, null]]
  const content = async (args: Partial<ViewArgs> = {}) => (await rows(store, args)).map(({ name, depth, floors, owner }) => [name, depth, floors, owner])
  t.strictSame(await content(), expected)
  t.strictSame(await content({ branch }), expected, 'the branch sees main again')
  t.strictSame(await names(store, { branch, asOf: 7 }), ['ours', 'b2', 'e'], 'and keeps its past')
  t.match(await mergeBranch(store, { reader: STEWARD, branch }), { revision: null, count: 0 }, 'nothing is left to merge')
  t.match(await undo(store, done.revision!.revision), { added: 1, changed: 2, removed: 1 }, 'a merge is one revision, undone as any other')
})

t.test('a rebase brings main’s news to the branch', async t => {
  const store = await exampleStore(t)
  const [a, b] = [await add(store, { name: 'a', depth: 1 }), await add(store, { name: 'b' })]
  const branch = await newBranch(store)
  await change(store, a, { name: 'ours' }, branch)
  await change(store, b, { name: 'same' }, branch)
  await change(store, a, { depth: 9 })
  await change(store, b, { name: 'same' })
  t.match(await rebaseBranch(store, { reader: STEWARD, branch }), { changed: 1, count: 0 })
  t.strictSame((await rows(store, { branch })).map(({ name, depth }) => [name, depth]), [['ours', 9], ['same', null]])
  t.equal((await sql`select from branch.wells where branch = ${branch}::uuid and retired_revision is null`.execute(store.db)).rows.length, 1, 'what is as in main needs no copy')
  t.match(await mergeBranch(store, { reader: STEWARD, branch, dryRun: true }), { changed: 1, count: 0 })
  await discardBranch(store, branch)
  t.equal((await sql`select from branch.wells`.execute(store.db)).rows.length, 0)
  await t.rejects(rows(store, { branch }), problem(404))
  await t.rejects(discardBranch(store, branch), problem(404))
})

t.test('any edits of both sides merge as their model does', async t => {
  const store = await exampleStore(t)
  const act = fc.record({ on: fc.constantFrom('main', 'branch'), id: fc.nat(2), column: fc.constantFrom('name', 'owner'), value: fc.constantFrom('x', 'y', null), gone: fc.nat(4).map(n => n === 0) })
  await fc.assert(fc.asyncProperty(fc.array(act, { maxLength: 8 }), fc.constantFrom('ours' as const, 'theirs' as const), async (acts, otherwise) => {
    const ids = [await add(store, { name: 'p', owner: 'q' }), await add(store, { name: 'p' }), await add(store, { owner: 'q' })]
    const read = async (branch: Branch) => {
      const found = new Map((await rows(store, { branch })).map(({ id, name, owner }) => [id, { name, owner }]))
      return ids.map((id): Side => found.get(id) ?? null)
    }
    const branch = await newBranch(store)
    // A branch stands on what main was when it first changed a feature; what it never changed follows main.
    const base = new Map<number, Side>()
    for (const { on, id, column, value, gone } of acts) {
      const at = on === 'main' ? 'main' : branch
      const beneath = (await read('main'))[id]!
      const { revision } = await (gone ? remove(store, ids[id]!, at) : change(store, ids[id]!, { [column]: value }, at)).catch(error => { if (error.status !== 404) throw error; return { revision: null } })
      if (on === 'branch' && revision && !base.has(id)) base.set(id, beneath)
    }
    const [ours, theirs] = [await read(branch), await read('main')]
    const expected = ids.map((_, i) => {
      if (!base.has(i)) return theirs[i]!
      const { value, conflicts } = merge(base.get(i)!, ours[i]!, theirs[i]!)
      if (conflicts.length === 0 || otherwise === 'theirs') return value
      return conflicts[0]!.field === '*' ? ours[i]! : { ...value, ...Object.fromEntries(conflicts.map(({ field, ours }) => [field, ours])) }
    })
    await mergeBranch(store, { reader: STEWARD, branch, otherwise })
    const merged = await read('main')
    if (!expected.every((side, i) => same(side, merged[i]))) throw new Error(JSON.stringify({ base: [...base], ours, theirs, merged, expected }))
  }), { numRuns: 25 })
})

t.test('after any edits, undos and restores every past is what it was', async t => {
  const store = await exampleStore(t)
  type Step = { kind: 'add' | 'change' | 'remove' | 'undo' | 'restore'; n: number; value: string }
  const step: fc.Arbitrary<Step> = fc.record({ kind: fc.constantFrom('add', 'change', 'change', 'remove', 'undo', 'undo', 'restore'), n: fc.nat(50), value: fc.constantFrom('x', 'y', 'z') })
  await fc.assert(fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 14 }), async steps => {
    const start = await latest(store)
    const own: number[] = []
    /** What the model says of our features as of each revision. */
    const pasts = new Map<number, Map<number, string>>([[start, new Map()]])
    let now = new Map<number, string>()
    for (const { kind, n, value } of steps) {
      const id = own[n % Math.max(1, own.length)]
      const past = start + n % (await latest(store) - start + 1)
      const next = new Map(now)
      if (kind === 'add') { const made = await add(store, { name: value }); own.push(made); next.set(made, value) }
      else if (id === undefined) continue
      else if (kind === 'change' && now.has(id)) { await change(store, id, { name: value }); next.set(id, value) }
      else if (kind === 'remove' && now.has(id)) { await remove(store, id); next.delete(id) }
      else if (kind === 'restore' && pasts.get(past)?.has(id)) { await restoreFeature(store, { reader: STEWARD, branch: 'main', layer: WELLS, id, revision: past }); next.set(id, pasts.get(past)!.get(id)!) }
      else if (kind === 'undo' && past > start) {
        const [was, made] = [pasts.get(past - 1)!, pasts.get(past)!]
        for (const id of own) {
          if (was.get(id) === made.get(id)) continue
          if (now.get(id) !== made.get(id)) continue // changed since: skipped, unless it is so already
          was.has(id) ? next.set(id, was.get(id)!) : next.delete(id)
        }
        // A feature that was changed and changed back is newer than the revision: the undo leaves it, told.
        const { kept } = await undo(store, past, 'skip')
        for (const { id } of kept.conflicts) now.has(id) ? next.set(id, now.get(id)!) : next.delete(id)
      }
      now = next
      const last = await latest(store)
      for (let revision = Math.max(...pasts.keys()) + 1; revision <= last; revision++) pasts.set(revision, now)
      if (pasts.get(last) !== now) { /* nothing changed, so there is no revision */ if (!same([...pasts.get(last)!].sort(), [...now].sort())) throw new Error(`no revision for a change: ${kind}`) }
    }
    for (const [revision, model] of pasts) {
      const seen = (await rows(store, { asOf: revision })).filter(({ id }) => own.includes(id as number)).map(({ id, name }) => [id, name])
      if (!same(seen, [...model].sort(([a], [b]) => a - b))) throw new Error(`as of ${revision}: ${JSON.stringify({ seen, model: [...model] })}`)
    }
    const undone = own.length ? await versionsOf(store, { layer: WELLS, branch: 'main', reader: STEWARD, id: own[0]! }, 1000) : []
    for (const { revision, op } of undone) if ((op === 'removed') === pasts.get(revision)!.has(own[0]!)) throw new Error(`version ${revision} ${op}`)
  }), { numRuns: 25 })
})

// ---- parcels that divide and merge -------------------------------------------------------------------------------

const title = (en: string) => ({ vi: en, en })
const PARCELS: Layer = {
  id: 'plots', title: title('Plots'), description: title('Plots'), group: 'land', kind: 'city', geometry: 'polygon', surveyed: { srid: 5899 },
  columns: [
    { name: 'ward', type: 'text', title: title('Ward') }, { name: 'sheet', type: 'integer', title: title('Sheet') }, { name: 'number', type: 'integer', title: title('Number') },
    { name: 'area', type: 'number', title: title('Area') }, { name: 'deed', type: 'text', title: title('Deed'), classification: 'restricted' }, { name: 'former', type: 'text', title: title('Former') },
    { name: 'use', type: 'text', title: title('Use') },
  ],
  divides: { own: ['deed'], number: { column: 'number', within: ['ward', 'sheet'] }, area: { column: 'area', unit: 'm²' }, former: { column: 'former', of: ['ward', 'sheet', 'number'] }, same: ['ward'] },
  label: 'number', style: {}, zoom: { min: 8, max: 16 }, classification: 'open', licence: 'test',
}
const box = (x: number, y: number, w = 0.001, h = 0.001) => ({ type: 'Polygon', coordinates: [[[x, y], [x + w, y], [x + w, y + h], [x, y + h], [x, y]]] })

t.test('a parcel is divided and merged; who came from whom is known, then and now', async t => {
  const store = await exampleStore(t, [...EXAMPLES, PARCELS])
  const plot = (x: number, number: number, more: Fields = {}): Edit => ({ action: 'create', layer: PARCELS, feature: { geometry: box(x, 16), properties: { ward: 'A', sheet: 1, number, deed: 'secret deed', use: 'ODT', ...more } } })
  const [a, b, far, other] = (await edit(store, [plot(108, 1), plot(108.001, 7), plot(108.1, 3), plot(108.002, 1, { ward: 'B' })])).ids as [number, number, number, number]
  const on = { reader: STEWARD, branch: 'main', layer: PARCELS, tolerance: 0.01 }
  const line = { type: 'LineString', coordinates: [[108.00025, 15.999], [108.00025, 16.002]] }
  const split = await splitFeature(store, { ...on, id: a, line })
  const [big, small] = split.children
  t.ok(Math.abs(big!.areaM2 / small!.areaM2 - 3) < 0.001, 'the largest first')
  const now = async (layer = PARCELS, args: Partial<ViewArgs> = {}) => (await rows(store, { layer, ...args }))
  t.strictSame((await now()).map(({ id, number, use, deed, former, area }) => [id, number, use, deed, former, typeof area]), [
    [b, 7, 'ODT', 'secret deed', null, 'object'], [far, 3, 'ODT', 'secret deed', null, 'object'], [other, 1, 'ODT', 'secret deed', null, 'object'],
    [big!.id, 8, 'ODT', null, 'A/1/1', 'number'], [small!.id, 9, 'ODT', null, 'A/1/1', 'number'],
  ], 'new ids and the next numbers; the deed is not passed on')

  await t.rejects(splitFeature(store, { ...on, id: a, line }), problem(404), 'a retired parcel does not divide')
  await t.rejects(splitFeature(store, { ...on, id: b, line }), problem(422), 'the line must cross it')
  await t.rejects(splitFeature(store, { ...on, id: b, parts: [{ geometry: box(108.001, 16, 0.0005) }, { geometry: box(108.0015, 16, 0.0004) }] }), /1184.21 m² uncovered/, 'parts must cover the parent')
  await t.rejects(splitFeature(store, { ...on, id: b, parts: [{ geometry: box(108.001, 16, 0.0006) }, { geometry: box(108.0015, 16, 0.0005) }] }), /covered twice/)
  await t.rejects(mergeFeatures(store, { ...on, ids: [b, far] }), problem(422, { more: { apart: [far] } }))
  await t.rejects(mergeFeatures(store, { ...on, ids: [b, other] }), /same ward/)
  await t.rejects(splitFeature(store, { ...on, layer: LOTS, id: b, line }), problem(405))

  const before = await latest(store)
  const merged = await mergeFeatures(store, { ...on, ids: [big!.id, b], properties: { use: 'TMD' } })
  const [whole] = merged.children
  t.strictSame((await now()).filter(({ id }) => id === whole!.id).map(({ number, use, former }) => [number, use, former]), [[10, 'TMD', 'A/1/7; A/1/8']])
  const tree = await lineageOf(store, { ...on, id: a })
  t.strictSame(tree.descendants.map(({ kind, parent, child, depth }) => [kind, parent, child, depth]), [['split', a, big!.id, 1], ['split', a, small!.id, 1], ['merge', big!.id, whole!.id, 2]])
  t.ok(Math.abs(tree.descendants[0]!.shareOfParent - 0.75) < 0.001 && Math.abs(tree.descendants[2]!.shareOfChild - 0.75 / 1.75) < 0.001)
  t.strictSame((await lineageOf(store, { ...on, id: whole!.id })).ancestors.map(({ parent, depth }) => [parent, depth]).sort(), [[a, 2], [b, 1], [big!.id, 1]].sort())
  t.strictSame((await lineageOf(store, { ...on, id: a, asOf: before })).descendants.length, 2, 'as of then')

  t.match(await undo(store, merged.revision.revision), { added: 2, removed: 1 })
  t.strictSame((await lineageOf(store, { ...on, id: b })).descendants, [], 'an undone merge is no lineage any more')
  t.strictSame((await lineageOf(store, { ...on, id: b, asOf: merged.revision.revision })).descendants.length, 1, 'but it was')

  const branch = await newBranch(store)
  const onBranch = await splitFeature(store, { ...on, branch, id: b, line: { type: 'LineString', coordinates: [[108.0015, 15.999], [108.0015, 16.002]] } })
  t.equal((await lineageOf(store, { ...on, id: b })).descendants.length, 0)
  t.equal((await lineageOf(store, { ...on, branch, id: b })).descendants.length, 2)
  t.match(await mergeBranch(store, { reader: STEWARD, branch }), { added: 2, removed: 1, count: 0 })
  t.strictSame((await lineageOf(store, { ...on, id: b })).descendants.map(({ child }) => child), onBranch.children.map(({ id }) => id))
})

// ---- attachments -------------------------------------------------------------------------------------------------

t.test('attachments are versioned with their feature, on main and on branches', async t => {
  const store = await exampleStore(t)
  const id = await add(store, { name: 'a' })
  const ref = { layer: WELLS, branch: 'main', reader: STEWARD, id }
  const photo = Buffer.alloc(700_000, 'dothi')
  const file = (name: string, content: Buffer, classification?: 'restricted') => ({ name, mediaType: 'image/png', classification, content: (async function* () { yield content.subarray(0, 5); yield content.subarray(5) })() })
  const { ids: [first] } = await attach(store, ref, [file('one.png', photo)])
  const { revision: { revision: both } } = await attach(store, ref, [file('two.png', photo, 'restricted')])
  const told = async (more: object = {}, asOf: 'now' | number = 'now') => (await attachmentsOf(store, { ...ref, ...more }, asOf)).map(({ name }) => name)
  t.strictSame(await told(), ['one.png', 'two.png'])
  t.strictSame(await told({ reader: PUBLIC }), ['one.png'], 'a restricted scan is not even named')
  t.equal((await sql`select from dothi.blobs`.execute(store.db)).rows.length, 1, 'the same content is kept once')
  const [{ blob, bytes }] = await attachmentsOf(store, ref) as any
  const read: Buffer[] = []
  for await (const chunk of contentOf(store, PUBLIC, blob)) read.push(chunk)
  t.ok(read.length === 3 && bytes === 700_000 && Buffer.concat(read).equals(photo), 'and comes back in pieces')
  await detach(store, ref, first!)
  t.strictSame([await told(), await told({}, both), await told({}, 2), await told({}, 1)], [['two.png'], ['one.png', 'two.png'], ['one.png'], []])
  t.strictSame((await versionsOf(store, { ...ref }, 9)).map(({ op, fields }) => [op, ...fields]), [['changed', 'attachments'], ['changed', 'attachments'], ['changed', 'attachments'], ['created']])
  await undo(store, 4)
  t.strictSame(await told(), ['one.png', 'two.png'], 'an undo brings back')
  await remove(store, id)
  await t.rejects(told(), problem(404))
  await restoreFeature(store, { ...ref, revision: 2 })
  t.strictSame([await told(), await told({}, 5)], [['one.png'], ['one.png', 'two.png']], 'a restored feature has what it had then')

  const branch = await newBranch(store)
  await detach(store, { ...ref, branch }, first!)
  await attach(store, { ...ref, branch }, [file('three.png', Buffer.from('other'))])
  t.strictSame([await told(), await told({ branch })], [['one.png'], ['three.png']])
  await undo(store, await latest(store) - 1, 'merge', branch)
  t.strictSame(await told({ branch }), ['one.png', 'three.png'])
  await detach(store, { ...ref, branch }, first!)
  await change(store, id, { name: 'in main' })
  await mergeBranch(store, { reader: STEWARD, branch })
  t.strictSame([await told(), await told({ branch }), await names(store)], [['three.png'], ['three.png'], ['in main']])
})

// ---- what it costs, and what came before -------------------------------------------------------------------------

t.test('a branch costs what its edits cost: reading it looks at overlays by index, and at nothing of the city twice', async t => {
  const store = await exampleStore(t)
  await store.withRevision({ actor: 'me', reason: 'bulk' }, ({ tx }) => sql`insert into city.wells (geom, name) select st_setsrid(st_makepoint(108 + (i % 200) / 1e3, 16 + (i / 200) / 1e3), 4326), 'w' || i from generate_series(1, 20000) i`.execute(tx))
  const [branch, other] = [await newBranch(store), await newBranch(store)]
  const ids = (await rows(store, { columns: [] })).slice(0, 3000).map(({ id }) => id as number)
  await edit(store, ids.map((id): Edit => ({ action: 'update', layer: WELLS, id, feature: { properties: { depth: 1 } } })), other)
  await edit(store, ids.slice(0, 2).map((id): Edit => ({ action: 'update', layer: WELLS, id, feature: { properties: { depth: 1 } } })), branch)
  t.equal((await sql`select from branch.wells where branch = ${branch}::uuid`.execute(store.db)).rows.length, 2, 'rows of the edit only')
  await sql`analyze city.wells, branch.wells`.execute(store.db)
  const view = await store.view({ layer: WELLS, branch, asOf: 'now', reader: PUBLIC, columns: ['name'], bbox: { box: [12030000, 1804000, 12032000, 1806000], srid: 3857 } })
  const { rows: plan } = await sql<{ 'QUERY PLAN': unknown[] }>`explain (format json, analyze) ${view}`.execute(store.pool('open'))
  type Node = { 'Node Type': string; 'Relation Name'?: string; Schema?: string; 'Actual Rows'?: number; 'Actual Loops'?: number; 'Rows Removed by Filter'?: number; Plans?: Node[] }
  const nodes = (node: Node): Node[] => [node, ...(node.Plans ?? []).flatMap(nodes)]
  const all = nodes((plan[0]!['QUERY PLAN'][0] as { Plan: Node }).Plan)
  t.strictSame(all.filter(node => node['Node Type'] === 'Seq Scan'), [], 'no table is read from end to end')
  t.ok(all.filter(node => node['Node Type'].includes('Index')).length >= 2)
})

t.test('a database of the version before is brought up: overlays get their base, and merge as new ones do', async t => {
  const database = await testDatabase({ layers: EXAMPLES })
  t.teardown(() => database.drop())
  const open = () => openStore({ connection: database.connection, layers: EXAMPLES })
  const old = await open()
  const id = await add(old, { name: 'a', depth: 1 })
  const branch = await newBranch(old)
  await change(old, id, { name: 'ours' }, branch)
  await change(old, id, { name: 'ours too' }, branch)
  await change(old, id, { depth: 2 })
  await sql.raw(`${EXAMPLES.filter(({ kind }) => kind === 'city').map(layer => `drop trigger base on branch.${layer.id}; alter table branch.${layer.id} drop column base_revision;`).join('\n')}
    drop table dothi.lineage, dothi.attachments, dothi.blobs, dothi.blob_chunks; drop function dothi.overlay_base;
    delete from public.dothi_migrations where name = '006-history'; update dothi.layer_tables set fingerprint = 'of before';`).execute(old.db)
  await old.close()
  const store = await open()
  t.teardown(() => store.close())
  t.strictSame((await sql`select revision, base_revision from branch.wells order by revision`.execute(store.db)).rows, [{ revision: 2, base_revision: 1 }, { revision: 3, base_revision: 1 }])
  t.match(await mergeBranch(store, { reader: STEWARD, branch }), { changed: 1, count: 0 })
  t.strictSame((await rows(store)).map(({ name, depth }) => [name, depth]), [['ours too', 2]])
  const fresh = await newBranch(store)
  await change(store, id, { depth: 9 }, fresh)
  t.equal((await sql<{ base: number }>`select base_revision as base from branch.wells where branch = ${fresh}::uuid`.execute(store.db)).rows[0]!.base, 5)
})
