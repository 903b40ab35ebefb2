/** Compiles the sources for publishing: `dist/` mirrors the folders, with the SQL files beside the code that reads them. */
import { spawnSync } from 'node:child_process'
import { cpSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
process.chdir(root)
rmSync('dist', { recursive: true, force: true })

const config = {
  extends: './tsconfig.json',
  compilerOptions: { noEmit: false, outDir: 'dist', rootDir: '.', declaration: true, sourceMap: false, paths: {} },
  include: ['protocol', 'plugin-sdk', 'daemon'],
}
writeFileSync('tsconfig.build.json', JSON.stringify(config))
const { status } = spawnSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json'], {
  stdio: 'inherit',
})
rmSync('tsconfig.build.json')
if (status !== 0) process.exit(1)

const migrations = 'daemon/storage/migrations'
for (const file of readdirSync(migrations)) {
  if (file.endsWith('.sql')) cpSync(`${migrations}/${file}`, `dist/${migrations}/${file}`)
}
