/** A house of CityJSON and one of CityGML, each with a textured wall, a coloured roof and a hole: from the file into the store. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { sql } from 'kysely'
import { PNG } from 'pngjs'
import fc from 'fast-check'
import { zipSync } from 'fflate'
import t from 'tap'
import type { Feature } from '../../core/feature.js'
import { appearancesOf, solidKeySql, textureImages } from '../store/appearance.js'
import type { JobContext } from '../operations/jobs.js'
import { STEWARD } from '../store/store.js'
import { testStore } from '../testing/test-store.js'
import { loadFeatures } from './load.js'
import { openAny } from './open-source.js'
import { runImport } from './run.js'
import { imageInfo } from './texture-files.js'
import { freeze } from './uploads.js'

const png = (red: number) => {
  const image = new PNG({ width: 4, height: 2 })
  image.data.fill(255)
  image.data[0] = red
  return PNG.sync.write(image)
}

// A box of 10 × 10 × 5 m, counter-clockwise seen from outside; the south wall has a window.
const [W, S, E, N, B, T] = [550_000, 1_775_000, 550_010, 1_775_010, 2, 7]
const FACES: readonly (readonly (readonly [number, number, number])[])[][] = [
  [[[W, S, B], [W, N, B], [E, N, B], [E, S, B]]],
  [[[W, S, T], [E, S, T], [E, N, T], [W, N, T]]],
  [[[W, S, B], [E, S, B], [E, S, T], [W, S, T]], [[W + 4, S, B + 2], [W + 4, S, B + 4], [W + 6, S, B + 4], [W + 6, S, B + 2]]],
  [[[E, S, B], [E, N, B], [E, N, T], [E, S, T]]],
  [[[E, N, B], [W, N, B], [W, N, T], [E, N, T]]],
  [[[W, N, B], [W, S, B], [W, S, T], [W, N, T]]],
].map(face => face.map(ring => ring.map(p => [p[0]!, p[1]!, p[2]!] as const)))
/** s, t of the south wall: along it and upwards. */
const st = (ring: readonly (readonly [number, number, number])[]) => ring.map(([x, , z]) => [(x - W) / 10, (z - B) / 5] as const)

function cityJson(): string {
  const vertices = FACES.flat(2)
  let at = 0
  const boundaries = FACES.map(face => face.map(ring => ring.map(() => at++)))
  const uv = FACES[2]!.flatMap(ring => st(ring))
  let k = 0
  const wall = FACES[2]!.map(ring => [0, ...ring.map(() => k++)])
  return JSON.stringify({
    type: 'CityJSON', version: '2.0', metadata: { referenceSystem: 'https://www.opengis.net/def/crs/EPSG/0/32649' }, vertices, transform: { scale: [1, 1, 1], translate: [0, 0, 0] },
    appearance: { 'default-theme-texture': 'photo', textures: [{ type: 'PNG', image: 'appearance/wall one.png', wrapMode: 'wrap' }, { type: 'PNG', image: '../secret.png' }], 'vertices-texture': uv, materials: [{ name: 'roof', diffuseColor: [1, 0.5, 0] }] },
    CityObjects: {
      house: {
        type: 'Building', attributes: { name: 'Nhà' },
        geometry: [{
          type: 'Solid', lod: '2', boundaries: [boundaries],
          texture: { other: { values: [FACES.map(face => face.map(() => [1, 0, 0, 0, 0]))] }, photo: { values: [FACES.map((face, i) => (i === 2 ? wall : face.map(() => [null])))] } },
          material: { '': { values: [[null, 0, null, null, null, null]] } },
        }],
      },
    },
  })
}

