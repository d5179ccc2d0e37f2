/** Options that several commands of rope and ropec share: pushed arguments, limits. */
import { lookup } from 'node:dns/promises';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { parseAddress } from '../../base/address.js';
import type { Argument } from '../../rope/argument.js';
import { DEFAULT_LIMITS, type Limits, ORIGINAL_LIMITS } from '../../rope/ir.js';

/** An argument as written; names are resolved later. */
export type Push = Argument | { readonly type: 'ip'; readonly text: string };

/** Adds `--push-int`, `--push-str` and `--push-ip`; what they collect is in the returned list, in the order of the command line. */
export function addPushOptions(command: Command): Push[] {
  const pushes: Push[] = [];
  const add = (push: Push): Push[] => {
    pushes.push(push);
    return pushes;
  };
  command
    .option('--push-int <N>', 'push an integer before the script starts (repeatable)', (text: string) => add({ type: 'int', value: readInt(text) }))
    .option('--push-str <TEXT>', 'push a string (repeatable)', (text: string) => add({ type: 'str', bytes: new TextEncoder().encode(text) }))
    .option('--push-ip <ADDRESS>', 'push an address, or that of a name, as 4 or 16 bytes (repeatable)', (text: string) => add({ type: 'ip', text }));
  return pushes;
}

/** For options and arguments that are integers of the language. */
export function readInt(text: string): number {
  const value = Number(text);
  if (!/^-?([0-9]+|0[xX][0-9a-fA-F]+)$/.test(text) || value < -0x8000_0000 || value > 0xffff_ffff) {
    throw new InvalidArgumentError('not an integer of 32 bits');
  }
  return value | 0;
}

/** Resolves names. A string says what could not be resolved. */
export async function resolvePushes(pushes: readonly Push[]): Promise<Argument[] | string> {
  const out: Argument[] = [];
  for (const push of pushes) {
    if (push.type !== 'ip') {
      out.push(push);
      continue;
    }
    let bytes = parseAddress(push.text);
    if (bytes === null) {
      try {
        bytes = parseAddress((await lookup(push.text)).address);
      } catch (error) {
        return `cannot resolve ${push.text}: ${(error as Error).message}`;
      }
    }
    if (bytes === null) return `cannot resolve ${push.text}`;
    out.push({ type: 'str', bytes });
  }
  return out;
}

export function limitsOption(): Option {
  return new Option('--limits <WHICH>', 'limits of stack, strings, actions and loops').choices(['default', 'original']).default('default');
}

export function limitsNamed(name: string): Limits {
  return name === 'original' ? ORIGINAL_LIMITS : DEFAULT_LIMITS;
}
