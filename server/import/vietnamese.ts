/**
 * Vietnamese as it was written before Unicode. Charts: TCVN 5712:1993 (VN1; the ABC fonts .VnTime and .VnTimeH are its VN3),
 * VISCII 1.1 (RFC 1456), VPS of the Vietnamese Professionals Society, VNI-Windows, windows-1258.
 * Texts come here as windows-1252 shows their bytes, which is how they stand in files and in databases that took them for Western.
 */

/** `tcvn3-caps` is a text in a capitals font (.VnTimeH): its letters have the codes of the small ones. */
export type LegacyEncoding = 'tcvn3' | 'tcvn3-caps' | 'tcvn5712' | 'vni' | 'vps' | 'viscii' | 'windows-1258'

/** Bytes 0x80–0xFF in rows of sixteen; `·` is the character that windows-1252 has there. */
type Chart = readonly string[]

const TCVN_UPPER_HALF = [
  '\u00a0ĂÂÊÔƠƯĐăâêôơưđẰ', '\u0323\u0300\u0309\u0303\u0301àảãáạẲằẳẵắẴ', 'ẮẦẨẪẤỀặầẩẫấậèỂẻẽ',
  'éẹềểễếệìỉỄẾỒĩíịò', 'Ổỏõóọồổỗốộờởỡớợù', 'ỖủũúụừửữứựỳỷỹýỵỐ',
]
/** The ABC fonts have but seven capitals of their own, and leave the punctuation of windows-1252 where it is. */
const TCVN3: Chart = ['················', '················', ...TCVN_UPPER_HALF.map((row, i) => (i === 0 ? `${row.slice(0, -1)}·` : row.replace(/[ẰẲẴẮẦẨẪẤỀỂỄẾỒỔỖỐ\u0300-\u0323]/g, '·')))]
const TCVN5712: Chart = ['ÀẢÃÁẠẶẬÈẺẼÉẸỆÌỈĨ', 'ÍỊÒỎÕÓỌỘỜỞỠỚỢÙỦŨ', ...TCVN_UPPER_HALF]
const TCVN5712_CONTROLS: Readonly<Record<number, string>> = { 0x01: 'Ú', 0x02: 'Ụ', 0x04: 'Ừ', 0x05: 'Ử', 0x06: 'Ữ', 0x11: 'Ứ', 0x12: 'Ự', 0x13: 'Ỳ', 0x14: 'Ỷ', 0x15: 'Ỹ', 0x16: 'Ý', 0x17: 'Ỵ' }

const VISCII: Chart = ['ẠẮẰẶẤẦẨẬẼẸẾỀỂỄỆỐ', 'ỒỔỖỘỢỚỜỞỊỎỌỈỦŨỤỲ', 'Õắằặấầẩậẽẹếềểễệố', 'ồổỗỠƠộờởịỰỨỪỬơớƯ', 'ÀÁÂÃẢĂẳẵÈÉÊẺÌÍĨỳ', 'ĐứÒÓÔạỷừửÙÚỹỵÝỡư', 'àáâãảăữẫèéêẻìíĩỉ', 'đựòóôõỏọụùúũủýợỮ']
const VISCII_CONTROLS: Readonly<Record<number, string>> = { 0x02: 'Ẳ', 0x05: 'Ẵ', 0x06: 'Ẫ', 0x14: 'Ỷ', 0x19: 'Ỹ', 0x1e: 'Ỵ' }

const VPS: Chart = ['ÀẢÃẤẦẨọỗĂếềểệẮẰẲ', 'Ế··ỀỂỄỐỒỔỖýỷỵỚỜỞ', '·ắằẳẵặỠớÙờởỡŨỨợỪ', 'ổỬỲỸÍÌộỈĨÓửữÒỎÕự', 'ầÁÂấẩẫậđẻÉÊẹỉễịỹ', 'ƯỦồốÔỏơÈừứÚũưÝẺ·', 'àáâãảạă·èéêẽìí·ĩ', 'ẴĐòóôõ·Ơụùúủ·ỶẼỳ']
const VPS_CONTROLS: Readonly<Record<number, string>> = {
  0x02: 'Ạ', 0x03: 'Ậ', 0x04: 'Ặ', 0x05: 'Ẹ', 0x06: 'Ệ', 0x10: 'Ị', 0x11: 'Ọ', 0x12: 'Ộ', 0x13: 'Ợ', 0x14: 'Ụ', 0x15: 'Ự', 0x19: 'Ỵ', 0x1c: 'Ẫ', 0x1d: 'Ữ',
}