function cityGml(version: 2 | 3): string {
  const posList = (ring: readonly (readonly number[])[]) => [...ring, ring[0]!].map(p => p.join(' ')).join(' ')
  const ring = (id: string, positions: readonly (readonly number[])[]) => `<gml:LinearRing gml:id="${id}"><gml:posList srsDimension="3">${posList(positions)}</gml:posList></gml:LinearRing>`
  const faces = FACES.map((rings, i) => `<gml:surfaceMember><gml:Polygon gml:id="p${i}"><gml:exterior>${ring(`r${i}`, rings[0]!)}</gml:exterior>${rings.slice(1).map((inner, k) => `<gml:interior>${ring(`r${i}_${k}`, inner)}</gml:interior>`).join('')}</gml:Polygon></gml:surfaceMember>`)
  const pairs = (index: number) => { const list = st(FACES[2]![index]!); return [...list, list[0]!].flat().join(' ') }
  const coordinates = version === 2
    ? `<app:target uri="#p2"><app:TexCoordList><app:textureCoordinates ring="#r2">${pairs(0)}</app:textureCoordinates><app:textureCoordinates ring="#r2_0">${pairs(1)}</app:textureCoordinates></app:TexCoordList></app:target>`
    : `<app:textureParameterization><app:TextureAssociation><app:target>#p2</app:target><app:textureParameterization><app:TexCoordList><app:textureCoordinates>${pairs(0)}</app:textureCoordinates><app:textureCoordinates>${pairs(1)}</app:textureCoordinates><app:ring>#r2</app:ring><app:ring>#r2_0</app:ring></app:TexCoordList></app:textureParameterization></app:TextureAssociation></app:textureParameterization>`
  const v = version === 2 ? '2.0' : '3.0'
  return `<?xml version="1.0" encoding="UTF-8"?>
<core:CityModel xmlns:core="http://www.opengis.net/citygml/${v}" xmlns:bldg="http://www.opengis.net/citygml/building/${v}" xmlns:app="http://www.opengis.net/citygml/appearance/${v}" xmlns:gml="http://www.opengis.net/gml${version === 3 ? '/3.2' : ''}">
<gml:boundedBy><gml:Envelope srsName="urn:ogc:def:crs:EPSG::32649" srsDimension="3"><gml:lowerCorner>${W} ${S} ${B}</gml:lowerCorner><gml:upperCorner>${E} ${N} ${T}</gml:upperCorner></gml:Envelope></gml:boundedBy>
<core:cityObjectMember><bldg:Building gml:id="house">
${version === 2 ? '<app:appearance><app:Appearance><app:surfaceDataMember><app:X3DMaterial><app:diffuseColor>1 0.5 0</app:diffuseColor><app:target>#p1</app:target></app:X3DMaterial></app:surfaceDataMember></app:Appearance></app:appearance>' : ''}
<bldg:lod2Solid><gml:Solid><gml:exterior><gml:${version === 2 ? 'CompositeSurface' : 'Shell'} gml:id="shell">${faces.join('')}</gml:${version === 2 ? 'CompositeSurface' : 'Shell'}></gml:exterior></gml:Solid></bldg:lod2Solid>
</bldg:Building></core:cityObjectMember>
<app:appearanceMember><app:Appearance><app:theme>photo</app:theme><app:surfaceDataMember><app:ParameterizedTexture><app:imageURI>appearance/wall one.png</app:imageURI><app:mimeType>image/png</app:mimeType><app:wrapMode>wrap</app:wrapMode>${coordinates}</app:ParameterizedTexture></app:surfaceDataMember>
${version === 3 ? '<app:surfaceDataMember><app:X3DMaterial><app:diffuseColor>1 0.5 0</app:diffuseColor><app:target>#p1</app:target></app:X3DMaterial></app:surfaceDataMember>' : ''}</app:Appearance></app:appearanceMember>
</core:CityModel>`
}

const MODELS = { 'house.city.json': cityJson(), 'house2.gml': cityGml(2), 'house3.gml': cityGml(3) }

