import { expect, it } from 'vitest'
import { tooOld } from '../../../plugin-sdk/node-version.ts'

it.each(['22.18.0', '22.20.1', '24.0.0', '26.10.0'])('takes %s', (version) => {
  expect(tooOld(version, 'notes')).toBeUndefined()
})

it.each(['20.20.2', '22.17.9', '18.0.0'])('refuses %s in one sentence', (version) => {
  expect(tooOld(version, 'notes')).toBe(`notes needs Node.js 22.18 or newer; this is ${version}.`)
})
