/** The subjects, in the order of the table. The first is the one that the others are compared with. */
import type { Subject } from '../subject.ts'
import { automergeRepo } from './automerge-repo/subject.ts'
import { hocuspocus } from './hocuspocus/subject.ts'
import { mooring } from './mooring/subject.ts'
import { yWebsocket } from './y-websocket/subject.ts'

export const subjects: readonly Subject[] = [mooring, automergeRepo, hocuspocus, yWebsocket]
