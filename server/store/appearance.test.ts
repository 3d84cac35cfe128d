import t from 'tap'
import { sql } from 'kysely'
import { testStore } from '../testing/test-store.js'
import { appearancesOf, decodeFaces, encodeFaces, hasAppearances, textureImages } from './appearance.js'

t.test('faces survive their bytes', async t => {
  const faces = [null, { image: 2, uv: [Float32Array.of(0, 0, 1, 0, 0.5, 1, 0, 0), Float32Array.of(0.25, 0.25)] }, { colour: [1, 2, 255] as const }, { image: 0, uv: [], colour: [9, 8, 7] as const }]
  t.strictSame(decodeFaces(encodeFaces(faces)), faces)
  t.strictSame(decodeFaces(encodeFaces([{ image: 0, uv: [new Float32Array(140_000)] }, { image: 70_000, uv: [], colour: [1, 2, 3] }])), [null, { colour: [1, 2, 3] }], 'absurd ones keep their colour')
})

t.test('serving roles read appearances and images by their keys, and cannot list them', async t => {
  const store = await testStore(t, { layers: [] })
  t.equal(await hasAppearances(store, 'open'), false)
  const image = 'ab'.repeat(32)
  const solid = '01'.repeat(16)
  await sql`insert into dothi.texture_images values (${Buffer.from(image, 'hex')}, 'image/png', 2, 1, ${Buffer.of(1, 2, 3)})`.execute(store.db)
  await sql`insert into dothi.appearances values (${solid}::uuid, ${JSON.stringify([{ sha256: image, wrap: 'repeat' }])}::jsonb, ${encodeFaces([{ image: 0, uv: [Float32Array.of(0, 1)] }])})`.execute(store.db)
  t.equal(await hasAppearances(store, 'open'), true)
  const found = await appearancesOf(store, [solid, 'ff'.repeat(16)], 'open')
  t.strictSame([...found.keys()], [solid])
  t.strictSame(found.get(solid)!.images, [{ sha256: image, wrap: 'repeat' }])
  const images = await textureImages(store, [image], 'open')
  t.equal(images.get(image)!.mediaType, 'image/png')
  t.strictSame([...images.get(image)!.bytes], [1, 2, 3])
  await t.rejects(sql`select from dothi.appearances`.execute(store.pool('open')), /permission denied/)
})
