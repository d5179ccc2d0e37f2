// Loads a program: its bundle when that is as fresh as the compiled files (it starts faster), else the compiled files.
import { statSync } from 'node:fs';

/** Modification time in milliseconds; 0 when there is no such file. */
function modifiedMs(path) {
  return statSync(new URL(path, import.meta.url), { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

export async function launch(program) {
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
