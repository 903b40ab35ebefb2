/** Where the node listens: multiaddrs of a host and port, one port number for both transports, and "it is taken". */
import { createServer, isIPv6 } from 'node:net'
import { MooringError } from '../../protocol/index.ts'

export interface ListenInit {
  /** IP address; `0.0.0.0` or `::` for every interface. */
  readonly host: string
  /** 0 for any free port. */
  readonly port: number
  /** Also TCP, for networks that block UDP. */
  readonly tcp: boolean
}

/** The multiaddrs to listen on, QUIC first. */
export function listenAddresses({ host, tcp }: ListenInit, port: number): string[] {
  const base = `/${isIPv6(host) ? 'ip6' : 'ip4'}/${host}`
  return [`${base}/udp/${port}/quic-v1`, ...(tcp ? [`${base}/tcp/${port}`] : [])]
}

/** A port that is free for TCP at this moment. */
export function sharedPort(host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, host, () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0))
    })
  })
}

/** Whether a failure to listen means that the port is taken. The library gives the reasons of all transports as text. */
export function isAddressInUse(error: unknown): boolean {
  const text = error instanceof Error ? `${error.message} ${String(error.cause ?? '')}` : String(error)
  return /EADDRINUSE|address (?:already )?in use|os error (?:98|48|10048)/i.test(text)
}

/** Why the node cannot listen, for the operator. Whatever is not about the port is about the host. */
export function listenError(error: unknown, { host, port }: ListenInit): MooringError {
  if (error instanceof MooringError) return error
  if (isAddressInUse(error)) {
    return new MooringError('address-in-use', { detail: `${host} port ${port}`, cause: error })
  }
  return new MooringError('config-invalid', { detail: `cannot listen on ${host} port ${port}`, cause: error })
}
