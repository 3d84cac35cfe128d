import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { sql } from 'kysely'
import { strToU8, zipSync } from 'fflate'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import type { Feature } from '../../core/feature.js'
import type { GeoJsonGeometry } from '../../core/filter/ast.js'
import { arcThrough, bulgeArc } from '../../core/geometry/curves.js'
import { fromWkb } from '../../core/geometry/wkb.js'
import { STEWARD } from '../store/store.js'
import { testServer, testStore } from '../testing/test-store.js'
import { namedCrs } from './axes.js'
import { numberOf } from './coordinates.js'
import { parcelLabel } from './dxf-labels.js'
import { recognise } from './encoding.js'
import { openAny } from './open-source.js'
import { previewFile } from './preview.js'
import type { OpenOptions } from './reader.js'
import { runImport, type ImportInputs } from './run.js'
import { signedArea } from './shapefile.js'
import { freeze } from './uploads.js'
import { decodeLegacy, isSyllable, westernOf, type LegacyEncoding } from './vietnamese.js'
import { parseWkt } from './wkt.js'

const folder = t.testdir()
const path = (name: string) => join(folder, name)
const write = (name: string, content: string | Uint8Array) => { writeFileSync(path(name), content); return path(name) }
const ogr = (...args: string[]) => execFileSync('ogr2ogr', args, { stdio: 'pipe' })

async function open(file: string, options: Omit<OpenOptions, 'name'> = {}) {
  const opened = await openAny(file, undefined, options)
  if (opened.kind === 'terrain') throw new Error('terrain')
  return opened.source
}
async function read(file: string, options: Omit<OpenOptions, 'name'> = {}) {
  const source = await open(file, options)
  const layers: Record<string, Feature[]> = {}
  for (const layer of source.layers) {
    layers[layer.name] = []
    for await (const feature of layer.features()) layers[layer.name]!.push(feature)
  }
  const notes = source.notes?.() ?? []
  await source.close()
  return { format: source.format, srid: source.layers[0]?.srid, texts: source.layers[0]?.texts, layers, notes }
}
const refused = async (t: Test, file: string, message: RegExp) => {
  const error = await read(file).then(() => null, (e: Error) => e)
  t.match(error, { status: 422, message }, file.split('/').at(-1)!)
  t.notMatch(error?.message ?? '', /\n/)
}

const TONES = ['', '\u0301', '\u0300', '\u0309', '\u0303', '\u0323']
const LOWER = [...[...'aăâeêioôơuưy'].flatMap(base => TONES.map(tone => (base + tone).normalize('NFC'))).filter(letter => letter > '\x7f'), 'đ']
const LETTERS = [...LOWER, ...LOWER.map(letter => letter.toUpperCase())]
const CORPUS = [
  'Đường Nguyễn Văn Linh', 'Quận Hải Châu, thành phố Đà Nẵng', 'Phường Hoà Khánh Bắc', 'Cầu Rồng', 'Xã Hoà Vang', 'Trạm bơm Thuận Phước', 'Cống thoát nước Đảo Xanh', 'Đất ở tại đô thị',
  'Khu đô thị sinh thái ven sông', 'Trường tiểu học Phù Đổng', 'Bệnh viện Phụ sản – Nhi', 'Chợ Cồn', 'Kiệt số 5 Lê Độ', 'Ngã tư Điện Biên Phủ', 'Hồ Thạc Gián – Vĩnh Trung', 'Đỗ Thị Tuyết Nhung',
]
/** Bytes of a text as windows-1252 shows them, from an encoder that is not ours. */
const shownAs = (text: string, charset: string) => western(execFileSync('iconv', ['-f', 'UTF-8', '-t', charset], { input: text }))
/** VNI as its chart has it: letter, then mark. */
const VNI_CHART = 'aù aø aû aõ aï aê aé aè aú aü aë aâ aá aà aå aã aä eù eø eû eõ eï eâ eá eà eå eã eä í ì æ ó ò où oø oû oõ oï oâ oá oà oå oã oä ô ôù ôø ôû ôõ ôï uù uø uû uõ uï ö öù öø öû öõ öï yù yø yû yõ î ñ'.split(' ')
const toVni = (text: string) => [...text.normalize('NFC')].map(letter => { const at = LOWER.indexOf(letter.toLowerCase()); return at < 0 ? letter : letter === letter.toLowerCase() ? VNI_CHART[at]! : VNI_CHART[at]!.toUpperCase() }).join('')
/** The ABC fonts' codes of small letters in the order of LOWER, and of the seven capitals that have one. */
const TCVN3_CODES = [0xb8, 0xb5, 0xb6, 0xb7, 0xb9, 0xa8, 0xbe, 0xbb, 0xbc, 0xbd, 0xc6, 0xa9, 0xca, 0xc7, 0xc8, 0xc9, 0xcb, 0xd0, 0xcc, 0xce, 0xcf, 0xd1, 0xaa, 0xd5, 0xd2, 0xd3, 0xd4, 0xd6, 0xdd, 0xd7, 0xd8, 0xdc, 0xde, 0xe3, 0xdf, 0xe1, 0xe2, 0xe4, 0xab, 0xe8, 0xe5, 0xe6, 0xe7, 0xe9, 0xac, 0xed, 0xea, 0xeb, 0xec, 0xee, 0xf3, 0xef, 0xf1, 0xf2, 0xf4, 0xad, 0xf8, 0xf5, 0xf6, 0xf7, 0xf9, 0xfd, 0xfa, 0xfb, 0xfc, 0xfe, 0xae]
const TCVN3_CAPITALS: Record<string, number> = { Ă: 0xa1, Â: 0xa2, Ê: 0xa3, Ô: 0xa4, Ơ: 0xa5, Ư: 0xa6, Đ: 0xa7 }
const toTcvn3 = (text: string) => Buffer.from([...text.normalize('NFC')].map(letter => TCVN3_CAPITALS[letter] ?? TCVN3_CODES[LOWER.indexOf(letter.toLowerCase())] ?? (letter === '–' ? 0x96 : letter.charCodeAt(0))))
const western = (bytes: Uint8Array) => westernOf(Buffer.from(bytes).toString('latin1'))

