import { describe, expect, it } from 'vitest'
import { isAddressInUse, listenAddresses } from '../../../../daemon/net/listen.ts'

describe('listening', () => {
  it('is on QUIC first, and on TCP when asked', () => {
    expect(listenAddresses({ host: '127.0.0.1', port: 0, tcp: true }, 4001)).toEqual([
      '/ip4/127.0.0.1/udp/4001/quic-v1',
      '/ip4/127.0.0.1/tcp/4001',
    ])
    expect(listenAddresses({ host: '::1', port: 4001, tcp: false }, 4001)).toEqual(['/ip6/::1/udp/4001/quic-v1'])
  })

  it.each([
    [new Error('listen EADDRINUSE: address already in use 127.0.0.1:4001'), true],
    [new Error('Address already in use (os error 98)'), true],
    [{ message: 'no error at all' }, false],
    ['Address already in use (os error 48)', true],
    [new Error('Permission denied (os error 13)'), false],
    [undefined, false],
  ])('tells a taken port from other failures: %s', (error, isTaken) => {
    expect(isAddressInUse(error)).toBe(isTaken)
  })
})
