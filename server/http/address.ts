/** Which IP addresses belong to the public internet, so that no URL a user gives reaches into the operator's own network. */
import { BlockList, isIP } from 'node:net'

/**
 * IANA's special-purpose registries (RFC 6890 and successors), with the metadata and host agents of clouds:
 * most of those are link-local or shared address space, one is not.
 */
const CLOSED_V4: readonly (readonly [string, number])[] = [
  ['0.0.0.0', 8], ['10.0.0.0', 8], ['100.64.0.0', 10], ['127.0.0.0', 8], ['169.254.0.0', 16], ['172.16.0.0', 12],
  ['192.0.0.0', 24], ['192.0.2.0', 24], ['192.88.99.0', 24], ['192.168.0.0', 16], ['198.18.0.0', 15], ['198.51.100.0', 24],
  ['203.0.113.0', 24], ['224.0.0.0', 4], ['240.0.0.0', 4], ['168.63.129.16', 32],
]
/** Inside 2000::/3, which alone is global unicast: protocol assignments with Teredo, documentation, 6to4. */
const CLOSED_V6: readonly (readonly [string, number])[] = [['2001::', 23], ['2001:db8::', 32], ['2002::', 16], ['3fff::', 20]]

const closedV4 = subnets(CLOSED_V4, 'ipv4')
const closedV6 = subnets(CLOSED_V6, 'ipv6')
const globalV6 = subnets([['2000::', 3]], 'ipv6')

function subnets(ranges: readonly (readonly [string, number])[], family: 'ipv4' | 'ipv6'): BlockList {
  const list = new BlockList()
  for (const [net, prefix] of ranges) list.addSubnet(net, prefix, family)
  return list
}

/** True for an address of the public internet. IPv4 inside IPv6 (mapped, NAT64) is judged as that IPv4. */
export function isPublicAddress(address: string): boolean {
  const plain = withoutIpv4Wrapping(address)
  switch (isIP(plain)) {
    case 4: return !closedV4.check(plain, 'ipv4')
    case 6: return globalV6.check(plain, 'ipv6') && !closedV6.check(plain, 'ipv6')
    default: return false
  }
}

/** `::ffff:a.b.c.d` and `64:ff9b::a.b.c.d` as `a.b.c.d`; everything else as it is, without a zone. */
export function withoutIpv4Wrapping(address: string): string {
  const bare = address.replace(/%.*$/, '')
  if (isIP(bare) !== 6) return bare
  const groups = expand(bare)
  const prefix = groups.slice(0, 6).join(':')
  if (prefix !== '0:0:0:0:0:ffff' && prefix !== '64:ff9b:0:0:0:0') return bare
  const [high, low] = groups.slice(6).map(group => Number.parseInt(group, 16)) as [number, number]
  return [high >> 8, high & 255, low >> 8, low & 255].join('.')
}

/** The eight groups of an IPv6 address. */
export function expand(address: string): string[] {
  const dotted = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(address)
  const hex = (high: string, low: string) => ((Number(high) << 8) | Number(low)).toString(16)
  const plain = dotted ? `${dotted[1]}${hex(dotted[2]!, dotted[3]!)}:${hex(dotted[4]!, dotted[5]!)}` : address
  const [head = '', tail] = plain.split('::')
  const [left, right] = [head, tail ?? ''].map(part => part.split(':').filter(Boolean)) as [string[], string[]]
  const groups = tail === undefined ? left : [...left, ...Array<string>(8 - left.length - right.length).fill('0'), ...right]
  return groups.map(group => Number.parseInt(group, 16).toString(16))
}

/** Hosts and networks that may be reached although they are private. */
export interface Allowed { readonly hosts: ReadonlySet<string>; readonly networks: BlockList }

/** Reads host names, addresses and CIDR ranges. Throws an Error that names what is none of these. */
export function parseAllowed(entries: readonly string[]): Allowed {
  const hosts = new Set<string>()
  const networks = new BlockList()
  for (const entry of entries) {
    const [net = '', prefix] = entry.trim().replace(/^\[|\]$/g, '').split('/')
    const version = isIP(net)
    const bits = prefix === undefined ? (version === 4 ? 32 : 128) : /^\d{1,3}$/.test(prefix) ? Number(prefix) : NaN
    if (version && bits <= (version === 4 ? 32 : 128)) networks.addSubnet(net, bits, version === 4 ? 'ipv4' : 'ipv6')
    else if (prefix === undefined && /^[\p{L}\p{N}]([\p{L}\p{N}._-]*[\p{L}\p{N}])?$/u.test(net)) hosts.add(net.toLowerCase())
    else throw new Error(`ALLOW_PRIVATE takes host names, addresses and networks like 10.1.0.0/16, not “${entry}”.`)
  }
  return { hosts, networks }
}

/** True where the address is public, or is allowed by itself or by the name it was asked for under. */
export function mayReach(host: string, address: string, { hosts, networks }: Allowed): boolean {
  if (isPublicAddress(address) || hosts.has(host.toLowerCase())) return true
  const plain = withoutIpv4Wrapping(address)
  const version = isIP(plain)
  return version !== 0 && networks.check(plain, version === 4 ? 'ipv4' : 'ipv6')
}