t.test('all 134 letters come back from every encoding', async t => {
  t.equal(LETTERS.length, 134)
  for (const [encoding, charset] of [['tcvn5712', 'TCVN5712-1'], ['viscii', 'VISCII'], ['windows-1258', 'CP1258']] as const)
    for (const letter of LETTERS) t.equal(decodeLegacy(shownAs(letter, charset), encoding), letter, `${encoding} ${letter}`)
  for (const letter of LETTERS) t.equal(decodeLegacy(toVni(letter), 'vni'), letter)
  for (const letter of LOWER) {
    t.equal(decodeLegacy(western(toTcvn3(letter)), 'tcvn3'), letter)
    t.equal(decodeLegacy(western(toTcvn3(letter)), 'tcvn3-caps'), letter.toUpperCase())
  }
  for (const capital of Object.keys(TCVN3_CAPITALS)) t.equal(decodeLegacy(western(toTcvn3(capital)), 'tcvn3'), capital)
  // VPS has no encoder at hand: every letter has a code of its own, and published ones are where the chart has them.
  const vps = new Set(Array.from({ length: 256 }, (_, byte) => decodeLegacy(western(Uint8Array.of(byte)), 'vps')))
  t.strictSame(LETTERS.filter(letter => !vps.has(letter)), [])
  const codes: Record<string, number> = { á: 0xe1, ả: 0xe4, ạ: 0xe5, ă: 0xe6, ắ: 0xa1, ấ: 0xc3, ầ: 0xc0, ẩ: 0xc4, ế: 0x89, ề: 0x8a, ể: 0x8b, ễ: 0xcd, ệ: 0x8c, ẻ: 0xc8, ẽ: 0xeb, ẹ: 0xcb, ỉ: 0xcc, ị: 0xce, Ậ: 0x03, đ: 0xc7, ư: 0xdc, À: 0x80 }
  for (const [letter, byte] of Object.entries(codes)) t.equal(decodeLegacy(western(Uint8Array.of(byte)), 'vps'), letter)
})

t.test('capitals of TCVN3 are restored where a text is in capitals', async t => {
  t.strictSame(['QUẢNG TRƯỜNG 2/9', 'Cầu Trần Thị Lý', 'Hà Nội', 'PHƯỜNG AN HẢI TÂY'].map(text => decodeLegacy(western(toTcvn3(text)), 'tcvn3')), ['QUẢNG TRƯỜNG 2/9', 'Cầu Trần Thị Lý', 'Hà Nội', 'PHƯỜNG AN HẢI TÂY'])
})

t.test('encodings are recognised by what they make of a text, never on little', async t => {
  const written: Record<string, (text: string) => string> = {
    tcvn3: text => western(toTcvn3(text)), vni: toVni, viscii: text => shownAs(text.replace('–', '-'), 'VISCII'), 'windows-1258': text => shownAs(text, 'CP1258'),
    vps: text => { const table = new Map(Array.from({ length: 256 }, (_, byte) => [decodeLegacy(western(Uint8Array.of(byte)), 'vps'), western(Uint8Array.of(byte))])); return [...text.replace('–', '-')].map(letter => table.get(letter) ?? letter).join('') },
  }
  for (const [encoding, encode] of Object.entries(written)) {
    const guess = recognise(CORPUS.map(encode))
    t.match(guess, { encoding }, encoding)
    t.ok(guess.confidence >= 0.75, `${encoding}: ${JSON.stringify(guess)}`)
    t.strictSame(CORPUS.map(text => decodeLegacy(encode(text), encoding as LegacyEncoding)), encoding === 'viscii' || encoding === 'vps' ? CORPUS.map(text => text.replace('–', '-')) : CORPUS)
    t.ok(recognise([encode('Cầu Rồng')]).confidence < 0.75, `${encoding}: two words are too little`)
  }
  for (const texts of [CORPUS, ['Straße nach Köln', 'Müllerstraße', 'Grünes Gäßchen'], ['Hôtel de la Préfecture', 'Rue de l’Église', 'Château d’eau'], ['m²', '45°', '½']]) {
    const guess = recognise(texts)
    t.ok(guess.encoding === 'unicode' || guess.share < 0.5 || guess.confidence < 0.5, `${texts[0]}: ${JSON.stringify(guess)}`)
  }
  t.strictSame(['nguyễn', 'đường', 'quốc', 'khuỷu', 'yêu', 'giếng', 'nghiêng'].map(isSyllable), Array(7).fill(true))
  t.strictSame(['straße', 'köln', 'quôc', 'bcd', 'ngf'].map(isSyllable), Array(5).fill(false))
  fc.assert(fc.property(fc.string({ maxLength: 40 }), fc.constantFrom<LegacyEncoding>('tcvn3', 'vni', 'vps', 'viscii', 'windows-1258'), (text, encoding) => typeof decodeLegacy(text, encoding) === 'string'))
})

t.test('a shapefile in TCVN3 says so and comes out in Unicode; with too few words it asks', async t => {
  const rows = CORPUS.map((ten, i) => `${i},"${ten}",${108 + i / 100},16`)
  write('pts.csv', ['n,ten,x,y', ...rows].join('\n'))
  ogr(path('dbf.shp'), path('pts.csv'), '-oo', 'X_POSSIBLE_NAMES=x', '-oo', 'Y_POSSIBLE_NAMES=y', '-a_srs', 'EPSG:4326', '-lco', 'ENCODING=')
  const dbf = readFileSync(path('dbf.dbf'))
  // GDAL wrote UTF-8: each text is put in its place again, in TCVN3 and in VNI.
  const rewritten = (texts: readonly Uint8Array[]) => {
    const out = Buffer.from(dbf)
    const [header, record] = [out.readUInt16LE(8), out.readUInt16LE(10)]
    const first = out[32 + 16]!
    const second = out[64 + 16]!
    texts.forEach((text, i) => { out.fill(0x20, header + i * record + 1 + first, header + i * record + 1 + first + second); out.set(text.subarray(0, second), header + i * record + 1 + first) })
    return out
  }
  for (const [encoding, encode] of [['tcvn3', toTcvn3], ['vni', (text: string) => Buffer.from(toVni(text).replace('–', '-'), 'latin1')]] as const) {
    writeFileSync(path('dbf.dbf'), rewritten(CORPUS.map(encode)))
    const found = await read(path('dbf.shp'))
    t.match(found.texts, { encoding, by: 'content', samples: [{ after: CORPUS[0] }] })
    t.strictSame(found.layers.dbf!.map(f => String(f.properties.ten).replace('–', '-')), CORPUS.map(text => text.replace('–', '-')))
  }
  writeFileSync(path('dbf.dbf'), rewritten(CORPUS.map((_, i) => (i === 0 ? toTcvn3('Cầu Rồng') : Buffer.from('plain')))))
  await t.rejects(read(path('dbf.shp')), { status: 422, message: /may be in tcvn3.*“CÇu Rång” would be “Cầu Rồng”.*--encoding tcvn3/ })
  t.equal((await read(path('dbf.shp'), { encoding: 'tcvn3' })).layers.dbf![0]!.properties.ten, 'Cầu Rồng')
  t.equal((await read(path('dbf.shp'), { encoding: 'windows-1252' })).layers.dbf![0]!.properties.ten, 'CÇu Rång')
  await t.rejects(read(path('dbf.shp'), { encoding: 'klingon' }), { status: 400, message: /no encoding that is known/ })
})

