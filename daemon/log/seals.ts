/**
 * The daemon's word for what it says of a block beside its content, in a form that only the daemon can make and check. It
 * goes to each replica along with what it stands for; a daemon that was set back to before the block was made takes it
 * from there. Keeps: nobody can make up a generation, nor change anything about one.
 */
import { createHmac, timingSafeEqual } from 'node:crypto'
import { encodeValue } from '../../protocol/codec.ts'
import type { BlockRow } from '../storage/storage.ts'

/** What a seal stands for. */
export type Sealed = Pick<BlockRow, 'address' | 'generation' | 'schema' | 'owner' | 'meta' | 'createdAtMs' | 'metaAtMs'>

export class Seals {
  readonly #key: Uint8Array

  /** @param seed the private key of the daemon, which is no part of its store and stays when that is set back */
  constructor(seed: Uint8Array) {
    this.#key = createHmac('sha256', seed).update('mooring seal').digest()
  }

  of({ address, generation, schema, owner, meta, createdAtMs, metaAtMs }: Sealed): Uint8Array {
    // Canonical, and each field with its name and length: no two blocks have the same bytes.
    const sealed = encodeValue({ address, generation, schema, owner, meta: { ...meta }, createdAtMs, metaAtMs })
    return new Uint8Array(createHmac('sha256', this.#key).update(sealed).digest())
  }

  fits(sealed: Sealed, seal: Uint8Array): boolean {
    const own = this.of(sealed)
    return own.byteLength === seal.byteLength && timingSafeEqual(own, seal)
  }
}
