/** Edits of ArcGIS clients: addFeatures, updateFeatures, deleteFeatures and applyEdits, through the store's own. */
import type { Response } from 'express'
import { sql } from 'kysely'
import type { Layer } from '../../layers/layer.js'
import { createdFeature, patchedFeature } from '../edits/feature-body.js'
import { metaOf } from '../edits/preconditions.js'
import { badBody, badParameter, Problem, toProblem } from '../errors.js'
import { layerOf } from '../ogc/features/layers.js'
import type { Call } from '../operations/operation.js'
import { applyEdits, reserveIds, type Edit, type Edited, type FeatureEdit } from '../store/edits.js'
import type { Revision } from '../store/store.js'
import { esriLayerOf, esriLayers, type EsriGeometryType, type EsriLayer } from './esri-layer.js'
import { fieldNamed, fieldsOf, GLOBAL_ID, givenValue, OBJECT_ID, type Field } from './fields.js'
import { braced, everIn, featuresOf, globalIdOf, keepGlobalIds } from './global-ids.js'
import { isTrue, type Given } from './parameters.js'
import { checkedGeometry, objectIdsOf, selection } from './query.js'
import { admitEditor } from './reader.js'
import { crsOfReference, nativeCrs, readJson } from './spatial-reference.js'

const MOST_EDITS = 10_000

/** The answer to one edit. */
interface Result { readonly objectId: number; readonly globalId: string | null; readonly success: boolean; readonly error?: { readonly code: number; readonly description: string } }
interface Results { readonly addResults: readonly Result[]; readonly updateResults: readonly Result[]; readonly deleteResults: readonly Result[]; readonly editMoment?: number }

interface GivenFeature { readonly attributes?: Given | null; readonly geometry?: Given | null }
interface Wanted { readonly adds: readonly GivenFeature[]; readonly updates: readonly GivenFeature[]; readonly deletes: readonly (number | string)[] }
const NONE: Wanted = { adds: [], updates: [], deletes: [] }

/** One edit on its way: what it does, or why it cannot. `feature` and `objectId` as far as they are known. */
interface Planned { readonly kind: keyof Results & `${string}Results`; readonly edit?: Edit; readonly problem?: Problem; objectId: number; feature: number; globalId: string | null }

export async function addFeatures(call: Call, response: Response, params: Given): Promise<void> {
  const { addResults } = await editLayer(call, response, params, { ...NONE, adds: featureList(params.features, 'features') })
  response.json({ addResults })
}

export async function updateFeatures(call: Call, response: Response, params: Given): Promise<void> {
  const { updateResults } = await editLayer(call, response, params, { ...NONE, updates: featureList(params.features, 'features') })
  response.json({ updateResults })
}

/** By ids, or by a condition or a shape. */
export async function deleteFeatures(call: Call, response: Response, params: Given): Promise<void> {
  if (params.objectIds === undefined && params.where === undefined && params.geometry === undefined) throw badParameter('objectIds', 'deleteFeatures takes objectIds, where or geometry.')
  admitEditor(call)
  const esri = esriLayerOf(call)
  const deletes = params.where === undefined && params.geometry === undefined ? objectIdsOf(params.objectIds) : await matching(call, esri, params)
  const { deleteResults } = await editLayer(call, response, params, { ...NONE, deletes })
  response.json(params.returnDeleteResults === undefined || isTrue(params.returnDeleteResults) ? { deleteResults } : { success: deleteResults.every(({ success }) => success) })
}

async function matching(call: Call, esri: EsriLayer, params: Given): Promise<readonly number[]> {
  const { view, conditions } = await selection(call, esri, fieldsOf(esri.layer, call.reader), params)
  const { rows } = await sql<{ objectid: number }>`select v.objectid from ${await call.app.store.view(view)} as v ${conditions.length ? sql`where ${sql.join(conditions, sql` and `)}` : sql``}
    order by v.objectid limit ${MOST_EDITS + 1}`.execute(call.app.store.pool(call.reader.clearance))
  return rows.map(({ objectid }) => objectid)
}

