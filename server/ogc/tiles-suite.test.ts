/**
 * What the OGC's executable test suite for OGC API Tiles 1.0 asserts, in the order of the standard's abstract tests, and over
 * every collection and grid, not only over the first.
 */
import t from 'tap'

import { testCity } from './test-city.js'

const TILESETS = 'http://www.opengis.net/def/rel/ogc/1.0/tilesets-'
const CONF = 'http://www.opengis.net/spec/ogcapi-tiles-1/1.0/conf/'
/** Java's, with which the suite asks for tiles. */
const ACCEPT = 'text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2'

t.test('the suite for OGC API Tiles', async (t) => {
  const { url } = await testCity(t)
  const root = `${url}/ogc`
  const json = async (href: string) => {
    const response = await fetch(href, { headers: { Accept: 'application/json' } })
    t.equal(response.status, 200, href)
    return response.json() as Promise<any>
  }
  const tile = (template: string, matrix: string | number, row: number, col: number) =>
    fetch(template.replace('{tileMatrix}', String(matrix)).replace('{tileRow}', String(row)).replace('{tileCol}', String(col)), { headers: { Accept: ACCEPT } })
  const isRefused = async (response: Response, message: string) => {
    t.ok([400, 404].includes(response.status), `${message}: ${response.status}`)
    t.match(response.headers.get('content-type'), 'application/problem+json')
    await response.arrayBuffer()
  }
  const listsOf = (resource: any): string[] => resource.links.filter(({ rel }: any) => rel.startsWith(TILESETS)).map(({ href }: any) => href)

  const landing = await json(root)
  const { conformsTo } = await json(`${root}/conformance`)
  const { collections } = await json(`${root}/collections`)
  const lists = [...listsOf(landing), ...collections.flatMap(listsOf)]

  t.test('A.1 conformance classes are declared', async (t) => {
    for (const name of ['core', 'tileset', 'tilesets-list', 'dataset-tilesets', 'geodata-tilesets', 'mvt', 'png', 'oas30']) t.ok(conformsTo.includes(CONF + name), name)
  })

  t.test('A.2–A.7 tiles of every set: within the limits 200, outside them refused', async (t) => {
    for (const list of lists) for (const { links, tileMatrixSetLimits: limits } of (await json(list)).tilesets) {
      const items = links.filter(({ rel }: any) => rel === 'item')
      t.equal(items.length, 1)
      const [{ href: template, type }] = items
      for (const name of ['tileMatrix', 'tileRow', 'tileCol']) t.match(template, `{${name}}`)
      if (limits.length === 0) continue // of a collection without features
      for (const limit of [limits[0], limits.at(-1)]) {
        const { tileMatrix, minTileRow, maxTileRow, minTileCol, maxTileCol } = limit
        for (const [row, col] of [[minTileRow, minTileCol], [maxTileRow, minTileCol], [maxTileRow, maxTileCol]]) {
          const response = await tile(template, tileMatrix, row, col)
          t.strictSame([response.status, response.headers.get('content-type')], [200, type], response.url)
          await response.arrayBuffer()
        }
        for (const [row, col] of [[maxTileRow + 1, minTileCol], [minTileRow, maxTileCol + 1], [minTileRow - 1, minTileCol], [2147483647, minTileCol], [minTileRow, 2147483647], [2147483647, 2147483647]])
          await isRefused(await tile(template, tileMatrix, row!, col!), `${template} ${tileMatrix}/${row}/${col}`)
      }
      await isRefused(await tile(template, 40, 0, 0), 'a matrix that is not there')
      await isRefused(await tile(template, 'none', 0, 0), 'a matrix that is none')
    }
  })

  t.test('A.8, A.9 tile sets and their lists carry the metadata that is asked for', async (t) => {
    for (const list of lists) {
      t.match(list, /\/tiles(\?|$)/)
      const { tilesets } = await json(list)
      t.strictSame(tilesets.map((each: any) => each.tileMatrixSetId), ['WebMercatorQuad', 'WorldCRS84Quad', 'CityQuad'])
      for (const tileset of tilesets) {
        t.match(tileset, { title: String, dataType: /^(vector|map)$/, crs: String, tileMatrixSetURI: String })
        const self = tileset.links.find(({ rel }: any) => rel === 'self').href
        t.match(self, 'f=json')
        const alone = await json(self)
        t.strictSame({ ...alone, links: null }, { ...tileset, links: null })
        const scheme = await json(tileset.links.find(({ rel }: any) => rel === 'http://www.opengis.net/def/rel/ogc/1.0/tiling-scheme').href)
        t.match(scheme, { id: tileset.tileMatrixSetId, uri: tileset.tileMatrixSetURI, crs: tileset.crs })
        for (const { tileMatrix, minTileRow, maxTileRow, minTileCol, maxTileCol } of tileset.tileMatrixSetLimits) {
          const matrix = scheme.tileMatrices.find(({ id }: any) => id === tileMatrix)
          t.ok(0 <= minTileRow && minTileRow <= maxTileRow && maxTileRow < matrix.matrixHeight && 0 <= minTileCol && minTileCol <= maxTileCol && maxTileCol < matrix.matrixWidth, `${self} ${tileMatrix}`)
        }
      }
    }
  })

  t.test('A.10, A.12, A.13 the landing page and the collections lead to tile sets', async (t) => {
    t.ok(listsOf(landing).length > 0)
    for (const collection of collections.filter(({ itemType }: any) => itemType === 'feature'))
      t.strictSame(listsOf(collection), [`${root}/collections/${collection.id}/tiles`, `${root}/collections/${collection.id}/map/tiles`])
  })

  t.test('A.14 collections are selected', async (t) => {
    const [{ links }] = (await json(`${root}/tiles?collections=shops`)).tilesets
    t.match(links.find(({ rel }: any) => rel === 'item').href, '?collections=shops')
    await isRefused(await fetch(`${root}/tiles?collections=nowhere`), 'a collection that is not there')
  })

  t.test('A.23, A.24 the API definition names the operations', async (t) => {
    const { href } = landing.links.find(({ rel, type }: any) => rel === 'service-desc' && type === 'application/vnd.oai.openapi+json;version=3.0')
    const response = await fetch(href, { headers: { Accept: 'application/vnd.oai.openapi+json;version=3.0' } })
    t.equal(response.headers.get('content-type'), 'application/vnd.oai.openapi+json;version=3.0')
    const ids = Object.values((await response.json() as any).paths).map((path: any) => path.get?.operationId)
    for (const id of ['.dataset.vector.getTile', '.dataset.map.getTile']) t.ok(ids.some((each) => each?.startsWith(id)), id)
    t.ok(ids.some((each) => /^\.collection\.vector\.getTile/.test(each)), 'of collections')
  })
})
