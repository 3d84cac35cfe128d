/** `profile`: ways to write the same answer in the same media type (OGC API Features Part 5). */
import type { Link } from '../common/links.js'

const PROFILES = ['rfc7946', 'jsonfg', 'jsonfg-plus', 'rel-as-key', 'rel-as-uri', 'rel-as-link', 'codelist-inline'] as const
export type Profile = (typeof PROFILES)[number]

const REGISTER = 'http://www.opengis.net/def/profile/OGC/0/'

/** By name or URI, each once; one that is not ours is no error. */
export function profilesOf(asked: readonly string[] | undefined): readonly Profile[] {
  const names = new Set((asked ?? []).map((name) => name.replace(/^https?:\/\/www\.opengis\.net\/def\/profile\/OGC\/0\//i, '')))
  return PROFILES.filter((profile) => names.has(profile))
}

/** The links that say which profiles an answer follows. */
export const profileLinks = (profiles: readonly Profile[]): Link[] => profiles.map((profile) => ({ href: REGISTER + profile, rel: 'profile' }))
