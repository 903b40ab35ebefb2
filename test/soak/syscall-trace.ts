/**
 * What a process did to the files of a folder, call by call and in order, as strace saw it; with what the process said on
 * its standard output in between. Keeps: a call stands where it returned, so what was said after it was said after it.
 */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { Skipped } from './campaign.ts'

export type FileCall =
  | { readonly kind: 'create' | 'unlink' | 'sync' | 'sync-folder'; readonly path: string }
  | { readonly kind: 'write'; readonly path: string; readonly offset: number; readonly bytes: Buffer }
  | { readonly kind: 'truncate'; readonly path: string; readonly size: number }
  | { readonly kind: 'rename'; readonly path: string; readonly to: string }
  | { readonly kind: 'said'; readonly text: string }

const calls = 'openat,pwrite64,write,ftruncate,fsync,fdatasync,unlink,unlinkat,rename,renameat,renameat2'

/** What to run a process under, so that `file` holds its calls afterwards. @throws {@link Skipped} where that is not possible */
export function traced(file: string): string[] {
  // Only the calls of the list stop the process, and all that is a string is written as numbers.
  const options = ['-f', '--seccomp-bpf', '-y', '-xx', '-s', '2097152', '-e', `trace=${calls}`]
  if (process.platform !== 'linux') throw new Skipped('recording system calls takes Linux')
  const { error, status } = spawnSync('strace', [...options, '-o', '/dev/null', 'true'])
  if (error !== undefined) throw new Skipped('recording system calls takes strace')
  if (status !== 0) throw new Skipped('strace may not look at other processes here')
  return ['strace', ...options, '-o', file]
}

/** The calls on files of `folder`, without what is no file on a disk. */
export function readTrace(file: string, folder: string): FileCall[] {
  const found: FileCall[] = []
  const unfinished = new Map<string, string>()
  const positions = new Map<string, number>()
  for (const line of readFileSync(file, 'latin1').split('\n')) {
    const [, thread = '', text = ''] = /^(\d+) +(.*)$/.exec(line) ?? []
    if (text.endsWith(' <unfinished ...>')) {
      unfinished.set(thread, text.slice(0, -' <unfinished ...>'.length))
      continue
    }
    const resumed = /^<\.\.\. \w+ resumed>(.*)$/.exec(text)
    const whole = resumed === null ? text : `${unfinished.get(thread) ?? ''}${resumed[1] ?? ''}`
    const call = readCall(whole, positions)
    if (call === undefined) continue
    const isHere = call.kind === 'said' || call.path === folder || dirname(call.path) === folder
    // The index of the log is shared memory: it is made anew by whoever opens the database.
    if (isHere && !(call.kind !== 'said' && call.path.endsWith('-shm'))) found.push(call)
  }
  return found
}

const bytesOf = (text: string | undefined): Buffer => Buffer.from((text ?? '').replaceAll('\\x', ''), 'hex')
const textOf = (text: string | undefined): string => bytesOf(text).toString()

function readCall(text: string, positions: Map<string, number>): FileCall | undefined {
  const [, name = '', args = '', result = ''] = /^(\w+)\((.*)\) += (.*)$/.exec(text) ?? []
  if (name === '' || result.startsWith('-1')) return undefined
  if (name === 'openat') return opened(args, result, positions)
  const strings = [...args.matchAll(/"([^"]*)"/g)].map((match) => match[1])
  if (name.startsWith('unlink')) return { kind: 'unlink', path: textOf(strings[0]) }
  if (name.startsWith('rename')) return { kind: 'rename', path: textOf(strings[0]), to: textOf(strings[1]) }
  const [, fd = '', hexPath = ''] = /^(\d+)<([^>]*)>/.exec(args) ?? []
  const path = textOf(hexPath)
  const lastNumber = Number(/(\d+)$/.exec(args)?.[1])
  switch (name) {
    case 'write': {
      const bytes = bytesOf(strings[0]).subarray(0, Number(result))
      if (fd === '1') return { kind: 'said', text: bytes.toString() }
      const offset = positions.get(path) ?? 0
      positions.set(path, offset + bytes.length)
      return { kind: 'write', path, offset, bytes }
    }
    case 'pwrite64':
      return { kind: 'write', path, offset: lastNumber, bytes: bytesOf(strings[0]).subarray(0, Number(result)) }
    case 'ftruncate':
      return { kind: 'truncate', path, size: lastNumber }
    case 'fsync':
    case 'fdatasync':
      return { kind: 'sync', path }
    default:
      return undefined
  }
}

function opened(args: string, result: string, positions: Map<string, number>): FileCall | undefined {
  const path = textOf(/<([^>]*)>$/.exec(result)?.[1])
  positions.delete(path)
  if (args.includes('O_TRUNC')) return { kind: 'truncate', path, size: 0 }
  return args.includes('O_CREAT') ? { kind: 'create', path } : undefined
}
