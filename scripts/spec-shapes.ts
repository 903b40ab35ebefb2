/**
 * The shapes that many operations and frames share, under the names that the specification gives them. Naming them in
 * the registry makes every generated JSON Schema say what a text is, not only how long it may be.
 */
import { z } from 'zod'
import * as protocol from '../protocol/index.ts'
import * as options from '../protocol/schema-options.ts'

/** Values that are one text or number: shape, name, form, meaning. In a form, `<name>` is what Grants calls a name. */
const values = [
  [protocol.peerId, 'peer id', '^12D3KooW[1-9A-HJ-NP-Za-km-z]{44}$', 'libp2p peer id of an Ed25519 key, base58btc'],
  [
    protocol.replicaId,
    'replica id',
    '^[0-9a-f]{32}$',
    '16 random bytes in hex: one local store of one plugin for one daemon',
  ],
  [protocol.instanceId, 'instance id', '^[0-9a-f]{32}$', '16 random bytes in hex: one process'],
  [
    protocol.sessionId,
    'session id',
    '^[0-9a-f]{32}$',
    '16 random bytes in hex, minted by the daemon: one welcomed connection',
  ],
  [
    protocol.scope,
    'scope',
    '(space|agent):<name>',
    '`space:<id>` or `agent:<id>`; the same id in both kinds is two scopes',
  ],
  [protocol.label, 'label', '<name>', 'name of a block inside its scope'],
  [protocol.address, 'address', '<scope>/<label>', 'where a block lives'],
  [protocol.changeHash, 'change hash', '^[0-9a-f]{64}$', 'SHA-256 of an Automerge change, in hex'],
  [protocol.actorId, 'actor id', '^([0-9a-f]{2})+$', 'Automerge actor id, in hex; see Actors and tips'],
  [protocol.count, 'count', '', 'integer from 0 to 2^53 - 1: amounts, positions, milliseconds since 1970'],
  [protocol.grantText, 'grant', '[!]area:right[:pattern]', 'what someone may do, or with `!` must not; see Grants'],
  [protocol.pluginName, 'plugin name', '<name>', 'unique among the approved plugins of a daemon'],
] as const

/** Each shared value, in the order of the specification. */
export const sharedValues = values.map(([schema, name, form, meaning]) => ({
  schema,
  name,
  form,
  meaning,
  pattern: patternOf(form),
}))

/** A form as a regular expression; undefined where one would say less than the form does. */
function patternOf(form: string): string | undefined {
  if (form === '' || form.includes('[!]')) return undefined
  const parts = { '<scope>': '(space|agent):<name>', '<label>': '<name>' }
  const name = '[a-z0-9]((\\.?[a-z0-9_-])*\\.?[a-z0-9])?'
  const whole = form.replace(/<scope>|<label>/g, (part) => parts[part as keyof typeof parts]).replaceAll('<name>', name)
  return whole.startsWith('^') ? whole : `^${whole}$`
}

/** Shapes with fields that appear in several places. */
export const sharedRecords = {
  manifest: protocol.manifestSchema,
  'block summary': protocol.blockSummary,
  'rendered block': protocol.renderedBlock,
  'block options': options.schemaOptions,
  section: options.section,
  'section options': options.simpleOptions,
  'item schema': options.item,
  field: options.field,
  'request card': protocol.controlProtocol.ops['request.get'].output,
  'peer card': protocol.controlProtocol.ops['peer.revoke'].output,
} as const satisfies Record<string, protocol.Schema>

for (const { schema, name, pattern } of sharedValues) {
  z.globalRegistry.add(schema, { description: name, ...(pattern === undefined ? {} : { pattern }) })
}
