/** Whether a process is still there to be waited for. */
import { readFile } from 'node:fs/promises'

/**
 * A process that ended and was not collected by its parent can still be signalled, for ever in a container whose first
 * process collects nothing; on Linux its state tells.
 */
export async function isProcessAlive(
  pid: number,
  canSignal: (pid: number) => boolean,
  platform: string,
): Promise<boolean> {
  if (!canSignal(pid)) return false
  if (platform !== 'linux') return true
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined)
  // The name of the program stands in brackets and may hold brackets itself: the state follows the last one.
  const state = stat?.slice(stat.lastIndexOf(')') + 2, stat.lastIndexOf(')') + 3)
  return state !== 'Z' && state !== 'X'
}
