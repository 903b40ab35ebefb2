/** Memory, processor time and disk of a server, from outside of it: the subjects are measured in the same way. */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'

/** Resident memory in MB; undefined where the system has no /proc. `peak` is the largest it ever was. */
export function residentMb(pid: number, which: 'now' | 'peak'): number | undefined {
  const status = readProc(`/proc/${pid}/status`)
  const match = new RegExp(`^${which === 'peak' ? 'VmHWM' : 'VmRSS'}:\\s+(\\d+) kB$`, 'm').exec(status ?? '')
  return match === null ? undefined : Number(match[1]) / 1024
}

/** Clock ticks are a hundredth of a second on every Linux that Node runs on. */
const msPerTick = 10

/** Processor time used so far, in ms, of all threads; undefined where the system has no /proc. */
export function cpuMs(pid: number): number | undefined {
  const stat = readProc(`/proc/${pid}/stat`)
  if (stat === undefined) return undefined
  // The name in parentheses may contain anything, so fields are counted from behind it.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) * msPerTick
}

/** Bytes that it has caused to be written to the disk so far; undefined where the system has no /proc. */
export function bytesWritten(pid: number): number | undefined {
  const match = /^write_bytes: (\d+)$/m.exec(readProc(`/proc/${pid}/io`) ?? '')
  return match === null ? undefined : Number(match[1])
}

/** What the files below a folder take, in bytes. */
export function bytesBelow(folder: string): number {
  let bytes = 0
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) bytes += bytesBelow(path)
    else if (entry.isFile()) bytes += statSync(path).size
  }
  return bytes
}

function readProc(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}
