/** Appearances of CityGML 1 to 3: textures by the ids of rings, colours by the ids of surfaces. */
import type { DraftAppearance, FaceAppearance } from '../../core/appearance.js'
import { originOf } from './gml-geometry.js'
import { DraftBuilder, rgbOf, wrapOf, type FaceTexture } from './looks.js'
import { closedRing } from './mesh-shape.js'
import { TextureFiles } from './texture-files.js'
import { bytesOf } from './unpack.js'
import { child, childrenOf, descendants, textOf, xmlItems, type XmlNode } from './xml.js'

const WHAT = 'CityGML file'
/** Rings whose texture is told outside of the objects; more are left out and told. */
const MOST_RINGS = 5_000_000

interface RingTexture { readonly file: string; readonly wrap: FaceTexture['wrap']; readonly pairs: Float32Array }

type Face = readonly (readonly (readonly number[])[])[]

export class CityGmlLooks {
  readonly #rings = new Map<string, RingTexture>()
  readonly #colours = new Map<string, NonNullable<FaceAppearance['colour']>>()
  #leftOut = 0

  private constructor(readonly files: TextureFiles) {}

  /** Reads what the file says of all objects (`appearanceMember`); what stands within an object is read with it. */
  static async of(file: string): Promise<CityGmlLooks> {
    const looks = new CityGmlLooks(new TextureFiles(file))
    if (!(await mentions(file, 'appearanceMember'))) return looks
    const isLook = (name: string, path: readonly { readonly name: string }[]) => LOOKS.has(name) && path.some(frame => frame.name === 'appearanceMember')
    for await (const { node } of xmlItems(bytesOf(file, WHAT), WHAT, isLook)) looks.#add(node)
    return looks
  }

  notes(): readonly string[] {
    return [...this.files.notes(), ...(this.#leftOut ? [`${this.#leftOut} textured rings beyond ${MOST_RINGS} were left out: split the file`] : [])]
  }

  /** What the faces of an object look like: what it says itself goes before what the file says. */
  draft(object: XmlNode, faces: readonly Face[]): DraftAppearance | undefined {
    const own = this.#ownOf(object)
    const draft = new DraftBuilder()
    for (const face of faces) draft.add(own?.textureOf(face) ?? this.textureOf(face), own?.colourOf(face) ?? this.colourOf(face))
    return draft.finish()
  }

  #ownOf(object: XmlNode): CityGmlLooks | undefined {
    const appearances = [...descendants(object)].filter(inner => inner.name === 'Appearance')
    if (appearances.length === 0) return undefined
    const own = new CityGmlLooks(this.files)
    for (const appearance of appearances) for (const inner of descendants(appearance)) if (LOOKS.has(inner.name)) own.#add(inner)
    return own
  }

  #add(node: XmlNode): void {
    if (textOf(child(node, 'isFront')) === 'false') return
    if (node.name === 'X3DMaterial') this.#addMaterial(node)
    else this.#addTexture(node)
  }

  #addMaterial(node: XmlNode): void {
    const colour = rgbOf(numbers(textOf(child(node, 'diffuseColor')) ?? '0.8 0.8 0.8'))
    if (colour) for (const target of childrenOf(node, 'target')) put(this.#colours, idIn(target.attributes.uri ?? target.text), colour)
  }

  #addTexture(node: XmlNode): void {
    const file = this.files.find(textOf(child(node, 'imageURI')) ?? '')
    if (file === undefined) return
    const wrap = wrapOf(textOf(child(node, 'wrapMode')))
    for (const list of descendants(node)) {
      if (list.name !== 'TexCoordList') continue
      // CityGML 2 names the ring in an attribute, 3 in an element beside.
      const rings = childrenOf(list, 'ring')
      childrenOf(list, 'textureCoordinates').forEach((coordinates, i) => {
        const ring = coordinates.attributes.ring ?? rings[i]?.text
        if (ring === undefined) return
        if (this.#rings.size >= MOST_RINGS) this.#leftOut++
        else put(this.#rings, idIn(ring), { file, wrap, pairs: Float32Array.from(numbers(coordinates.text)) })
      })
    }
  }

  /** All rings of a face lie on one image, or it has no texture. */
  textureOf(face: Face): FaceTexture | undefined {
    const origin = originOf(face)
    const textures = origin?.rings.map(id => (id === undefined ? undefined : this.#rings.get(id)))
    const first = textures?.[0]
    if (!first || !textures.every(texture => texture?.file === first.file)) return undefined
    const uv = face.map((ring, i) => pairsFor(closedRing(ring).length, textures[i]!.pairs, origin!.isReversed))
    return uv.every(pairs => pairs !== null) ? { file: first.file, wrap: first.wrap, uv } : undefined
  }

  colourOf(face: Face): FaceAppearance['colour'] {
    for (const id of originOf(face)?.surfaces ?? []) {
      const colour = this.#colours.get(id)
      if (colour) return colour
    }
    return undefined
  }
}

const LOOKS: ReadonlySet<string> = new Set(['ParameterizedTexture', 'X3DMaterial'])

/** The first word stands: of several themes the file's first is taken. */
function put<T>(map: Map<string, T>, id: string, value: T): void {
  if (!map.has(id)) map.set(id, value)
}

const idIn = (reference: string) => reference.trim().replace(/^#/, '')
const numbers = (text: string) => text.trim().split(/\s+/).map(Number)

/** s, t of each vertex of a closed ring; null where there are not as many, or some are no numbers. */
function pairsFor(vertices: number, pairs: Float32Array, isReversed: boolean): readonly number[] | null {
  const list = [...pairs]
  if (list.length === 2 * (vertices - 1)) list.push(list[0]!, list[1]!)
  if (list.length !== 2 * vertices || !list.every(Number.isFinite)) return null
  return isReversed ? Array.from({ length: list.length }, (_, i) => list[list.length - 2 - 2 * (i >> 1) + (i & 1)]!) : list
}

/** Whether a word stands anywhere in a file. */
async function mentions(file: string, word: string): Promise<boolean> {
  let rest = ''
  for await (const chunk of bytesOf(file, WHAT)) {
    const text = rest + chunk.toString('latin1')
    if (text.includes(word)) return true
    rest = text.slice(-word.length)
  }
  return false
}