/** `{layer}/applyEdits`. */
export async function applyLayerEdits(call: Call, response: Response, params: Given): Promise<void> {
  refuseAttachments(params)
  const results = await editLayer(call, response, params, wantedOf(params))
  response.json(results)
}

/** `FeatureServer/applyEdits`: a list with an entry a layer. */
export async function applyServiceEdits(call: Call, response: Response, params: Given): Promise<void> {
  refuseAttachments(params)
  admitEditor(call)
  const entries = readJson(params.edits ?? 'null', 'edits')
  if (!Array.isArray(entries)) throw badParameter('edits', '“edits” is a list: [{"id":0,"adds":[…],"updates":[…],"deletes":[…]}].')
  const layers = esriLayers(layerOf(call, call.params.service))
  const answers: object[] = []
  for (const entry of entries as Given[]) {
    if (!layers[entry?.id as number]) throw badParameter('edits', `“${String(entry?.id).slice(0, 20)}” is no layer of this service.`)
    refuseAttachments(entry)
    const results = await editLayer({ ...call, params: { ...call.params, layerId: entry.id } }, response, params, wantedOf(entry))
    answers.push({ id: entry.id, ...results })
  }
  response.json(answers)
}

function refuseAttachments({ attachments }: Given): void {
  if (attachments && attachments !== '{}' && attachments !== '[]' && Object.values(attachments as object).some(list => Array.isArray(list) && list.length)) throw badParameter('attachments', 'Attachments are added by addAttachment of a feature, not by applyEdits.')
}

// ---- reading what came -------------------------------------------------------------------------------------------

function wantedOf({ adds, updates, deletes }: Given): Wanted {
  return { adds: featureList(adds, 'adds'), updates: featureList(updates, 'updates'), deletes: deleteList(deletes) }
}

function featureList(given: unknown, parameter: string): readonly GivenFeature[] {
  const list = typeof given === 'string' ? readJson(given, parameter) : given ?? []
  if (!Array.isArray(list) || list.some(each => typeof each !== 'object' || each === null || !isObjectOrNothing(each.attributes) || !isObjectOrNothing(each.geometry)))
    throw badParameter(parameter, `“${parameter}” is a JSON list of features: [{"attributes":{…},"geometry":{…}}].`)
  return list
}

const isObjectOrNothing = (value: unknown) => value === undefined || value === null || (typeof value === 'object' && !Array.isArray(value))

/** Ids with commas between, or a JSON list of them; GlobalIDs where edits go by these. */
function deleteList(given: unknown): readonly (number | string)[] {
  const list = typeof given === 'string' ? (given.trim().startsWith('[') ? readJson(given, 'deletes') : given.split(',').map(each => each.trim()).filter(Boolean)) : given ?? []
  if (!Array.isArray(list) || list.some(each => typeof each !== 'string' && typeof each !== 'number')) throw badParameter('deletes', '“deletes” is a list of OBJECTIDs, or of GlobalIDs with useGlobalIds.')
  return list
}

// ---- making the edits --------------------------------------------------------------------------------------------

async function editLayer(call: Call, response: Response, params: Given, wanted: Wanted): Promise<Results> {
  admitEditor(call)
  const esri = esriLayerOf(call)
  const { layer } = esri
  response.set('Cache-Control', 'no-store')
  if (layer.kind !== 'city') throw new Problem(405, 'method-not-allowed', `“${layer.id}” holds results, which nobody edits.`)
  const count = wanted.adds.length + wanted.updates.length + wanted.deletes.length
  if (count > MOST_EDITS) throw new Problem(413, 'too-large', `${count} edits are more than ${MOST_EDITS} at once; send them in parts.`)
  const byGlobalId = isTrue(params.useGlobalIds)
  const planned = await planAll(call, esri, wanted, byGlobalId)
  const whole = params.rollbackOnFailure === undefined || isTrue(params.rollbackOnFailure)
  const revision = whole ? await allOrNone(call, planned) : await eachByItself(call, planned)
  if (revision) response.set('X-Revision', String(revision.revision))
  await tellIds(call, layer, planned)
  const results = (kind: Planned['kind']) => planned.filter(each => each.kind === kind).map(resultOf)
  return {
    addResults: results('addResults'), updateResults: results('updateResults'), deleteResults: results('deleteResults'),
    ...(isTrue(params.returnEditMoment) && { editMoment: (revision?.at ?? new Date()).getTime() }),
  }
}

