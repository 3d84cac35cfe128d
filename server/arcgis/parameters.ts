/** The parameters of a query, in an address or a form; an empty one is as if it were not there. */
import { Type, type TSchema } from '@sinclair/typebox'
import type { Request } from 'express'
import { Problem } from '../errors.js'
import { receiveForm } from '../http/form.js'
import { parameterParser } from '../http/parameters.js'
import type { Operation, Parameter } from '../operations/operation.js'

const EMPTY = Type.Literal('')
const query = (name: string, description: string, schema: TSchema): Parameter => ({ name, in: 'query', description, schema: Type.Union([schema, EMPTY]) })
const text = (name: string, description: string, maxLength = 2000) => ({ name, in: 'query' as const, description, schema: Type.String({ maxLength }) })
const flag = (name: string, description: string) => query(name, description, Type.Union(['true', 'false', 'True', 'False', '1', '0'].map(value => Type.Literal(value))))
const count = (name: string, description: string, maximum: number, minimum = 0) => query(name, description, Type.Integer({ minimum, maximum }))

const MOST_TEXT = 1_000_000
const FORM_BYTES = 32 << 20
export const F = query('f', 'Format, instead of the Accept header: json, pjson (indented), html.', Type.Union(['json', 'pjson', 'html'].map(value => Type.Literal(value))))
export const QUERY_F = query('f', 'Format: json, pjson (indented), geojson, pbf, html.', Type.Union(['json', 'pjson', 'geojson', 'pbf', 'html'].map(value => Type.Literal(value))))
export const SERVICE: Parameter = { name: 'service', in: 'path', required: true, description: 'Id of a collection: each is a service.', schema: Type.String({ maxLength: 60 }) }
export const LAYER_ID: Parameter = { name: 'layerId', in: 'path', required: true, description: 'Number of a layer of the service; 0, and more where a collection holds several kinds of geometry.', schema: Type.Integer({ minimum: 0, maximum: 9 }) }
export const OBJECT: Parameter = { name: 'objectId', in: 'path', required: true, description: 'OBJECTID of a feature.', schema: Type.Integer({ minimum: 0, maximum: 2_147_483_647 }) }

export const RUN = text('run', 'Id of a flood run, for collections of results; default the latest successful one.', 60)

export const QUERY: readonly Parameter[] = [
  QUERY_F,
  text('where', "SQL-92 condition on fields: name LIKE 'A%' AND height > 10.", MOST_TEXT),
  text('objectIds', 'Only features with these OBJECTIDs, comma-separated.', MOST_TEXT),
  text('geometry', 'Only features related to this: Esri JSON, `xmin,ymin,xmax,ymax`, or `x,y`.', MOST_TEXT),
  query('geometryType', 'What geometry is; default esriGeometryEnvelope.', Type.Union(['Point', 'Multipoint', 'Polyline', 'Polygon', 'Envelope'].map(type => Type.Literal(`esriGeometry${type}`)))),
  query('spatialRel', 'How a feature relates to geometry; default esriSpatialRelIntersects. Contains: geometry contains the feature.',
    Type.Union(['Intersects', 'Contains', 'Crosses', 'EnvelopeIntersects', 'IndexIntersects', 'Overlaps', 'Touches', 'Within'].map(rel => Type.Literal(`esriSpatialRel${rel}`)))),
  text('inSR', 'CRS of geometry: an EPSG code or a JSON spatial reference.'),
  text('outSR', 'CRS of the answer; default the layer’s own.'),
  query('distance', 'Features within so far of geometry.', Type.Number({ minimum: 0, maximum: 100_000 })),
  query('units', 'Unit of distance; default metres.', Type.Union(['Meter', 'Kilometer', 'Foot', 'StatuteMile', 'NauticalMile'].map(unit => Type.Literal(`esriSRUnit_${unit}`)))),
  text('outFields', 'Fields of the answer, comma-separated, or *.', 20_000),
  flag('returnGeometry', 'Default true.'), flag('returnCentroid', 'Areas: also their centre.'),
  flag('returnIdsOnly', 'Only the OBJECTIDs, all of them.'), flag('returnCountOnly', 'Only how many there are.'), flag('returnExtentOnly', 'Only the box around them, and how many there are.'),
  flag('returnDistinctValues', 'Each combination of outFields once.'),
  text('orderByFields', 'Fields with ASC or DESC, comma-separated.'),
  text('groupByFieldsForStatistics', 'Fields that outStatistics are grouped by.'),
  text('outStatistics', 'JSON: [{"statisticType":"sum","onStatisticField":"area","outStatisticFieldName":"total"}].', 20_000),
  text('having', 'Not supported.'),
  count('resultOffset', 'How many features to leave out.', 2_000_000_000), count('resultRecordCount', 'How many features at most.', 2_000_000_000),
  count('maxRecordCountFactor', 'The server’s page limit times this.', 5, 1),
  query('resultType', 'tile and standard have larger pages.', Type.Union(['none', 'standard', 'tile'].map(value => Type.Literal(value)))),
  text('quantizationParameters', 'JSON: grid that coordinates are put on.'),
  query('maxAllowableOffset', 'Outlines are simplified by at most this, in units of outSR.', Type.Number({ minimum: 0, maximum: 1e9 })),
  count('geometryPrecision', 'Decimals of coordinates.', 15),
  text('historicMoment', 'The layer as it was then: milliseconds since 1970.', 20), text('time', 'Not supported: layers have no time of their own; see historicMoment.', 60),
  text('gdbVersion', 'Not supported: scenarios have addresses of their own.', 200),
  query('lang', 'Language of titles.', Type.Union([Type.Literal('vi'), Type.Literal('en')])),
  RUN,
]

