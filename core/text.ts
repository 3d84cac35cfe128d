/**
 * Text as a search sees it: lower case, without diacritics, đ as d; `Hòa Vang`, `Hoà Vang` and `HOA VANG` are one.
 * The same function is `dothi.fold(text)` in the database (server/store/functions.ts); server/store/filter-sql.test.ts holds them together.
 */
export function fold(text: string): string {
  return foldAccents(text).toLowerCase()
}

/** Without diacritics, case kept: CQL2's `accenti`. In the database: `dothi.fold_accents(text)`. */
export function foldAccents(text: string): string {
  return text.normalize('NFD').replace(/[\u0300-\u036f]/g, '').replace(/đ/g, 'd').replace(/Đ/g, 'D').normalize('NFC')
}

/** Lower case, diacritics kept: CQL2's `casei`. In the database: `dothi.fold_case(text)`. */
export function foldCase(text: string): string {
  return text.normalize('NFC').toLowerCase()
}

/** Number of single-character edits between two short words, for “did you mean”. */
export function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++)
      row[j] = Math.min(previous[j]! + 1, row[j - 1]! + 1, previous[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1))
    previous = row
  }
  return previous[b.length]!
}

/** Up to three of `known` that a person may have meant by `word`, nearest first. */
export function nearMisses(word: string, known: readonly string[]): string[] {
  const folded = fold(word.slice(0, 60))
  const near = known
    .map(name => ({ name, distance: name.includes(folded) && folded.length > 2 ? 1 : editDistance(folded, fold(name)) }))
    .filter(({ name, distance }) => distance <= (Math.min(name.length, folded.length) < 4 ? 1 : Math.max(2, Math.floor(name.length / 3))))
  return near.sort((a, b) => a.distance - b.distance).slice(0, 3).map(({ name }) => name)
}
