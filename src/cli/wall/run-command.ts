/** Runs a commander program with our exit statuses: usage errors are 2, everything unexpected is said in one line. */
import { type Command, CommanderError } from 'commander';
import { EXIT_FAILED, EXIT_OK, EXIT_USAGE } from '../exit-codes.js';

/** Makes a program and its subcommands throw instead of exiting, and show help after usage errors. */
function prepare(command: Command, name = command.name()): void {
  command.exitOverride().showHelpAfterError(`(${name} --help explains the options)`);
  for (const sub of command.commands) prepare(sub, `${name} ${sub.name()}`);
}

export async function runCommand(program: Command, argv: readonly string[] = process.argv): Promise<void> {
  prepare(program);
  try {
    await program.parseAsync([...argv]);
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    const isWanted = error.code === 'commander.helpDisplayed' || error.code === 'commander.version' || error.code === 'commander.help';
    process.exitCode = isWanted && error.exitCode === 0 ? EXIT_OK : EXIT_USAGE;
  }
}

/** Action of a subcommand: sets the exit status that the work returns. */
export function exitWith(status: number): void {
  process.exitCode = status;
}

/** Parses a whole number of at least `least`; commander prints the message of what this throws. */
export function wholeNumber(least: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^[0-9]+$/.test(text) || value < least || !Number.isSafeInteger(value)) {
      throw new CommanderError(EXIT_FAILED, 'commander.invalidArgument', `'${text}' is not a whole number of at least ${least}`);
    }
    return value;
  };
}