t.test('what is an image, and how large', async t => {
  t.strictSame(imageInfo(png(1)), { mediaType: 'image/png', width: 4, height: 2 })
  t.strictSame(imageInfo(Buffer.from('ffd8ffe000104a46494600010100000100010000ffc0000b080002000401011100', 'hex')), { mediaType: 'image/jpeg', width: 4, height: 2 })
  t.equal(imageInfo(Buffer.from('GIF89a')), null)
  t.equal(imageInfo(Buffer.from('ffd8ff', 'hex')), null)
})

t.test('a city model keeps its textures and colours, in the store too', async t => {
  const folder = t.testdir()
  mkdirSync(join(folder, 'model', 'appearance'), { recursive: true })
  writeFileSync(join(folder, 'model', 'appearance', 'wall one.png'), png(200))
  writeFileSync(join(folder, 'secret.png'), png(1))
  for (const [name, content] of Object.entries(MODELS)) writeFileSync(join(folder, 'model', name), content)
  const store = await testStore(t)

  for (const name of Object.keys(MODELS)) {
    await t.test(name, async t => {
      const frozen = await freeze(join(folder, 'model', name), join(folder, 'data'))
      const opened = await openAny(frozen.path, name)
      if (opened.kind !== 'features') throw new Error('not features')
      const [layer] = opened.source.layers
      const features: Feature[] = []
      for await (const feature of layer!.features()) features.push(feature)
      t.equal(features.length, 1)
      const { solid, appearance } = features[0]!
      t.equal(appearance!.faces.length, solid!.length)
      t.equal(appearance!.images.length, 1, 'of several themes the default one, and no file from outside the folder')

      const source = `test ${name}`
      for (const again of [false, true]) {
        await loadFeatures(store, [{ layer: 'buildings', srid: layer!.srid!, source, features: (async function* () { yield { ...features[0]!, properties: { name: 'Nhà' } } })() }], { actor: 'test', reason: 'textures', ...(again ? { replaceSource: source } : {}) })
      }
      const { rows } = await sql<{ key: string; faces: number; wall: string }>`
        select ${solidKeySql(sql.ref('solid'))} as key, st_numgeometries(solid) as faces, st_astext(st_geometryn(solid, 3), 5) as wall from city.buildings where source = ${source}`.execute(store.db)
      t.equal(rows.length, 1)
      const found = (await appearancesOf(store, [rows[0]!.key], 'open')).get(rows[0]!.key)!
      t.equal(found.faces.length, rows[0]!.faces)
      t.strictSame(found.faces.map(face => (face === null ? null : Object.keys(face).sort())), [null, ['colour'], ['image', 'uv'], null, null, null])
      t.strictSame(found.faces[1]!.colour, [255, 128, 0])
      t.equal(found.images[0]!.wrap, 'repeat')
      // The texture runs along the wall and upwards; v counts from the top of the image.
      const expected = FACES[2]!.map(ring => [...st(ring), st(ring)[0]!].flatMap(([s, t]) => [s, 1 - t]))
      t.strictSame(found.faces[2]!.uv!.map(ring => [...ring].map(value => Math.round(value * 1000) / 1000)), expected.map(ring => ring.map(value => Math.round(value * 1000) / 1000)))
      t.equal((rows[0]!.wall.match(/,/g) ?? []).length, 4 + 4 + 1, 'as many vertices as the stored face has')
      const image = (await textureImages(store, [found.images[0]!.sha256], 'open')).get(found.images[0]!.sha256)!
      t.match(image, { mediaType: 'image/png', width: 4, height: 2 })
      t.strictSame(image.bytes, png(200))
      await opened.source.close()
    })
  }
  await t.test('by an import as people start it', async t => {
    const context: JobContext = { id: 'textures', store, owner: STEWARD, branch: 'main', signal: new AbortController().signal, report() {} }
    const dataDir = join(folder, 'data')
    await sql`delete from dothi.appearances`.execute(store.db)
    const result = await runImport(context, { file: await freeze(join(folder, 'model', 'house2.gml'), dataDir), dataDir, layer: 'buildings', source: 'job' })
    t.match(result, { inserted: 1 })
    t.equal((await sql`select from dothi.appearances`.execute(store.db)).rows.length, 1)
    // The same file changes nothing, and the same solid has the same key on every branch.
    t.match(await runImport(context, { file: await freeze(join(folder, 'model', 'house2.gml'), dataDir), dataDir, layer: 'buildings', replace: 'job' }), { unchanged: 1 })
  })
  t.equal((await sql`select from dothi.appearances_incoming`.execute(store.db)).rows.length, 0, 'nothing is left waiting')
  t.equal((await sql`select from dothi.texture_images`.execute(store.db)).rows.length, 1, 'an image is kept once')
})

