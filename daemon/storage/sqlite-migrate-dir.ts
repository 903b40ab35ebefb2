/** Where the migrations are: apart from the code that runs them, which only the store thread loads. */
import { fileURLToPath } from 'node:url'

/** Folder of the SQL files, beside this file also after compilation. */
export const migrationsDir = fileURLToPath(new URL('./migrations/', import.meta.url))
