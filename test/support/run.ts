/**
 * Finds the compiled tests and runs them with Node's own runner.
 * Node 20 takes neither globs nor TypeScript, hence this list.
 */
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';

const args = process.argv.slice(2);
const runSlowTier = args.includes('--all');
const patterns = args.filter((arg) => !arg.startsWith('--'));

function testFiles(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.test.js'))
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => patterns.length === 0 || patterns.some((pattern) => path.includes(pattern)))
    .sort();
}

const isLive = (path: string): boolean => path.includes('/live/');

function run(command: string, commandArgs: readonly string[]): void {
  const result = spawnSync(command, commandArgs, {
    stdio: 'inherit',
    env: { ...process.env, P2PWALL_TEST_ALL: runSlowTier ? '1' : '' },
  });
  if (result.status !== 0) process.exit(result.status ?? 1);
}

if (patterns.length === 0) {
  run('npx', ['--no-install', 'biome', 'lint', '--error-on-warnings', '--max-diagnostics=50', 'src', 'test', 'bench']);
}
const files = [...testFiles('dist/src'), ...testFiles('dist/test')];
const pure = files.filter((path) => !isLive(path));
const live = files.filter(isLive);
const runner = ['--enable-source-maps', '--test', '--test-reporter=dot', '--test-reporter-destination=stderr', '--test-reporter=./dist/test/support/reporter.js', '--test-reporter-destination=stdout'];
if (files.length === 0) {
  console.error(`no test file matches ${patterns.join(' ')}`);
  process.exit(2);
}
// One at a time for live tests: they share the machine's cores and kernel tables, and measure what they see.
if (pure.length > 0) run('node', [...runner, ...pure]);
if (live.length > 0) run('node', [...runner, '--test-concurrency=1', ...live]);
