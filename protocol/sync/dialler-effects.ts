/** What the replica's end of a sync conversation wants done. */
import type { BlockAddress } from '../ids.ts'
import type { DiallerFrame, Frame, ListenerFrame } from './frames.ts'
import type { OwnChange } from './outgoing.ts'

export type { OwnChange } from './outgoing.ts'

export type SentTip = Frame<DiallerFrame, 'delta'>['tips'][number]
export type ReceivedTip = Frame<ListenerFrame, 'delta'>['tips'][number]

export type DiallerEffect =
  | { readonly do: 'send'; readonly frame: DiallerFrame }
  | { readonly do: 'block'; readonly address: BlockAddress; readonly frame: Frame<ListenerFrame, 'block'> }
  | {
      readonly do: 'snapshot'
      readonly handle: number
      readonly bytes: Uint8Array
      readonly tips: readonly ReceivedTip[]
    }
  | { readonly do: 'delta'; readonly frame: Frame<ListenerFrame, 'delta'> }
  | { readonly do: 'meta'; readonly frame: Frame<ListenerFrame, 'meta'> }
  | { readonly do: 'gone'; readonly frame: Frame<ListenerFrame, 'gone'> }
  | { readonly do: 'quarantined'; readonly frame: Frame<ListenerFrame, 'quarantined'> }
  | { readonly do: 'lacks'; readonly frame: Frame<ListenerFrame, 'lacks'> }
  | { readonly do: 'progress'; readonly done: number; readonly total: number }
  | { readonly do: 'synced'; readonly cursor: Uint8Array }
  | { readonly do: 'resync' }
  | { readonly do: 'settled'; readonly changes: readonly OwnChange[] }
  | { readonly do: 'refused'; readonly changes: readonly OwnChange[]; readonly error: Refusal }
  | { readonly do: 'handle-refused'; readonly handle: number; readonly error: Refusal }
  | { readonly do: 'ended'; readonly reason: string; readonly detail: string | undefined }

export interface Refusal {
  readonly code: string
  readonly detail: string | undefined
  readonly retryAfterMs: number | undefined
}
