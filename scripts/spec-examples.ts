/** Worked examples of the specification, computed: whoever writes another implementation can compare every step. */
import {
  changeHash,
  encodeFrame,
  encodeValue,
  fingerprintWords,
  formatAddress,
  formatTicket,
  label,
  parsePeerId,
  scope,
  validate,
} from '../protocol/index.ts'
import { actorPrefix, encodeRun, makeActor, signTip, tipMessage } from '../protocol/sync/index.ts'

/** Peer ids of the Ed25519 seeds of 32 bytes 01 and of 32 bytes 02. */
const daemon = parsePeerId('12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5')
const plugin = parsePeerId('12D3KooWJWoaqZhDaoEFshF7Rh1bpY9ohihFhzcW6d69Lr2NASuq')
const pluginSeed = new Uint8Array(32).fill(2)

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

/** What is shown, and what it comes out as. */
export function examples(): readonly (readonly [string, string])[] {
  const actor = makeActor(actorPrefix(daemon, plugin), new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8]))
  const address = formatAddress(validate(scope, 'space:home'), validate(label, 'notes'))
  const tip = { address, generation: 0, actor, seq: 3, hash: validate(changeHash, 'ab'.repeat(32)) }
  return [
    ['peer id of the seed of 32 bytes `01`, "the daemon" below', daemon],
    ['peer id of the seed of 32 bytes `02`, "the plugin" below', plugin],
    ['frame `{t: "beat"}`', hex(encodeFrame(encodeValue({ t: 'beat' })))],
    [
      'frame `{t: "call", id: 1, op: "session.self", input: {}}`',
      hex(encodeFrame(encodeValue({ t: 'call', id: 1, op: 'session.self', input: {} }))),
    ],
    ['words of the plugin', fingerprintWords(plugin)],
    ['first 16 bytes of every actor of the plugin at the daemon', hex(actorPrefix(daemon, plugin))],
    ['actor id with the random bytes `0102030405060708`', actor],
    [
      'text that the tip of change 3 of that actor signs, in generation 0 of `space:home/notes`, hash `abab…`',
      Buffer.from(tipMessage(tip)).toString(),
    ],
    ["the plugin's signature of it", hex(signTip(pluginSeed, tip))],
    [
      'run of two chunks `aa` and `bbcc` (no real changes)',
      hex(encodeRun([new Uint8Array([0xaa]), new Uint8Array([0xbb, 0xcc])])),
    ],
    [
      'ticket of the daemon at `/ip4/127.0.0.1/udp/4410/quic-v1`',
      formatTicket({ daemon, addresses: ['/ip4/127.0.0.1/udp/4410/quic-v1'] }),
    ],
  ]
}