t.test('CSV: delimiters, decimal commas, quotes, titles in Vietnamese, and the surveyors\' X that points north', async t => {
  const vn = await read(write('moc.csv', '\ufeffSTT;Tên mốc;X (m);Y (m);Diện tích;Ngày đo;Mã\r\n1;"Mốc ""A""; cạnh\r\nđường";1776543,21;548123,45;1.234,5;25/12/2024;007\r\n2;B;1776550;548130;12,25;01/02/2024;123\r\n'))
  t.match(vn, { format: 'csv', srid: null, notes: [/X \(m\) is the northing and Y \(m\) the easting, as in VN-2000/] })
  t.strictSame(vn.layers.moc, [
    { geometry: { type: 'Point', coordinates: [548123.45, 1776543.21] }, properties: { STT: 1, 'Tên mốc': 'Mốc "A"; cạnh\r\nđường'.replace('\r', ''), 'Diện tích': 1234.5, 'Ngày đo': '2024-12-25', Mã: '007' }, row: 1 },
    { geometry: { type: 'Point', coordinates: [548130, 1776550] }, properties: { STT: 2, 'Tên mốc': 'B', 'Diện tích': 12.25, 'Ngày đo': '2024-02-01', Mã: '123' }, row: 2 },
  ].map((feature, i) => (i === 0 ? { ...feature, properties: { ...feature.properties, 'Tên mốc': vn.layers.moc![0]!.properties['Tên mốc'] } } : feature)))
  t.match(vn.layers.moc![0]!.properties['Tên mốc'], /^Mốc "A"; cạnh\s+đường$/)
  t.match((await read(write('gis.csv', 'x,y\n548123,1776543\n'))).layers.gis, [{ geometry: { coordinates: [548123, 1776543] } }], 'x is east where the numbers say so')
  t.match(await read(write('kd.tsv', 'Kinh độ\tVĩ độ\tten\n108°13\'39"Đ\t16°3\'40"B\ta\n108,2275\t16,0611\tb\nabc\t16\tc\n')), { srid: 4326, layers: { kd: [{ geometry: { coordinates: [108.2275, Number] } }, { geometry: { coordinates: [108.2275, 16.0611] } }, { geometry: null, fault: /no numbers: Kinh độ “abc”/ }] } })
  t.match((await read(write('shape.csv', 'id|wkt\n1|SRID=5899;POLYGON Z((0 0 1,10 0 1,10 10 1,0 0 1))\n2|POINT(1)\n'))), { srid: 5899, layers: { shape: [{ geometry: { type: 'Polygon' } }, { geometry: null, fault: /WKT/ }] } })
  t.match((await read(write('pair.csv', 'ten,Tọa độ\na,"16.06, 108.22"\n'))).layers.pair, [{ geometry: { coordinates: [108.22, 16.06] } }])
  t.match((await read(write('excel.csv', Buffer.from('\ufeffsep=;\nlon;lat;ten\n108;16;Hoà\n', 'utf16le')))).layers.excel, [{ properties: { ten: 'Hoà' } }])
  t.match((await read(write('tcvn.csv', Buffer.concat([Buffer.from('lon,lat,ten\n'), ...CORPUS.map(text => Buffer.concat([Buffer.from('108,16,"'), toTcvn3(text), Buffer.from('"\n')]))])))), { texts: { encoding: 'tcvn3' }, layers: { tcvn: [{ properties: { ten: CORPUS[0] } }] } })
  t.strictSame(['1.234.567,5', '1,234,567.5', '1776543,21', '16 543 210', '-5', '1e3', 'x', '1,2,3'].map(numberOf), [1234567.5, 1234567.5, 1776543.21, 16543210, -5, 1000, NaN, NaN])
  const many = await read(write('many.csv', `lon,lat,text\n${Array.from({ length: 20_000 }, (_, i) => `108,16,"${'ệ""\n'.repeat(i % 9)}"`).join('\n')}`))
  t.equal(many.layers.many!.length, 20_000)
  t.equal(many.layers.many![17]!.properties.text, 'ệ"\n'.repeat(8).trim())
  await refused(t, write('none.csv', 'a,b\n1,2\n'), /no columns of coordinates.*it has a, b/)
  await refused(t, write('open.csv', 'lon,lat,t\n1,2,"abc\n'), /ends inside a quotation that begins in row 2/)
  await refused(t, write('late.csv', Buffer.concat([Buffer.from(`lon,lat,t\n${'1,2,x\n'.repeat(200_000)}`), Buffer.from([0xff, 0xfe, 0x0a])])), /other bytes further on.*--encoding/)
})

t.test('XLSX: titles above the header, shared and rich texts, dates, values of formulas, several sheets', async t => {
  ogr('-f', 'XLSX', path('gdal.xlsx'), path('pts.csv'), '-oo', 'AUTODETECT_TYPE=YES')
  const fromGdal = await read(path('gdal.xlsx'))
  t.match(fromGdal, { format: 'xlsx', srid: 4326 })
  t.strictSame(fromGdal.layers.pts!.map(f => f.properties.ten), CORPUS)
  const rels = '<Relationships xmlns="x"><Relationship Id="rId1" Target="worksheets/sheet1.xml"/><Relationship Id="rId2" Target="/xl/worksheets/sheet2.xml"/></Relationships>'
  const sheet = '<worksheet><sheetData><row r="1"><c r="A1" t="inlineStr"><is><t>SỞ TÀI NGUYÊN</t></is></c></row><row r="3"><c r="A3" t="s"><v>0</v></c><c r="B3" t="s"><v>1</v></c><c r="D3" t="s"><v>2</v></c><c r="E3" t="inlineStr"><is><t>Ngày</t></is></c></row><row r="4"><c r="A4"><f>1+1</f><v>1776543.5</v></c><c r="B4"><v>548123.25</v></c><c r="D4" t="str"><f>A1</f><v>tính</v></c><c r="E4" s="1"><v>45651.5</v></c></row><row r="5"><c r="A5"><v>1776544</v></c><c r="B5"><v>548124</v></c><c r="D5" t="e"><v>#N/A</v></c><c r="E5" s="1"><v>45651</v></c></row></sheetData></worksheet>'
  const book = (extra: Record<string, Uint8Array> = {}) => zipSync({
    'xl/workbook.xml': strToU8('<workbook xmlns:r="r"><sheets><sheet name="Mốc" r:id="rId1"/><sheet name="Ghi chú" r:id="rId2"/></sheets></workbook>'), 'xl/_rels/workbook.xml.rels': strToU8(rels),
    'xl/sharedStrings.xml': strToU8('<sst><si><t>X</t></si><si><t>Y</t></si><si><r><t>Tên </t></r><r><t>mốc</t></r><rPh><t>x</t></rPh></si></sst>'),
    'xl/styles.xml': strToU8('<styleSheet><numFmts><numFmt numFmtId="170" formatCode="dd/mm/yyyy hh:mm"/></numFmts><cellXfs><xf numFmtId="0"/><xf numFmtId="170"/></cellXfs></styleSheet>'),
    'xl/worksheets/sheet1.xml': strToU8(sheet), 'xl/worksheets/sheet2.xml': strToU8('<worksheet><sheetData><row><c t="inlineStr"><is><t>chỉ là ghi chú</t></is></c></row></sheetData></worksheet>'), ...extra,
  })
  const own = await read(write('own.xlsx', book()))
  t.strictSame(own.layers, { Mốc: [
    { geometry: { type: 'Point', coordinates: [548123.25, 1776543.5] }, properties: { column_3: null, 'Tên mốc': 'tính', Ngày: '2024-12-25T12:00:00' }, row: 1 },
    { geometry: { type: 'Point', coordinates: [548124, 1776544] }, properties: { column_3: null, 'Tên mốc': null, Ngày: '2024-12-25' }, row: 2 },
  ] })
  t.match(own.notes, [/X is the northing/, /Ghi chú: .*no columns of coordinates/])
  await refused(t, write('bomb.xlsx', book({ 'xl/worksheets/sheet1.xml': Buffer.concat([strToU8('<worksheet><sheetData>'), Buffer.alloc(80 * 2 ** 20, 0x20)]) })), /decompression bomb/)
  await refused(t, write('entity.xlsx', book({ 'xl/workbook.xml': strToU8('<!DOCTYPE x [<!ENTITY a "b">]><workbook/>') })), /document type declaration/)
})