t.test('in a zip, with images in folders; an image that is not there is told, and the house still comes', async t => {
  const folder = t.testdir()
  writeFileSync(join(folder, 'model.zip'), zipSync({ 'city/house.gml': Buffer.from(MODELS['house2.gml']), 'city/appearance/wall one.png': png(5), 'city/other/wall one.png': png(6) }))
  writeFileSync(join(folder, 'bare.zip'), zipSync({ 'house.city.json': Buffer.from(MODELS['house.city.json']) }))
  const read = async (name: string) => {
    const opened = await openAny(join(folder, name))
    if (opened.kind !== 'features') throw new Error('not features')
    const features: Feature[] = []
    for await (const feature of opened.source.layers[0]!.features()) features.push(feature)
    const notes = opened.source.notes!()
    await opened.source.close()
    return { feature: features[0]!, notes }
  }
  const zipped = await read('model.zip')
  t.match(zipped.feature.appearance!.images[0]!.file, /appearance__wall one\.png$/)
  const bare = await read('bare.zip')
  t.match(bare.notes.join(), /1 texture images are not beside the file/)
  t.strictSame(bare.feature.appearance!.images, [])
  t.strictSame(bare.feature.appearance!.faces.map(face => face?.colour ?? null), [null, [255, 128, 0], null, null, null, null])
  t.ok(bare.feature.solid)
})

t.test('a house with a spoilt appearance is still a house', async t => {
  const folder = t.testdir()
  writeFileSync(join(folder, 'wall.png'), png(1))
  const file = join(folder, 'spoilt.city.json')
  const junk = fc.oneof(fc.constantFrom(null, 0, -1, 1e9, 'x', '../../etc/passwd.png', 'wall.png', 'http://x.test/a.png', NaN), fc.array(fc.integer({ min: -2, max: 9 }), { maxLength: 6 }), fc.object({ maxDepth: 2 }))
  const spoil = fc.record({
    textures: fc.oneof(junk, fc.array(fc.record({ image: junk, wrapMode: junk }))), 'vertices-texture': fc.oneof(junk, fc.array(junk)), materials: fc.oneof(junk, fc.array(fc.record({ diffuseColor: junk }))),
    'default-theme-texture': junk, 'default-theme-material': junk,
  }, { requiredKeys: [] })
  const themes = fc.oneof(junk, fc.record({ photo: fc.oneof(junk, fc.record({ values: fc.oneof(junk, fc.array(fc.array(fc.oneof(junk, fc.array(junk))))), value: junk }, { requiredKeys: [] })) }))
  await fc.assert(fc.asyncProperty(spoil, themes, themes, async (appearance, texture, material) => {
    const model = JSON.parse(MODELS['house.city.json'])
    model.appearance = appearance
    Object.assign(model.CityObjects.house.geometry[0], { texture, material })
    writeFileSync(file, JSON.stringify(model))
    const opened = await openAny(file)
    if (opened.kind !== 'features') return false
    for await (const feature of opened.source.layers[0]!.features()) {
      const { appearance: looks, solid } = feature
      if (feature.fault !== undefined || solid?.length !== 6 || (looks && looks.faces.length !== 6)) return false
      if (looks?.images.some(image => image.file !== join(folder, 'wall.png'))) return false
    }
    return true
  }), { numRuns: 300 })
})
