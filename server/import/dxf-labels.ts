import { contains, signedArea } from './shapefile.js'
import type { Position } from './dxf-shapes.js'

/** Codes of land use purposes as cadastral drawings write them (Circular 08/2024/TT-BTNMT and those before it). */
const LAND = 'ODT|ONT|TMD|TMĐ|SKC|SKK|SKN|SKT|SKS|SKX|TSC|TSN|TS1|TS2|DGD|DYT|DTT|DVH|DKH|DXH|DGT|DTL|DKV|DDT|DRA|DNL|DBV|DCH|DSH|DTS|DSK|TON|TIN|NTD|NTĐ|SON|MNC|PNK|LUC|LUK|LUN|LUA|BHK|NHK|HNK|CLN|LNC|LNK|LNQ|RSX|RPH|RDD|RSN|RST|NTS|LMU|NKH|CQP|CAN|BCS|DCS|NCS|T|TT'
const LAND_USE = new RegExp(`^(?:${LAND})(?:\\+(?:${LAND}))*$`)

export interface DrawnText { readonly at: Position; readonly text: string; readonly layer: string }

/** Texts of a drawing by where they stand. */
export class TextIndex {
  readonly #cells = new Map<string, number[]>()
  readonly #size: number
  /** By layer of the areas: the smallest area that each text stands in. */
  readonly #smallest = new Map<string, Float64Array>()

  constructor(readonly texts: readonly DrawnText[]) {
    let [minX, minY, maxX, maxY] = [Infinity, Infinity, -Infinity, -Infinity]
    for (const { at: [x, y] } of texts) { minX = Math.min(minX, x!); minY = Math.min(minY, y!); maxX = Math.max(maxX, x!); maxY = Math.max(maxY, y!) }
    this.#size = Math.max((maxX - minX) / Math.sqrt(texts.length + 1), (maxY - minY) / Math.sqrt(texts.length + 1), 1e-6)
    texts.forEach(({ at }, i) => {
      const key = this.#key(Math.floor(at[0]! / this.#size), Math.floor(at[1]! / this.#size))
      const cell = this.#cells.get(key)
      if (cell) cell.push(i)
      else this.#cells.set(key, [i])
    })
  }
  #key(x: number, y: number) { return `${x} ${y}` }

  #within(ring: readonly Position[]): number[] {
    let [minX, minY, maxX, maxY] = [Infinity, Infinity, -Infinity, -Infinity]
    for (const [x, y] of ring) { minX = Math.min(minX, x!); minY = Math.min(minY, y!); maxX = Math.max(maxX, x!); maxY = Math.max(maxY, y!) }
    const [fromX, toX, fromY, toY] = [minX, maxX, minY, maxY].map(n => Math.floor(n / this.#size)) as [number, number, number, number]
    // A frame around the whole drawing would ask for more cells than there are.
    const cells = (toX - fromX + 1) * (toY - fromY + 1) > this.#cells.size
      ? [...this.#cells.values()]
      : Array.from({ length: toX - fromX + 1 }, (_, i) => Array.from({ length: toY - fromY + 1 }, (_, j) => this.#cells.get(this.#key(fromX + i, fromY + j)) ?? [])).flat()
    return cells.flat().filter(i => contains(ring, this.texts[i]!.at))
  }

  /** First pass over the areas: each text belongs, in each layer, to the smallest area around it. */
  claim(layer: string, ring: readonly Position[]): void {
    const area = Math.abs(signedArea(ring))
    const smallest = this.#smallest.get(layer) ?? new Float64Array(this.texts.length).fill(Infinity)
    this.#smallest.set(layer, smallest)
    for (const i of this.#within(ring)) smallest[i] = Math.min(smallest[i]!, area)
  }

  /** Second pass: the texts of an area. */
  textsOf(layer: string, ring: readonly Position[]): string[] {
    const smallest = this.#smallest.get(layer)
    if (!smallest) return []
    const area = Math.abs(signedArea(ring))
    return this.#within(ring).filter(i => smallest[i] === area).sort((a, b) => this.texts[b]!.at[1]! - this.texts[a]!.at[1]! || this.texts[a]!.at[0]! - this.texts[b]!.at[0]!).map(i => this.texts[i]!.text)
  }
}

/**
 * What the label of a parcel says: number (số thửa), sheet (số tờ), land use (loại đất) and stated area, in the ways that cadastral
 * drawings write them: `125`, `ODT`, `234.5` apart, `125/234,5`, `ODT 125 / 234.5`, `Thửa 125`, `Tờ bản đồ số 12`.
 * A bare number is an area only where it is within a tenth of the drawn one. Empty where nothing looks like a parcel's label.
 */
export function parcelLabel(texts: readonly string[], drawnArea: number): { so_thua?: string; so_to?: string; loai_dat?: string; dien_tich?: number } {
  const label: { so_thua?: string; so_to?: string; loai_dat?: string; dien_tich?: number } = {}
  const numbers: string[] = []
  for (const text of texts.join('\n').split('\n')) {
    const sheet = /tờ(?:\s*bản\s*đồ)?(?:\s*số)?\s*[:.]?\s*(\d{1,4})\b/i.exec(text)
    const parcel = /thửa(?:\s*đất)?(?:\s*số)?\s*[:.]?\s*(\d{1,5}\w?)\b/i.exec(text)
    const area = /(?:dt|diện\s*tích|s)\s*[:=]?\s*(\d+(?:[.,]\d+)?)\s*(?:m2|m²)?/i.exec(text) ?? /(\d+(?:[.,]\d+)?)\s*(?:m2|m²)/i.exec(text)
    if (sheet) label.so_to ??= sheet[1]!
    if (parcel) label.so_thua ??= parcel[1]!
    if (area) label.dien_tich ??= numberOf(area[1]!)
    if (sheet || parcel || area) continue
    for (const token of text.split(/[\s/|;:()]+/).filter(Boolean)) {
      const upper = token.toUpperCase()
      if (LAND_USE.test(upper)) label.loai_dat ??= upper
      else if (/^\d+(?:[.,]\d+)?$/.test(token)) numbers.push(token)
    }
  }
  const off = (token: string) => Math.abs(numberOf(token) / drawnArea - 1)
  const stated = numbers.filter(token => drawnArea > 0 && off(token) < 0.1).sort((a, b) => Number(/[.,]/.test(b)) - Number(/[.,]/.test(a)) || off(a) - off(b))[0]
  const isLabel = label.loai_dat !== undefined || label.so_thua !== undefined || label.so_to !== undefined || stated !== undefined
  if (!isLabel) return {}
  if (stated !== undefined) label.dien_tich ??= numberOf(stated)
  const rest = numbers.filter((token, i) => /^\d{1,5}$/.test(token) && !(token === stated && i === numbers.indexOf(stated)))
  if (rest[0] !== undefined) label.so_thua ??= rest[0]
  return label
}

const numberOf = (text: string) => Number(text.replace(',', '.'))