t.test('KML and KMZ: folders, ExtendedData, 3D, multi geometries, tracks', async t => {
  const kml = `<?xml version="1.0"?><kml xmlns="http://www.opengis.net/kml/2.2" xmlns:gx="http://www.google.com/kml/ext/2.2"><Document><name>d</name><Style id="s"/>
    <Folder><name>Cấp nước</name><Folder><name>Ống</name>
      <Placemark id="p1"><name>Ống &amp; van</name><ExtendedData><Data name="dn"><value>150</value></Data><SchemaData><SimpleData name="mã">007</SimpleData></SchemaData></ExtendedData><LineString><coordinates>108,16,1 108.1, 16.1, 2</coordinates></LineString></Placemark></Folder></Folder>
    <Placemark><MultiGeometry><Point><coordinates>1,2</coordinates></Point><Point><coordinates>3,4</coordinates></Point></MultiGeometry></Placemark>
    <Placemark><Polygon><outerBoundaryIs><LinearRing><coordinates>0,0 9,0 9,9 0,0</coordinates></LinearRing></outerBoundaryIs><innerBoundaryIs><LinearRing><coordinates>4,1 5,1 5,2 4,1</coordinates></LinearRing></innerBoundaryIs></Polygon></Placemark>
    <Placemark><gx:Track><when>2024-01-01</when><gx:coord>108 16 5</gx:coord><gx:coord>108.1 16 6</gx:coord></gx:Track></Placemark>
    <Placemark><Point><coordinates>nan,2</coordinates></Point></Placemark><NetworkLink><Link><href>http://127.0.0.1/x</href></Link></NetworkLink></Document></kml>`
  const expected = [
    { geometry: { type: 'LineString', coordinates: [[108, 16, 1], [108.1, 16.1, 2]] }, properties: { name: 'Ống & van', folder: 'Cấp nước / Ống', dn: 150, mã: '007' }, sourceId: 'p1' },
    { geometry: { type: 'MultiPoint', coordinates: [[1, 2], [3, 4]] } }, { geometry: { type: 'Polygon', coordinates: { length: 2 } } }, { geometry: { type: 'LineString', coordinates: [[108, 16, 5], [108.1, 16, 6]] } }, { geometry: null, fault: /not numbers/ },
  ]
  t.match(await read(write('a.kml', kml)), { format: 'kml', srid: 4326, layers: { a: expected }, notes: [/1 links and overlays/] })
  t.match(await read(write('a.kmz', zipSync({ 'doc.kml': strToU8(kml), 'files/icon.png': new Uint8Array(9) }))), { layers: { a: expected } })
  ogr('-f', 'KML', path('gdal.kml'), path('dbf.shp'))
  t.equal((await read(path('gdal.kml'))).layers.gdal!.length, CORPUS.length)
  await refused(t, write('laughs.kml', '<?xml version="1.0"?><!DOCTYPE kml [<!ENTITY a "ha">]><kml xmlns="http://www.opengis.net/kml/2.2"><Placemark><name>&a;</name></Placemark></kml>'), /document type declaration/)
  await refused(t, write('deep.kml', `<kml>${'<Folder>'.repeat(3000)}`), /nested deeper than 256/)
  await refused(t, write('cut.kml', kml.slice(0, 900)), /KML file/)
})

t.test('GML 2, 3.1 and 3.2 as GDAL writes them: axes by the name of the CRS', async t => {
  write('shapes.geojson', JSON.stringify({ type: 'FeatureCollection', features: [
    { type: 'Feature', properties: { ten: 'Hải Châu', so: 3, ma: '007' }, geometry: { type: 'Polygon', coordinates: [[[108, 16], [108.1, 16], [108.1, 16.1], [108, 16]], [[108.07, 16.02], [108.08, 16.02], [108.08, 16.03], [108.07, 16.02]]] } },
    { type: 'Feature', properties: { ten: null, so: 1.5, ma: '8' }, geometry: { type: 'MultiPolygon', coordinates: [[[[109, 16], [109.1, 16], [109.1, 16.1], [109, 16]]]] } },
  ] }))
  const numbers = (value: unknown): number[] => (Array.isArray(value) ? value.flatMap(numbers) : [value as number])
  const close = (a: GeoJsonGeometry, b: GeoJsonGeometry) => { const [these, those] = [numbers(a.coordinates), numbers(b.coordinates)]; return these.length === those.length && these.every((n, i) => Math.abs(n - those[i]!) <= 1e-8 * Math.max(1, Math.abs(n))) }
  for (const srid of [4326, 5899, 31467, 3857]) {
    ogr('-f', 'GeoJSON', path(`want-${srid}.geojson`), path('shapes.geojson'), '-t_srs', `EPSG:${srid}`, '-lco', 'RFC7946=NO', '-lco', 'COORDINATE_PRECISION=12')
    const want = (JSON.parse(readFileSync(path(`want-${srid}.geojson`), 'utf8')) as { features: { geometry: GeoJsonGeometry }[] }).features
    for (const version of ['GML2', 'GML3', 'GML3.2']) {
      ogr('-f', 'GML', path(`${version}-${srid}.gml`), path('shapes.geojson'), '-t_srs', `EPSG:${srid}`, '-dsco', `FORMAT=${version}`, '-nln', 'vung')
      const got = await read(path(`${version}-${srid}.gml`))
      t.match(got, { format: 'gml', srid, layers: { vung: [{ properties: { ten: 'Hải Châu', so: 3 } }, {}] } }, `${version} ${srid}`)
      const flat = (g: GeoJsonGeometry): GeoJsonGeometry => (g.type === 'MultiPolygon' && (g.coordinates as unknown[]).length === 1 ? { type: 'Polygon', coordinates: (g.coordinates as unknown[])[0] } : g)
      got.layers.vung!.forEach((feature, i) => t.ok(close(flat(feature.geometry!), flat(want[i]!.geometry)), `${version} EPSG:${srid} feature ${i} ${JSON.stringify(feature.geometry).slice(0, 120)}`))
    }
  }
  t.strictSame(['urn:ogc:def:crs:EPSG::4326', 'EPSG:4326', 'http://www.opengis.net/gml/srs/epsg.xml#4326', 'urn:ogc:def:crs:OGC:1.3:CRS84', 'urn:ogc:def:crs,crs:EPSG::25832,crs:EPSG::5783', 'http://www.opengis.net/def/crs/EPSG/0/6697', 'urn:ogc:def:crs:EPSG::5899', 'local'].map(namedCrs).map(({ srid, flipped }) => [srid, flipped]),
    [[4326, true], [4326, false], [4326, false], [4326, false], [25832, false], [6668, true], [5899, false], [null, false]])
})

