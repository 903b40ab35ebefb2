import { schemaNames } from '../../protocol/schemas/index.ts'
import { schemaSuite } from './schema.suite.ts'

for (const name of schemaNames) schemaSuite(name)
