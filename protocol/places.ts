/**
 * Where things are: the files and the socket that the daemon, the command line and local plugins must agree on without
 * asking each other. Pure: the environment is an argument. Keeps true: two programs of one user with the same home agree,
 * whatever else their sessions set, and the socket path fits what the kernel takes.
 */
import { createHash } from 'node:crypto'
import { posix, win32 } from 'node:path'
import { MooringError } from './errors.ts'

export interface PlacesInit {
  /** `MOORING_HOME` puts everything under one folder; else `XDG_*`, `APPDATA` and `LOCALAPPDATA` are looked at. */
  readonly env: Readonly<Record<string, string | undefined>>
  /** As `process.platform`. */
  readonly platform: string
  readonly homedir: string
  /** Numeric user id; keeps the short socket path of two users apart. */
  readonly uid?: number
}

/** Absolute paths, except that `socket` is a pipe name on Windows. */
export interface Places {
  /** Database, keys and what else must survive. Mode 0700. */
  readonly stateDir: string
  readonly configFile: string
  /** Holds the socket and the token. Mode 0700; its contents are made anew at every start. */
  readonly runtimeDir: string
  /** The control socket: a path of at most 103 bytes, or a Windows pipe name. */
  readonly socket: string
  /** The secret that opens the control socket. Mode 0600. */
  readonly tokenFile: string
  readonly logFile: string
  /** A ticket without an invite: how plugins on this machine find the daemon. */
  readonly ticketFile: string
  /** The key of the daemon. Mode 0600. */
  readonly identityFile: string
  /** One folder for each local plugin: its key and its replica. */
  readonly pluginsDir: string
}

/** `sun_path` is 104 bytes on macOS and 108 on Linux, with a zero byte at the end. One bound for both. */
const maxSocketBytes = 103

/**
 * @throws `config-invalid` when `MOORING_HOME` is not absolute, or when no path for the socket is short enough.
 */
export function placesFrom(init: PlacesInit): Places {
  const path = init.platform === 'win32' ? win32 : posix
  const { stateDir, configDir, logDir } = foldersFrom(init)
  // Beside the state, not in XDG_RUNTIME_DIR: a cron job or `su` lacks that variable and must still find the daemon.
  const { runtimeDir, socket } = socketFrom(init, stateDir)
  return Object.freeze({
    stateDir,
    configFile: path.join(configDir, 'config.toml'),
    runtimeDir,
    socket,
    tokenFile: path.join(runtimeDir, 'control.token'),
    logFile: path.join(logDir, 'daemon.log'),
    ticketFile: path.join(stateDir, 'ticket'),
    identityFile: path.join(stateDir, 'identity.key'),
    pluginsDir: path.join(stateDir, 'plugins'),
  })
}

interface Folders {
  readonly stateDir: string
  readonly configDir: string
  readonly logDir: string
}

function foldersFrom({ env, platform, homedir }: PlacesInit): Folders {
  const path = platform === 'win32' ? win32 : posix
  const home = env.MOORING_HOME
  if (home !== undefined && home !== '') {
    if (!path.isAbsolute(home)) {
      // Relative to what? The daemon and a later command rarely share a working directory.
      throw new MooringError('config-invalid', { detail: 'MOORING_HOME must be an absolute path' })
    }
    const stateDir = path.resolve(home)
    return { stateDir, configDir: stateDir, logDir: stateDir }
  }
  const absolute = (value: string | undefined, ...otherwise: string[]): string =>
    // The XDG specification: a relative path is to be ignored.
    value !== undefined && path.isAbsolute(value) ? value : path.join(homedir, ...otherwise)
  if (platform === 'win32') {
    const stateDir = win32.join(absolute(env.LOCALAPPDATA, 'AppData', 'Local'), 'mooring')
    return { stateDir, configDir: win32.join(absolute(env.APPDATA, 'AppData', 'Roaming'), 'mooring'), logDir: stateDir }
  }
  if (platform === 'darwin') {
    const stateDir = posix.join(homedir, 'Library', 'Application Support', 'mooring')
    return { stateDir, configDir: stateDir, logDir: posix.join(homedir, 'Library', 'Logs', 'mooring') }
  }
  const stateDir = posix.join(absolute(env.XDG_STATE_HOME, '.local', 'state'), 'mooring')
  return { stateDir, configDir: posix.join(absolute(env.XDG_CONFIG_HOME, '.config'), 'mooring'), logDir: stateDir }
}

function socketFrom(init: PlacesInit, stateDir: string): { runtimeDir: string; socket: string } {
  const hash = createHash('sha256').update('mooring places').update(stateDir).digest('hex').slice(0, 16)
  if (init.platform === 'win32') {
    return { runtimeDir: win32.join(stateDir, 'run'), socket: `\\\\.\\pipe\\mooring-${hash}` }
  }
  const short = `mooring-${init.uid === undefined ? '' : `${init.uid}-`}${hash}`
  const shortParents = [init.env.XDG_RUNTIME_DIR, init.env.TMPDIR, '/tmp']
  const candidates = [posix.join(stateDir, 'run')]
  for (const parent of shortParents) {
    if (parent !== undefined && posix.isAbsolute(parent)) candidates.push(posix.join(parent, short))
  }
  for (const runtimeDir of candidates) {
    const socket = posix.join(runtimeDir, 'daemon.sock')
    if (Buffer.byteLength(socket) <= maxSocketBytes) return { runtimeDir, socket }
  }
  throw new MooringError('config-invalid', {
    detail: `no socket path of at most ${maxSocketBytes} bytes; set MOORING_HOME`,
  })
}