t.test('GML curves, links, solids, and answers of a WFS', async t => {
  const collection = (body: string) => `<wfs:FeatureCollection xmlns:wfs="http://www.opengis.net/wfs/2.0" xmlns:gml="http://www.opengis.net/gml/3.2" xmlns:a="a" xmlns:xlink="http://www.w3.org/1999/xlink" xmlns:xsi="x">${body}</wfs:FeatureCollection>`
  const member = (id: string, geometry: string, extra = '') => `<wfs:member><a:thua gml:id="${id}"><a:ten>Lô ${id}</a:ten>${extra}<a:hinh>${geometry}</a:hinh></a:thua></wfs:member>`
  const circle = '<gml:Polygon srsName="urn:ogc:def:crs:EPSG::5899"><gml:exterior><gml:Ring><gml:curveMember><gml:Curve><gml:segments><gml:Circle><gml:posList>500100 1700000 500000 1700100 499900 1700000</gml:posList></gml:Circle></gml:segments></gml:Curve></gml:curveMember></gml:Ring></gml:exterior></gml:Polygon>'
  const arcs = '<gml:Curve><gml:segments><gml:LineStringSegment><gml:posList>0 0 10 0</gml:posList></gml:LineStringSegment><gml:Arc><gml:posList>10 0 15 5 10 10</gml:posList></gml:Arc></gml:segments></gml:Curve>'
  const shared = '<gml:Polygon><gml:exterior><gml:Ring><gml:curveMember xlink:href="#edge"/><gml:curveMember><gml:LineString><gml:posList>10 10 0 0</gml:posList></gml:LineString></gml:curveMember></gml:Ring></gml:exterior></gml:Polygon>'
  const file = write('wfs.gml', collection(`${member('1', circle, '<a:loai><a:Loai><a:ma>ODT</a:ma></a:Loai></a:loai><a:trong xsi:nil="true"/><a:so>5</a:so><a:so>6</a:so>')}${member('2', arcs.replace('<gml:Curve>', '<gml:Curve gml:id="edge">'))}${member('3', shared)}${member('4', '<gml:Point><gml:pos>1 x</gml:pos></gml:Point>')}${member('5', '<gml:Curve><gml:segments><gml:BSpline/></gml:segments></gml:Curve>')}${member('6', '<gml:Polygon><gml:exterior xlink:href="http://169.254.169.254/"/></gml:Polygon>')}`))
  const { layers } = await read(file)
  const [round, line, ring, ...bad] = layers.thua!
  const area = Math.abs(signedArea((round!.geometry!.coordinates as number[][][])[0]!))
  t.ok(Math.abs(area / (Math.PI * 1e4) - 1) < 5e-4, `a circle of ${area} m²`)
  t.match(round, { sourceId: '1', properties: { ten: 'Lô 1', 'loai.ma': 'ODT', trong: null, so: [5, 6] } })
  t.ok((line!.geometry!.coordinates as number[][]).every(([x, y], i) => i === 0 || Math.abs(Math.hypot(x! - 10, y! - 5) - 5) < 0.011 || y === 0), 'the arc stays on its circle')
  t.match(ring, { geometry: { type: 'Polygon' } }, 'an edge of another feature, by its link')
  t.match(bad, [{ geometry: null, fault: /position/ }, { geometry: null, fault: /splines/ }, { geometry: null, fault: /link out of the file/ }])
  await refused(t, write('cut.gml', readFileSync(file, 'utf8').slice(0, 1500)), /GML file/)
})

t.test('curves of WKB and WKT: as GDAL linearises them', async t => {
  const wkt = 'CURVEPOLYGON(COMPOUNDCURVE(CIRCULARSTRING(500000 1700000,500050 1700050,500100 1700000),(500100 1700000,500000 1700000)))'
  write('curve.csv', `id,wkt\n1,"${wkt}"\n2,"MULTISURFACE(((0 0,9 0,9 9,0 0)),${wkt})"\n3,"CIRCULARSTRING(0 0,1 1,2 0)"\n`)
  ogr('-f', 'GPKG', path('curves.gpkg'), path('curve.csv'), '-oo', 'GEOM_POSSIBLE_NAMES=wkt', '-a_srs', 'EPSG:5899')
  const { layers } = await read(path('curves.gpkg'))
  t.strictSame(layers.curve!.map(f => f.geometry!.type), ['Polygon', 'MultiPolygon', 'LineString'])
  const ring = (layers.curve![0]!.geometry!.coordinates as number[][][])[0]!
  t.ok(Math.abs(Math.abs(signedArea(ring)) / (Math.PI * 2500 / 2) - 1) < 5e-4)
  t.strictSame(parseWkt(wkt).geometry!.coordinates, layers.curve![0]!.geometry!.coordinates)
  t.throws(() => fromWkb(Buffer.from('0108000000', 'hex')), { name: 'GeometryFault' })
  for (const text of ['POINT(1 2', 'POINT(1 2) x', 'POLYGON((a b))', 'SHAPE(1 2)', `${'GEOMETRYCOLLECTION('.repeat(40)}POINT(1 1)`]) t.throws(() => parseWkt(text), { name: 'GeometryFault' })
  // Every chord leaves its circle by no more than the tolerance.
  fc.assert(fc.property(fc.double({ min: 0.5, max: 5000, noNaN: true }), fc.double({ min: -3, max: 3, noNaN: true }), fc.double({ min: 0.05, max: 3, noNaN: true }), fc.double({ min: 0.1, max: 0.9, noNaN: true }), (radius, from, half, share) => {
    const at = (angle: number) => [5e5 + radius * Math.cos(angle), 1.7e6 + radius * Math.sin(angle)]
    const line = [at(from), ...arcThrough(at(from), at(from + 2 * half * share), at(from + 2 * half), 0.01)]
    return line.every((position, i) => {
      const middle = i === 0 ? position : [(position[0]! + line[i - 1]![0]!) / 2, (position[1]! + line[i - 1]![1]!) / 2]
      return radius - Math.hypot(middle[0]! - 5e5, middle[1]! - 1.7e6) < 0.012 + radius * 1e-4 * Number(radius > 4000)
    })
  }))
  t.match(bulgeArc([0, 0], [10, 0], 1, 0.001).map(([x, y]) => Math.abs(Math.hypot(x! - 5, y!) - 5) < 1e-9), [true], 'a bulge of 1 is a half circle')
})

