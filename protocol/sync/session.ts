/** The two ends of a sync conversation; the same code runs over QUIC and in the seeded simulator. */
export * from './dialler-effects.ts'
export * from './dialler-session.ts'
export * from './listener-effects.ts'
export * from './listener-session.ts'
export { splitByLimits } from './outgoing.ts'
