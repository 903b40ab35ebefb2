import { spawnSync } from 'node:child_process'
import { describe, expect, it } from 'vitest'
import { daemonEnv } from '../../../../daemon/cli/daemon-env.ts'

/** Most that the young objects of a process came to, in MB, when many live for a moment. */
function youngMb(env: Readonly<Record<string, string | undefined>>): number {
  const script = `
    let kept = []
    let most = 0
    for (let n = 0; n < 2_000_000; n++) {
      kept.push({ n })
      if (kept.length > 100_000) {
        kept = []
        const young = require('node:v8').getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space')
        most = Math.max(most, young.space_size)
      }
    }
    console.log(most / 2 ** 20)`
  const { status, stdout, stderr } = spawnSync(process.execPath, ['-e', script], { env, encoding: 'utf8' })
  expect([status, stderr]).toEqual([0, ''])
  return Number(stdout)
}

describe('the environment of a daemon', () => {
  it('keeps the young objects of a thread few', () => {
    const most = youngMb(daemonEnv({}))
    expect(most).toBeGreaterThan(0)
    expect(most).toBeLessThanOrEqual(3 * 4)
  })

  it('leaves what the operator has set', () => {
    const env = daemonEnv({ HOME: '/home/op', MALLOC_ARENA_MAX: '7', NODE_OPTIONS: '--max-semi-space-size=16' })
    expect(env).toMatchObject({ HOME: '/home/op', MALLOC_ARENA_MAX: '7' })
    expect(youngMb(env)).toBeGreaterThan(3 * 4)
  })
})