const dxf = (entities: string, { blocks = '', header = '', styles = '' } = {}) => ['0 SECTION 2 HEADER', header, '0 ENDSEC 0 SECTION 2 TABLES', styles, '0 ENDSEC 0 SECTION 2 BLOCKS', blocks, '0 ENDSEC 0 SECTION 2 ENTITIES', entities, '0 ENDSEC 0 EOF']
  .flatMap(part => part.split('\n')).flatMap(part => part.trim().split(/ (?=\d+ )/)).filter(Boolean).map(pair => pair.replace(' ', '\n').replaceAll('_', ' ')).join('\n') + '\n'

t.test('DXF: curves, blocks, mirrored and nested, and the labels of parcels', async t => {
  const square = (layer: string, x: number, y: number, size: number, handle: string) => `0 LWPOLYLINE 5 ${handle} 8 ${layer} 90 4 70 1 10 ${x} 20 ${y} 10 ${x + size} 20 ${y} 10 ${x + size} 20 ${y + size} 10 ${x} 20 ${y + size}`
  const text = (layer: string, x: number, y: number, content: string) => `0 TEXT 8 ${layer} 10 ${x} 20 ${y} 40 1 1 ${content.replaceAll(' ', '_')}`
  const file = write('parcels.dxf', dxf([
    square('THUA', 500000, 1700000, 20, 'A1'), text('NHAN', 500005, 1700010, '125'), text('NHAN', 500005, 1700005, '400.2'), text('NHAN', 500012, 1700010, 'ODT+CLN'),
    square('THUA', 500020, 1700000, 10, 'A2'), '0 MTEXT 8 NHAN 10 500025 20 1700005 40 1 1 {\\fArial|b0;Thửa_126}\\PT\\U+1EDD_12\\P100m2',
    square('NHA', 500002, 1700002, 12, 'A3'),
    '0 LWPOLYLINE 5 B1 8 ONG 90 2 70 0 10 500000 20 1700000 42 1 10 500010 20 1700000', '0 ARC 5 B2 8 ONG 10 500000 20 1700000 40 5 50 0 51 90', '0 CIRCLE 5 B3 8 GIENG 10 500000 20 1700000 40 2',
    '0 ELLIPSE 5 B4 8 ONG 10 500000 20 1700000 11 10 21 0 31 0 40 0.5 41 0 42 3.141592653589793', '0 SPLINE 5 B5 8 ONG 70 8 71 3 72 8 73 4 40 0 40 0 40 0 40 0 40 1 40 1 40 1 40 1 10 0 20 0 10 0 20 10 10 10 20 10 10 10 20 0',
    '0 LINE 5 B6 8 ONG 10 1 20 2 11 3 21 4', '0 LINE 8 ONG 67 1 10 1 20 2 11 3 21 4', '0 HATCH 8 ONG 10 1 20 2', '0 LINE 8 ONG 10 x 20 2 11 3 21 4',
    '0 POLYLINE 5 B7 8 RANH 66 1 70 9\n0 VERTEX 8 RANH 10 0 20 0 30 5\n0 VERTEX 8 RANH 10 4 20 0 30 5\n0 VERTEX 8 RANH 10 4 20 4 30 6\n0 SEQEND 8 RANH',
    '0 INSERT 5 C1 8 HOGA 66 1 2 HG 10 500100 20 1700100 41 2 42 2 50 90\n0 ATTRIB 8 HOGA 2 MA 1 HG-01 10 0 20 0\n0 SEQEND 8 HOGA', '0 INSERT 5 C2 8 HOGA 2 HG 10 -500200 20 1700100 210 0 220 0 230 -1',
  ].join('\n'), { blocks: '0 BLOCK 2 HG 10 1 20 1\n0 LINE 5 L1 8 0 10 1 20 1 11 2 21 1\n0 ENDBLK', header: '9 $ACADVER 1 AC1027\n9 $INSUNITS 70 6' }))
  const { format, srid, layers, notes } = await read(file)
  t.strictSame([format, srid], ['dxf', null])
  t.match(layers.THUA, [
    { sourceId: 'A1', geometry: { type: 'Polygon' }, properties: { label: '125 ODT+CLN 400.2', so_thua: '125', loai_dat: 'ODT+CLN', dien_tich: 400.2 } },
    { sourceId: 'A2', properties: { so_thua: '126', so_to: '12', dien_tich: 100 } },
  ].map(({ properties: { label, ...rest }, ...feature }: { properties: { label?: string }; [key: string]: unknown }) => ({ ...feature, properties: rest })))
  t.equal((layers.THUA![0]!.geometry!.coordinates as number[][][])[0]!.length, 5)
  const [bulge, arc, ellipse, spline, line] = layers.ONG!
  const lengthOf = ({ geometry }: Feature) => (geometry!.coordinates as number[][]).reduce((sum, p, i, all) => (i === 0 ? 0 : sum + Math.hypot(p[0]! - all[i - 1]![0]!, p[1]! - all[i - 1]![1]!)), 0)
  t.ok(Math.abs(lengthOf(bulge!) / (5 * Math.PI) - 1) < 2e-3 && (bulge!.geometry!.coordinates as number[][]).every(([, y]) => y! <= 1700000.0001), 'a positive bulge turns left: below a line to the east')
  t.ok(Math.abs(lengthOf(arc!) / (2.5 * Math.PI) - 1) < 2e-3)
  const gdal = JSON.parse(execFileSync('ogr2ogr', ['-f', 'GeoJSON', '/vsistdout/', file, '-dialect', 'SQLITE', '-sql', `select EntityHandle as h, ST_Length(geometry) as l from entities where EntityHandle in ('B4','B5')`], { stdio: ['ignore', 'pipe', 'ignore'] }).toString()) as { features: { properties: { h: string; l: number } }[] }
  for (const [feature, handle] of [[ellipse, 'B4'], [spline, 'B5']] as const) t.ok(Math.abs(lengthOf(feature!) / gdal.features.find(f => f.properties.h === handle)!.properties.l - 1) < 5e-3, `${handle}: ${lengthOf(feature!)} as GDAL has it`)
  t.match(line, { sourceId: 'B6', geometry: { coordinates: [[1, 2], [3, 4]] } })
  t.match(layers.ONG![5], { geometry: null, fault: /no numbers/ })
  t.match(layers.GIENG, [{ geometry: { type: 'Polygon' } }])
  t.match(layers.RANH, [{ geometry: { type: 'Polygon', coordinates: [[[0, 0, 5], [4, 0, 5], [4, 4, 6], [0, 0, 5]]] } }])
  t.match(layers['HOGA:points'], [{ sourceId: 'C1', properties: { block: 'HG', MA: 'HG-01' }, geometry: { coordinates: [500100, 1700100] } }, { geometry: { coordinates: [500200, 1700100] } }])
  const near = (a: unknown, b: number[][]) => (a as number[][]).every((p, i) => Math.hypot(p[0]! - b[i]![0]!, p[1]! - b[i]![1]!) < 1e-6)
  t.ok(near(layers['HOGA:lines']![0]!.geometry!.coordinates, [[500100, 1700100], [500100, 1700102]]), 'scaled, turned, about its base point')
  t.ok(near(layers['HOGA:lines']![1]!.geometry!.coordinates, [[500200, 1700100], [500199, 1700100]]), 'mirrored by its normal')
  t.match(notes, [/left out: 1 in paper space, 1 HATCH/])
  t.strictSame(parcelLabel(['45/312,5', 'ONT'], 311), { loai_dat: 'ONT', dien_tich: 312.5, so_thua: '45' })
  t.strictSame(parcelLabel(['Nhà văn hoá'], 311), {})
  const tcvn3 = dxf(CORPUS.map((line, i) => text('CHU', 500000 + i, 1700000, western(toTcvn3(line)))).join('\n'), { header: '9 $ACADVER 1 AC1015\n9 $DWGCODEPAGE 3 ANSI_1252' })
  const old = await read(write('old.dxf', Buffer.from([...tcvn3].map(c => { const code = c.charCodeAt(0); return code < 256 ? code : 0x96 }))))
  t.strictSame([old.texts?.encoding, old.layers.CHU!.map(f => f.properties.text)], ['tcvn3', CORPUS])
  const caps = await read(write('caps.dxf', Buffer.from(dxf(`0 TEXT 7 TIEUDE 8 CHU 10 1 20 2 1 ${toTcvn3('bản đồ địa chính').toString('latin1').replaceAll(' ', '_')}`, { styles: '0 STYLE 2 TIEUDE 3 .VnTimeH.ttf', header: '9 $ACADVER 1 AC1015' }), 'latin1')))
  t.equal(caps.layers.CHU![0]!.properties.text, 'BẢN ĐỒ ĐỊA CHÍNH', 'a capitals font says that they are capitals')
  await refused(t, write('binary.dxf', 'AutoCAD Binary DXF\r\n\u001a\u0000'), /binary DXF/)
  await refused(t, write('cut.dxf', readFileSync(file).subarray(0, 900)), /truncated/)
  await refused(t, write('rows.dxf', dxf('0 INSERT 8 A 2 B 10 0 20 0 70 100000 71 100000', { blocks: '0 BLOCK 2 B 10 0 20 0\n0 LINE 8 0 10 0 20 0 11 1 21 1\n0 ENDBLK' })), /repeats a block/)
  t.match((await read(write('self.dxf', dxf('0 INSERT 8 A 2 B 10 0 20 0 70 4 71 4', { blocks: '0 BLOCK 2 B 10 0 20 0\n0 INSERT 8 0 2 B 10 0 20 0 70 9 71 9\n0 ENDBLK' })))).notes, [/16 blocks within themselves/])
})

