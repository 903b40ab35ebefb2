/**
 * The one way to declare what is said: an operation, a table of operations, a table of frames. Types, client, server,
 * validation, JSON Schema, the wire specification and the hostile-input tests are derived from these declarations.
 * Public types are Standard Schema; which library made a schema does not show.
 */
import type { StandardSchemaV1 } from '@standard-schema/spec'
import { z } from 'zod'
import { type ErrorCode, MooringError } from './errors.ts'
import type { Scope } from './ids.ts'

/** Any validator that follows https://standardschema.dev and answers synchronously. */
export type Schema<Output = unknown> = StandardSchemaV1<unknown, Output>
export type Infer<S extends Schema> = StandardSchemaV1.InferOutput<S>
/** What a caller may write: fields with a default may be left out. */
export type InferInput<S extends Schema> = StandardSchemaV1.InferInput<S>

/** What a caller needs besides being welcomed: `area:right`, and which part of the input it is checked against. */
export interface Need<Input = never> {
  readonly area: string
  readonly right: string
  /** The subject that a grant's pattern must match; undefined when the handler filters its answer by grant itself. */
  readonly subject?: (input: Input) => string
  /** Instead of a subject: the scope over all of which the right is needed. */
  readonly scope?: (input: Input) => Scope
}

interface OpBase<In extends Schema> {
  /** One sentence for the specification and the help. */
  readonly summary: string
  readonly input: In
  /** Null: every welcomed caller may call it. */
  readonly needs: Need<Infer<In>> | null
  /** Codes it may answer with, besides those any call may. */
  readonly errors: readonly ErrorCode[]
}

/** One question, one answer; many at once on one stream. */
export interface UnaryOp<In extends Schema = Schema, Out extends Schema = Schema> extends OpBase<In> {
  readonly kind: 'unary'
  readonly output: Out
}

/** One question, any number of items; each call has a stream of its own, so that cancel is the stream's. */
export interface StreamOp<In extends Schema = Schema, Item extends Schema = Schema> extends OpBase<In> {
  readonly kind: 'stream'
  readonly item: Item
}

export type Op = UnaryOp | StreamOp

// A table holds operations of many inputs; `never` in the parameter of `subject` is what all of them share.
type AnyOp =
  | (Omit<UnaryOp, 'needs'> & { readonly needs: Need<never> | null })
  | (Omit<StreamOp, 'needs'> & { readonly needs: Need<never> | null })

export const defineOp = <In extends Schema, Out extends Schema>(
  op: Omit<UnaryOp<In, Out>, 'kind'>,
): UnaryOp<In, Out> => ({
  kind: 'unary',
  ...op,
})

export const defineStream = <In extends Schema, Item extends Schema>(
  op: Omit<StreamOp<In, Item>, 'kind'>,
): StreamOp<In, Item> => ({ kind: 'stream', ...op })

export type OpTable = { readonly [name: `${string}.${string}`]: AnyOp }

/** A protocol of calls: who dials it, and its operations as `area.verb`. */
export interface RpcProtocol<Ops extends OpTable = OpTable> {
  readonly kind: 'rpc'
  readonly id: string
  readonly dialledBy: 'plugin' | 'daemon' | 'operator'
  readonly ops: Ops
}

/** A name without a dot would have no method in the client: it does not compile. */
type Dotted<Ops> = { readonly [Name in keyof Ops]: Name extends `${string}.${string}` ? Ops[Name] : never }

export const defineProtocol = <const Ops extends OpTable>(
  protocol: Omit<RpcProtocol<Ops>, 'kind'> & { readonly ops: Dotted<Ops> },
): RpcProtocol<Ops> => ({ kind: 'rpc', ...protocol })

export type FrameTable = { readonly [type: string]: Schema<object> }

/** A protocol of frames: what the dialler may say, and what the listener may say. A frame is a map with its type as `t`. */
export interface FrameProtocol<Dialler extends FrameTable = FrameTable, Listener extends FrameTable = FrameTable> {
  readonly kind: 'frames'
  readonly id: string
  readonly dialledBy: 'plugin'
  readonly dialler: Dialler
  readonly listener: Listener
}

export const defineFrames = <const D extends FrameTable, const L extends FrameTable>(
  protocol: Omit<FrameProtocol<D, L>, 'kind'>,
): FrameProtocol<D, L> => ({ kind: 'frames', ...protocol })

/** The union of the frames of a table, told apart by `t`. */
export type FrameOf<Table extends FrameTable> = {
  [T in keyof Table & string]: { t: T } & Infer<Table[T]>
}[keyof Table & string]

