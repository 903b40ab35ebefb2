/** What is said of a block when it comes and when it goes, as frames. Keeps: each fits, however much there is to say. */
import type { BlockMeta } from '../block-meta.ts'
import type { BlockAddress, Label, PeerId, Scope } from '../ids.ts'
import type { Frame, ListenerFrame } from './frames.ts'

/** Heads of one introduction, which must fit a frame however many edits stand side by side; the rest is not told. */
const maxHeadsTold = 1_000
/** Actors in one frame, with how much there is of each; the rest is sent again and known, or asked for later. */
const maxActorsTold = 1_500

export interface BlockIntro {
  readonly scope: Scope
  readonly label: Label
  readonly generation: number
  readonly schema: string
  readonly meta: BlockMeta
  readonly metaAtMs: number
  readonly owner: PeerId
  readonly createdAtMs: number
  readonly seal: Uint8Array
  /** Log position of the newest of the above. */
  readonly seq: number
  readonly heads: readonly string[]
  readonly changes: number
}

/** What there is to say of a block that goes, beside why. */
export interface Going {
  readonly handle?: number | undefined
  /** Of its deletion. */
  readonly seq?: number | undefined
  /** How far the log has a generation that the replica holds more of. */
  readonly lacks?: ActorClock | undefined
}

type ActorClock = readonly { readonly actor: string; readonly seq: number }[]

export function introduction(handle: number, intro: BlockIntro, held: ActorClock): Frame<ListenerFrame, 'block'> {
  const { scope, label, generation, schema, meta, owner, createdAtMs, metaAtMs, seal, seq, changes } = intro
  const heads = intro.heads.slice(0, maxHeadsTold) as Frame<ListenerFrame, 'block'>['heads']
  const about = { scope, label, generation, schema, meta, owner, createdAtMs, metaAtMs, seal, seq }
  return { t: 'block', handle, ...about, heads, changes, held: clockOf(held.slice(-maxActorsTold)) }
}

export const leaving = (
  address: BlockAddress,
  reason: Frame<ListenerFrame, 'gone'>['reason'],
  { handle, seq, lacks }: Going,
): Frame<ListenerFrame, 'gone'> => ({
  t: 'gone',
  ...(handle === undefined ? {} : { handle }),
  address,
  reason,
  ...(seq === undefined ? {} : { seq }),
  ...(lacks === undefined ? {} : { lacks: clockOf(lacks.slice(0, maxActorsTold)) }),
})

export const lacking = (handle: number, clock: ActorClock): Frame<ListenerFrame, 'lacks'> => ({
  t: 'lacks',
  handle,
  clock: clockOf(clock.slice(0, maxActorsTold)),
})

/** Actor ids that the log holds have been looked at. */
const clockOf = (clock: ActorClock): Frame<ListenerFrame, 'lacks'>['clock'] => [
  ...(clock as Frame<ListenerFrame, 'lacks'>['clock']),
]
