/** What every client says: one line a check, and an exit code of its own. */

/** Ends where a tool is missing: neither passed nor failed. */
export const NOT_HERE = 77

export interface Report {
  check(what: string, holds: boolean, came?: unknown): void
  /** Ends the program: 1 where a check failed, or where none was made. */
  end(): never
}

export function startReport(): Report {
  let [made, failed] = [0, 0]
  return {
    check(what, holds, came) {
      made++
      if (!holds) failed++
      console.log(`${holds ? 'ok' : 'not ok'} ${what}${holds || came === undefined ? '' : `: ${String(typeof came === 'string' ? came : JSON.stringify(came)).slice(0, 500)}`}`)
    },
    end() {
      process.exit(failed > 0 || made === 0 ? 1 : 0)
    },
  }
}

/** The server's address, without a slash at its end, and a steward's token. */
export function serverGiven(): { readonly url: string; readonly token: string } {
  const url = process.argv[2]?.replace(/\/$/, '')
  if (!url) {
    console.error('Say where the server is, as http://127.0.0.1:8080; DOTHI_TOKEN holds a steward’s token.')
    process.exit(1)
  }
  return { url, token: process.env.DOTHI_TOKEN ?? '' }
}
