/**
 * Who may import what, and what each door loads. Every rule has its reason, which a failure prints; every exception is
 * listed with its own, and one that is no longer needed fails, so that the lists cannot rot.
 */
import { describe, expect, it } from 'vitest'
import { codeOf, files, type Import, imports, importsOf, packageOf, read, sources } from './sources.ts'

const topOf = (path: string): string => path.split('/')[0] ?? ''
/** The subsystem of a file of the daemon; undefined for its top files. */
const subsystemOf = (path: string): string | undefined => /^daemon\/([^/]+)\//.exec(path)?.[1]

const isWithin = (path: string, place: string): boolean =>
  place.endsWith('/') ? path.startsWith(place) : path === place
const say = ({ importer, target }: Import): string => `${importer} imports ${target}`

/** Folder to folders that it may import from, itself included. */
const directions: Readonly<Record<string, { readonly from: readonly string[]; readonly reason: string }>> = {
  protocol: { from: ['protocol'], reason: 'what is said knows neither of those who say it' },
  'plugin-sdk': { from: ['protocol', 'plugin-sdk'], reason: 'a plugin must not need the daemon, only what it says' },
  daemon: { from: ['protocol', 'daemon'], reason: 'the daemon must not rely on what plugins happen to run' },
  bin: { from: [], reason: 'it runs on runtimes that cannot read the rest, and imports by path what it has found' },
  examples: { from: [], reason: 'an example shows what an author can do: it has the public names and nothing else' },
  scripts: {
    from: ['protocol', 'scripts', 'test'],
    reason: 'scripts look at the declarations and measure with the fixtures',
  },
}

/** Package to the places that may import it. A place with a slash at its end is a folder. */
const packages: Readonly<Record<string, { readonly at: readonly string[]; readonly reason: string }>> = {
  zod: {
    at: ['protocol/', 'daemon/cli/', 'daemon/config.ts', 'scripts/spec-shapes.ts'],
    reason: 'shapes are declared in protocol/; elsewhere only what a person typed is parsed',
  },
  '@standard-schema/spec': { at: ['protocol/define.ts'], reason: 'which library made a schema shows in one file only' },
  libp2p: {
    at: ['daemon/net/node.ts', 'plugin-sdk/node.ts'],
    reason: 'one file on each side knows the network library',
  },
  '@libp2p/interface': { at: ['daemon/net/', 'plugin-sdk/node.ts'], reason: 'as libp2p' },
  '@libp2p/crypto': { at: ['daemon/net/', 'plugin-sdk/node.ts'], reason: 'as libp2p' },
  '@libp2p/peer-id': { at: ['daemon/net/'], reason: 'as libp2p; elsewhere a peer id is a checked text' },
  '@libp2p/tcp': { at: ['daemon/net/', 'plugin-sdk/node.ts'], reason: 'as libp2p' },
  '@chainsafe/libp2p-noise': { at: ['daemon/net/', 'plugin-sdk/node.ts'], reason: 'as libp2p' },
  '@chainsafe/libp2p-yamux': { at: ['daemon/net/', 'plugin-sdk/node.ts'], reason: 'as libp2p' },
  '@chainsafe/libp2p-quic': { at: ['daemon/net/', 'plugin-sdk/node.ts'], reason: 'as libp2p' },
  '@multiformats/multiaddr': {
    at: ['plugin-sdk/node.ts'],
    reason: 'as libp2p; elsewhere an address is a checked text',
  },
  'better-sqlite3': {
    at: ['daemon/storage/', 'plugin-sdk/memory/'],
    reason: 'nothing outside the two stores knows SQL',
  },
  '@automerge/automerge': {
    at: [
      'daemon/views/view-engine.ts',
      'daemon/views/edit.ts',
      'daemon/views/rewrite.ts',
      'daemon/views/history/',
      'plugin-sdk/memory/',
      'scripts/schema.ts',
    ],
    reason: 'it blocks for as long as a document is large, and freed memory goes back only with its thread',
  },
  pino: { at: ['daemon/log.ts'], reason: 'the rest logs through a port' },
  'smol-toml': { at: ['daemon/config.ts'], reason: 'one file format, one reader' },
  commander: {
    at: ['daemon/cli/program.ts', 'daemon/cli/main.ts'],
    reason: 'commands are data; one file makes a program of them',
  },
  '@clack/prompts': {
    at: ['daemon/cli/confirm.ts'],
    reason: 'one place asks, so that nothing asks without a terminal',
  },
}

