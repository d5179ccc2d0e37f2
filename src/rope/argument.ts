/** Values that a rule pushes before a program starts. */
export type Argument = { readonly type: 'int'; readonly value: number } | { readonly type: 'str'; readonly bytes: Uint8Array };
