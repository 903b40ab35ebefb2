/**
 * A bad network in this process: datagrams between plugins and a daemon are lost, doubled, held back, overtaken, or all cut
 * off. Keeps: what happens to the n-th datagram of a direction follows from the seed.
 */
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import type { SimRandom } from '../network/sim-random.ts'
import type { Scene } from './scene.ts'

/** Shares of the datagrams, each way. */
export interface Conditions {
  readonly loss: number
  readonly duplicates: number
  /** Held back for some more time, so that others overtake it. */
  readonly reordered: number
  readonly delayMs: number
}

export const calm: Conditions = { loss: 0, duplicates: 0, reordered: 0, delayMs: 0 }

const host = '127.0.0.1'
/** A burst waits in the socket; what is lost is what was meant to be lost. */
const bufferBytes = 4 * 1024 * 1024
const overtakenMs = 25

async function bound(): Promise<Socket> {
  const socket = createSocket('udp4')
  socket.bind(0, host)
  await once(socket, 'listening')
  socket.setRecvBufferSize(bufferBytes)
  socket.setSendBufferSize(bufferBytes)
  return socket
}

export class UdpProxy {
  conditions: Conditions = calm
  readonly #front: Socket
  readonly #target: number
  readonly #random: SimRandom
  /** One for each port that a plugin sends from. */
  readonly #backs = new Map<number, Promise<Socket>>()
  #isCut = false
  #isClosed = false

  private constructor(front: Socket, target: number, random: SimRandom) {
    this.#front = front
    this.#target = target
    this.#random = random
    front.on('message', (datagram, { port }) => {
      this.#pass(() => {
        // What was held back may be due when there is no way on any more.
        if (!this.#isClosed) void this.#back(port).then((back) => this.#send(back, datagram, this.#target))
      })
    })
  }

  /** Forwards to a port of the loopback. */
  static async open(scene: Scene, target: number, random: SimRandom): Promise<UdpProxy> {
    const proxy = new UdpProxy(await bound(), target, random)
    scene.onClose(() => proxy.close())
    return proxy
  }

  get port(): number {
    return this.#front.address().port
  }

  /** Nothing passes any more, and nobody is told. */
  cut(): void {
    this.#isCut = true
  }

  heal(): void {
    this.#isCut = false
  }

  /** From now on what plugins send comes from other ports, as behind a router that forgot them. */
  async changeAddresses(): Promise<void> {
    const backs = [...this.#backs.values()]
    this.#backs.clear()
    for (const back of backs) (await back).close()
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#front.close()
    await this.changeAddresses()
  }

  #back(port: number): Promise<Socket> {
    const known = this.#backs.get(port)
    if (known !== undefined) return known
    const back = bound().then((socket) =>
      socket.on('message', (datagram) => this.#pass(() => this.#send(this.#front, datagram, port))),
    )
    this.#backs.set(port, back)
    return back
  }

  #pass(send: () => void): void {
    const { loss, duplicates, reordered, delayMs } = this.conditions
    if (this.#isCut || this.#random.chance(loss)) return
    for (let times = this.#random.chance(duplicates) ? 2 : 1; times > 0; times--) {
      const extraMs = this.#random.chance(reordered) ? overtakenMs : 0
      const waitMs = delayMs * this.#random.unit() + extraMs * this.#random.unit()
      if (waitMs === 0) send()
      else setTimeout(send, waitMs)
    }
  }

  #send(socket: Socket, datagram: Buffer, port: number): void {
    if (this.#isClosed) return
    try {
      socket.send(datagram, port, host, () => {})
    } catch {
      // Closed meanwhile: a datagram more that is lost.
    }
  }
}
