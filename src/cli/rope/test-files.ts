/** `rope test`: users' own cases, in the format of docs/rope-tests.md, on every back end. */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type Case, parseCaseFile } from '../../rope/testing/case-file.js';
import { runCase } from '../../rope/testing/run-case.js';
import { EXIT_FAILED, EXIT_OK, EXIT_USAGE } from '../exit-codes.js';
import { BACK_ENDS } from './back-ends.js';
import { complain } from './messages.js';
import { colorsFor } from '../terminal.js';

interface Counts {
  passed: number;
  failed: number;
}

export function ropeTest(files: readonly string[], options: { readonly verbose?: boolean }): number {
  const counts: Counts = { passed: 0, failed: 0 };
  let isReadable = true;
  for (const path of files) {
    let text: string;
    try {
      text = readFileSync(path, 'utf8');
    } catch (error) {
      complain('rope test', (error as Error).message);
      isReadable = false;
      continue;
    }
    const { cases, faults } = parseCaseFile(text);
    for (const { line, message } of faults) {
      complain('rope test', `${path}:${line}: ${message}`);
      isReadable = false;
    }
    for (const testCase of cases) runOnAll(path, testCase, options.verbose === true, counts);
  }
  process.stdout.write(`${counts.passed} passed, ${counts.failed} failed\n`);
  if (!isReadable) return EXIT_USAGE;
  return counts.failed === 0 ? EXIT_OK : EXIT_FAILED;
}

function runOnAll(path: string, testCase: Case, isVerbose: boolean, counts: Counts): void {
  const { green, red } = colorsFor(process.stdout);
  let source = testCase.source;
  if (testCase.script !== null) {
    try {
      source = readFileSync(join(dirname(path), `${testCase.script}.rope`), 'utf8');
    } catch (error) {
      counts.failed++;
      process.stdout.write(`${red('failed')} ${path}:${testCase.line} ${testCase.name}: ${(error as Error).message}\n`);
      return;
    }
  }
  const failures = BACK_ENDS.flatMap((backEnd) => {
    const mustRun = backEnd.name === 'interpreter' || (backEnd.name === 'javascript' && testCase.expect.isStatic);
    return runCase(testCase, source, backEnd, mustRun).failures.map((failure) => `${backEnd.name}: ${failure}`);
  });
  if (failures.length === 0) {
    counts.passed++;
    if (isVerbose) process.stdout.write(`${green('passed')} ${path}:${testCase.line} ${testCase.name}\n`);
    return;
  }
  counts.failed++;
  for (const failure of failures) process.stdout.write(`${red('failed')} ${path}:${testCase.line} ${testCase.name}: ${failure}\n`);
}