/** Values that one subsystem of the daemon takes from another. Types may be imported: they leave nothing behind. */
const crossings: Readonly<Record<string, string>> = {
  'daemon/archive/archive.ts -> daemon/storage/archive-rows.ts':
    'what is refused beforehand is counted as it would be stored',
  'daemon/cli/control-client.ts -> daemon/net/control-socket.ts': 'both ends of one socket check the same directory',
  'daemon/cli/control-client.ts -> daemon/net/socket-stream.ts': 'both ends of one socket make the same stream of it',
  'daemon/handlers/host/archive.ts -> daemon/net/host-stream.ts': 'a handler asks for the session of its call',
  'daemon/handlers/host/blocks.ts -> daemon/net/host-stream.ts': 'a handler asks for the session of its call',
  'daemon/handlers/host/daemon.ts -> daemon/net/host-stream.ts': 'a handler asks for the session of its call',
  'daemon/handlers/host/edits.ts -> daemon/net/host-stream.ts': 'a handler asks for the session of its call',
  'daemon/handlers/host/history.ts -> daemon/net/host-stream.ts': 'a handler asks for the session of its call',
  'daemon/handlers/host/search.ts -> daemon/net/host-stream.ts': 'a handler asks for the session of its call',
  'daemon/handlers/host/session.ts -> daemon/net/host-stream.ts': 'a handler asks for the session of its call',
  'daemon/search/search.ts -> daemon/storage/search-index.ts': 'the marks of an excerpt are those of the index',
  'daemon/log/usage.ts -> daemon/storage/usage-rows.ts': 'what is refused beforehand is counted as it would be stored',
}

/** Top files of the daemon that know its subsystems. */
const roots: Readonly<Record<string, string>> = {
  'daemon/daemon.ts': 'the composition root',
  'daemon/derived.ts': 'the part of the root that builds what is made from the log',
  'daemon/protocols.ts': 'the part of the root that says who serves each protocol',
}
const topFileCrossings: Readonly<Record<string, string>> = {
  'daemon/config.ts -> daemon/cli/closest.ts': 'a key that is not known is answered like a command that is not known',
  'daemon/main.ts -> daemon/cli/package-version.ts':
    'the version that the command line prints is the one the daemon says',
}

/** Where the process is touched besides scripts and examples, which are programs. */
const processUsers: Readonly<Record<string, string>> = {
  'bin/moor.js': 'the process of the command line',
  'daemon/main.ts': 'the process of the daemon',
  'plugin-sdk/main.ts': 'the process of a plugin that was started as one',
  'plugin-sdk/run.ts': 'reads the environment for the defaults of its options, changes nothing',
  'daemon/daemon.ts': 'its process id, for the card',
  'daemon/identity.ts': 'the platform: Windows has no permission bits to look at',
  'daemon/storage/sqlite-migrate.ts': 'the platform: a directory cannot be synced on Windows',
  'daemon/views/view-worker.ts': 'the memory of its thread, against the ceiling',
}

/** Larger than one screenful has a reason, or it is two files. */
const maxLines = 320
const longFiles: Readonly<Record<string, string>> = {
  'protocol/errors.ts': 'one table, a row for each code, and what reads it',
}

const againstDirection = ({ importer, target }: Import): boolean =>
  files.includes(target) && directions[topOf(importer)]?.from.includes(topOf(target)) !== true

// Files of protocol/ may be named one by one, so that a worker thread loads neither the shapes nor the codec.
const pastDoor = ({ importer, target }: Import): boolean =>
  files.includes(target) &&
  topOf(importer) !== topOf(target) &&
  topOf(importer) !== 'scripts' &&
  topOf(target) !== 'protocol' &&
  !/^[^/]+\/(?:[^/]+\/)?(?:index|testing)\.ts$/.test(target)