const failures = new WeakMap<Planned, Problem>()
const fail = (planned: Planned, problem: Problem) => void failures.set(planned, problem)

function resultOf(planned: Planned): Result {
  const problem = failures.get(planned) ?? planned.problem
  const { objectId, globalId } = planned
  return { objectId, globalId: globalId && braced(globalId), success: !problem, ...(problem && { error: { code: problem.status === 499 ? 1003 : problem.status, description: problem.detail } }) }
}

/** What others did wrong takes these back. */
const ROLLED_BACK = new Problem(499, 'rolled-back', 'Operation rolled back.')

async function allOrNone(call: Call, planned: readonly Planned[]): Promise<Revision | null> {
  const ready = planned.filter(({ edit }) => edit)
  if (ready.length === 0) return null
  if (ready.length < planned.length) return ready.forEach(each => fail(each, ROLLED_BACK)), null
  try {
    return noteEdited(ready, await applyEdits(call.app.store, metaOf(call, reasonOf(planned)), ready.map(({ edit }) => edit!)))
  } catch (error) {
    const problem = problemOf(error)
    for (const each of ready) fail(each, ROLLED_BACK)
    for (const { index, detail, status } of faultsOf(problem)) fail(ready[index]!, new Problem(status, problem.type, detail))
    return null
  }
}

/** The index and words of each fault; of one edit the problem is its own. */
function faultsOf(problem: Problem): readonly { index: number; status: number; detail: string }[] {
  const faults = (problem.more.faults ?? []) as { index?: number; status?: number; detail: string }[]
  return faults.length && faults.every(({ index }) => index !== undefined) ? faults as never : [{ index: 0, status: problem.status, detail: problem.detail }]
}

/** Each its own revision; the store puts those that wait together into shared transactions. */
async function eachByItself(call: Call, planned: readonly Planned[]): Promise<Revision | null> {
  let latest: Revision | null = null
  const meta = metaOf(call, reasonOf(planned))
  await Promise.all(planned.filter(({ edit }) => edit).map(async each => {
    try {
      latest = noteEdited([each], await applyEdits(call.app.store, meta, [each.edit!])) ?? latest
    } catch (error) {
      fail(each, problemOf(error))
    }
  }))
  return latest
}

/** What nobody can act on is not told as an edit's fault. */
function problemOf(error: unknown): Problem {
  const problem = toProblem(error)
  if (problem.status >= 500) throw error
  return problem
}

function noteEdited(planned: readonly Planned[], { ids, revision }: Edited): Revision | null {
  planned.forEach((each, i) => { each.feature = ids[i]! })
  return revision
}

function reasonOf(planned: readonly Planned[]): string {
  const parts = ([['addResults', 'add'], ['updateResults', 'update'], ['deleteResults', 'delete']] as const).map(([kind, word]) => [planned.filter(each => each.kind === kind).length, word] as const)
  return `FeatureServer: ${parts.filter(([n]) => n > 0).map(([n, word]) => `${word} ${n}`).join(', ')}`
}

/** New features' OBJECTIDs, and GlobalIDs of all. */
async function tellIds(call: Call, layer: Layer, planned: readonly Planned[]): Promise<void> {
  const fresh = planned.filter(({ feature, objectId }) => feature > 0 && objectId < 0)
  if (fresh.length) {
    const found = await idsIn(call, layer, sql`v.id = any(${fresh.map(({ feature }) => feature)}::int8[])`)
    for (const each of fresh) each.objectId = found.find(({ id }) => id === each.feature)?.objectid ?? -1
  }
  const nameless = planned.filter(({ feature, globalId }) => feature > 0 && !globalId)
  if (nameless.length === 0) return
  const { rows } = await sql<{ feature: number; global_id: string }>`select feature, global_id::text from dothi.global_ids where feature = any(${nameless.map(({ feature }) => feature)}::int8[])`.execute(call.app.store.db)
  const names = new Map(rows.map(row => [row.feature, row.global_id]))
  for (const each of nameless) each.globalId = names.get(each.feature) ?? globalIdOf(each.feature)
}

