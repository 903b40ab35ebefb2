/** The clock of the measurements. Keeps true: the same for all processes of the machine, never set back. */

/** In ms, with fractions. `performance.now()` begins anew in each process, so it cannot be compared between two. */
export const nowMs = (): number => Number(process.hrtime.bigint()) / 1e6