const isCrossing = ({ importer, target, isType }: Import): boolean => {
  const from = subsystemOf(importer)
  const to = subsystemOf(target)
  return !isType && from !== undefined && to !== undefined && from !== to
}

describe('the rules', () => {
  const from = (importer: string, target: string, isType = false): Import => ({ importer, target, isType })

  it.each([
    from('plugin-sdk/run.ts', 'daemon/daemon.ts'),
    from('daemon/main.ts', 'plugin-sdk/index.ts', true),
    from('protocol/define.ts', 'plugin-sdk/index.ts'),
    from('examples/echo/plugin.ts', 'protocol/index.ts'),
    from('daemon/log/ring.ts', 'test/fixtures/clock.ts'),
  ])('refuse that $importer imports $target', (wrong) => expect(againstDirection(wrong)).toBe(true))

  it('let through what goes down, and see what passes a door or crosses', () => {
    expect(againstDirection(from('daemon/log/ring.ts', 'protocol/ids.ts'))).toBe(false)
    expect(pastDoor(from('plugin-sdk/run.ts', 'daemon/log/ring.ts'))).toBe(true)
    expect(pastDoor(from('daemon/log/ring.ts', 'protocol/sync/ops.ts'))).toBe(false)
    expect(isCrossing(from('daemon/views/views.ts', 'daemon/storage/sqlite.ts'))).toBe(true)
    expect(isCrossing(from('daemon/views/views.ts', 'daemon/storage/storage.ts', true))).toBe(false)
    expect(isCrossing(from('daemon/views/views.ts', 'daemon/views/render.ts'))).toBe(false)
  })
})

describe('imports', () => {
  it('finds every kind of import', () => {
    const text = [
      "import a, { b } from './b.ts'",
      "import type {\n  C,\n  D,\n} from '../c/d.ts'",
      "import './side.ts'",
      "export * from './e.ts'",
      "export { type F } from './f.ts'",
      "  const g = await import('./g.ts')",
      "import * as A from '@scope/h/i'",
      "const napi = import.meta.resolve('j')",
      "const text = 'import from nowhere'",
    ].join('\n')
    expect(importsOf('x/y/z.ts', text)).toEqual([
      { importer: 'x/y/z.ts', target: 'x/y/b.ts', isType: false },
      { importer: 'x/y/z.ts', target: 'x/c/d.ts', isType: true },
      { importer: 'x/y/z.ts', target: 'x/y/side.ts', isType: false },
      { importer: 'x/y/z.ts', target: 'x/y/e.ts', isType: false },
      { importer: 'x/y/z.ts', target: 'x/y/f.ts', isType: false },
      { importer: 'x/y/z.ts', target: '@scope/h/i', isType: false },
      { importer: 'x/y/z.ts', target: 'x/y/g.ts', isType: false },
      { importer: 'x/y/z.ts', target: 'j', isType: false },
    ])
  })

  it('name files that exist, packages of the manifest, or what Node has', () => {
    const { dependencies, devDependencies } = JSON.parse(read('package.json')) as Record<string, Record<string, string>>
    const known = { ...dependencies, ...devDependencies }
    const unknown = imports.filter(({ target }) => {
      const name = packageOf(target)
      return name !== undefined && !Object.hasOwn(known, name)
    })
    expect(unknown.map(say)).toEqual([])
  })

  it.each(Object.entries(directions))('of %s go one way only', (folder, { reason }) => {
    expect(
      sources.some((file) => topOf(file) === folder),
      `${folder} is no longer there`,
    ).toBe(true)
    const wrong = imports.filter((each) => topOf(each.importer) === folder && againstDirection(each))
    expect(wrong.map(say), reason).toEqual([])
  })

  it('have a direction for every folder', () => {
    expect([...new Set(sources.map(topOf))].sort()).toEqual(Object.keys(directions).sort())
  })

  it('of examples name what is exported', () => {
    const { exports } = JSON.parse(read('package.json')) as { exports: Record<string, unknown> }
    const wrong = imports.filter(
      ({ importer, target }) =>
        topOf(importer) === 'examples' &&
        !target.startsWith('node:') &&
        !Object.hasOwn(exports, target.replace(/^mooring/, '.')),
    )
    expect(wrong.map(say)).toEqual([])
  })

  it('across folders name a door or a file of protocol', () => {
    expect(imports.filter(pastDoor).map(say)).toEqual([])
  })
})

