/**
 * 16-bit floats, which the oldest supported Node cannot read or write itself. Keeps true: a number has a half form only
 * if the form gives back exactly that number.
 */

const scratch = new DataView(new ArrayBuffer(4))
const smallestNormal = 2 ** -14
const smallestStep = 2 ** -24

export function fromHalfBits(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1
  const exponent = (bits >> 10) & 31
  const fraction = bits & 0x3ff
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN
  return exponent === 0 ? sign * fraction * smallestStep : sign * (1024 + fraction) * 2 ** (exponent - 25)
}

/** Whether a half holds the number exactly; true for infinities and not-a-number. */
export function isHalf(value: number): boolean {
  if (!Number.isFinite(value)) return true
  const size = Math.abs(value)
  if (size > 65_504) return false
  if (size < smallestNormal) return Number.isInteger(size / smallestStep)
  // A half keeps ten bits of the fraction, so the lower 13 of the 23 bits of a 32-bit float must be zero.
  scratch.setFloat32(0, size)
  return Math.fround(size) === size && (scratch.getUint32(0) & 0x1fff) === 0
}

/** The bits of a finite number that {@link isHalf} holds for. */
export function halfBits(value: number): number {
  const sign = value < 0 ? 0x8000 : 0
  const size = Math.abs(value)
  if (size < smallestNormal) return sign | (size / smallestStep)
  const exponent = Math.floor(Math.log2(size))
  return sign | ((exponent + 15) << 10) | (size / 2 ** (exponent - 10) - 1024)
}