const FEATURES = '[{"attributes":{…},"geometry":{…}}]'
/** Fields of forms that change something. */
export const EDITS: readonly Parameter[] = [
  ...['features', 'adds', 'updates'].map(name => text(name, `JSON: ${FEATURES}.`, FORM_BYTES)), text('deletes', 'OBJECTIDs, or GlobalIDs with useGlobalIds.', FORM_BYTES),
  text('edits', 'JSON: [{"id":0,"adds":[…],"updates":[…],"deletes":[…]}].', FORM_BYTES), text('attachments', 'Not supported here: see addAttachment.', FORM_BYTES),
  flag('useGlobalIds', 'Features are named by their GlobalID.'), flag('rollbackOnFailure', 'Default true: all or none.'), flag('returnEditMoment', 'Also when it was done.'), flag('returnDeleteResults', 'Default true.'),
  ...QUERY.filter(({ name }) => ['where', 'objectIds', 'geometry', 'geometryType', 'spatialRel', 'inSR', 'distance', 'units'].includes(name)),
  text('attachmentIds', 'Attachments to take away, comma-separated.'),
]
export const LOGIN: readonly Parameter[] = [text('username', 'Anything.', 200), text('password', 'One of our tokens.', 200), F]
export const CLASSIFICATION: readonly Parameter[] = [
  text('classificationDef', 'JSON: uniqueValueDef or classBreaksDef.', 20_000), ...QUERY.filter(({ name }) => ['where', 'lang', 'run'].includes(name)), F,
]
export const OBJECT_IDS: Parameter = QUERY.find(({ name }) => name === 'objectIds')!
export const ATTACHMENT: Parameter = { name: 'attachmentId', in: 'path', required: true, description: 'Number of an attachment.', schema: Type.Integer({ minimum: 0, maximum: 2_147_483_647 }) }

/** Parameters without the empty ones. */
export type Given = Readonly<Record<string, any>>
export const given = (params: Given): Given => Object.fromEntries(Object.entries(params).filter(([, value]) => value !== ''))
export const isTrue = (value: unknown) => /^(true|1)$/i.test(String(value ?? ''))

/** Where a form's one file goes, and how large it may be. */
export interface FormFile { readonly path: (filename: string | undefined) => string; readonly bytes: number }

/** The fields of a form, urlencoded or multipart; one without a body is empty. Throws a 4xx Problem. */
export async function formOf(request: Request, file?: FormFile): Promise<Record<string, string>> {
  if (request.get('content-type') === undefined && !(Number(request.get('content-length')) > 0)) return {}
  if (!request.is(['application/x-www-form-urlencoded', 'multipart/form-data'])) throw new Problem(415, 'invalid-body', `The body must be a form (application/x-www-form-urlencoded or multipart/form-data), not “${request.get('content-type')?.slice(0, 80)}”.`)
  return receiveForm(request, {
    files: file ? 1 : 0, fileBytes: file?.bytes ?? 0, pathOf: file?.path ?? String, fields: 100, fieldBytes: FORM_BYTES,
    tooLarge: () => new Problem(413, 'too-large', 'The upload is larger than this server accepts.'),
  })
}

/** Reads a form by the parameters that the same operation has in an address. */
export function formParser(parameters: readonly Parameter[]): (form: Readonly<Record<string, string>>) => Given {
  const parse = parameterParser({ parameters, extraQuery: true } as unknown as Operation)
  return form => parse({}, new URLSearchParams(form)).params
}
