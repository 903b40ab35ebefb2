/**
 * A relay on the loopback between a client and a server: counts what passes, and can be cut like a cable. Keeps true:
 * bytes are those that a socket carried (datagrams, or the stream of a connection), counted alike for every subject.
 */
import { createSocket, type Socket as UdpSocket } from 'node:dgram'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

export interface Relay {
  readonly port: number
  /** Client to server, and server to client, since the last {@link reset}. */
  readonly bytes: { readonly up: number; readonly down: number }
  reset(): void
  /** Nothing passes any more, and nobody is told. */
  cut(): void
  heal(): void
  close(): void
}

export function openRelay(transport: 'udp' | 'tcp', target: number): Promise<Relay> {
  return transport === 'udp' ? openUdpRelay(target) : openTcpRelay(target)
}

const host = '127.0.0.1'
/** A burst must wait in the socket, not be lost: a lost datagram is sent again, and would be counted. */
const bufferBytes = 4 * 1024 * 1024

async function boundUdp(): Promise<UdpSocket> {
  const socket = createSocket('udp4')
  socket.bind(0, host)
  await once(socket, 'listening')
  socket.setRecvBufferSize(bufferBytes)
  socket.setSendBufferSize(bufferBytes)
  return socket
}

async function openUdpRelay(target: number): Promise<Relay> {
  const front = await boundUdp()
  const backs = new Map<number, Promise<UdpSocket>>()
  const bytes = { up: 0, down: 0 }
  let isCut = false
  const openBack = async (clientPort: number): Promise<UdpSocket> => {
    const back = await boundUdp()
    back.on('message', (datagram) => {
      if (isCut) return
      bytes.down += datagram.length
      front.send(datagram, clientPort, host)
    })
    return back
  }
  front.on('message', (datagram, { port }) => {
    if (isCut) return
    let back = backs.get(port)
    if (back === undefined) {
      back = openBack(port)
      backs.set(port, back)
    }
    bytes.up += datagram.length
    void back.then((socket) => socket.send(datagram, target, host))
  })
  return {
    port: front.address().port,
    bytes,
    reset: () => Object.assign(bytes, { up: 0, down: 0 }),
    cut: () => {
      isCut = true
    },
    heal: () => {
      isCut = false
    },
    close: () => {
      front.close()
      for (const back of backs.values()) void back.then((socket) => socket.close())
    },
  }
}

async function openTcpRelay(target: number): Promise<Relay> {
  const bytes = { up: 0, down: 0 }
  const sockets = new Set<Socket>()
  let isCut = false
  const pass = (from: Socket, to: Socket, direction: 'up' | 'down'): void => {
    sockets.add(from)
    from.setNoDelay(true)
    from.on('data', (chunk) => {
      bytes[direction] += chunk.length
    })
    from.pipe(to)
    from.on('error', () => to.destroy())
    from.on('close', () => {
      sockets.delete(from)
      to.destroy()
    })
  }
  const server = createServer((client) => {
    if (isCut) {
      client.destroy()
      return
    }
    const upstream = connect(target, host)
    pass(client, upstream, 'up')
    pass(upstream, client, 'down')
  })
  server.listen(0, host)
  await once(server, 'listening')
  const dropAll = (): void => {
    for (const socket of sockets) socket.destroy()
  }
  return {
    port: (server.address() as AddressInfo).port,
    bytes,
    reset: () => Object.assign(bytes, { up: 0, down: 0 }),
    cut: () => {
      isCut = true
      dropAll()
    },
    heal: () => {
      isCut = false
    },
    close: () => {
      server.close()
      dropAll()
    },
  }
}
