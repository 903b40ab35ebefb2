/**
 * What becomes of a request: it expires, is denied, is replaced, is approved as it was shown or not at all; and an invite
 * lets one key in. Time is the daemon's and is set forward, sockets and database are real.
 */
import { describe, expect, it } from 'vitest'
import { createDialler } from '../../plugin-sdk/node.ts'
import { limits } from '../../protocol/index.ts'
import { approved, homeGrants, withoutEffect } from '../fixtures/approval-world.ts'
import { startTestDaemon } from '../fixtures/daemon.ts'
import { realClock } from '../fixtures/dialler.ts'
import { JumpClock } from '../fixtures/jump-clock.ts'
import { WirePlugin } from '../fixtures/wire-plugin.ts'

async function world() {
  const clock = new JumpClock()
  const daemon = await startTestDaemon({ clock })
  const plugin = await WirePlugin.create()
  return { clock, daemon, plugin }
}

/** A connection that waits for the operator, and the request as the operator sees it. */
async function waiting({ daemon, plugin }: Omit<Awaited<ReturnType<typeof world>>, 'clock'>, wants = homeGrants) {
  const connection = await plugin.connect(daemon)
  expect(await connection.hello({ wants })).toMatchObject({ state: 'pending' })
  return { connection, card: await daemon.requestOf(plugin.peer) }
}

describe('a request', () => {
  it('expires, is told so, and cannot be approved any more', async () => {
    const { clock, daemon, plugin } = await world()
    const { connection, card } = await waiting({ daemon, plugin })
    clock.jump(limits.requestTtlMs)
    await expect(connection.answer()).rejects.toMatchObject({ code: 'request-expired' })
    await connection.closed()
    await withoutEffect(daemon, async () => {
      const { code, digest } = card
      await expect(daemon.control.request.approve({ code, digest })).rejects.toMatchObject({ code: 'request-expired' })
    })
    expect((await daemon.control.request.list({})).requests).toEqual([])
    const again = await waiting({ daemon, plugin })
    expect(again.card.code).not.toBe(card.code)
    expect(again.card.digest).not.toBe(card.digest)
  })

  it('that is denied keeps its key out for a minute, and says for how long', async () => {
    const { clock, daemon, plugin } = await world()
    const { connection, card } = await waiting({ daemon, plugin })
    await daemon.deny(plugin.peer)
    await expect(connection.answer()).rejects.toMatchObject({
      code: 'approval-denied',
      retryAfterMs: limits.deniedRetryMs,
    })
    await connection.closed()
    const { code, digest } = card
    await withoutEffect(daemon, async () => {
      const again = await plugin.connect(daemon)
      const refusal = await again.hello({ wants: homeGrants }).catch((error: unknown) => error)
      expect(refusal).toMatchObject({ code: 'approval-denied' })
      const { retryAfterMs } = refusal as { retryAfterMs: number }
      expect(retryAfterMs).toBeGreaterThan(0)
      expect(retryAfterMs).toBeLessThanOrEqual(limits.deniedRetryMs)
      await expect(daemon.control.request.approve({ code, digest })).rejects.toMatchObject({ code: 'request-decided' })
    })
    clock.jump(limits.deniedRetryMs)
    const later = await waiting({ daemon, plugin })
    expect(later.card.code).not.toBe(code)
  })

  it('is replaced by one that asks for more, and the old one cannot be approved', async () => {
    const { daemon, plugin } = await world()
    const first = await waiting({ daemon, plugin }, ['blocks:read:space:home/*'])
    const second = await waiting({ daemon, plugin }, homeGrants)
    expect(second.card.code).not.toBe(first.card.code)
    const { code, digest } = first.card
    await withoutEffect(daemon, async () => {
      await expect(daemon.control.request.approve({ code, digest })).rejects.toMatchObject({
        code: 'request-superseded',
      })
    })
    await first.connection.closed()
    await daemon.approve(plugin.peer)
    expect(await second.connection.answer()).toMatchObject({ state: 'welcome', grants: homeGrants })
  })

  it('is approved as it was shown or not at all', async () => {
    const { daemon, plugin } = await world()
    const { connection, card } = await waiting({ daemon, plugin }, ['blocks:read:space:home/*'])
    const { code, digest } = card
    await withoutEffect(daemon, async () => {
      const { request } = daemon.control
      const other = digest.replace(/^./, (first) => (first === '0' ? '1' : '0'))
      await expect(request.approve({ code, digest: other })).rejects.toMatchObject({ code: 'digest-mismatch' })
      const wider = ['blocks:write:space:home/*']
      await expect(request.approve({ code, digest, grants: wider })).rejects.toMatchObject({
        code: 'grant-not-requested',
      })
      const all = ['blocks:read:space:*/*']
      await expect(request.approve({ code, digest, grants: all })).rejects.toMatchObject({
        code: 'grant-not-requested',
      })
    })
    await daemon.approve(plugin.peer, ['blocks:read:space:home/notes'])
    expect(await connection.answer()).toMatchObject({ state: 'welcome', grants: ['blocks:read:space:home/notes'] })
    await withoutEffect(daemon, async () => {
      await expect(daemon.control.request.approve({ code, digest })).rejects.toMatchObject({ code: 'request-decided' })
    })
  })
})

describe('an invite', () => {
  it('lets one key in: claimed again by that key it changes nothing, by another it is worth nothing', async () => {
    const { daemon } = await world()
    const invite = await daemon.invite(...homeGrants)
    const { plugin, connection } = await approved(daemon, homeGrants, { invite })
    await connection.dialled.connection.close()
    const mallory = await WirePlugin.create()
    await withoutEffect(daemon, async () => {
      const again = await plugin.connect(daemon)
      const answer = await again.hello({ wants: homeGrants, invite })
      expect(answer).toMatchObject({ state: 'welcome', grants: homeGrants, grantVersion: 1 })
      const stranger = await mallory.connect(daemon)
      await expect(stranger.hello({ wants: homeGrants, invite })).rejects.toMatchObject({ code: 'invite-invalid' })
    })
  })

  it('that nobody made is worth nothing, however long', async () => {
    const { daemon, plugin } = await world()
    await withoutEffect(daemon, async () => {
      for (const bytes of [16, 32, 64]) {
        const connection = await plugin.connect(daemon)
        const invite = new Uint8Array(bytes)
        await expect(connection.hello({ invite })).rejects.toMatchObject({ code: 'invite-invalid' })
        await connection.closed()
      }
    })
  })

  it('expires', async () => {
    const { clock, daemon, plugin } = await world()
    const invite = await daemon.invite(...homeGrants)
    clock.jump(3_600_000)
    await withoutEffect(daemon, async () => {
      const connection = await plugin.connect(daemon)
      await expect(connection.hello({ wants: homeGrants, invite })).rejects.toMatchObject({ code: 'invite-invalid' })
    })
  })
})

describe('a daemon with another key than the ticket says', () => {
  it('hears nothing from a plugin', async () => {
    const { daemon, plugin } = await world()
    const dialler = await createDialler({ seed: plugin.seed, clock: realClock })
    const stranger = await WirePlugin.create()
    try {
      await withoutEffect(daemon, async () => {
        const dialling = dialler.dial(stranger.peer, daemon.daemon.addresses(), {
          timeoutMs: 5_000,
          signal: new AbortController().signal,
        })
        await expect(dialling).rejects.toMatchObject({ code: 'key-mismatch' })
      })
    } finally {
      await dialler.stop()
    }
  })
})
