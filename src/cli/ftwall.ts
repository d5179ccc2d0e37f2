/**
 * `ftwall`: reads its command line, becomes a daemon like the original (unless told otherwise) and runs until a signal.
 *
 * The child tells the parent when it stands, so that a start script sees failures: exit 0 means the wall is up.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import type { Command } from 'commander';
import { FtwallDaemon, FtwallStartError } from '../daemon/ftwall-daemon.js';
import { FtwallLog } from '../daemon/ftwall-log.js';
import { readInsideInterfaces } from '../daemon/own-network.js';
import { rulesText, setsText } from '../enforce/ftwall-rules.js';
import { ToolError } from '../enforce/tools.js';
import { SystemError } from '../kernel/system-error.js';
import { type CompletionOption, printsCompletion } from './completion.js';
import { EXIT_FAILED, EXIT_NO_PRIVILEGE, EXIT_OK, EXIT_UNAVAILABLE, EXIT_USAGE } from './exit-codes.js';
import { ftwallCommand } from './ftwall-command.js';
import { type FtwallOptions, readConfig, type Resolved, resolveOptions } from './ftwall-options.js';
import { runCommand } from './wall/run-command.js';

/** Status of a tool that is missing, as shells have it. */
const NOT_INSTALLED = 127;
/** Set in the background child. */
const CHILD_VARIABLE = 'FTWALL_BACKGROUND';

function resolve(given: FtwallOptions): Resolved | string[] {
  const file = given.config === undefined ? {} : readConfig(given.config);
  if (Array.isArray(file)) return file;
  // commander sets true for what --no-x negates; only an explicit --no-x may override the file.
  const explicit = Object.fromEntries(Object.entries(given).filter(([name, value]) => !((name === 'blockUdp' || name === 'rules') && value === true)));
  return resolveOptions({ ...file, ...explicit }, readInsideInterfaces);
}

function say(text: string): void {
  process.stderr.write(`ftwall: ${text}\n`);
}

async function main(options: FtwallOptions): Promise<number> {
  // The name that start scripts end it by (killproc, pidof).
  process.title = 'ftwall';
  if (process.env[CHILD_VARIABLE] !== undefined) speakThroughParent();
  const resolved = resolve(options);
  if (Array.isArray(resolved)) {
    for (const problem of resolved) say(problem);
    say('ftwall --help explains the options');
    return EXIT_USAGE;
  }
  const { settings } = resolved;
  if (!settings.installsRules) {
    process.stdout.write(`# ipset restore -exist\n${setsText(settings.maxPeers)}`);
    for (const family of [4, 6] as const) process.stdout.write(`# ${family === 4 ? 'iptables' : 'ip6tables'}-restore --noflush\n${rulesText(family, settings)}`);
  }
  if (process.getuid?.() !== 0) {
    say('needs root (CAP_NET_ADMIN and CAP_NET_RAW)');
    return EXIT_NO_PRIVILEGE;
  }
  if (!resolved.isForeground && process.env[CHILD_VARIABLE] === undefined) return startInBackground();
  for (const name of settings.interfaces) if (!existsSync(`/sys/class/net/${name}`)) say(`no interface is named ${name} now: nothing is contained behind it until there is one`);
  return run(resolved);
}

/** What the background child tells its parent. */
type ChildWord = { readonly say: string } | { readonly isUp: true };

/**
 * Starts the same command line as a child of its own session, passes on what it says until it stands, and leaves. The child holds
 * no descriptor of ours: a start script that reads our output must not wait for the daemon.
 */
function startInBackground(): Promise<number> {
  const child = spawn(process.execPath, process.argv.slice(1), {
    detached: true,
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    env: { ...process.env, [CHILD_VARIABLE]: '1' },
  });
  return new Promise((done) => {
    child.on('message', (word: ChildWord) => {
      if ('say' in word) process.stderr.write(word.say);
      else {
        child.disconnect();
        child.unref();
        done(EXIT_OK);
      }
    });
    child.once('exit', (status) => done(status ?? EXIT_FAILED));
    child.once('error', (error) => {
      say(`cannot start in the background: ${error.message}`);
      done(EXIT_FAILED);
    });
  });
}

/** In the background child: what would go to standard error goes to the parent, as long as there is one. */
function speakThroughParent(): void {
  process.stderr.write = (text: string | Uint8Array): boolean => {
    if (process.connected) process.send?.({ say: String(text) } satisfies ChildWord);
    return true;
  };
}

function run({ settings, wishes }: Resolved): Promise<number> {
  const log = new FtwallLog(wishes);
  let daemon: FtwallDaemon;
  try {
    daemon = new FtwallDaemon(settings, log);
  } catch (error) {
    log.close();
    return Promise.resolve(explainFailure(error));
  }
  log.debug('q', `walls ${settings.interfaces.join(', ')} by queue ${settings.queue}`);
  if (process.connected) process.send?.({ isUp: true } satisfies ChildWord);
  return new Promise((done) => {
    const end = (): void => {
      daemon.stop();
      log.close();
      done(EXIT_OK);
    };
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, end);
  });
}

function explainFailure(error: unknown): number {
  if (error instanceof FtwallStartError) {
    say(`${error.message} (${error.hint})`);
    return EXIT_FAILED;
  }
  if (error instanceof ToolError) {
    say(`${error.message} (${error.hint})`);
    return error.status === NOT_INSTALLED ? EXIT_UNAVAILABLE : EXIT_FAILED;
  }
  if (error instanceof SystemError) {
    say(error.message);
    return error.code === 'ERR_NOT_PERMITTED' ? EXIT_NO_PRIVILEGE : EXIT_FAILED;
  }
  if (error instanceof Error && 'syscall' in error) {
    say(error.message);
    return EXIT_FAILED;
  }
  throw error;
}

const command = ftwallCommand().action(async (options: FtwallOptions & CompletionOption, self: Command) => {
  if (printsCompletion(self, options)) return;
  process.exitCode = await main(options);
});
await runCommand(command);
