/** Short codes of requests: what a person reads on one screen and types on another. */
import { MooringError } from '../../protocol/index.ts'

/** 32 characters, so that five random bits are one of them: no 0 and O, no 1 and I. */
const alphabet = '23456789ABCDEFGHJKLMNPQRSTUVWXYZ'
const codeChars = 6
/** Two hits in a row are a one in a million event with a full lobby; more means that the random source is broken. */
const maxTries = 16

/**
 * A code that is not in use, such as `K7WQ2M`. It is a name and not a secret: approving takes the digest as well.
 * @throws `internal` when the random source repeats itself
 */
export function newCode(random: (bytes: number) => Uint8Array, isUsed: (code: string) => boolean): string {
  for (let tries = 0; tries < maxTries; tries++) {
    const code = Array.from(random(codeChars), (byte) => alphabet[byte % alphabet.length]).join('')
    if (!isUsed(code)) return code
  }
  throw new MooringError('internal', { detail: 'no unused request code was found' })
}

/** The code as it is stored: people type it in either case and copy blanks along with it. */
export const readCode = (text: string): string => text.trim().toUpperCase()
