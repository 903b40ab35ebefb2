/** How this program is called here. Keeps true: a command that is printed for a person works when it is pasted. */

/** The text with `moor` in front of each command replaced by what is typed instead, such as `npx moor`. */
export const asCalled = (text: string, call: string): string =>
  call === 'moor' ? text : text.replace(/(?<![\w./-])(?<!npx )moor (?=[a-z[<-])/g, () => `${call} `)