t.test('through GDAL: MapInfo in TCVN3, a zipped geodatabase, and a clear sentence without it', async t => {
  writeFileSync(path('phuong.mif'), 'Version 300\nCharset "Neutral"\nDelimiter ","\nCoordSys Earth Projection 8, 104, "m", 107.75, 0, 0.9999, 500000, 0\nColumns 1\n  ten Char(80)\nData\n\n' + CORPUS.map((_, i) => `Point ${548000 + i} 1776000`).join('\n') + '\n')
  writeFileSync(path('phuong.mid'), Buffer.concat(CORPUS.map(text => Buffer.concat([Buffer.from('"'), toTcvn3(text), Buffer.from('"\n')]))))
  const mif = await read(path('phuong.mif'))
  t.match(mif, { format: 'gdal', srid: null, texts: { encoding: 'tcvn3' } })
  t.strictSame(mif.layers.phuong!.map(f => f.properties.ten), CORPUS)
  t.strictSame(mif.layers.phuong![3]!.geometry, { type: 'Point', coordinates: [548003, 1776000] }, 'coordinates stay in the file\'s CRS')
  ogr('-f', 'OpenFileGDB', path('data.gdb'), path('shapes.geojson'), '-nln', 'vung', '-t_srs', 'EPSG:32649', '-nlt', 'MULTIPOLYGON')
  const members = Object.fromEntries(readdirSync(path('data.gdb')).map(name => [`data.gdb/${name}`, readFileSync(path(`data.gdb/${name}`))]))
  t.match(await read(write('gdb.zip', zipSync(members))), { format: 'gdal', srid: 32649, layers: { vung: { length: 2 } } })
  ogr('-f', 'ODS', path('moc.ods'), path('moc.csv'))
  writeFileSync(path('vrt.mif'), '<OGRVRTDataSource><OGRVRTLayer name="passwd"><SrcDataSource>/etc/passwd</SrcDataSource></OGRVRTLayer></OGRVRTDataSource>')
  await refused(t, path('vrt.mif'), /GDAL \(MapInfo File\) cannot read/)
  await refused(t, write('damaged.tab', '!table\n!version 300\nDefinition Table\n'), /GDAL \(MapInfo File\) cannot read the file/)
  const { PATH } = process.env
  process.env.PATH = folder
  try {
    await refused(t, path('phuong.mif'), /GDAL|ogr2ogr is not installed here/)
  } finally {
    process.env.PATH = PATH
  }
})

