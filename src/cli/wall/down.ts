/** `p2pwall down`: removes every trace of a wall, whoever put it up and however it ended. Needs no configuration. */
import { clearWall } from '../../daemon/clear-wall.js';
import { EXIT_OK } from '../exit-codes.js';
import { failureOf, sayFailure } from './wall-failure.js';

export function down(options: { readonly json?: boolean }): number {
  try {
    const removed = clearWall();
    if (options.json === true) process.stdout.write(`${JSON.stringify({ removed })}\n`);
    else process.stdout.write(removed.length === 0 ? 'nothing of p2pwall was there\n' : removed.map((what) => `removed ${what}\n`).join(''));
    return EXIT_OK;
  } catch (error) {
    const failure = failureOf(error);
    if (failure === null) throw error;
    return sayFailure(failure);
  }
}
