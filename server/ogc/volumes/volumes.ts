/**
 * OGC API 3D GeoVolumes: what of the city can be seen in 3D, as containers that lead to 3D Tiles. They are collections of their own,
 * because their boxes have heights, which clients of features do not expect. Their ids have a hyphen, which no layer's has.
 */
import { union, type BBox } from '../../../core/bbox.js'
import type { Layer } from '../../../layers/layer.js'
import type { Call, Operation } from '../../operations/operation.js'
import { tiles3dOf } from '../../tiles3d/service.js'
import { html, linkList, type Html } from '../common/html.js'
import { REL, type Link } from '../common/links.js'
import { HTML_MEDIA, JSON_MEDIA, type Language } from '../common/media.js'
import type { OtherCollection } from '../features/collections.js'
import { layersOf } from '../features/layers.js'

const CRS84H = 'http://www.opengis.net/def/crs/OGC/0/CRS84h'
const REL_VOLUMES = 'http://www.opengis.net/def/rel/ogc/1.0/3d-geovolumes'
/** The draft writes the media type in two ways; clients look for one of them. */
const TILESET_TYPES = ['application/json+3dtiles', 'application/3dtiles+json'] as const
/** The draft writes its classes with https, its tests with http. */
export const VOLUME_CLASSES = ['http', 'https'].flatMap((scheme) => ['core', '3d-tiles'].map((name) => `${scheme}://www.opengis.net/spec/ogcapi-geovolumes-1/1.0/conf/${name}`))

const ROOT = 'city-3d'
const idOf = (layer: Layer) => `${layer.id}-3d`
const WORDS = {
  vi: { title: 'Thành phố 3D', description: 'Mọi lớp có hình khối, mỗi lớp một bộ 3D Tiles.', of: (title: string) => `${title} (3D)`, viewer: 'Xem trong bản đồ 3D', parts: 'Các lớp' },
  en: { title: 'The city in 3D', description: 'Every layer that has a shape in space, each as 3D Tiles.', of: (title: string) => `${title} (3D)`, viewer: 'See it in the viewer', parts: 'Layers' },
} as const

/** Links from a layer's collection to its 3D Tiles and their container. */
export function volumeLinks(call: Pick<Call, 'base'>, layer: Layer): Link[] {
  if (!layer.threeD) return []
  return [
    ...tilesetLinks(call, layer),
    { href: `${call.base}/ogc/collections/${idOf(layer)}?f=json`, rel: 'related', type: JSON_MEDIA.type, title: '3D container' },
  ]
}

function tilesetLinks({ base }: Pick<Call, 'base'>, { id }: Layer): Link[] {
  return TILESET_TYPES.map((type) => ({ href: `${base}/3dtiles/${id}/tileset.json`, rel: REL_VOLUMES, type, title: '3D Tiles 1.1' }))
}

/** The container of the city and those of its layers, as far as the reader sees them and something is in them. */
export async function volumeCollections(call: Call): Promise<readonly OtherCollection[]> {
  const { collectionId } = call.params
  if (collectionId !== undefined && !String(collectionId).endsWith('-3d')) return []
  const volumes = (await Promise.all(layersOf(call).filter(({ threeD }) => threeD).map((layer) => volumeOf(call, layer)))).filter((volume) => volume !== undefined)
  if (volumes.length === 0) return []
  // The list has the root alone, whose children are the layers': clients of features show every collection that is listed.
  return collectionId === undefined ? [rootContainer(volumes)] : [rootContainer(volumes), ...volumes.map(layerContainer)]
}

/** A layer with its box, degrees and ellipsoidal heights in metres. */
interface Volume { readonly layer: Layer; readonly bbox: BBox; readonly heights: Heights }
type Heights = readonly [low: number, high: number]

/** Where it is not known yet how low and high a layer reaches: more than any city does. */
const ANY_HEIGHT: Heights = [-500, 9000]

