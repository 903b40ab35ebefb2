import { describe, expect, it } from 'vitest'
import { describeError, exitCodeOf, parseMainOptions } from '../../../plugin-sdk/main.ts'
import { errorTable, MooringError } from '../../../protocol/index.ts'

describe('the options of a plugin', () => {
  it('are the ticket, the folder and the name', () => {
    expect(parseMainOptions(['--ticket', 'moor1abc', '--home=/tmp/x', '--as', 'notes-2'])).toEqual({
      run: { ticket: 'moor1abc', home: '/tmp/x' },
      as: 'notes-2',
      help: false,
    })
    expect(parseMainOptions([])).toEqual({ run: {}, as: undefined, help: false })
    expect(parseMainOptions(['-h']).help).toBe(true)
  })

  it.each([[['--token', 'x']], [['--ticket']], [['stray']]])('refuse %j', (argv) => {
    expect(() => parseMainOptions(argv)).toThrow(expect.objectContaining({ code: 'usage' }))
  })
})

describe('an error at the end of a plugin', () => {
  it('is its code, one sentence and the next step, and the exit code of the table', () => {
    const error = new MooringError('approval-denied')
    expect(describeError(error)).toBe(
      `approval-denied: ${errorTable['approval-denied'].local}\n  next: ${errorTable['approval-denied'].next}\n`,
    )
    expect(exitCodeOf(error)).toBe(errorTable['approval-denied'].exit)
  })

  it('is the stack of what is no error of this project', () => {
    expect(describeError(new Error('mine'))).toContain('main.test.ts')
    expect(exitCodeOf(new Error('mine'))).toBe(1)
  })
})
