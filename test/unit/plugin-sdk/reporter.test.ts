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
    }).pending({ name: 'notes', peer, code: 'ABC234' })
    expect(text).toContain(fingerprintWords(peer))
    expect(text).toContain(peer.slice(-8))
    expect(text).toContain('moor approve ABC234\n')
  })

  it('lets no text of the daemon drive the terminal or the shell', () => {
    let text = ''
    createReporter((part) => {
      text += part
    }).pending({ name: 'notes', peer, code: '\u001b[2J\u009b; rm -rf \u202e`x`\n' })
    expect(text).toContain('moor approve 2Jrm-rfx\n')
    expect(text).not.toMatch(/[^\n\x20-\x7e…]/)
  })
})
