/**
 * ArcGIS clients: Esri's own library reads every FeatureServer, as JSON and as protocol buffers, and edits one on a scenario;
 * the requests of Map Viewer, as it sends them, are replayed; GDAL's ESRIJSON driver reads by pages.
 */
import { spawnSync } from 'node:child_process'
import { addFeatures, applyEdits, deleteFeatures, getLayer, getService, queryFeatures, updateFeatures } from '@esri/arcgis-rest-feature-service'
import { ApiKeyManager } from '@esri/arcgis-rest-request'
import { serverGiven, startReport } from './report.js'

const { url, token } = serverGiven()
const report = startReport()
const PAGE = 100
const services = `${url}/arcgis/rest/services`
const get = async (address: string, parameters: Record<string, string> = {}) => (await fetch(`${address}?${new URLSearchParams({ f: 'json', ...parameters })}`)).json() as Promise<any>

const names = (await get(services)).services.map(({ name }: { name: string }) => name) as string[]
report.check(`${names.length} services`, names.length > 10, names)

for (const name of names) {
  const service = `${services}/${name}/FeatureServer`
  for (const { id } of (await getService({ url: service })).layers as { id: number }[]) {
    const layerUrl = `${service}/${id}`
    const layer = await getLayer({ url: layerUrl }) as any
    const { count } = await queryFeatures({ url: layerUrl, returnCountOnly: true }) as { count: number }
    const page = { url: layerUrl, outFields: '*' as const, resultRecordCount: PAGE, outSR: '4326', orderByFields: 'OBJECTID' }
    const json = await queryFeatures(page as never) as any
    // Esri's reader knows no multipoints.
    const pbf = layer.geometryType === 'esriGeometryMultipoint' ? json : await queryFeatures({ ...page, f: 'pbf-as-arcgis' } as never) as any
    const same = JSON.stringify(json.features.map((each: any) => each.attributes)) === JSON.stringify(pbf.features.map((each: any) => each.attributes))
    const [exact, onGrid] = [ordinates(json.features), ordinates(pbf.features)]
    const near = exact.length === onGrid.length && exact.every((value, i) => Math.abs(value - onGrid[i]!) < 2e-6)
    report.check(`${name}/${id}: ${count} features; ${json.features.length} of them alike as JSON and as protocol buffers`, layer.fields.length > 2 && json.features.length === Math.min(PAGE, count) && same && near, { count, json: json.features.length, pbf: pbf.features.length, same, near })
  }
}

function ordinates(features: readonly any[]): number[] {
  return features.flatMap(({ geometry }) => (geometry ? [geometry.x ?? [], geometry.y ?? [], geometry.points ?? [], geometry.paths ?? [], geometry.rings ?? []].flat(9) : []))
}

// Map Viewer: a tile of the view, in whole numbers of its pixels.
const buildings = `${services}/buildings/FeatureServer/0`
const { extent } = await get(`${buildings}/query`, { where: '1=1', returnExtentOnly: 'true', outSR: '102100' })
const size = 4891.96981025128
const middle = [(extent.xmin + extent.xmax) / 2, (extent.ymin + extent.ymax) / 2]
const tile = { xmin: middle[0]! - size / 2, ymin: middle[1]! - size / 2, xmax: middle[0]! + size / 2, ymax: middle[1]! + size / 2, spatialReference: { wkid: 102100, latestWkid: 3857 } }
const viewer = {
  f: 'pbf', geometry: JSON.stringify(tile), orderByFields: 'OBJECTID ASC', maxRecordCountFactor: '4', outFields: 'OBJECTID,use', outSR: '102100', quantizationParameters: JSON.stringify({ extent: tile, mode: 'view', originPosition: 'upperLeft', tolerance: size / 512 }),
  resultType: 'tile', returnCentroid: 'true', returnExceededLimitFeatures: 'false', spatialRel: 'esriSpatialRelIntersects', where: '1=1', geometryType: 'esriGeometryEnvelope', inSR: '102100', cacheHint: 'true', maxAllowableOffset: String(size / 512), timeReferenceUnknownClient: 'false',
}
const answer = await fetch(`${buildings}/query?${new URLSearchParams(viewer)}`)
const bytes = (await answer.arrayBuffer()).byteLength
report.check(`a tile as Map Viewer asks for it: ${bytes} bytes`, answer.status === 200 && answer.headers.get('content-type') === 'application/x-protobuf' && bytes > 1000, answer.status)
const { count: inTile } = await get(`${buildings}/query`, { ...viewer, f: 'json', returnCountOnly: 'true' })
report.check(`${inTile} buildings are in it`, inTile > 0)
const statistics = await get(`${buildings}/query`, { where: '1=1', groupByFieldsForStatistics: 'use', orderByFields: 'n DESC', outStatistics: JSON.stringify([{ statisticType: 'count', onStatisticField: 'OBJECTID', outStatisticFieldName: 'n' }, { statisticType: 'avg', onStatisticField: 'height', outStatisticFieldName: 'mean' }]) })
const { count: all } = await get(`${buildings}/query`, { where: '1=1', returnCountOnly: 'true' })
report.check('buildings by use add up', statistics.features.reduce((sum: number, each: any) => sum + each.attributes.n, 0) === all, statistics.features?.slice(0, 3))
const renderer = await get(`${buildings}/generateRenderer`, { classificationDef: JSON.stringify({ type: 'classBreaksDef', classificationField: 'height', classificationMethod: 'esriClassifyNaturalBreaks', breakCount: 5 }) })
report.check('natural breaks of their heights', renderer.classBreakInfos?.length === 5, renderer)

