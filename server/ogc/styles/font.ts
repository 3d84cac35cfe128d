/** The one font of maps: Be Vietnam Pro, whose letters carry all marks of Vietnamese. Its files are its packages', one a part of the alphabet. */
import { GlobalFonts } from '@napi-rs/canvas'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'

const PARTS = ['latin', 'latin-ext', 'vietnamese'] as const
const WEIGHT = 500

const { resolve } = createRequire(import.meta.url)
const PACKAGE = '@fontsource/be-vietnam-pro'

let families: string | undefined

/** The font as CSS names it, its parts one after another. Reads their files once; throws where they are not there. */
export function fontFamilies(): string {
  families ??= PARTS.map(load).join(', ')
  return families
}

function load(part: string): string {
  const file = resolve(`${PACKAGE}/files/be-vietnam-pro-${part}-${WEIGHT}-normal.woff2`)
  if (!GlobalFonts.registerFromPath(file, `dothi ${part}`)) throw new Error(`The font in ${file} cannot be read: reinstall the packages.`)
  return `"dothi ${part}"`
}

/** Code points of the parts, from … to. */
const COVERED: readonly (readonly [number, number])[] = Object.values(JSON.parse(readFileSync(resolve(`${PACKAGE}/unicode.json`), 'utf8')) as Record<string, string>)
  .flatMap((ranges) => ranges.split(',').map((range) => {
    const [from, to = from] = range.replace('U+', '').split('-').map((hex) => parseInt(hex, 16))
    return [from!, to!] as const
  }))

/** Whether the font is made for a code point. */
export const covers = (code: number): boolean => code >= FIRST_LETTER && COVERED.some(([from, to]) => code >= from && code <= to)
const FIRST_LETTER = 32
