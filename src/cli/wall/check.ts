/** `p2pwall check`: the configuration and the machine, each problem with its remedy. Exit 0 good, 2 configuration, 77 privilege, 69 lacking. */
import { type CheckResult, checkMachine } from '../../daemon/machine-check.js';
import { numberOf } from '../../report/table.js';
import { EXIT_NO_PRIVILEGE, EXIT_OK, EXIT_UNAVAILABLE, EXIT_USAGE } from '../exit-codes.js';
import { isConfig, readConfig } from './read-config.js';
import { colorsFor } from '../terminal.js';

const SIGNS: Readonly<Record<CheckResult['state'], string>> = { good: 'ok', advice: 'note', missing: 'MISSING', forbidden: 'NO' };

function exitStatus(results: readonly CheckResult[]): number {
  if (results.some(({ state }) => state === 'forbidden')) return EXIT_NO_PRIVILEGE;
  return results.some(({ state }) => state === 'missing') ? EXIT_UNAVAILABLE : EXIT_OK;
}

export function check(options: { readonly config: string; readonly json?: boolean }): number {
  const config = readConfig(options.config);
  if (!isConfig(config)) {
    if (options.json === true) process.stdout.write(`${JSON.stringify({ problems: config, checks: [] })}\n`);
    else for (const line of config) process.stderr.write(`${line}\n`);
    return EXIT_USAGE;
  }
  const results = checkMachine(config);
  if (options.json === true) {
    process.stdout.write(`${JSON.stringify({ problems: [], checks: results })}\n`);
    return exitStatus(results);
  }
  const colors = colorsFor(process.stdout);
  const paint = { good: colors.green, advice: colors.yellow, missing: colors.red, forbidden: colors.red };
  process.stdout.write(`${options.config}: ${numberOf(config.policy.rules.length, 'rule')}, no mistakes\n`);
  for (const { name, state, detail, remedy } of results) {
    process.stdout.write(`  ${paint[state](SIGNS[state].padEnd(8))}${name}: ${detail}${remedy === '' ? '' : `\n          ${remedy}`}\n`);
  }
  return exitStatus(results);
}
