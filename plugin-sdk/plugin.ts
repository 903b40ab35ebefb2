/** What a plugin is: a declaration that the operator is shown, and one function. Declaring has no effect of its own. */
import { type Manifest, MooringError, manifestSchema, parseGrants, validate } from '../protocol/index.ts'
import type { Host } from './host.ts'

/** Ends what `setup` began. It may still call the host; it has 5,000 ms. */
export type Teardown = () => void | Promise<void>

// biome-ignore lint/suspicious/noConfusingVoidType: what a function without a return statement gives is void
type SetupResult = Teardown | undefined | void

export interface SetupOptions {
  /** Aborts when the plugin stops: everything that `setup` started ends with it. */
  readonly signal: AbortSignal
}

export interface PluginInit {
  /** Lower-case letters, digits, `.`, `_`, `-`; what it calls itself, and the name of its folder. */
  readonly name: string
  /** 1 to 32 characters, shown to the operator. */
  readonly version: string
  /** One sentence for the operator, at most 200 characters. */
  readonly description?: string
  /** The grants it asks for, as `area:right[:pattern]`. The operator may give fewer: see `host.grants`. */
  readonly wants: readonly string[]
  /**
   * Runs once: after the first welcome, or at once when an earlier process was welcomed and left blocks. `host` stays
   * the same object whatever happens to the connection.
   */
  setup(host: Host, options: SetupOptions): SetupResult | Promise<SetupResult>
}

export interface Plugin {
  readonly manifest: Manifest
  readonly setup: PluginInit['setup']
}

/**
 * Declares a plugin.
 *
 * @throws `invalid-input` naming the field that an operator would never get to see because the daemon refuses it.
 */
export function definePlugin(init: PluginInit): Plugin {
  const { name, version, description, wants } = init
  if (typeof init.setup !== 'function') {
    throw new MooringError('invalid-input', { detail: 'setup: a plugin has a function setup(host, { signal })' })
  }
  const manifest = validate(manifestSchema, {
    name,
    version,
    ...(description === undefined ? {} : { description }),
    wants: [...wants],
  })
  // One by one they are checked above; together there is one more rule, that none is listed twice.
  parseGrants(manifest.wants)
  return Object.freeze({ manifest: Object.freeze(manifest), setup: init.setup.bind(init) })
}
