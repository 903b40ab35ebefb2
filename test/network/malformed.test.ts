/**
 * Changes that Automerge would apply, or choke on, and nobody could load afterwards: each kind in many seeded variants.
 * What its own bytes or the block's objects give away is refused on the way in, and leaves no trace.
 */
import { describe, expect, it, onTestFinished } from 'vitest'
import { malformedEncodings } from '../fixtures/malformed-encodings.ts'
import { malformedOperations } from '../fixtures/malformed-operations.ts'
import { MalformedWorld, notes } from '../fixtures/malformed-world.ts'

const variants = Number(process.env.MOORING_VARIANTS ?? 100)
const seed = process.env.MOORING_SEED ?? '1'
/** Variants that are made from one edit. */
const perEdit = 5

describe.each([...malformedEncodings, ...malformedOperations])('$kind', ({ kind, code, bend }) => {
  it(`is refused ${variants} times, and leaves no trace (MOORING_SEED=${seed})`, async () => {
    const scene = await MalformedWorld.open(`${seed} ${kind}`)
    const { attacker, world } = scene
    onTestFinished(() => world.close())
    let edit = scene.edit()
    let sent = 0
    for (let tries = 0; sent < variants && tries < variants * 4; tries++) {
      if (tries % perEdit === 0) edit = scene.edit()
      const parts = bend(edit)
      if (parts === undefined) continue
      scene.attack(parts)
      sent++
    }
    expect(sent).toBe(variants)
    const codes = await attacker.answers(sent)
    expect([...codes.values()]).toEqual(Array(sent).fill(code))
    expect(world.row(notes).changes).toBe(3)

    await scene.ownerWrites('still here')
    await world.verification.verify(world.row(notes).id)
    expect(world.sync.log.quarantine.rows()).toEqual([])
    expect(world.sync.log.quarantine.suspensions()).toEqual([])
    await scene.expectReadable()
  })
})
