import { describe, expect, it } from 'vitest'
import { peerOf } from '../../../plugin-sdk/identity.ts'
import { createReporter } from '../../../plugin-sdk/reporter.ts'
import { fingerprintWords } from '../../../protocol/index.ts'

const peer = peerOf(new Uint8Array(32).fill(1))

describe('createReporter', () => {
  it('tells the words, the end of the id, the code and the exact command', () => {
    let text = ''
    createReporter((part) => {
      text += part
    }).pending({ name: 'notes', peer, code: 'ABC234', isLive: false })
    expect(text).toContain(fingerprintWords(peer))
    expect(text).toContain(peer.slice(-8))
    expect(text).toContain('moor approve ABC234 ')
  })

  it('does not say that a live plugin waits', () => {
    let text = ''
    createReporter((part) => {
      text += part
    }).pending({ name: 'notes', peer, code: 'ABC234', isLive: true })
    expect(text).toContain('notes is live')
    expect(text).not.toContain('waits')
  })

  it('lets no text of the daemon drive the terminal or the shell', () => {
    let text = ''
    createReporter((part) => {
      text += part
    }).pending({ name: 'notes', peer, code: '\u001b[2J\u009b; rm -rf \u202e`x`\n', isLive: false })
    expect(text).toContain('moor approve 2Jrm-rfx ')
    expect(text).not.toMatch(/[^\n\x20-\x7e…]/)
  })
})
