import { describe, expect, it } from 'vitest'
import { closest } from '../../../../daemon/cli/closest.ts'
import { formatDuration, parseDuration } from '../../../../daemon/cli/duration.ts'
import { fields, table } from '../../../../daemon/cli/table.ts'

describe('durations', () => {
  it.each([
    ['500ms', 500],
    ['30s', 30_000],
    ['10m', 600_000],
    ['1h30m', 5_400_000],
    ['30d', 2_592_000_000],
  ])('reads %s', (text, ms) => {
    expect(parseDuration(text)).toBe(ms)
  })

  it.each(['', '0s', '-1s', '1.5h', 'ten', '10 m', '31d', '1y', 's', '9'.repeat(30), '1s\n', '30'])(
    'refuses %j',
    (text) => {
      expect(() => parseDuration(text)).toThrow(expect.objectContaining({ code: 'usage' }))
    },
  )

  it.each([
    [-5, '0s'],
    [0, '0s'],
    [20.4, '20ms'],
    [999.9, '1s'],
    [61_000, '1m 1s'],
    [599_990, '10m'],
    [3_599_900, '1h'],
    [3_600_000, '1h'],
    [5_429_999, '1h 30m'],
    [86_399_000, '1d'],
    [90_061_000, '1d 1h'],
    [91_800_001, '1d 2h'],
  ])('shows %d ms in its two largest units, rounded: %s', (ms, text) => {
    expect(formatDuration(ms)).toBe(text)
  })
})

describe('tables', () => {
  it('pads all columns but the last, wide letters counted twice', () => {
    expect(
      table(
        ['A', 'B', 'C'],
        [
          ['one', '2', 'x'],
          ['日本', '', 'y'],
        ],
      ),
    ).toEqual(['A     B  C', 'one   2  x', '日本     y'])
  })

  it('is empty without rows', () => {
    expect(table(['A'], [])).toEqual([])
  })

  it('aligns fields', () => {
    expect(
      fields([
        ['key', 'a'],
        ['', 'b'],
        ['state', ''],
      ]),
    ).toEqual(['  key    a', '         b', '  state'])
  })
})

describe('closest', () => {
  it('finds a mistyped name and nothing far away', () => {
    expect(closest('statsu', ['up', 'status', 'stop'])).toBe('status')
    expect(closest('x'.repeat(1_000), ['status'])).toBeUndefined()
    expect(closest('qqqq', ['status', 'up'])).toBeUndefined()
  })
})
