/** `rope words`: the reference of the language at the command line. */
import { entryText, overviewText } from '../../rope/reference.js';
import { EXIT_FAILED, EXIT_OK } from '../exit-codes.js';
import { complain } from './messages.js';

export function ropeWords(names: readonly string[]): number {
  if (names.length === 0) process.stdout.write(overviewText());
  let status = EXIT_OK;
  for (const name of names) {
    const text = entryText(name.replace(/^\$/, ''));
    if (text !== null) process.stdout.write(text);
    else {
      complain('rope', `${name} is neither a word nor a predefined register`, 'rope words lists them all');
      status = EXIT_FAILED;
    }
  }
  return status;
}