describe('third parties', () => {
  it.each(Object.entries(packages))('%s is imported where it belongs', (name, { at, reason }) => {
    const users = imports.filter(({ target }) => packageOf(target) === name)
    const wrong = users.filter(({ importer }) => !at.some((place) => isWithin(importer, place)))
    expect(wrong.map(say), reason).toEqual([])
    const unused = at.filter((place) => !users.some(({ importer }) => isWithin(importer, place)))
    expect(unused, `${name} is no longer used there`).toEqual([])
  })

  it('are the dependencies of the package, each with a rule', () => {
    const { dependencies } = JSON.parse(read('package.json')) as { dependencies: Record<string, string> }
    expect(Object.keys(packages).sort()).toEqual(Object.keys(dependencies).sort())
  })
})

describe('the daemon', () => {
  const values = imports.filter(({ target, isType }) => !isType && subsystemOf(target) !== undefined)
  const name = ({ importer, target }: Import): string => `${importer} -> ${target}`

  it('has subsystems that meet as values in the root alone', () => {
    const found = imports.filter(isCrossing).map(name)
    expect(found.sort(), 'a subsystem is readable alone, and is given what it works with').toEqual(
      Object.keys(crossings).sort(),
    )
  })

  it('has top files that know no subsystem, but for the root', () => {
    const found = values
      .filter(({ importer }) => importer.startsWith('daemon/') && subsystemOf(importer) === undefined)
      .filter(({ importer }) => !Object.hasOwn(roots, importer))
      .map(name)
    expect(found.sort()).toEqual(Object.keys(topFileCrossings).sort())
  })

  it('has a root that fits two screens', () => {
    for (const file of Object.keys(roots)) expect(linesOf(file), file).toBeLessThan(150)
  })
})

describe('files', () => {
  it('touch the process only where it is theirs', () => {
    const users = sources
      .filter((file) => !/^(?:scripts|examples)\//.test(file))
      .filter((file) => /\bprocess[.?]|'node:process'/.test(withoutTexts(codeOf(read(file)))))
    expect(users.sort(), 'what changes the process can only be in one place').toEqual(Object.keys(processUsers).sort())
  })

  it('are short enough to read at once', () => {
    const long = sources.filter((file) => linesOf(file) > maxLines)
    expect(long, `more than ${maxLines} lines: which part is hiding in it?`).toEqual(Object.keys(longFiles))
  })

  it('open with what they are for', () => {
    const silent = sources.filter((file) => !/^(?:#!.*\n)?(?:\/\*\*|\/\/) ?\n?/.test(read(file)))
    expect(silent).toEqual([])
  })

  it('leave nothing to be done later', () => {
    // In pieces, so that this file does not find itself.
    const marks = new RegExp(`\\b(?:TO${''}DO|FIX${''}ME|X${''}XX)\\b`)
    expect(files.filter((file) => isCode(file) && marks.test(read(file)))).toEqual([])
  })

  it('bypass no check of the compiler', () => {
    const bypasses = [new RegExp(`@ts-${''}(?:ignore|nocheck|expect-error)`), /(?:\bas|:|<) ?any\b/]
    const found = files
      // A type that must not compile is what the directive is for.
      .filter((file) => isCode(file) && !file.startsWith('test/types/'))
      .filter((file) => bypasses[0]?.test(read(file)) || bypasses[1]?.test(withoutTexts(codeOf(read(file)))))
    expect(found).toEqual([])
  })
})

const isCode = (file: string): boolean => /\.(?:ts|js|mts)$/.test(file)
const linesOf = (file: string): number => read(file).split('\n').length - 1

/** Without the contents of short texts; the name of a module of Node stays. */
const withoutTexts = (code: string): string => code.replace(/'(?!node:)[^'\n]*'/g, "''")
