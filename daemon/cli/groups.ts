/** What the commands of one first word have in common, for the help and the completion. */
export const commandGroups: Readonly<Record<string, string>> = {
  archive: 'Texts that are kept as they are',
  block: 'Look at a block, describe it, or begin it anew',
  quarantine: 'Changes that were set aside',
}