export type Protocol = RpcProtocol | FrameProtocol

type Areas<Ops> = keyof Ops extends infer Name ? (Name extends `${infer Area}.${string}` ? Area : never) : never
type Verbs<Ops, Area extends string> = keyof Ops extends infer Name
  ? Name extends `${Area}.${infer Verb}`
    ? Verb
    : never
  : never

export interface CallOptions {
  readonly signal?: AbortSignal
  /** @default limits.callTimeoutMs for a unary call, none for a stream */
  readonly timeoutMs?: number
}

type Method<O> =
  O extends UnaryOp<infer In, infer Out>
    ? (input: InferInput<In>, options?: CallOptions) => Promise<Infer<Out>>
    : O extends StreamOp<infer In, infer Item>
      ? (input: InferInput<In>, options?: CallOptions) => AsyncIterable<Infer<Item>>
      : never

/** `client.<area>.<verb>(input, options)`, one method for each operation of the table. */
export type Client<P extends RpcProtocol> = {
  readonly [Area in Areas<P['ops']>]: {
    readonly [Verb in Verbs<P['ops'], Area>]: `${Area}.${Verb}` extends keyof P['ops']
      ? Method<P['ops'][`${Area}.${Verb}`]>
      : never
  }
}

type Handler<O, Context> =
  O extends UnaryOp<infer In, infer Out>
    ? (input: Infer<In>, context: Context & { readonly signal: AbortSignal }) => Promise<Infer<Out>> | Infer<Out>
    : O extends StreamOp<infer In, infer Item>
      ? (input: Infer<In>, context: Context & { readonly signal: AbortSignal }) => AsyncIterable<Infer<Item>>
      : never

/** One handler for each operation of the table: a missing one does not compile. */
export type Handlers<P extends RpcProtocol, Context> = {
  readonly [Name in keyof P['ops']]: Handler<P['ops'][Name], Context>
}

/**
 * Validates against a schema. @throws `invalid-input` naming the first field that is wrong.
 */
export function validate<S extends Schema>(schema: S, value: unknown): Infer<S> {
  const result = schema['~standard'].validate(value)
  if (result instanceof Promise) throw new MooringError('internal', { detail: 'a schema of the wire is asynchronous' })
  if (result.issues === undefined) return result.value as Infer<S>
  const issue = result.issues[0]
  const path = (issue?.path ?? []).map((part) => String(typeof part === 'object' ? part.key : part)).join('.')
  // Values are never echoed: they may be secret, or long, or made to drive a terminal.
  const detail = `${path === '' ? 'the value' : path}: ${issue?.message ?? 'is not valid'}`
  throw new MooringError('invalid-input', { detail: detail.slice(0, 300) })
}

/** A byte string of the wire; in JSON Schema a string with base64 content. */
export const bytes = (options: { min?: number; max: number }) =>
  z
    .custom<Uint8Array>(
      (value) =>
        value instanceof Uint8Array && value.byteLength >= (options.min ?? 0) && value.byteLength <= options.max,
      `must be ${options.min ?? 0} to ${options.max} bytes`,
    )
    .meta({ type: 'string', contentEncoding: 'base64', description: `${options.min ?? 0} to ${options.max} bytes` })

/** JSON Schema (2020-12) of a schema made by this project. */
export function toJsonSchema(schema: Schema): Record<string, unknown> {
  return z.toJSONSchema(schema as unknown as z.ZodType, {
    unrepresentable: 'any',
    io: 'input',
    override: ({ zodSchema, jsonSchema }) => {
      const meta = z.globalRegistry.get(zodSchema)
      if (meta !== undefined) Object.assign(jsonSchema, meta)
    },
  }) as Record<string, unknown>
}

/**
 * Checks a decoded value against a frame table. @throws `unknown-frame`, or `malformed` naming the field
 */
export function parseFrame<Table extends FrameTable>(table: Table, value: unknown): FrameOf<Table> {
  const type = typeof value === 'object' && value !== null && 't' in value ? value.t : undefined
  if (typeof type !== 'string') throw new MooringError('malformed', { detail: 'a frame is a map with its type as t' })
  const schema = Object.hasOwn(table, type) ? table[type] : undefined
  if (schema === undefined) throw new MooringError('unknown-frame')
  try {
    return validate(schema, value) as FrameOf<Table>
  } catch (error) {
    if (error instanceof MooringError && error.code === 'invalid-input') {
      throw new MooringError('malformed', { detail: `${type}: ${error.detail ?? ''}` })
    }
    throw error
  }
}
