/** How a static export files names: by the beginnings of their words, so that a reader fetches one small file. */
import { fold } from './text.js'

/** Letters or digits of a word that name its file. */
const LETTERS = 3

/** The words of a text, folded: lower case, no diacritics. */
export const wordsOf = (text: string): readonly string[] => fold(text).match(/[\p{L}\p{N}]+/gu) ?? []

/** The file of a word, and of all that begin like it. */
export function keyOfWord(word: string): string {
  const key = [...word].slice(0, LETTERS).join('')
  return /^[a-z0-9]+$/.test(key) ? key : `u-${[...key].map((letter) => letter.codePointAt(0)!.toString(16)).join('-')}`
}

/** The files in which a name is found. */
export const keysOf = (text: string): ReadonlySet<string> => new Set(wordsOf(text).map(keyOfWord))
