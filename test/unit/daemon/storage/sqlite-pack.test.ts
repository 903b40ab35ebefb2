/** What crosses between threads arrives as it was, and nothing else crosses. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { packBatch, packRows, unpackBatch, unpackRows } from '../../../../daemon/storage/sqlite-pack.ts'
import type { ChangeEntry, LogEntry, Origin } from '../../../../daemon/storage/storage.ts'
import type { ActorId, ChangeHash } from '../../../../protocol/ids.ts'
import { alice, bob, change, create, daemon } from '../../../fixtures/storage-entries.ts'

const hex = (bytes: number) =>
  fc.uint8Array({ minLength: bytes, maxLength: bytes }).map((value) => Buffer.from(value).toString('hex'))
const hash = hex(32).map((text) => text as ChangeHash)
const actor = fc
  .integer({ min: 1, max: 60 })
  .chain(hex)
  .map((text) => text as ActorId)
const count = fc.integer({ min: 0, max: 2 ** 40 })
const origin = fc.constantFrom<Origin>(alice, bob, daemon).map((value) => ({ ...value }))

const changeEntry = fc
  .record({
    origin,
    grantVersion: fc.integer({ min: 0, max: 3 }),
    block: count,
    hash,
    actor,
    actorSeq: count,
    maxOp: count,
    ops: count,
    gap: count,
    content: count,
    deps: fc.array(hash, { maxLength: 4 }),
    objects: fc.constantFrom([], [{ id: '1@aa', type: 'map' as const, depth: 2 }]),
    bytes: fc.uint8Array({ maxLength: 200 }),
    signature: fc.option(fc.uint8Array({ maxLength: 64 }), { nil: undefined }),
  })
  .map(({ signature, ...fields }): ChangeEntry => {
    const { actor: by, actorSeq: seq, hash: of } = fields
    return {
      kind: 'change',
      ...fields,
      ...(signature === undefined ? {} : { tip: { actor: by, seq, hash: of, signature } }),
    }
  })

/** A Buffer and an array of bytes compare as what they hold. */
const plain = (value: LogEntry): unknown => {
  if (value.kind !== 'change') return value
  const { tip, bytes, ...rest } = value
  return { ...rest, bytes: hexOf(bytes), tip: tip && { ...tip, signature: hexOf(tip.signature) } }
}

describe('a packed batch', () => {
  it('unpacks to the entries that were packed, in their order', () => {
    const entry = fc.oneof({ weight: 4, arbitrary: changeEntry }, fc.constant(create('space:home/x')))
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 20 }), (entries) => {
        const unpacked = [...unpackBatch(packBatch(entries))].map((value) => {
          if (value.kind !== 'change') return value
          const { hashBytes, actorBytes, ...rest } = value
          expect(Buffer.from(hashBytes).toString('hex')).toBe(rest.hash)
          expect(Buffer.from(actorBytes).toString('hex')).toBe(rest.actor)
          return rest
        })
        expect(unpacked.map(plain)).toEqual(entries.map(plain))
      }),
    )
  })

  it('holds no part of a buffer of the caller', () => {
    const whole = new Uint8Array(1_000_000)
    const part = whole.subarray(10, 74)
    const { initial, ...rest } = create('space:home/x')
    const batch = packBatch([{ ...rest, initial: { ...initial, signature: part } }, change(1, 'a', 1, { bytes: part })])
    const created = batch.others.get(0)
    expect(created?.kind === 'create' && created.initial.signature.buffer.byteLength).toBe(64)
    expect(batch.bytes.buffer.byteLength).toBeLessThan(1_000)
    expect(whole.buffer.byteLength).toBe(1_000_000)
  })

  it('refuses a hash that is not hex instead of moving what follows', () => {
    const hash = 'z'.repeat(64) as ChangeHash
    expect(() => packBatch([change(1, 'a', 1, { hash }), change(1, 'a', 2)])).toThrow(TypeError)
  })
})

describe('packed rows', () => {
  it('unpack to the rows that were packed', () => {
    const row = fc.record({
      seq: count,
      block: count,
      hash: fc.uint8Array({ minLength: 32, maxLength: 32 }),
      actor: fc.uint8Array({ minLength: 1, maxLength: 60 }),
      actor_seq: count,
      max_op: count,
      origin: fc.integer({ min: 0, max: 2 }),
      sum: fc.constant(new Uint8Array(16)),
      bytes: fc.uint8Array({ maxLength: 200 }),
    })
    const origins = [alice, bob, daemon]
    fc.assert(
      fc.property(fc.array(row, { maxLength: 20 }), (rows) => {
        const unpacked = unpackRows(packRows(rows, (id) => origins[id] ?? alice))
        expect(unpacked.map(({ bytes, ...rest }) => ({ ...rest, bytes: hexOf(bytes) }))).toEqual(
          rows.map((from) => ({
            seq: from.seq,
            block: from.block,
            hash: hexOf(from.hash),
            actor: hexOf(from.actor),
            actorSeq: from.actor_seq,
            maxOp: from.max_op,
            origin: origins[from.origin],
            bytes: hexOf(from.bytes),
          })),
        )
      }),
    )
  })
})

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}
