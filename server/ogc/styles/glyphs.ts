/** Letters for maps: signed distance fields, as MapLibre draws text with, made from the font where they are first asked for. */
import { createCanvas } from '@napi-rs/canvas'
import TinySDF from '@mapbox/tiny-sdf'
import { PbfWriter } from 'pbf'
import { covers, fontFamilies } from './font.js'
import { FONT, RANGE } from './lettering.js'

const PIXELS = 24
/** Pixels around a letter that tell how far it is away. */
const BUFFER = 3
/** From the top of a letter's line to its baseline, as MapLibre has it of letters that it makes itself. */
const BASELINE = 27

class NodeSdf extends TinySDF {
  /** Called where a browser would make its canvas. */
  _createCanvas(size: number) { return createCanvas(size, size) }
}

const kept = new Map<number, Uint8Array>()

/** The letters from `start` on, in Mapbox's glyph format; those that the font does not have are left out. */
export function glyphs(start: number): Uint8Array {
  const known = kept.get(start) ?? draw(start)
  kept.set(start, known)
  return known
}

function draw(start: number): Uint8Array {
  const sdf = new NodeSdf({ fontSize: PIXELS, buffer: BUFFER, fontFamily: fontFamilies() })
  const out = new PbfWriter()
  out.writeMessage(1, (_, stack) => {
    stack.writeStringField(1, FONT)
    stack.writeStringField(2, `${start}-${start + RANGE - 1}`)
    for (let code = start; code < start + RANGE; code++) if (covers(code)) stack.writeMessage(3, writeGlyph, { code, glyph: sdf.draw(String.fromCodePoint(code)) })
  }, undefined)
  return out.finish()
}

interface Drawn { readonly code: number; readonly glyph: ReturnType<TinySDF['draw']> }

/** Source: glyphs.proto of Mapbox’s font tools. */
function writeGlyph({ code, glyph }: Drawn, out: PbfWriter): void {
  out.writeVarintField(1, code)
  if (glyph.glyphWidth > 0 && glyph.glyphHeight > 0) out.writeBytesField(2, new Uint8Array(glyph.data.buffer))
  out.writeVarintField(3, glyph.glyphWidth)
  out.writeVarintField(4, glyph.glyphHeight)
  out.writeSVarintField(5, glyph.glyphLeft)
  out.writeSVarintField(6, glyph.glyphTop - BASELINE)
  out.writeVarintField(7, Math.round(glyph.glyphAdvance))
}
