// Loads a program: its bundle when that is as fresh as the compiled files (it starts faster), else the compiled files.
// CommonJS, unlike everything else here: Node's loader of ES modules alone takes as long as all that this file does.
'use strict';
const { readFileSync, statSync, writeFileSync } = require('node:fs');
const { createRequire } = require('node:module');
const { dirname, join } = require('node:path');
const { setFlagsFromString } = require('node:v8');
const { Script } = require('node:vm');

const root = dirname(__dirname);

/** Modification time in milliseconds; 0 when there is no such file. */
function modifiedMs(path) {
  return statSync(join(root, path), { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

/**
 * V8 tuned for a few hundred functions that are hot for a second or two, on one core: with its defaults
 * optimising takes a third of the time of `p2pwall identify` (bench/identify.ts). Inline less into each
 * function, optimise small ones no sooner than others (a third of all that were optimised; they are inlined into
 * larger ones anyway), and leave out two phases that take longer here than the code they make saves
 * (`node --turbo-stats` counts a ninth less memory). Daemons run long enough for the defaults, which make
 * faster code in the end.
 *
 * Measured without gain: more or less patience (half to three times the budget, 5 ticks), `--always-sparkplug`,
 * `--no-sparkplug`, a single thread for collecting garbage, Maglev, and plain properties in place of private ones in
 * the bundle.
 */
const SHORT_RUN_FLAGS = [
  '--max-inlined-bytecode-size-cumulative=300',
  '--max-bytecode-size-for-early-opt=0',
  '--no-turbo-loop-peeling',
  '--no-turbo-escape',
];

/**
 * `p2pwall identify` as one script with the bytecode that V8 made of it before: starts in half the time of the
 * modules (bench/identify.ts counts the whole process). script/bundle writes both; V8 itself refuses code of
 * another version, other flags or another length of source, and then compiles as usual.
 */
const WHOLE = 'dist/bundle/identify.cjs';
/** V8 takes code only with the flags it was made with: one file for many cores, one for a single core. */
const CODE = `${WHOLE}.${process.execArgv.includes('--no-concurrent-recompilation') ? 'one-core' : 'cores'}.code`;

async function runWhole() {
  const path = join(root, WHOLE);
  const isCodeFresh = modifiedMs(CODE) >= modifiedMs(WHOLE);
  // A function of `module` and `require`. esbuild writes ASCII only: decoding is copying.
  const script = new Script(readFileSync(path, 'latin1'), {
    filename: path,
    ...(isCodeFresh ? { cachedData: readFileSync(join(root, CODE)) } : {}),
  });
  const module = { exports: {} };
  script.runInThisContext()(module, createRequire(path));
  await module.exports.done;
  if (process.env.P2PWALL_WRITE_CODE === '1') writeFileSync(join(root, CODE), script.createCachedData());
  // All is written: end without taking the heap apart object by object (a hundredth of bench/identify.ts).
  if (process.stdout.writableLength + process.stderr.writableLength === 0) process.exit();
}

exports.launch = async function launch(program) {
  // The reader of a pipe may go away (head, less): the end of the work, not an error.
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error) => {
      if (error.code === 'EPIPE') process.exit(process.exitCode ?? 0);
      throw error;
    });
  }
  const bundle = `dist/bundle/${program}.js`;
  const compiled = `dist/src/cli/${program}.js`;
  const isFresh = modifiedMs(bundle) > 0 && modifiedMs(bundle) >= modifiedMs('dist/.tsbuildinfo');
  if (program === 'p2pwall' && ['identify', 'explain'].includes(process.argv[2])) {
    for (const flag of SHORT_RUN_FLAGS) setFlagsFromString(flag);
    if (isFresh && process.argv[2] === 'identify' && modifiedMs(WHOLE) > 0) return runWhole();
  }
  if (isFresh) return import(`../${bundle}`);
  if (modifiedMs(compiled) > 0) return import(`../${compiled}`);
  console.error(`${program}: not compiled yet; run script/setup in the checkout first`);
  process.exitCode = 69;
};
