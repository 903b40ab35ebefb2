/**
 * What must not compile. `npm run check` compiles this file: a directive above a line that does compile is an error, so
 * each line is the proof of one promise of the types. Nothing here runs.
 */
import { z } from 'zod'
import type { Host } from '../../plugin-sdk/index.ts'
import { appendEntry, sectionOf } from '../../plugin-sdk/memory/index.ts'
import {
  allows,
  type BlockAddress,
  type ChangeHash,
  type Client,
  type ControlClient,
  defineOp,
  defineProtocol,
  type Grant,
  type Handlers,
  type HostClient,
  type hostProtocol,
  type Label,
  limits,
  MooringError,
  type PeerId,
  type ReplicaId,
  type Scope,
  type schemaNamed,
} from '../../protocol/index.ts'
import { type DiallerFrame, type ListenerFrame, ownsActor, verifyTip } from '../../protocol/sync/index.ts'

declare const peer: PeerId
declare const replica: ReplicaId
declare const scope: Scope
declare const label: Label
declare const address: BlockAddress
declare const hash: ChangeHash
declare const grants: readonly Grant[]
declare const host: HostClient
declare const control: ControlClient

/** Only compiled. */
const takes = <T>(_value: T): void => {}

const small = defineProtocol({
  id: '/mooring/small/1.0.0',
  dialledBy: 'plugin',
  ops: {
    'thing.get': defineOp({
      summary: 'One thing.',
      input: z.strictObject({ name: z.string() }),
      output: z.strictObject({ size: z.int() }),
      needs: { area: 'blocks', right: 'read', subject: (input: { name: string }) => input.name },
      errors: ['block-not-found'],
    }),
    'thing.put': defineOp({
      summary: 'Puts a thing.',
      input: z.strictObject({ name: z.string(), size: z.int() }),
      output: z.strictObject({}),
      needs: null,
      errors: [],
    }),
  },
})
type Small = typeof small
declare const client: Client<Small>

export function handlers(): void {
  takes<Handlers<Small, object>>({ 'thing.get': () => ({ size: 1 }), 'thing.put': () => ({}) })
  // @ts-expect-error one operation has no handler
  takes<Handlers<Small, object>>({ 'thing.get': () => ({ size: 1 }) })
  // @ts-expect-error there is no such operation
  takes<Handlers<Small, object>>({ 'thing.get': () => ({ size: 1 }), 'thing.put': () => ({}), 'thing.eat': () => ({}) })
  // @ts-expect-error the answer has another shape
  takes<Handlers<Small, object>>({ 'thing.get': () => ({ size: 'large' }), 'thing.put': () => ({}) })
  // @ts-expect-error the input has no such field
  takes<Handlers<Small, object>>({ 'thing.get': (input) => ({ size: input.size }), 'thing.put': () => ({}) })
  // @ts-expect-error a handler gets what the listener gives it and nothing else
  takes<Handlers<Small, object>>({ 'thing.get': (_, { peer }) => ({ size: peer.length }), 'thing.put': () => ({}) })
  // @ts-expect-error a stream cannot be answered by one value
  takes<Pick<Handlers<typeof hostProtocol, object>, 'session.hello'>>({ 'session.hello': () => ({ state: 'pending' }) })
}

export function calls(): void {
  takes<Promise<{ size: number }>>(client.thing.get({ name: 'a' }))
  // @ts-expect-error a field is missing
  client.thing.put({ name: 'a' })
  // @ts-expect-error a field too many
  client.thing.get({ name: 'a', size: 1 })
  // @ts-expect-error there is no such verb
  client.thing.eat({})
  // @ts-expect-error there is no such area
  client.things.get({ name: 'a' })
  // @ts-expect-error the operator's operations are not a plugin's
  host.peer.revoke({ who: 'notes' })
  // What has a default may be left out, and text is checked when the call is made.
  host.block.get({ address: 'space:home/notes' })
  // @ts-expect-error a stream has items, not an answer
  control.block.watch({ address }).then(() => {})
}

export function declarations(): void {
  defineOp({
    summary: 'The subject of another input.',
    input: z.strictObject({ name: z.string() }),
    output: z.strictObject({}),
    // @ts-expect-error the input has no address
    needs: { area: 'blocks', right: 'read', subject: (input: { address: string }) => input.address },
    errors: [],
  })
  defineOp({
    summary: 'A code that is not in the table.',
    input: z.strictObject({}),
    output: z.strictObject({}),
    needs: null,
    // @ts-expect-error there is no such code
    errors: ['not-a-code'],
  })
  // @ts-expect-error there is no such code
  throw new MooringError('not-a-code')
}

export function ids(): void {
  // @ts-expect-error a replica is not a peer
  takes<PeerId>(replica)
  // @ts-expect-error a peer is not a replica
  takes<ReplicaId>(peer)
  // @ts-expect-error any text is not a checked id
  takes<PeerId>('12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5')
  // @ts-expect-error a label is not an address
  takes<BlockAddress>(label)
  // @ts-expect-error a scope is not a label
  takes<Label>(scope)
  // @ts-expect-error the peers are checked, the actor is whatever a change says
  ownsActor('daemon', peer, 'aa')
  // @ts-expect-error the hash and the address are swapped
  verifyTip(peer, { address: hash, generation: 0, actor: 'aa' as never, seq: 1, hash: address }, new Uint8Array(64))
  // An id is a text wherever a text is asked for.
  takes<string>(peer)
}

export function tables(): void {
  takes<boolean>(allows(grants, { area: 'blocks', right: 'read', subject: address }))
  // @ts-expect-error blocks has no such right
  allows(grants, { area: 'blocks', right: 'send', subject: address })
  // @ts-expect-error there is no such area
  allows(grants, { area: 'rockets', right: 'launch' })
  // @ts-expect-error there is no such limit
  takes<number>(limits.maxRockets)
  // @ts-expect-error a limit is not assigned
  limits.maxFrameBytes = 1
  // @ts-expect-error a document of a text has no map
  takes<typeof mapDocument>({ text: 'x' })
}

export async function blocks(): Promise<void> {
  const log = await author.open('space:home/diary', 'log', { options: { displayLimit: 20 } })
  // @ts-expect-error a log has entries and no text
  takes<string>(log.value.text)
  log.change((draft) => appendEntry(draft, { what: 'x' }))
  const text = await author.open('space:home/notes', 'text')
  // @ts-expect-error a text has no entries
  text.change((draft) => appendEntry(draft, 'x'))
  const page = await author.open('space:home/page', 'composite')
  takes<string>(sectionOf(page.value, 'notes', page.meta.options).text)
  // @ts-expect-error only a composite has sections
  sectionOf(log.value, 'notes')
  // @ts-expect-error there is no such option
  await author.open('space:home/list', 'list', { options: { maxLines: 3 } })
  // @ts-expect-error there is no such schema
  await author.open('space:home/list', 'table')
}
declare const author: Host
declare const mapDocument: NonNullable<ReturnType<typeof schemaNamed<'map'>>['value']>

export function frames(): void {
  takes<DiallerFrame>({ t: 'watch', pattern: 'space:home/*' })
  // @ts-expect-error the listener does not watch
  takes<ListenerFrame>({ t: 'watch', pattern: 'space:home/*' })
  // @ts-expect-error the dialler acknowledges nothing
  takes<DiallerFrame>({ t: 'ack', n: 1 })
  // @ts-expect-error there is no such frame
  takes<DiallerFrame>({ t: 'pull' })
  // @ts-expect-error nothing in a frame says who the sender is
  takes<DiallerFrame>({ t: 'watch', pattern: 'space:home/*', peer })
}
