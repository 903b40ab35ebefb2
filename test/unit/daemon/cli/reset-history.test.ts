/** `moor block reset-history`: never without a person or `--yes`. */
import { describe, expect, it } from 'vitest'
import { createWorld } from './control-world.ts'

const argv = ['block', 'reset-history', 'space:home/notes']
const asked = [{ op: 'block.reset-history', input: { address: 'space:home/notes' } }]

describe('moor block reset-history', () => {
  it('shows the block and asks, and changes nothing for no', async () => {
    await using world = await createWorld()
    const questions: string[] = []
    const answer = (yes: boolean) => async (question: string) => {
      questions.push(question)
      return yes
    }
    const no = await world.moor(argv, { tty: true, confirm: answer(false) })
    expect([no.code, world.calls]).toEqual([4, []])
    expect(no.stderr).toContain('space:home/notes is generation 1')
    const yes = await world.moor(argv, { tty: true, confirm: answer(true) })
    expect([yes.code, world.calls]).toEqual([0, asked])
    expect(yes.stdout).toBe('space:home/notes is generation 2: 1 changes instead of 12\n')
    expect(questions).toEqual(['Begin space:home/notes anew?', 'Begin space:home/notes anew?'])
  })

  it('needs --yes where there is nobody to ask', async () => {
    await using world = await createWorld()
    const ran = await world.moor(argv)
    expect([ran.code, world.calls]).toEqual([4, []])
    expect(ran.stderr).toContain('next: moor block reset-history space:home/notes --yes\n')
    expect((await world.moor([...argv, '--yes'])).code).toBe(0)
    expect(world.calls).toEqual(asked)
  })
})
