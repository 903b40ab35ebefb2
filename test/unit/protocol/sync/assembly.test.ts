/** Deltas that are taken or refused together: what waits for its signature is bounded in every way it can grow. */
import { describe, expect, it } from 'vitest'
import { limits } from '../../../../protocol/limits.ts'
import { Assembly } from '../../../../protocol/sync/assembly.ts'

const tip = (n: number) => ({
  actor: n.toString(16).padStart(48, '0'),
  seq: 1,
  hash: '0'.repeat(64),
  signature: new Uint8Array(64),
})

const delta = (tips: number, more = true) =>
  ({
    t: 'delta',
    handle: 1,
    run: new Uint8Array(1),
    tips: Array.from({ length: tips }, (_, n) => tip(n)),
    ...(more ? { more: true } : {}),
  }) as never

const chunk = (bytes: number): Uint8Array => new Uint8Array(bytes)

describe('deltas that wait for the next', () => {
  it('have at most maxSupplyTips signatures', () => {
    const assembly = new Assembly()
    for (let n = 0; n < limits.maxSupplyTips / 64; n++) assembly.add(1, delta(64), [chunk(10)])
    expect(() => assembly.add(1, delta(1), [chunk(10)])).toThrow(/together/)
    const exact = new Assembly()
    for (let n = 1; n < limits.maxSupplyTips / 64; n++) exact.add(1, delta(64), [chunk(10)])
    expect(exact.add(1, delta(64, false), [chunk(10)])?.tips).toHaveLength(limits.maxSupplyTips)
  })

  it('have at most maxSupplyChanges changes', () => {
    const whole = new Assembly()
    const frame = Array.from({ length: 512 }, () => chunk(1))
    for (let n = 1; n < limits.maxSupplyChanges / 512; n++) whole.add(1, delta(0), frame)
    expect(whole.add(1, delta(1, false), frame)?.frames.flat()).toHaveLength(limits.maxSupplyChanges)
    const over = new Assembly()
    for (let n = 0; n < limits.maxSupplyChanges / 512; n++) over.add(1, delta(0), frame)
    expect(() => over.add(1, delta(1, false), [chunk(1)])).toThrow(/together/)
  })

  it('have at most maxSupplyBytes bytes', () => {
    const assembly = new Assembly()
    const part = limits.maxSupplyBytes / 8
    for (let n = 0; n < 7; n++) assembly.add(1, delta(0), [chunk(part)])
    expect(assembly.add(1, delta(1, false), [chunk(part)])?.frames).toHaveLength(8)
    for (let n = 0; n < 8; n++) assembly.add(1, delta(0), [chunk(part)])
    expect(() => assembly.add(1, delta(1, false), [chunk(1)])).toThrow(/together/)
  })

  it('keep nothing of what they arrived in', () => {
    const assembly = new Assembly()
    const read = new Uint8Array(64 * 1024)
    assembly.add(1, delta(0), [read.subarray(100, 160)])
    const frames = assembly.add(1, delta(1, false), [read.subarray(200, 260)])?.frames ?? []
    expect(frames.flat().map(({ buffer }) => buffer.byteLength)).toEqual([60, 60])
  })
})