async function volumeOf(call: Call, layer: Layer): Promise<Volume | undefined> {
  const { app: { store }, branch, reader } = call
  const { bbox } = await store.layerSummary(layer, branch)
  if (!bbox) return undefined
  const { geoidOffset } = await store.city()
  const [low, high] = tiles3dOf(store).heightsKnown({ layer, branch, asOf: 'now', reader, run: undefined }) ?? ANY_HEIGHT
  return { layer, bbox, heights: [low + geoidOffset, high + geoidOffset] }
}

function rootContainer(volumes: readonly Volume[]): OtherCollection {
  const bbox = volumes.reduce<BBox | null>((all, volume) => union(all, volume.bbox), null)!
  const heights: Heights = [Math.min(...volumes.map((volume) => volume.heights[0])), Math.max(...volumes.map((volume) => volume.heights[1]))]
  return {
    id: ROOT,
    describe: (call, lang, own) => ({
      ...container(ROOT, WORDS[lang].title, WORDS[lang].description, bbox, heights, [...own, ...common(call)]),
      children: volumes.map((volume) => child(call, volume, lang)), content: [],
    }),
    html: (call, lang) => html`<h2>${WORDS[lang].parts}</h2>${linkList(volumes.map(({ layer }) => [layer.title[lang], `${call.base}/ogc/collections/${idOf(layer)}`, layer.id]))}${viewer(call, lang)}`,
  }
}

function layerContainer({ layer, bbox, heights }: Volume): OtherCollection {
  return {
    id: idOf(layer),
    describe: (call, lang, own) => {
      const tilesets = tilesetLinks(call, layer)
      return {
        ...container(idOf(layer), WORDS[lang].of(layer.title[lang]), layer.description[lang], bbox, heights, [
          ...own, ...tilesets,
          { href: `${call.base}/ogc/collections/${layer.id}?f=json`, rel: 'related', type: JSON_MEDIA.type, title: layer.title[lang] },
          { href: `${call.base}/ogc/collections/${ROOT}?f=json`, rel: 'parent', type: JSON_MEDIA.type, title: WORDS[lang].title }, ...common(call),
        ]),
        children: [],
        content: [
          ...tilesets.map((link) => ({ ...link, rel: 'original' })),
          { href: `${call.base}/3dtiles/${layer.id}/implicit/tileset.json`, rel: 'original', type: TILESET_TYPES[1], title: '3D Tiles 1.1, implicit tiling' },
        ],
      }
    },
    html: (call, lang) => html`${linkList([['tileset.json', `${call.base}/3dtiles/${layer.id}/tileset.json`, '3D Tiles 1.1'], [layer.title[lang], `${call.base}/ogc/collections/${layer.id}`]])}${viewer(call, lang)}`,
  }
}

const common = (call: Call): Link[] => [
  { href: `${call.base}/ogc/collections/${ROOT}?f=json`, rel: 'root', type: JSON_MEDIA.type, title: WORDS.en.title },
  { href: `${call.base}/ogc/conformance`, rel: REL.conformance, type: JSON_MEDIA.type, title: 'Conformance classes' },
]

const viewer = (call: Call, lang: Language): Html => html`<p><a href="${call.origin}/">${WORDS[lang].viewer}</a></p>`

function container(id: string, title: string, description: string, bbox: BBox, heights: Heights, links: readonly Link[]) {
  return {
    id, title, description, collectionType: '3d-container', itemType: 'unknown', crs: [CRS84H],
    extent: { spatial: { bbox: [[bbox[0], bbox[1], heights[0], bbox[2], bbox[3], heights[1]]], crs: CRS84H } },
    contentExtent: { region: [...bbox.map((degrees) => (degrees * Math.PI) / 180), ...heights] },
    links,
  }
}

function child(call: Call, { layer, bbox, heights }: Volume, lang: Language) {
  const href = `${call.base}/ogc/collections/${idOf(layer)}`
  return container(idOf(layer), WORDS[lang].of(layer.title[lang]), layer.description[lang], bbox, heights, [
    { href: `${href}?f=json`, rel: 'self', type: JSON_MEDIA.type, title: layer.title[lang] },
    { href: `${href}?f=html`, rel: 'alternate', type: HTML_MEDIA.type, title: layer.title[lang] },
  ])
}