export async function idsIn({ app: { store }, reader, branch }: Call, layer: Layer, condition: ReturnType<typeof sql>): Promise<readonly { id: number; objectid: number }[]> {
  const rows = await store.view({ layer, branch, asOf: 'now', reader, columns: [] })
  return (await sql<{ id: number; objectid: number }>`select v.id, v.objectid from ${rows} as v where ${condition}`.execute(store.pool(reader.clearance))).rows
}

// ---- planning ----------------------------------------------------------------------------------------------------

async function planAll(call: Call, esri: EsriLayer, { adds, updates, deletes }: Wanted, byGlobalId: boolean): Promise<readonly Planned[]> {
  const { layer } = esri
  const fields = fieldsOf(layer, call.reader)
  const targets = byGlobalId ? await byGlobalIds(call, layer, updates, deletes) : await byObjectIds(call, layer, updates, deletes)
  const names = byGlobalId ? await namesFor(call, layer, adds) : new Map<string, Named>()
  return [
    ...adds.map(given => planned('addResults', null, null, () => {
      const feature = createdFeature(layer, call.reader, featureOf(esri, fields, given), crsOf(layer, given))
      if (!byGlobalId) return { action: 'create', layer, feature }
      const globalId = textId(attribute(given, GLOBAL_ID))
      const named = globalId === undefined ? undefined : names.get(globalId)
      if (!named) throw badBody('With useGlobalIds each new feature has a GlobalID of its own, a UUID that no other layer has used.')
      return { action: 'create', layer, feature, ...named }
    }, textId(attribute(given, GLOBAL_ID)))),
    ...updates.map(given => {
      const key = byGlobalId ? textId(attribute(given, GLOBAL_ID)) : Number(attribute(given, OBJECT_ID))
      return planned('updateResults', targets.get(key), key, id => ({ action: 'update', layer, id, feature: patchedFeature(layer, call.reader, featureOf(esri, fields, given), crsOf(layer, given)) satisfies FeatureEdit }))
    }),
    ...deletes.map(given => {
      const key = byGlobalId ? textId(given) : Number(given)
      return planned('deleteResults', targets.get(key), key, id => ({ action: 'delete', layer, id }))
    }),
  ]
}

interface Target { readonly id: number; readonly objectid: number }

/** `target`: null for a new feature, undefined for one that is not there. */
function planned(kind: Planned['kind'], target: Target | null | undefined, key: unknown, make: (id: number) => Edit, globalId?: string): Planned {
  const common = { kind, objectId: target?.objectid ?? (typeof key === 'number' && Number.isSafeInteger(key) ? key : -1), feature: target?.id ?? 0, globalId: globalId ?? (typeof key === 'string' ? key : null) }
  try {
    if (target === undefined) throw new Problem(404, 'not-found', `There is no feature ${typeof key === 'string' || Number.isSafeInteger(key) ? String(key) : `without an ${OBJECT_ID}`}.`)
    return { ...common, edit: make(target?.id ?? 0) }
  } catch (error) {
    return { ...common, problem: problemOf(error) }
  }
}

const attribute = ({ attributes }: GivenFeature, name: string) => Object.entries(attributes ?? {}).find(([key]) => key.toLowerCase() === name.toLowerCase())?.[1]

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/
function textId(value: unknown): string | undefined {
  const bare = typeof value === 'string' ? value.trim().replace(/[{}]/g, '').toLowerCase() : ''
  return UUID.test(bare) ? bare : undefined
}

