/** Examples at the end of a command's help: a column of command lines beside what each is for. Data, so that a test can read them. */
import type { Command } from 'commander';

/** A command line as typed, and what it is for. */
export type Example = readonly [line: string, purpose: string];

/** By the path of the subcommand (`rule`); the program itself is the empty path. */
export type ExampleTable = Readonly<Record<string, readonly Example[]>>;

/** Lines longer than this do not push the purposes of the others to the right. */
const WIDEST_LINE = 44;

/** The lines under `Examples:`. */
export function examplesText(examples: readonly Example[]): string {
  const width = Math.max(...examples.map(([line]) => line.length).filter((length) => length <= WIDEST_LINE), 0);
  return examples.map(([line, purpose]) => `  ${line.padEnd(width)}  ${purpose}`.trimEnd()).join('\n');
}

/** Adds them to the help of the program and its subcommands; `status` explains the exit status under the program's own. */
export function addExamples(program: Command, table: ExampleTable, status = ''): Command {
  for (const command of [program, ...program.commands]) {
    const isProgram = command === program;
    const examples = table[isProgram ? '' : command.name()];
    if (examples === undefined) continue;
    command.addHelpText('after', `\nExamples:\n${examplesText(examples)}${isProgram && status !== '' ? `\n\n${status}` : ''}`);
  }
  return program;
}
