/**
 * Secrets of invites. The time at which one was made is a part of the secret: the stored hash covers it, so that whoever
 * has the secret cannot change it. Keeps true: the secret itself is stored nowhere and written to no log.
 */
import { createHash } from 'node:crypto'

const timeBytes = 8
/** 192 bits: nobody finds one by trying. */
const randomBytes = 24

/** `madeAtMs` in whole milliseconds. */
export function newSecret(madeAtMs: number, random: (bytes: number) => Uint8Array): Uint8Array {
  const secret = new Uint8Array(timeBytes + randomBytes)
  new DataView(secret.buffer).setBigUint64(0, BigInt(madeAtMs))
  secret.set(random(randomBytes), timeBytes)
  return secret
}

/** When the secret was made. Means something only for a secret whose hash is stored. */
export function madeAtMs(secret: Uint8Array): number {
  if (secret.length !== timeBytes + randomBytes) return 0
  return Number(new DataView(secret.buffer, secret.byteOffset, timeBytes).getBigUint64(0))
}

/** SHA-256, 64 hex digits. */
export const hashSecret = (secret: Uint8Array): string => createHash('sha256').update(secret).digest('hex')