if (token) await edit()
readByGdal()
report.end()

/** On a scenario of its own, which is discarded: the city stays as it is. */
async function edit(): Promise<void> {
  const headers = { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' }
  const forcing = { start: '2025-10-01T00:00:00Z', hours: 1, rain: { source: 'Invented.', hours: [0, 1], values: [10, 0] }, sea: { source: 'Invented.', hours: [0, 1], values: [0, 0] }, rivers: [] }
  const made = await fetch(`${url}/scenarios`, { method: 'POST', headers, body: JSON.stringify({ title: { vi: 'Thử ArcGIS', en: 'ArcGIS trial' }, forcing }) })
  const scenario = await made.json() as { id: string }
  report.check('a scenario to try things on', made.ok, scenario)
  if (!made.ok) return
  const trees = `${url}/scenarios/${scenario.id}/arcgis/rest/services/trees/FeatureServer/0`
  const authentication = ApiKeyManager.fromKey(token)
  try {
    const { count: before } = await queryFeatures({ url: trees, returnCountOnly: true }) as { count: number }
    const [added] = (await addFeatures({ url: trees, authentication, features: [{ attributes: { species: 'Cây thử' }, geometry: { x: 12_045_000, y: 1_810_000, spatialReference: { wkid: 102100 } } }] as never })).addResults
    report.check('a feature is added', added?.success === true && added.objectId > 0, added)
    const [updated] = (await updateFeatures({ url: trees, authentication, features: [{ attributes: { OBJECTID: added!.objectId, species: 'Cây khác' } }] as never })).updateResults
    const seen = await queryFeatures({ url: trees, objectIds: [added!.objectId], outFields: ['species', 'GlobalID'] }) as any
    report.check('changed, and seen so', updated?.success === true && seen.features[0]?.attributes.species === 'Cây khác', seen)
    const [gone] = (await deleteFeatures({ url: trees, authentication, objectIds: [added!.objectId] })).deleteResults
    const back = await applyEdits({ url: trees, authentication, useGlobalIds: true, adds: [{ attributes: { GlobalID: added!.globalId, species: 'Cây lại' }, geometry: { x: 108.2, y: 16.05, spatialReference: { wkid: 4326 } } }] as never })
    report.check('deleted, and brought back under its GlobalID and OBJECTID', gone?.success === true && back.addResults?.[0]?.objectId === added!.objectId, back)
    const { count: after } = await queryFeatures({ url: trees, returnCountOnly: true }) as { count: number }
    report.check('one more in the scenario', after === before + 1, { before, after })
  } finally {
    await fetch(`${url}/scenarios/${scenario.id}`, { method: 'DELETE', headers })
  }
}

function readByGdal(): void {
  const { stdout, error } = spawnSync('ogrinfo', ['-so', '-al', `ESRIJSON:${services}/facilities/FeatureServer/0/query?where=1%3D1&outFields=*&orderByFields=OBJECTID&f=json&resultRecordCount=50`], { encoding: 'utf8' })
  if (error) return console.log('ogrinfo cannot be run, so GDAL was left out: apt-get install gdal-bin')
  report.check('GDAL reads by pages', /Feature Count: [1-9]/.test(stdout) && /Geometry: Point/.test(stdout), stdout.slice(0, 400))
}
