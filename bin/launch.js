// Loads a program: its bundle when that is as fresh as the compiled files (it starts faster), else the compiled files.
import { statSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';

/** Modification time in milliseconds; 0 when there is no such file. */
function modifiedMs(path) {
  return statSync(new URL(path, import.meta.url), { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

/**
 * V8 tuned for a few hundred functions that are hot for a second or two, on one core: with its defaults
 * optimising takes a third of the time of `p2pwall identify` (bench/identify.ts). Inline less into each
 * function, and wait for twice as many executed bytecodes before optimising one.
 */
const V8_FLAGS = ['--max-inlined-bytecode-size-cumulative=300', '--interrupt-budget=135168'];

export async function launch(program) {
  for (const flag of V8_FLAGS) setFlagsFromString(flag);
  // The reader of a pipe may go away (head, less): the end of the work, not an error.
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error) => {
      if (error.code === 'EPIPE') process.exit(process.exitCode ?? 0);
      throw error;
    });
  }
  const bundle = `../dist/bundle/${program}.js`;
  const compiled = `../dist/src/cli/${program}.js`;
  const bundledMs = modifiedMs(bundle);
  if (bundledMs > 0 && bundledMs >= modifiedMs('../dist/.tsbuildinfo')) return import(bundle);
  if (modifiedMs(compiled) > 0) return import(compiled);
  console.error(`${program}: not compiled yet; run script/setup in the checkout first`);
  process.exitCode = 69;
}
