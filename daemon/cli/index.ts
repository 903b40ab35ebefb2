/** Every command, in the order a newcomer reads them. To add one: its file beside this one, and its line here. */
import { approve } from './approve.ts'
import { archiveDelete } from './archive-delete.ts'
import { archiveGet } from './archive-get.ts'
import { archiveInsert } from './archive-insert.ts'
import { archiveList } from './archive-list.ts'
import { blockAt } from './block-at.ts'
import { blockBlame } from './block-blame.ts'
import { blockCreate } from './block-create.ts'
import { blockDiff } from './block-diff.ts'
import { blockEdit } from './block-edit.ts'
import { blockHistory } from './block-history.ts'
import { blockHistoryDepth } from './block-history-depth.ts'
import { blockMeta } from './block-meta.ts'
import { blockResetHistory } from './block-reset-history.ts'
import { blockShow } from './block-show.ts'
import { blockRedo, blockUndo } from './block-undo.ts'
import { blockWatch } from './block-watch.ts'
import { blocks } from './blocks.ts'
import type { AnyCommand } from './command.ts'
import { commands } from './commands.ts'
import { compact } from './compact.ts'
import { completion } from './completion.ts'
import { deny } from './deny.ts'
import { down } from './down.ts'
import { explain } from './explain.ts'
import { grants } from './grants.ts'
import { help } from './help.ts'
import { invite } from './invite.ts'
import { logs } from './logs.ts'
import { narrow } from './narrow.ts'
import { paths } from './paths.ts'
import { peers } from './peers.ts'
import { quarantineExport } from './quarantine-export.ts'
import { quarantineList } from './quarantine-list.ts'
import { quarantineRelease } from './quarantine-release.ts'
import { reindex } from './reindex.ts'
import { release } from './release.ts'
import { requests } from './requests.ts'
import { revoke } from './revoke.ts'
import { search } from './search.ts'
import { status } from './status.ts'
import { ticket } from './ticket.ts'
import { up } from './up.ts'
import { version } from './version.ts'
import { wait } from './wait.ts'

export const commandTable: readonly AnyCommand[] = [
  up,
  down,
  status,
  wait,
  requests,
  approve,
  deny,
  peers,
  narrow,
  revoke,
  release,
  invite,
  ticket,
  grants,
  blocks,
  blockShow,
  blockCreate,
  blockEdit,
  blockHistory,
  blockDiff,
  blockAt,
  blockBlame,
  blockUndo,
  blockRedo,
  blockHistoryDepth,
  blockWatch,
  blockMeta,
  blockResetHistory,
  search,
  reindex,
  compact,
  archiveList,
  archiveGet,
  archiveInsert,
  archiveDelete,
  quarantineList,
  quarantineExport,
  quarantineRelease,
  logs,
  paths,
  explain,
  commands,
  completion,
  version,
  help,
]
