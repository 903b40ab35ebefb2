/** Every defence whose tests are tested, in the order of what it costs to lose it. */
import type { Mutation } from './gate.ts'
import { logMutations } from './log.ts'
import { lossMutations } from './loss.ts'
import { peerMutations } from './peers.ts'
import { searchMutations } from './search.ts'
import { storageMutations } from './storage.ts'

export const mutations: readonly Mutation[] = [
  ...storageMutations,
  ...lossMutations,
  ...logMutations,
  ...peerMutations,
  ...searchMutations,
]

/** Cheap to try and far apart: with them the gate itself is tested in every run of the tests. */
export const quickMutations: readonly string[] = ['actor-owner', 'cursor-view', 'invite-once']
