/**
 * How the generations of an address are numbered. Keeps: a later one has a greater number, also when the store was set
 * back to an older copy in between and knows nothing of those that were made since.
 */
export function nextGeneration(newest: { readonly generation: number } | undefined, atMs: number): number {
  // The first is always 1: two that make one block without knowing of each other have made the same one.
  return newest === undefined ? 1 : Math.max(newest.generation + 1, Math.floor(atMs / 1_000))
}
