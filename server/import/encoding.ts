import type { Feature } from '../../core/feature.js'
import { badParameter } from '../errors.js'
import { badFile } from './fault.js'
import type { EncodingReport, SourceFile, SourceLayer } from './source.js'
import { decodeLegacy, isSyllable, type LegacyEncoding } from './vietnamese.js'

/** Those that can be told from each other by what they make of a text. */
const CANDIDATES: readonly LegacyEncoding[] = ['tcvn3', 'vni', 'vps', 'viscii', 'windows-1258']
const LEGACY: Readonly<Record<string, LegacyEncoding>> = {
  tcvn3: 'tcvn3', tcvn: 'tcvn3', abc: 'tcvn3', vntime: 'tcvn3', 'tcvn3-caps': 'tcvn3-caps', vntimeh: 'tcvn3-caps', tcvn5712: 'tcvn5712', 'tcvn-5712': 'tcvn5712',
  vni: 'vni', 'vni-windows': 'vni', vps: 'vps', viscii: 'viscii', 'windows-1258': 'windows-1258', cp1258: 'windows-1258', '1258': 'windows-1258',
}

/** At least this sure, and texts are decoded without asking. */
const SURE = 0.75
/** Fewer of the accented words than this read as Vietnamese: it is some other language. */
const FOREIGN = 0.5

export interface Guess {
  readonly encoding: LegacyEncoding | 'unicode'
  /** 0–1: the share of accented words that read as Vietnamese, less the doubt that is left by how many of them no other encoding explains. */
  readonly confidence: number
  /** Share of accented words that are Vietnamese syllables. */
  readonly share: number
  readonly words: number
}

/** What Vietnamese encoding, if any, these texts are in. `unicode` means: they read best as they are. */
export function recognise(texts: readonly string[]): Guess {
  const words = texts.flatMap(accentedWords)
  if (words.length === 0) return { encoding: 'unicode', confidence: 1, share: 1, words: 0 }
  const scores = (['unicode', ...CANDIDATES] as const).map(encoding => ({ encoding, share: shareOf(words, encoding) })).sort((a, b) => b.share - a.share)
  const [best, next] = scores as [typeof scores[0], typeof scores[0]]
  const asIs = scores.find(s => s.encoding === 'unicode')!
  if (asIs.share >= best.share) return { ...asIs, confidence: asIs.share, words: words.length }
  // Words that read as Vietnamese by the best encoding alone: each halves the doubt, by a root.
  const telling = (best.share - next.share) * words.length
  return { ...best, confidence: round(best.share * (1 - 2 ** (-telling / 2))), words: words.length }
}

/** Share of the accented words that read as Vietnamese when the texts are taken for this encoding; 0 where there are none. */
export function readsAs(texts: readonly string[], encoding: Guess['encoding']): number {
  const words = texts.flatMap(accentedWords)
  return words.length === 0 ? 0 : shareOf(words, encoding)
}

function shareOf(words: readonly string[], encoding: Guess['encoding']): number {
  const reads = (word: string) => {
    const letters = (encoding === 'unicode' ? word : decodeLegacy(word, encoding)).replace(/^[“”‘’…–—«»]+|[“”‘’…–—«»]+$/g, '')
    // `mỲ` is no word, but in TCVN3 capitals look like small letters.
    return isSyllable(letters) && (encoding.startsWith('tcvn3') || letters.slice(1) === letters.slice(1).toLowerCase() || letters === letters.toUpperCase())
  }
  return round(words.filter(reads).length / words.length)
}
const round = (share: number) => Math.round(share * 100) / 100