t.test('SpatiaLite and MultiPatch', async t => {
  ogr('-f', 'SQLite', '-dsco', 'SPATIALITE=YES', path('lite.sqlite'), path('shapes.geojson'), '-nln', 'vung', '-nlt', 'PROMOTE_TO_MULTI')
  const lite = await read(path('lite.sqlite'))
  t.match(lite, { format: 'spatialite', srid: 4326, layers: { vung: [{ properties: { ten: 'Hải Châu' } }, {}] } })
  t.strictSame(lite.layers.vung!.map(f => f.geometry!.coordinates), [[[[[108, 16], [108.1, 16], [108.1, 16.1], [108, 16]], [[108.07, 16.02], [108.08, 16.02], [108.08, 16.03], [108.07, 16.02]]]], [[[[109, 16], [109.1, 16], [109.1, 16.1], [109, 16]]]]].map(c => c))
  const box = 'POLYHEDRALSURFACE Z(((0 0 0,0 10 0,10 10 0,10 0 0,0 0 0)),((0 0 5,10 0 5,10 10 5,0 10 5,0 0 5)),((0 0 0,10 0 0,10 0 5,0 0 5,0 0 0)),((10 0 0,10 10 0,10 10 5,10 0 5,10 0 0)),((10 10 0,0 10 0,0 10 5,10 10 5,10 10 0)),((0 10 0,0 0 0,0 0 5,0 10 5,0 10 0)))'
  mkdirSync(path('patch'))
  write('patch.csv', `id,wkt\n1,"${box}"\n`)
  ogr(path('patch/box.shp'), path('patch.csv'), '-oo', 'GEOM_POSSIBLE_NAMES=wkt', '-a_srs', 'EPSG:5899', '-lco', 'SHPT=MULTIPATCH')
  const [solid] = (await read(path('patch/box.shp'))).layers.box!
  t.match(solid, { geometry: { type: 'Polygon' }, groundZ: 0, height: 5, solid: { length: 6 } })
})

t.test('a preview tells layers, fields, CRS, encoding and what it could fill, by HTTP too; nothing is written', async t => {
  const dataDir = t.testdir()
  const { url, store, token } = await testServer(t, { config: { dataDir } })
  const send = async (name: string, role: 'steward' | 'viewer') => {
    const form = new FormData()
    form.append('file', new Blob([readFileSync(path(name))]), name)
    return fetch(`${url}/imports?preview=true`, { method: 'POST', body: form, headers: { authorization: `Bearer ${await token(role as 'steward')}` } })
  }
  const answer = await send('parcels.dxf', 'steward')
  t.equal(answer.status, 200)
  const preview = await answer.json() as Awaited<ReturnType<typeof previewFile>>
  t.match(preview, { format: 'dxf', layers: [{ name: 'THUA', srid: null, crsFrom: null, features: 2, complete: true, geometryTypes: { Polygon: 2 }, bbox: [500000, 1700000, 500030, 1700020] }] })
  t.match(preview.layers[0]!.proposals[0], { layer: 'parcels' }, 'the label\'s attributes are the columns of parcels')
  const csv = await previewFile(store, { file: { path: path('moc.csv'), name: 'moc.csv' } })
  t.match(csv.layers[0], { features: 2, crsCandidates: [{ srid: 5899 }], fields: [{ name: 'STT', type: 'integer', filled: 2, examples: ['1', '2'] }] })
  t.match((await previewFile(store, { file: { path: path('dbf.shp'), name: 'dbf.shp' } })).layers[0]!.texts, { encoding: 'tcvn3', applied: false, samples: [{ before: 'CÇu Rång', after: 'Cầu Rồng' }] }, 'what an import would ask, a preview shows')
  const rows = await sql<{ n: string }>`select count(*) as n from city.parcels`.execute(store.db)
  t.equal(Number(rows.rows[0]!.n), 0)
})

/** A job's work without the queue around it. */
const importFile = async (store: Parameters<typeof previewFile>[0], dataDir: string, file: string, choices: Partial<ImportInputs> = {}) =>
  runImport({ id: 'job', store, owner: STEWARD, branch: 'main', signal: new AbortController().signal, report() {} }, { file: await freeze(file, dataDir), dataDir, ...choices })

t.test('a cadastral drawing becomes parcels', async t => {
  const store = await testStore(t)
  const result = await importFile(store, t.testdir(), path('parcels.dxf'), { layer: 'parcels', from: 'THUA', srid: 5899, map: ['dien_tich_phap_ly=dien_tich'] })
  t.match(result, { inserted: 2, rejected: 0, notes: [/left out/] })
  const { rows } = await sql`select so_thua, dien_tich_phap_ly, source_id, round(ST_Area(ST_Transform(geom, 5899))::numeric, 1)::float8 as area from city.parcels order by so_thua`.execute(store.db)
  t.match(rows, [{ so_thua: /^125$/, source_id: 'A1', area: 400 }, { source_id: 'A2', area: 100 }])
})

// Real files of real places; without REAL_DATA they are not selected (scripts/run-tap.mjs says so).
const real = process.env.REAL_DATA
if (real) t.test('CityGML 2 and 3: every file, its shell, its footprint, its attributes', async t => {
  const store = await testStore(t)
  const dataDir = t.testdir()
  const root = join(real, 'citygml/Examples-from-CityGML-2.0/building')
  if (!existsSync(root)) throw new Error('REAL_DATA lacks citygml')
  let files = 0
  for (const version of ['CityGMLv2', 'CityGMLv3']) {
    for (const name of readdirSync(join(root, version)).filter(name => /\.gml(\.gz)?$/.test(name))) {
      files++
      const { srid, layers } = await read(join(root, version, name))
      const [building] = layers.Building!
      t.equal(srid, /Local/.test(name) ? null : 25832, name)
      t.match(building, { properties: { type: 'Building', function: 1000, storeysAboveGround: 1, yearOfConstruction: 1985 } }, `${version}/${name}`)
      const polygons = (building!.geometry!.type === 'Polygon' ? [building!.geometry!.coordinates] : building!.geometry!.coordinates) as number[][][][]
      const area = polygons.reduce((sum, [ring]) => sum + Math.abs(signedArea(ring!)), 0)
      t.equal(Math.round(area * 1000) / 1000, /garage/.test(name) ? 60 : 50, `${version}/${name}: footprint`)
      if (/LOD0/.test(name)) t.equal(building!.solid, undefined)
      else t.match(building, { solid: Array, height: /LOD1-/.test(name) ? 4 : 5 }, `${version}/${name}: ${building!.height}`)
      if (/Local/.test(name)) await t.rejects(importFile(store, dataDir, join(root, version, name), { layer: 'buildings' }), { message: /does not say the CRS/ }, 'a local system lies nowhere')
      else t.match(await importFile(store, dataDir, join(root, version, name), { layer: 'buildings', source: `${version} ${name}` }), { inserted: 1, rejected: 0, layers: { buildings: 1 } }, `${version}/${name} lands`)
    }
  }
  t.equal(files, 13)
  const implicit = write('implicit.gml', readFileSync(join(root, 'CityGMLv2/Building_LOD1-EPSG25832.gml'), 'utf8').replace('</CityModel>', '<cityObjectMember><frn:CityFurniture xmlns:frn="f" gml:id="f1"><frn:lod1ImplicitRepresentation><ImplicitGeometry/></frn:lod1ImplicitRepresentation></frn:CityFurniture></cityObjectMember></CityModel>'))
  const { layers, notes } = await read(implicit)
  t.match(layers.CityFurniture, [{ geometry: null, fault: /implicit/ }])
  t.match(notes, [/CityFurniture: 1 implicit geometries were left out/])
})
