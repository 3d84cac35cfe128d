/**
 * Text that a spreadsheet would take for a formula. In a CSV file such a cell gets an apostrophe before it, the sign by which
 * spreadsheets themselves mark text; reading takes it away again, so that nothing is lost in between.
 * Cells: OWASP, “CSV Injection”.
 */
const FORMULA = /^'*[=+\-@\t\r]/
const GUARDED = /^''*[=+\-@\t\r]/

export const guardCell = (text: string) => (FORMULA.test(text) ? `'${text}` : text)
export const unguardCell = (text: string) => (GUARDED.test(text) ? text.slice(1) : text)
