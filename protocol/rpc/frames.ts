/** The frames of every call protocol. A stream that carries a streaming call carries nothing else. */
import { z } from 'zod'
import type { FrameOf } from '../define.ts'
import { limits } from '../limits.ts'

const id = z.int().min(0).max(Number.MAX_SAFE_INTEGER)

export const rpcFrames = {
  dialler: {
    /** Asks for an operation. `timeoutMs` is how long the caller waits: after that nobody reads the answer. */
    call: z.strictObject({
      t: z.literal('call'),
      id,
      op: z.string().min(3).max(64),
      input: z.unknown(),
      timeoutMs: z.int().min(1).max(86_400_000).optional(),
    }),
    /** The caller no longer wants the answer. */
    cancel: z.strictObject({ t: z.literal('cancel'), id }),
    /** The caller's event loop is alive. One way, never answered. */
    beat: z.strictObject({ t: z.literal('beat') }),
  },
  listener: {
    /** The answer of a unary call. */
    result: z.strictObject({ t: z.literal('result'), id, output: z.unknown() }),
    /** One item of a streaming call. */
    item: z.strictObject({ t: z.literal('item'), id, value: z.unknown() }),
    /** A streaming call ended well. */
    end: z.strictObject({ t: z.literal('end'), id }),
    /** The call was refused or failed. `id` 0 speaks of the stream itself, which then ends. */
    error: z.strictObject({
      t: z.literal('error'),
      id,
      code: z.string().max(64),
      category: z.enum([
        'invalid',
        'denied',
        'missing',
        'conflict',
        'limit',
        'unavailable',
        'timeout',
        'pending',
        'internal',
      ]),
      message: z.string().max(limits.maxDetailChars),
      detail: z.string().max(limits.maxDetailChars).optional(),
      retryAfterMs: z.int().min(0).optional(),
    }),
  },
} as const

export type CallerFrame = FrameOf<typeof rpcFrames.dialler>
export type AnswerFrame = FrameOf<typeof rpcFrames.listener>
