import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MooringError } from '../../../protocol/errors.ts'
import { placesFrom } from '../../../protocol/places.ts'

const codeOf = (run: () => unknown): string => {
  try {
    run()
  } catch (error) {
    return error instanceof MooringError ? error.code : 'not a MooringError'
  }
  return 'no error'
}

describe('placesFrom', () => {
  it('puts everything under the XDG folders on Linux', () => {
    expect(placesFrom({ env: {}, platform: 'linux', homedir: '/home/ann' })).toEqual({
      stateDir: '/home/ann/.local/state/mooring',
      configFile: '/home/ann/.config/mooring/config.toml',
      runtimeDir: '/home/ann/.local/state/mooring/run',
      socket: '/home/ann/.local/state/mooring/run/daemon.sock',
      tokenFile: '/home/ann/.local/state/mooring/run/control.token',
      logFile: '/home/ann/.local/state/mooring/daemon.log',
      ticketFile: '/home/ann/.local/state/mooring/ticket',
      identityFile: '/home/ann/.local/state/mooring/identity.key',
      pluginsDir: '/home/ann/.local/state/mooring/plugins',
    })
    const custom = placesFrom({
      env: { XDG_STATE_HOME: '/s', XDG_CONFIG_HOME: '/c' },
      platform: 'linux',
      homedir: '/home/ann',
    })
    expect([custom.stateDir, custom.configFile]).toEqual(['/s/mooring', '/c/mooring/config.toml'])
  })

  it('ignores a relative XDG folder', () => {
    const places = placesFrom({ env: { XDG_STATE_HOME: 'here' }, platform: 'linux', homedir: '/home/ann' })
    expect(places.stateDir).toBe('/home/ann/.local/state/mooring')
  })

  it('uses the native folders of macOS and Windows', () => {
    const mac = placesFrom({ env: {}, platform: 'darwin', homedir: '/Users/ann' })
    expect(mac.stateDir).toBe('/Users/ann/Library/Application Support/mooring')
    expect(mac.logFile).toBe('/Users/ann/Library/Logs/mooring/daemon.log')
    const windows = placesFrom({
      env: { LOCALAPPDATA: 'C:\\Users\\ann\\AppData\\Local', APPDATA: 'C:\\Users\\ann\\AppData\\Roaming' },
      platform: 'win32',
      homedir: 'C:\\Users\\ann',
    })
    expect(windows.stateDir).toBe('C:\\Users\\ann\\AppData\\Local\\mooring')
    expect(windows.configFile).toBe('C:\\Users\\ann\\AppData\\Roaming\\mooring\\config.toml')
    expect(windows.socket).toMatch(/^\\\\\.\\pipe\\mooring-[0-9a-f]{16}$/)
    expect(windows.tokenFile).toBe('C:\\Users\\ann\\AppData\\Local\\mooring\\run\\control.token')
  })

  it('puts all under MOORING_HOME', () => {
    const places = placesFrom({
      env: { MOORING_HOME: '/srv/moor', XDG_STATE_HOME: '/s', XDG_RUNTIME_DIR: '/run/user/1' },
      platform: 'linux',
      homedir: '/home/ann',
    })
    for (const place of Object.values(places)) expect(place.startsWith('/srv/moor')).toBe(true)
  })

  it('refuses a relative MOORING_HOME', () => {
    expect(codeOf(() => placesFrom({ env: { MOORING_HOME: 'here' }, platform: 'linux', homedir: '/h' }))).toBe(
      'config-invalid',
    )
  })

  it('does not depend on the session, so that a cron job finds the daemon of a desktop', () => {
    const desktop = placesFrom({
      env: { XDG_RUNTIME_DIR: '/run/user/1' },
      platform: 'linux',
      homedir: '/home/ann',
      uid: 1,
    })
    const cron = placesFrom({ env: {}, platform: 'linux', homedir: '/home/ann', uid: 1 })
    expect(desktop).toEqual(cron)
  })

  it('falls back to a short socket path that differs by state directory and user', () => {
    const deep = (name: string, uid: number) =>
      placesFrom({ env: { MOORING_HOME: `/${name.repeat(60)}` }, platform: 'linux', homedir: '/h', uid })
    const places = deep('ab', 7)
    expect(places.runtimeDir).toMatch(/^\/tmp\/mooring-7-[0-9a-f]{16}$/)
    expect(places.tokenFile.startsWith(places.runtimeDir)).toBe(true)
    expect(new Set([places.socket, deep('cd', 7).socket, deep('ab', 8).socket]).size).toBe(3)
  })

  it('never gives a socket path above 103 bytes, and refuses only when nothing is short enough', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', minLength: 1, maxLength: 200 }), (name) => {
        const env = { MOORING_HOME: `/${name.replaceAll('\0', '')}` }
        const { socket } = placesFrom({ env, platform: 'linux', homedir: '/h', uid: 1 })
        expect(Buffer.byteLength(socket)).toBeLessThanOrEqual(103)
      }),
    )
  })
})
