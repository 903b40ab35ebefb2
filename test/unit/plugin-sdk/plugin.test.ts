import { describe, expect, it } from 'vitest'
import { definePlugin, type PluginInit } from '../../../plugin-sdk/plugin.ts'
import { limits } from '../../../protocol/index.ts'

const honest: PluginInit = { name: 'notes', version: '1.0.0', wants: ['blocks:read:space:home/*'], setup: () => {} }

describe('definePlugin', () => {
  it('gives the manifest and has no effect', () => {
    let calls = 0
    const plugin = definePlugin({
      ...honest,
      description: 'Takes notes.',
      setup: () => {
        calls++
      },
    })
    expect(plugin.manifest).toEqual({
      name: 'notes',
      version: '1.0.0',
      description: 'Takes notes.',
      wants: ['blocks:read:space:home/*'],
    })
    expect(calls).toBe(0)
    expect(Object.isFrozen(plugin.manifest)).toBe(true)
  })

  it.each<[string, Partial<PluginInit>]>([
    ['name', { name: 'Notes' }],
    ['name', { name: '../notes' }],
    ['version', { version: '' }],
    ['description', { description: 'x'.repeat(201) }],
    ['wants.0', { wants: ['blocks:read'] }],
    ['wants.0', { wants: ['blocks:fly:space:home/*'] }],
    ['twice', { wants: ['ports:provide', 'ports:provide'] }],
    ['wants', { wants: Array.from({ length: limits.maxWants + 1 }, (_, n) => `blocks:read:space:home/b${n}`) }],
    ['setup', { setup: undefined as never }],
  ])('refuses a wrong %s', (field, change) => {
    expect(() => definePlugin({ ...honest, ...change })).toThrow(
      expect.objectContaining({ code: 'invalid-input', detail: expect.stringContaining(field) }),
    )
  })
})