/** windows-1252 of the bytes 0x80–0x9f; of the rest, character and byte are one number. Written out, since some versions of Node decode it as Latin-1. */
const WINDOWS_1252 = '€\u0081‚ƒ„…†‡ˆ‰Š‹Œ\u008dŽ\u008f\u0090‘’“”•–—˜™š›œ\u009džŸ'

/** Control characters that Latin-1 makes of the bytes 0x80–0x9f, as windows-1252 has them. */
export function westernOf(text: string): string {
  // eslint-disable-next-line no-control-regex
  return /[\x80-\x9f]/.test(text) ? text.replace(/[\x80-\x9f]/g, character => WINDOWS_1252[character.charCodeAt(0) - 0x80]!) : text
}

/** Byte that windows-1252 shows as this character; undefined where it has none. */
function byteOf(character: string): number | undefined {
  const code = character.charCodeAt(0)
  if (code < 0x100) return code
  const at = WINDOWS_1252.indexOf(character)
  return at < 0 ? undefined : 0x80 + at
}

const shown = (byte: number) => (byte >= 0x80 && byte < 0xa0 ? WINDOWS_1252[byte - 0x80]! : String.fromCharCode(byte))

/** Character as windows-1252 shows it → what it is. The bytes 0x80–0x9f may also stand as the control characters of Latin-1. */
function tableOf(chart: Chart, controls: Readonly<Record<number, string>> = {}): ReadonlyMap<string, string> {
  const table = new Map(Object.entries(controls).map(([byte, letter]) => [String.fromCharCode(Number(byte)), letter]))
  chart.forEach((row, high) => [...row].forEach((letter, low) => {
    const byte = 0x80 + high * 16 + low
    if (letter === '·') return
    table.set(shown(byte), letter)
    table.set(String.fromCharCode(byte), letter)
  }))
  return table
}

const TABLES: Readonly<Partial<Record<LegacyEncoding, ReadonlyMap<string, string>>>> = {
  tcvn3: tableOf(TCVN3), 'tcvn3-caps': tableOf(TCVN3), tcvn5712: tableOf(TCVN5712, TCVN5712_CONTROLS), viscii: tableOf(VISCII, VISCII_CONTROLS), vps: tableOf(VPS, VPS_CONTROLS),
}

const [ACUTE, GRAVE, HOOK, TILDE, DOT, CIRCUMFLEX, BREVE] = ['\u0301', '\u0300', '\u0309', '\u0303', '\u0323', '\u0302', '\u0306']
/** VNI writes the plain letter, then one mark. */
const VNI_TONES: Readonly<Record<string, string>> = { ù: ACUTE!, ø: GRAVE!, û: HOOK!, õ: TILDE!, ï: DOT! }
const VNI_CIRCUMFLEX: Readonly<Record<string, string>> = { â: '', á: ACUTE!, à: GRAVE!, å: HOOK!, ã: TILDE!, ä: DOT! }
const VNI_BREVE: Readonly<Record<string, string>> = { ê: '', é: ACUTE!, è: GRAVE!, ú: HOOK!, ü: TILDE!, ë: DOT! }
const VNI_ALONE: Readonly<Record<string, string>> = { ô: 'ơ', ö: 'ư', ñ: 'đ', æ: 'ỉ', ó: 'ĩ', ò: 'ị', í: 'í', ì: 'ì', î: 'ỵ' }

