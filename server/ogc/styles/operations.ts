import { Type } from '@sinclair/typebox'
import type { Response } from 'express'
import { notFound } from '../../errors.js'
import type { Call, Operation, Parameter } from '../../operations/operation.js'
import { COLLECTION_ID, F, formats, LANG } from '../common/parameters.js'
import { answer, FREE, jsonOrPage, LINKS, named } from '../common/schemas.js'
import { etag, notModified } from '../features/validator.js'
import { getDemo, getDemoFile, STYLE_PATH } from './demo.js'
import { FONT, LAST_RANGE, RANGE } from './lettering.js'
import { getStyle, getStyleMetadata, getStyles, STYLE_MEDIA } from './resources.js'

const inPath = (name: string, description: string): Parameter => ({ name, in: 'path', required: true, description, schema: Type.String({ maxLength: 120 }) })
const STYLE_ID = inPath('styleId', 'Id of a style: default.')
const STYLE_F = formats('mapbox', 'json', 'html')

const STYLES = named('Styles', Type.Object({
  links: LINKS, default: Type.Optional(Type.String()),
  styles: Type.Array(Type.Object({ id: Type.String(), title: Type.Optional(Type.String()), links: LINKS })),
}))
const STYLE_METADATA = named('StyleMetadata', Type.Object({
  id: Type.String(), title: Type.Optional(Type.String()), description: Type.Optional(Type.String()), keywords: Type.Optional(Type.Array(Type.String())),
  license: Type.Optional(Type.String()), scope: Type.Optional(Type.Literal('style')), version: Type.Optional(Type.String()),
  stylesheets: Type.Optional(Type.Array(FREE)), layers: Type.Optional(Type.Array(FREE)), links: Type.Optional(LINKS),
}))
const MAPBOX_STYLE = named('MapboxStyle', Type.Object({ version: Type.Literal(8), name: Type.Optional(Type.String()), glyphs: Type.Optional(Type.String()), sources: FREE, layers: Type.Array(FREE) }))

/** Letters are the same for all times: only another font or another way to draw them changes them. */
async function getGlyphs(call: Call, response: Response): Promise<void> {
  const { fontstack, range } = call.params
  const start = /^(\d{1,5})-(\d{1,5})$/.exec(range)
  const [from, to] = [Number(start?.[1]), Number(start?.[2])]
  if (!String(fontstack).split(',').some((name) => name.trim() === FONT)) throw notFound(`There is no font “${String(fontstack).slice(0, 80)}”; there is ${FONT}.`)
  if (!start || from % RANGE !== 0 || to !== from + RANGE - 1 || from > LAST_RANGE) throw notFound(`Letters come by ${RANGE}: 0-255, 256-511 … ${LAST_RANGE}-${LAST_RANGE + RANGE - 1}, not “${String(range).slice(0, 40)}”.`)
  // Canvas and font are loaded by who first asks for letters, not by each start and each command.
  const { glyphs } = await import('./glyphs.js')
  const letters = Buffer.from(glyphs(from))
  if (notModified(call, response, etag('glyphs', letters.toString('latin1')), 'live')) return
  response.setHeader('Content-Type', GLYPHS_TYPE)
  response.send(letters)
}
const GLYPHS_TYPE = 'application/x-protobuf'

const common = { method: 'get', branched: true, tags: ['Styles'] } as const
const styles = { 200: jsonOrPage('The styles.', STYLES) }
const style = { 200: jsonOrPage('The style.', MAPBOX_STYLE, STYLE_MEDIA.type), 304: 'The client’s style is the same.' }
const metadata = { 200: jsonOrPage('What is to be known of the style.', STYLE_METADATA) }
const STYLES_CLASSES = ['core', 'mapbox-styles'].map((name) => `http://www.opengis.net/spec/ogcapi-styles-1/1.0/conf/${name}`)

export const styleOperations: readonly Operation[] = [
  { ...common, id: 'getStyles', path: '/ogc/styles', summary: 'Styles of the city.', parameters: [F, LANG], responses: styles, conformsTo: STYLES_CLASSES, handler: getStyles },
  { ...common, id: 'getStyle', path: '/ogc/styles/{styleId}', summary: 'MapLibre style of the city.', parameters: [STYLE_ID, STYLE_F, LANG], responses: style, handler: getStyle },
  { ...common, id: 'getStyleMetadata', path: '/ogc/styles/{styleId}/metadata', summary: 'What is to be known of a style.', parameters: [STYLE_ID, F, LANG], responses: metadata, handler: getStyleMetadata },
  { ...common, id: 'getCollectionStyles', path: '/ogc/collections/{collectionId}/styles', summary: 'Styles of a layer.', parameters: [COLLECTION_ID, F, LANG], responses: styles, handler: getStyles },
  { ...common, id: 'getCollectionStyle', path: '/ogc/collections/{collectionId}/styles/{styleId}', summary: 'MapLibre style of a layer.', parameters: [COLLECTION_ID, STYLE_ID, STYLE_F, LANG], responses: style, handler: getStyle },
  { ...common, id: 'getCollectionStyleMetadata', path: '/ogc/collections/{collectionId}/styles/{styleId}/metadata', summary: 'What is to be known of a style of a layer.', parameters: [COLLECTION_ID, STYLE_ID, F, LANG], responses: metadata, handler: getStyleMetadata },
  {
    id: 'getGlyphs', method: 'get', path: '/ogc/styles/glyphs/{fontstack}/{range}.pbf', tags: ['Styles'], summary: 'Letters for maps, as MapLibre draws them.',
    parameters: [inPath('fontstack', `Fonts, comma-separated, of which one is ${FONT}.`), inPath('range', 'Code points, such as 0-255.')],
    responses: { 200: answer('The letters.', GLYPHS_TYPE), 304: 'The client’s letters are the same.' }, handler: getGlyphs,
  },
  {
    id: 'getMapLibreDemo', method: 'get', path: '/docs/maplibre', tags: ['Documentation'], summary: 'A map with MapLibre and a style of this server.',
    parameters: [{ name: 'style', in: 'query', description: 'The style’s path on this server.', schema: Type.String({ maxLength: 200, pattern: STYLE_PATH }) }, LANG],
    responses: { 200: answer('The page.', 'text/html', Type.String()) }, handler: getDemo,
  },
  {
    id: 'getMapLibreDemoFile', method: 'get', path: '/docs/maplibre/{file}', tags: ['Documentation'], summary: 'A file of that page.',
    parameters: [inPath('file', 'Its name.'), { name: 'v', in: 'query', description: 'Version of MapLibre, as it asks for its worker.', schema: Type.String({ maxLength: 40 }) }],
    responses: { 200: { description: 'The file.', content: { 'text/javascript': Type.String(), 'text/css': Type.String() } } }, handler: getDemoFile,
  },
]
