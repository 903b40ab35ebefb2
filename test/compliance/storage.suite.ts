/**
 * What every backend of the storage port must do, as a function that a backend's test calls. It knows the port only.
 * Each `describe` is one area that an implementer gets wrong.
 */
import { describe } from 'vitest'
import type { Storage } from '../../daemon/storage/storage.ts'
import type { PeerId } from '../../protocol/ids.ts'
import { appendCases } from './storage-append.cases.ts'
import { archiveCases } from './storage-archive.cases.ts'
import { decisionCases } from './storage-decision.cases.ts'
import { foldCases } from './storage-fold.cases.ts'
import { logCases } from './storage-log.cases.ts'
import { metaCases } from './storage-meta.cases.ts'
import { quarantineCases } from './storage-quarantine.cases.ts'
import { reopenCases } from './storage-reopen.cases.ts'
import { replaceCases } from './storage-replace.cases.ts'
import { setBackCases } from './storage-set-back.cases.ts'
import { usageCases } from './storage-usage.cases.ts'

export interface StorageSubject {
  readonly storage: Storage
  /** Closes the store and opens the same one again; absent for a backend that keeps nothing. */
  readonly reopen?: () => Promise<Storage>
}

/** Opens an empty store whose daemon is `self`, and registers its removal with the running test. */
export type StorageSetup = (self: PeerId) => Promise<StorageSubject>

export interface SuiteOptions {
  /** The backend keeps nothing over a restart, by design. @default false */
  readonly keepsNothing?: boolean
}

export function storageSuite(name: string, setup: StorageSetup, options: SuiteOptions = {}): void {
  describe(`storage: ${name}`, () => {
    appendCases(setup)
    logCases(setup)
    foldCases(setup)
    replaceCases(setup)
    metaCases(setup)
    setBackCases(setup)
    quarantineCases(setup)
    decisionCases(setup)
    usageCases(setup)
    archiveCases(setup)
    if (!options.keepsNothing) reopenCases(setup)
  })
}