/** Pieces between ASCII punctuation and spaces that have plain letters and more: signs alone (m², °) say nothing. */
function accentedWords(text: string): string[] {
  return text.split(/[\t\n\r !-/:-@[-`{-~0-9]+/).filter(word => /[^\x20-\x7e]/.test(word) && /[A-Za-z]/.test(word) && word.length < 40)
}

/** The encoding that a user named: one of the old Vietnamese ones, or any that a TextDecoder knows. */
export function userEncoding(name: string): LegacyEncoding | string {
  const key = name.trim().toLowerCase().replaceAll('_', '-').replace(/^\./, '')
  if (LEGACY[key]) return LEGACY[key]
  try {
    return new TextDecoder(key).encoding
  } catch {
    throw badParameter('encoding', `“${name.slice(0, 40)}” is no encoding that is known: write utf-8, tcvn3, tcvn3-caps, vni, vps, viscii, windows-1258, windows-1252 or another of the Encoding Standard.`)
  }
}

const isLegacy = (encoding: string): encoding is LegacyEncoding => Object.values(LEGACY).includes(encoding as LegacyEncoding)

/** How a reader of bytes decodes them: an old Vietnamese encoding goes through windows-1252, and `mendTexts` decodes it afterwards. */
export const transportOf = (encoding: string) => (isLegacy(encoding) ? 'windows-1252' : encoding)

/**
 * The encoding of bytes that do not say it: what the user named, a byte order mark, UTF-8 where the sample is;
 * else windows-1252 with `undeclared` set, for `mendTexts` to look at what the texts then say.
 */
export function encodingOfBytes(sample: Uint8Array, asked?: string): { readonly encoding: string; readonly undeclared?: true } {
  if (asked !== undefined) return { encoding: transportOf(asked) }
  if (sample[0] === 0xff && sample[1] === 0xfe) return { encoding: 'utf-16le' }
  if (sample[0] === 0xfe && sample[1] === 0xff) return { encoding: 'utf-16be' }
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(sample, { stream: true })
    return { encoding: 'utf-8' }
  } catch {
    return { encoding: 'windows-1252', undeclared: true }
  }
}

/** Features whose texts are looked at, and texts with accents that are enough. */
const SAMPLE_FEATURES = 500
const SAMPLE_TEXTS = 300

/**
 * Decodes the texts of a file that are in an old Vietnamese encoding: the one the user named, or the one that is recognised.
 * Below that certainty nothing is changed; bytes that say of no encoding and could be several are refused with the question to ask.
 */
export async function mendTexts(source: SourceFile, asked: string | undefined): Promise<SourceFile> {
  const layers: SourceLayer[] = []
  for (const layer of source.layers) layers.push(await mendLayer(layer, asked))
  return { ...source, layers }
}

async function mendLayer(layer: SourceLayer, asked: string | undefined): Promise<SourceLayer> {
  if (asked !== undefined && !isLegacy(asked)) return { ...layer, texts: { encoding: asked, by: 'user', samples: [] } }
  const texts = await sampleTexts(layer)
  if (asked !== undefined) return decoded(layer, asked as LegacyEncoding, { encoding: asked, by: 'user', samples: samplesOf(texts, asked as LegacyEncoding) })
  const guess = recognise(texts)
  if (guess.encoding === 'unicode' || guess.share < FOREIGN) return { ...layer, texts: { encoding: layer.undeclared ? 'windows-1252' : 'unicode', by: 'content', samples: [] } }
  const report: EncodingReport = { encoding: guess.encoding, by: 'content', confidence: guess.confidence, samples: samplesOf(texts, guess.encoding) }
  if (guess.confidence >= SURE) return decoded(layer, guess.encoding, report)
  // Shown by a preview; an import of it stops with the question, or leaves the texts as the file declares them.
  return { ...layer, texts: { ...report, applied: false }, ...(layer.undeclared ? { features: () => unsure(layer.name, report), asTheyAre: () => layer.features() } : {}) }
}

// eslint-disable-next-line require-yield
async function* unsure(name: string, { encoding, confidence, samples }: EncodingReport): AsyncGenerator<Feature> {
  const [sample] = samples
  throw badFile(`The texts of “${name}” may be in ${encoding} (certainty ${Math.round(confidence! * 100)} %${sample ? `; “${sample.before}” would be “${sample.after}”` : ''}), and the file does not say. Give it with --encoding ${encoding}, or --encoding windows-1252 to leave them as they are; --preview shows more of them.`)
}

function decoded(layer: SourceLayer, encoding: LegacyEncoding, texts: EncodingReport): SourceLayer {
  const mend = (text: string) => decodeLegacy(text, encoding)
  return {
    ...layer, name: mend(layer.name), texts,
    async *features() {
      for await (const feature of layer.features()) yield { ...feature, properties: mendAll(feature.properties, mend) as Record<string, unknown> }
    },
  }
}

const MAX_DEPTH = 8
function mendAll(value: unknown, mend: (text: string) => string, depth = 0): unknown {
  if (typeof value === 'string') return mend(value)
  if (value === null || typeof value !== 'object' || depth > MAX_DEPTH) return value
  if (Array.isArray(value)) return value.map(item => mendAll(item, mend, depth + 1))
  const out: Record<string, unknown> = {}
  for (const key in value) out[mend(key)] = mendAll((value as Record<string, unknown>)[key], mend, depth + 1)
  return out
}

async function sampleTexts(layer: SourceLayer): Promise<string[]> {
  const texts = new Set<string>()
  let seen = 0
  const keep = (value: unknown) => { if (typeof value === 'string' && value.length < 2000 && /[^\x20-\x7e\s]/.test(value)) texts.add(value) }
  for await (const { properties } of layer.features()) {
    for (const key in properties) {
      keep(key)
      keep(properties[key])
    }
    if (++seen >= SAMPLE_FEATURES || texts.size >= SAMPLE_TEXTS) break
  }
  return [...texts]
}

const SHOWN = 8
function samplesOf(texts: readonly string[], encoding: LegacyEncoding): EncodingReport['samples'] {
  return texts.map(before => ({ before: before.slice(0, 120), after: decodeLegacy(before, encoding).slice(0, 120) })).filter(({ before, after }) => before !== after).slice(0, SHOWN)
}
