/** The bounds of texts and lists that cross the wire, met and exceeded by one. */
import { describe, expect, it } from 'vitest'
import { parseFrame } from '../../../protocol/define.ts'
import { isPattern } from '../../../protocol/grants.ts'
import { isLabel, isScope } from '../../../protocol/ids.ts'
import { limits } from '../../../protocol/limits.ts'
import { syncFrames } from '../../../protocol/sync/index.ts'

const text = (length: number): string => 'x'.repeat(length)

describe('a name', () => {
  it('of a block has at most maxLabelChars characters', () => {
    expect([isLabel(text(limits.maxLabelChars)), isLabel(text(limits.maxLabelChars + 1))]).toEqual([true, false])
  })

  it('of a scope has at most maxScopeChars characters', () => {
    const scope = (length: number): string => `space:${text(length)}`
    expect([isScope(scope(limits.maxScopeChars)), isScope(scope(limits.maxScopeChars + 1))]).toEqual([true, false])
  })

  it('in a pattern keeps the same bounds', () => {
    const longest = `space:${text(limits.maxScopeChars)}/${text(limits.maxLabelChars)}`
    expect([isPattern(longest, 'block'), isPattern(`${longest}x`, 'block')]).toEqual([true, false])
  })
})

describe('a frame', () => {
  const open = (fields: object) => ({
    ...{ t: 'open', replica: 'a'.repeat(32), accept: ['raw'], own: [], watch: [] },
    ...fields,
  })
  const parse = (frame: object) => parseFrame(syncFrames.dialler, frame)
  const watches = (count: number): string[] => Array.from({ length: count }, (_, n) => `space:home/b${n}`)

  it('watches at most maxWatchesPerFrame patterns', () => {
    parse(open({ watch: watches(limits.maxWatchesPerFrame) }))
    expect(() => parse(open({ watch: watches(limits.maxWatchesPerFrame + 1) }))).toThrow()
  })

  it('has patterns of at most maxGrantChars characters', () => {
    parse(open({ watch: [text(limits.maxGrantChars)] }))
    expect(() => parse(open({ watch: [text(limits.maxGrantChars + 1)] }))).toThrow()
  })
})
