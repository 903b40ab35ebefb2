/** The version of this program, from the package file above: in a clone two folders up, in a package three. */
import { readFile } from 'node:fs/promises'
import { z } from 'zod'
import { MooringError } from '../../protocol/index.ts'

const packageShape = z.object({ name: z.literal('mooring'), version: z.string() })

export async function packageVersion(): Promise<string> {
  for (const place of ['../../package.json', '../../../package.json']) {
    const text = await readFile(new URL(place, import.meta.url), 'utf8').catch(() => undefined)
    const found = text === undefined ? undefined : packageShape.safeParse(JSON.parse(text))
    if (found?.success) return found.data.version
  }
  throw new MooringError('internal', { detail: 'package.json is missing' })
}
