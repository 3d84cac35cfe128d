/** What may be attached, told from the bytes themselves: a name or a header is only what somebody says. */
const ascii = (bytes: Buffer, from: number, text: string) => bytes.subarray(from, from + text.length).toString('latin1') === text
const starts = (...magic: number[]) => (bytes: Buffer) => magic.every((byte, i) => bytes[i] === byte)

const SNIFFERS: readonly (readonly [type: string, is: (head: Buffer) => boolean])[] = [
  ['image/jpeg', starts(0xff, 0xd8, 0xff)],
  ['image/png', starts(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a)],
  ['image/webp', head => ascii(head, 0, 'RIFF') && ascii(head, 8, 'WEBP')],
  ['image/tiff', head => starts(0x49, 0x49, 0x2a, 0)(head) || starts(0x4d, 0x4d, 0, 0x2a)(head)],
  ['image/heic', head => ascii(head, 4, 'ftyp') && ['heic', 'heix', 'mif1'].some(brand => ascii(head, 8, brand))],
  ['image/avif', head => ascii(head, 4, 'ftypavif')],
  ['application/pdf', head => ascii(head, 0, '%PDF-')],
]

export const MEDIA_TYPES = SNIFFERS.map(([type]) => type)
export const HEAD_BYTES = 32

/** The media type of content that begins so; undefined for what is not taken. */
export const sniff = (head: Buffer): string | undefined => SNIFFERS.find(([, is]) => is(head))?.[0]
