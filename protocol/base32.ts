/**
 * Bytes as letters that survive being read aloud or copied by hand: no `1`, `b`, `i`, `o`. Keeps true: one text per
 * bytes, so unused bits are zero and no letter is optional.
 */

/** The letters of bech32, chosen so that those that look alike differ in few bits. */
const letters = 'qpzry9x8gf2tvdw0s3jn54khce6mua7l'
const values = new Map(Array.from(letters, (letter, value) => [letter, value]))

export function base32Encode(bytes: Uint8Array): string {
  let text = ''
  let bits = 0
  let held = 0
  for (const byte of bytes) {
    held = ((held << 8) | byte) & 0xfff
    bits += 8
    while (bits >= 5) {
      bits -= 5
      text += letters.charAt((held >> bits) & 31)
    }
  }
  return bits === 0 ? text : text + letters.charAt((held << (5 - bits)) & 31)
}

/** The bytes, or `undefined` for a text that {@link base32Encode} never makes. */
export function base32Decode(text: string): Uint8Array | undefined {
  const bytes = new Uint8Array(Math.floor((text.length * 5) / 8))
  let count = 0
  let bits = 0
  let held = 0
  for (const letter of text) {
    const value = values.get(letter)
    if (value === undefined) return undefined
    held = ((held << 5) | value) & 0xfff
    bits += 5
    if (bits >= 8) {
      bits -= 8
      bytes[count++] = (held >> bits) & 255
    }
  }
  // Five bits left over or more are a letter too many; fewer are padding and must be zero.
  return bits >= 5 || (held & ((1 << bits) - 1)) !== 0 ? undefined : bytes
}