const VNI: ReadonlyMap<string, string> = vniTable()
function vniTable(): Map<string, string> {
  const table = new Map<string, string>()
  const add = (codes: string, letter: string) => {
    const composed = letter.normalize('NFC')
    table.set(codes, composed)
    table.set(codes.toUpperCase(), composed.toUpperCase())
    // A capital with the mark of a small letter is a common slip of the hand.
    if (codes.length === 2) table.set(codes[0]!.toUpperCase() + codes[1]!, composed.toUpperCase())
  }
  for (const [code, letter] of Object.entries(VNI_ALONE)) add(code, letter)
  for (const [mark, tone] of Object.entries(VNI_TONES)) {
    for (const base of 'aeouy') add(base + mark, base + tone)
    add(`ô${mark}`, `ơ${tone}`)
    add(`ö${mark}`, `ư${tone}`)
  }
  for (const [mark, tone] of Object.entries(VNI_CIRCUMFLEX)) for (const base of 'aeo') add(base + mark, base + CIRCUMFLEX + tone)
  for (const [mark, tone] of Object.entries(VNI_BREVE)) add(`a${mark}`, `a${BREVE}${tone}`)
  return table
}

/** A text as windows-1252 shows its bytes → what was meant, in NFC. Characters that no byte can be leave the text as it is. */
export function decodeLegacy(text: string, encoding: LegacyEncoding): string {
  // eslint-disable-next-line no-control-regex
  if (/^[\x20-\x7e\t\n\r]*$/.test(text)) return text
  if (encoding === 'windows-1258') return decode1258(text)
  if ([...text].some(character => byteOf(character) === undefined)) return text
  if (encoding === 'vni') return decodeVni(text)
  const table = TABLES[encoding]!
  const letters = text.replace(/[^\x20-\x7e\t\n\r]/g, character => table.get(character) ?? westernOf(character)).normalize('NFC')
  if (encoding === 'tcvn3-caps') return letters.toUpperCase()
  return encoding === 'tcvn3' ? restoreCapitals(letters, text) : letters
}

const windows1258 = new TextDecoder('windows-1258')
function decode1258(text: string): string {
  const bytes = [...text].map(byteOf)
  return bytes.some(byte => byte === undefined) ? text : windows1258.decode(Uint8Array.from(bytes as number[])).normalize('NFC')
}

function decodeVni(text: string): string {
  let out = ''
  for (let i = 0; i < text.length; i++) {
    const pair = VNI.get(text.slice(i, i + 2))
    if (pair !== undefined && i + 1 < text.length) { out += pair; i++ } else out += VNI.get(text[i]!) ?? westernOf(text[i]!)
  }
  return out.normalize('NFC')
}

/**
 * TCVN3 has no code for `Ạ`: in a text of capitals it stands as `ạ`, shown by a capitals font that the data no longer has.
 * Where the plain letters of a text are all capitals, and there are two at least, the accented ones are taken for capitals too.
 */
function restoreCapitals(letters: string, original: string): string {
  return /[A-Z][^a-z]*[A-Z]/.test(original) && !/[a-z]/.test(original) ? letters.toUpperCase() : letters
}

const ONSET = '(?:b|ch?|d|đ|gh?|gi|h|kh?|l|m|ngh?|nh?|ph?|qu|r|s|th?|tr|v|x)?'
const NUCLEUS = '(?:[aăâeêioôơuưy]|a[iouy]|â[uy]|eo|êu|i[aêu]|iêu|o[aăeo]|oa[ioy]|oeo|[oôơ]i|u[aâêiôơy]|uây|uôi|uy[aêu]|ư[aiơu]|ươ[iu]|yêu?)'
const SYLLABLE = new RegExp(`^${ONSET}${NUCLEUS}(?:c|ch|m|n|ng|nh|p|t)?$`)
const STOPPED = /(?:c|ch|p|t)$/

/** Whether a word can be read as one Vietnamese syllable. A final c, ch, p or t allows two of the six tones alone. */
export function isSyllable(word: string): boolean {
  const parts = word.toLowerCase().normalize('NFD')
  const tones = parts.match(/[\u0300\u0301\u0303\u0309\u0323]/g) ?? []
  if (tones.length > 1) return false
  const toneless = parts.replace(/[\u0300\u0301\u0303\u0309\u0323]/g, '').normalize('NFC')
  if (!SYLLABLE.test(toneless)) return false
  return !STOPPED.test(toneless) || tones[0] === ACUTE || tones[0] === DOT
}
