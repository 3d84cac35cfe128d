/**
 * Two places joined by one link that can be cut. Network namespaces with a veth pair between them; where the kernel or
 * the rights refuse those, two loopback ports with a proxy between that breaks its connections.
 * The drill itself reaches both places by ways that are never cut.
 */
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'

export interface Place {
  /** What goes before a program that is to run there. */
  readonly command: readonly string[]
  readonly host: string
  readonly port: number
  /** As the drill reaches it, and as the other place does. */
  readonly url: string
  readonly peerUrl: string
}

export interface Link {
  readonly kind: 'network namespaces' | 'a proxy'
  readonly places: readonly [Place, Place]
  up(): void
  down(): void
  close(): Promise<void>
}

export async function openLink(log: (line: string) => void): Promise<Link> {
  try {
    return namespaces()
  } catch (error) {
    log(`network namespaces are refused here (${(error as Error).message.trim().split('\n').at(-1)}): a TCP proxy is cut instead`)
    return proxies()
  }
}

const ip = (...args: string[]) => execFileSync('ip', args, { stdio: ['ignore', 'pipe', 'pipe'], encoding: 'utf8' })
const quietly = (...args: string[]) => { try { ip(...args) } catch { /* it was not there */ } }

function namespaces(): Link {
  const own = process.pid % 16384
  // A /30 for the link and one a place for the drill, out of 10.x by process id, so that drills side by side do not meet.
  const net = (n: number, host: number) => `10.${64 + (own >> 8)}.${own & 255}.${n * 4 + host}`
  const names = [0, 1].map(i => `dothi-${own}-${i}`) as [string, string]
  const close = () => {
    for (const name of names) quietly('netns', 'del', name)
    for (const i of [0, 1]) quietly('link', 'del', `dc${own}-${i}`)
  }
  try {
    for (const name of names) {
      ip('netns', 'add', name)
      ip('-n', name, 'link', 'set', 'lo', 'up')
    }
    ip('-n', names[0], 'link', 'add', 'peer', 'type', 'veth', 'peer', 'name', 'peer', 'netns', names[1])
    for (const [i, name] of names.entries()) {
      ip('-n', name, 'addr', 'add', `${net(0, i + 1)}/30`, 'dev', 'peer')
      ip('-n', name, 'link', 'set', 'peer', 'up')
      ip('link', 'add', `dc${own}-${i}`, 'type', 'veth', 'peer', 'name', 'drill', 'netns', name)
      ip('addr', 'add', `${net(i + 1, 1)}/30`, 'dev', `dc${own}-${i}`)
      ip('link', 'set', `dc${own}-${i}`, 'up')
      ip('-n', name, 'addr', 'add', `${net(i + 1, 2)}/30`, 'dev', 'drill')
      ip('-n', name, 'link', 'set', 'drill', 'up')
    }
  } catch (error) {
    close()
    throw error
  }
  const place = (i: 0 | 1): Place => ({
    command: ['ip', 'netns', 'exec', names[i]], host: '0.0.0.0', port: 8080,
    url: `http://${net(i + 1, 2)}:8080`, peerUrl: `http://${net(0, i + 1)}:8080`,
  })
  return {
    kind: 'network namespaces', places: [place(0), place(1)],
    up: () => void ip('-n', names[0], 'link', 'set', 'peer', 'up'),
    down: () => void ip('-n', names[0], 'link', 'set', 'peer', 'down'),
    close: async () => close(),
  }
}

async function proxies(): Promise<Link> {
  let cut = false
  const sockets = new Set<Socket>()
  const keep = (socket: Socket) => { sockets.add(socket); socket.on('close', () => sockets.delete(socket)).on('error', () => {}) }
  const open = async () => {
    const free = createServer().listen(0, '127.0.0.1')
    await once(free, 'listening')
    const { port } = free.address() as AddressInfo
    free.close()
    const proxy = createServer(client => {
      if (cut) return void client.destroy()
      const server = connect(port, '127.0.0.1')
      for (const socket of [client, server]) keep(socket)
      client.pipe(server).pipe(client)
      client.on('close', () => server.destroy())
      server.on('close', () => client.destroy())
    }).listen(0, '127.0.0.1')
    await once(proxy, 'listening')
    return { port, proxy, through: (proxy.address() as AddressInfo).port }
  }
  const ways = [await open(), await open()] as const
  const place = ({ port, through }: (typeof ways)[number]): Place => ({ command: [], host: '127.0.0.1', port, url: `http://127.0.0.1:${port}`, peerUrl: `http://127.0.0.1:${through}` })
  return {
    kind: 'a proxy', places: [place(ways[0]), place(ways[1])],
    up: () => { cut = false },
    down: () => { cut = true; for (const socket of sockets) socket.destroy() },
    close: async () => { for (const { proxy } of ways) proxy.close(); for (const socket of sockets) socket.destroy() },
  }
}