async function byObjectIds(call: Call, layer: Layer, updates: readonly GivenFeature[], deletes: readonly unknown[]): Promise<ReadonlyMap<unknown, Target>> {
  const keys = [...updates.map(given => attribute(given, OBJECT_ID)), ...deletes].map(Number).filter(key => Number.isInteger(key) && key >= 0 && key <= 2_147_483_647)
  if (keys.length === 0) return new Map()
  return new Map((await idsIn(call, layer, sql`v.objectid = any(${keys}::int4[])`)).map(each => [each.objectid, each]))
}

async function byGlobalIds(call: Call, layer: Layer, updates: readonly GivenFeature[], deletes: readonly unknown[]): Promise<ReadonlyMap<unknown, Target>> {
  const features = await featuresOf(call.app.store, [...updates.map(given => attribute(given, GLOBAL_ID)), ...deletes].flatMap(value => textId(value) ?? []))
  if (features.size === 0) return new Map()
  const found = new Map((await idsIn(call, layer, sql`v.id = any(${[...features.values()]}::int8[])`)).map(each => [each.id, each]))
  return new Map([...features].flatMap(([key, id]) => { const target = found.get(id); return target ? [[key, target] as const] : [] }))
}

/** The id that a new feature gets for its GlobalID, and the OBJECTID that it once had. */
interface Named { readonly id: number; readonly objectid?: number }

/** A GlobalID that was here before brings its feature back under the same ids; any other is kept for a new one. */
async function namesFor(call: Call, layer: Layer, adds: readonly GivenFeature[]): Promise<ReadonlyMap<string, Named>> {
  const { store } = call.app
  const given = [...new Set(adds.flatMap(add => textId(attribute(add, GLOBAL_ID)) ?? []))]
  const known = await featuresOf(store, given)
  const ours = await everIn(store, layer, [...known.values()])
  const fresh = given.filter(globalId => !known.has(globalId))
  const ids = fresh.length ? await reserveIds(store, fresh.length) : []
  const kept = new Map(fresh.map((globalId, i) => [globalId, ids[i]!]))
  if (kept.size) await keepGlobalIds(store, layer, kept)
  const { rows } = await sql<{ id: number; objectid: number }>`select distinct on (id) id, objectid from ${sql.table(`history.${layer.id}`)} where id = any(${[...ours]}::int8[]) order by id, revision desc`.execute(store.db)
  const objectids = new Map(rows.map(row => [row.id, row.objectid]))
  const named = new Map<string, Named>([...kept].map(([globalId, id]) => [globalId, { id }]))
  for (const [globalId, id] of known) if (ours.has(id)) named.set(globalId, { id, objectid: objectids.get(id) })
  return named
}

// ---- features ----------------------------------------------------------------------------------------------------

function crsOf(layer: Layer, { geometry }: GivenFeature) {
  const reference = geometry?.spatialReference
  return reference === undefined || reference === null ? nativeCrs(layer) : crsOfReference(reference, 'geometry')
}

/** Esri's feature as a GeoJSON one. Fields that only the store sets are left aside, as clients send them along. */
function featureOf({ type }: EsriLayer, fields: readonly Field[], { attributes, geometry }: GivenFeature) {
  const properties: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(attributes ?? {})) {
    const field = fieldNamed(fields, name)
    if (!field) throw new Problem(422, 'invalid-feature', `There is no field “${name.slice(0, 60)}”. There are: ${fields.filter(each => each.editable).map(each => each.name).join(', ')}.`)
    if (field.editable) properties[field.name] = givenValue(field, value)
  }
  const bad = (detail: string) => new Problem(422, 'invalid-feature', `The geometry is no ${type}: ${detail}.`)
  const shape = geometry && checkedGeometry(geometry, bad)
  if (shape && !TAKES[type].includes(shape.type)) throw bad(`it is a ${shape.type}`)
  return { properties, ...(shape !== undefined && { geometry: shape }) }
}

const TAKES: Readonly<Record<EsriGeometryType, readonly string[]>> = {
  esriGeometryPoint: ['Point'], esriGeometryMultipoint: ['MultiPoint'], esriGeometryPolyline: ['LineString', 'MultiLineString'], esriGeometryPolygon: ['Polygon', 'MultiPolygon'],
}
