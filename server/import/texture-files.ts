/** Images that a city model names: finding them beside it, and nowhere else. */
import { readdirSync, statSync } from 'node:fs'
import { basename, dirname, join, relative, resolve, sep } from 'node:path'
import type { TextureImage } from '../../core/appearance.js'
import { flatName, isImageName } from './image-names.js'
import { bytesOf } from './unpack.js'

/** Finds images by the paths that a file names them by; counts those that are not there. */
export class TextureFiles {
  readonly #folder: string
  readonly #found = new Map<string, string | undefined>()
  #names: readonly string[] | undefined

  constructor(file: string) { this.#folder = dirname(resolve(file)) }

  /** Path of an image in the model's folder or below it; undefined where there is none. Addresses of the net are not followed. */
  find(reference: string): string | undefined {
    if (!this.#found.has(reference)) this.#found.set(reference, this.#search(reference))
    return this.#found.get(reference)
  }

  /** What to tell of images that were named and not found. */
  notes(): readonly string[] {
    const missing = [...this.#found].filter(([, path]) => path === undefined).map(([reference]) => reference)
    return missing.length === 0 ? [] : [`${missing.length} texture images are not beside the file, or no PNG or JPEG (${missing[0]!.slice(0, 80)}): their faces are without texture`]
  }

  #search(reference: string): string | undefined {
    if (!isImageName(reference) || /^[a-z][a-z0-9+.-]+:/i.test(reference)) return undefined
    const path = decoded(reference).replaceAll('\\', '/')
    const beside = resolve(this.#folder, path)
    if (isWithin(this.#folder, beside) && isFile(beside)) return beside
    // Uploads and unpacked archives are flat.
    const flat = flatName(path)
    this.#names ??= readdirSync(this.#folder)
    const name = this.#names.find(name => name === flat) ?? this.#names.find(name => name.endsWith(`__${flat}`)) ?? this.#names.find(name => name === flatName(basename(path)))
    return name !== undefined && isFile(join(this.#folder, name)) ? join(this.#folder, name) : undefined
  }
}

function decoded(reference: string): string {
  try {
    return decodeURIComponent(reference)
  } catch {
    return reference
  }
}

const isWithin = (folder: string, path: string) => !relative(folder, path).split(sep).includes('..')
const isFile = (path: string) => statSync(path, { throwIfNoEntry: false })?.isFile() === true

const REFERENCE = /(?:imageURI\s*>\s*([^<]{1,500}?)\s*<|"image"\s*:\s*"((?:[^"\\]|\\.){1,500})")/g
const OVERLAP = 1200

/** Every image that a CityGML or CityJSON file names, without a parse of the file. */
export async function imageReferences(file: string): Promise<ReadonlySet<string>> {
  const found = new Set<string>()
  let rest = ''
  for await (const chunk of bytesOf(file, 'file')) {
    const text = rest + chunk.toString('latin1')
    for (const [, xml, json] of text.matchAll(REFERENCE)) found.add(Buffer.from(xml ?? json!.replace(/\\(.)/g, '$1'), 'latin1').toString('utf8'))
    rest = text.slice(-OVERLAP)
  }
  return found
}

/** Type and size of a PNG or JPEG; null for anything else, whatever it is called. */
export function imageInfo(bytes: Buffer): Pick<TextureImage, 'mediaType' | 'width' | 'height'> | null {
  if (bytes.length >= 24 && bytes.toString('latin1', 1, 4) === 'PNG' && bytes.toString('latin1', 12, 16) === 'IHDR') return sized('image/png', bytes.readUInt32BE(16), bytes.readUInt32BE(20))
  if (bytes[0] !== 0xff || bytes[1] !== 0xd8) return null
  for (let at = 2; at + 9 < bytes.length && bytes[at] === 0xff;) {
    const marker = bytes[at + 1]!
    // Start of frame, other than the tables that share its range.
    if (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker)) return sized('image/jpeg', bytes.readUInt16BE(at + 7), bytes.readUInt16BE(at + 5))
    at += 2 + bytes.readUInt16BE(at + 2)
  }
  return null
}

const MOST_PIXELS_A_SIDE = 16_384
const sized = (mediaType: TextureImage['mediaType'], width: number, height: number) =>
  width > 0 && height > 0 && Math.max(width, height) <= MOST_PIXELS_A_SIDE ? { mediaType, width, height } : null
