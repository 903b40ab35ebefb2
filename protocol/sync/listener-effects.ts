/** What the daemon's end of a sync conversation wants done, and what it is told of what was done. */
import type { MooringError } from '../errors.ts'
import type { Submitted } from './assembly.ts'
import type { DiallerFrame, Frame, ListenerFrame } from './frames.ts'

export type ListenerEffect =
  | { readonly do: 'send'; readonly frame: ListenerFrame }
  /** What it names may go on in `open-more`. */
  | { readonly do: 'open'; readonly frame: Frame<DiallerFrame, 'open'> }
  | { readonly do: 'open-more'; readonly frame: Frame<DiallerFrame, 'open-more'> }
  | { readonly do: 'have'; readonly frame: Frame<DiallerFrame, 'have'> }
  | { readonly do: 'watch'; readonly pattern: string }
  | { readonly do: 'unwatch'; readonly pattern: string }
  | { readonly do: 'create'; readonly frame: Frame<DiallerFrame, 'create'> }
  | ({
      readonly do: 'submit'
      /** Undefined for a handle that was never introduced. */
      readonly block: number | undefined
    } & Submitted)
  /** The replica has sent what it holds beyond what the log lacked. */
  | { readonly do: 'supplied'; readonly block: number }
  | { readonly do: 'poison'; readonly block: number; readonly hash: string }
  /** Credit came back: what waited may go on. */
  | { readonly do: 'writable' }
  | { readonly do: 'ended'; readonly reason: string }

/** What became of one submitted change. */
export type Settlement = 'stored' | MooringError
