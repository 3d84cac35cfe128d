import { badFile } from './fault.js'
import { bytesOf } from './unpack.js'
import { westernOf } from './vietnamese.js'

/** One entity, table entry or header variable: what stands from one group 0 (or 9) to the next. */
export class DxfRecord {
  readonly codes: number[] = []
  readonly values: string[] = []
  constructor(readonly type: string, readonly section: string) {}

  text(code: number): string | undefined {
    const at = this.codes.indexOf(code)
    return at < 0 ? undefined : this.values[at]
  }
  /** NaN where the group is there but is no number; `otherwise` where it is not there. */
  number(code: number, otherwise = NaN): number {
    const text = this.text(code)
    return text === undefined ? otherwise : Number(text)
  }
  all(code: number): string[] {
    return this.values.filter((_, i) => this.codes[i] === code)
  }
}

const WHAT = 'DXF file'
const MAX_LINE = 1 << 20
const MAX_GROUPS = 8_000_000

/** The records of a DXF in text form, in batches as the file comes in. Throws a Problem for binary and for damaged ones. */
export async function* dxfRecords(file: string, encoding: string): AsyncGenerator<DxfRecord[]> {
  const decoder = new TextDecoder(encoding)
  let rest = ''
  let code: number | null = null
  let record: DxfRecord | null = null
  let section = ''
  let line = 0
  let ended = false
  let batch: DxfRecord[] = []
  const take = (text: string) => {
    line++
    if (code === null) {
      const number = Number(text)
      if (!/^\s*-?\d{1,4}\s*$/.test(text)) throw badFile(`Line ${line} of the DXF file is “${text.slice(0, 30)}”, where the number of a group was wanted: it is damaged, or no DXF.`)
      code = number
      return
    }
    const value = code === 1 || code === 3 ? text : text.trim()
    if (code === 0 || code === 9) {
      if (record && record.type !== 'SECTION') batch.push(record)
      if (value === 'ENDSEC') section = ''
      ended ||= value === 'EOF'
      record = new DxfRecord(value, section)
    } else if (record) {
      if (record.type === 'SECTION' && code === 2) section = value
      if (record.codes.length >= MAX_GROUPS) throw badFile(`The DXF file has an entity of more than ${MAX_GROUPS} groups; it was refused.`)
      record.codes.push(code)
      record.values.push(value)
    }
    code = null
  }
  const takeAll = (text: string, final: boolean) => {
    const lines = (rest + text).split(/\r\n|\n|\r(?=.)/)
    rest = final ? '' : lines.pop()!
    if (rest.length > MAX_LINE) throw badFile('The DXF file has a line of more than 1 MiB: it is damaged, or no DXF.')
    for (const each of lines) if (!ended) take(each)
  }
  for await (const chunk of bytesOf(file, WHAT)) {
    const text = decoder.decode(chunk, { stream: true })
    takeAll(encoding === 'windows-1252' ? westernOf(text) : text, false)
    yield batch
    batch = []
  }
  takeAll(decoder.decode(), true)
  if (!ended) throw badFile('The DXF file ends before its EOF: it is truncated.')
  yield batch
}
