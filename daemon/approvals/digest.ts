/**
 * What a request is bound to. Keeps true: two requests have the same digest only if key, manifest, wanted grants and
 * the daemon's nonce are all the same, so that approving a digest approves exactly what was shown under it.
 */
import { createHash } from 'node:crypto'
import { encodeValue, limits, type Manifest, MooringError, manifestSchema, type PeerId } from '../../protocol/index.ts'

/** What is hashed begins with what it is, so that a digest can never be one of something else. */
const domain = 'mooring request'

/** SHA-256 over canonical CBOR, 64 hex digits. */
export function requestDigest(request: {
  readonly peer: PeerId
  readonly manifest: Manifest
  readonly wants: readonly string[]
  readonly nonce: string
}): string {
  const { peer, manifest, wants, nonce } = request
  return hash([domain, peer, manifest, wants, nonce])
}

/** The same for two hellos that ask for the same with the same manifest, whenever and from wherever they come. */
export const askKey = (manifest: Manifest, wants: readonly string[]): string => hash([manifest, wants])

/**
 * The manifest as the store gives it back later: as JSON. A digest made before a restart holds after it.
 * @throws `invalid-input` for a manifest above `limits.maxLobbyFrameBytes` or without the shape of one
 */
export function storableManifest(manifest: unknown): Manifest {
  encodeValue(manifest, { maxBytes: limits.maxLobbyFrameBytes })
  const read = manifestSchema.safeParse(JSON.parse(JSON.stringify(manifest)))
  if (!read.success) throw new MooringError('invalid-input', { detail: 'the manifest does not have its shape' })
  return read.data
}

const hash = (value: unknown): string => createHash('sha256').update(encodeValue(value)).digest('hex')
