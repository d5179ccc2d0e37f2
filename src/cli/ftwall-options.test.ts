import { test } from 'node:test';
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FIRST_BUFFER_BYTES } from '../daemon/ftwall-daemon.js';
import { PONG, PONG_2 } from '../fasttrack/udp.js';
import { ftwallCommand } from './ftwall-command.js';
import { DEFAULT_QUEUE, type FtwallOptions, readConfig, type Resolved, resolveOptions } from './ftwall-options.js';

const page = readFileSync(new URL('../../../docs/man/ftwall.8', import.meta.url), 'utf8').replaceAll('\\-', '-');

/** Parses a command line as the program does. */
function parse(...args: string[]): FtwallOptions {
  let options: FtwallOptions = {};
  ftwallCommand()
    .exitOverride()
    .configureOutput({ writeErr: () => undefined })
    .action((given: FtwallOptions) => {
      options = given;
    })
    .parse(args, { from: 'user' });
  return options;
}

function resolved(...args: string[]): Resolved {
  const result = resolveOptions(parse(...args), () => ['lan0']);
  assert.ok(!Array.isArray(result), String(result));
  return result;
}

function problems(...args: string[]): string {
  const result = resolveOptions(parse(...args), () => ['lan0']);
  assert.ok(Array.isArray(result), 'expected problems');
  return result.join('\n');
}

test('without options: daemon, lock of 120 s, pings blocked, 0x29 forged', () => {
  const { settings, isForeground, wishes } = resolved();
  assert.equal(isForeground, false);
  assert.equal(settings.machine.lockMs, 120_000);
  assert.equal(settings.observesUdp, false);
  assert.equal(settings.machine.reply, PONG_2);
  assert.equal(settings.queue, DEFAULT_QUEUE);
  assert.equal(settings.storeFile ?? settings.clientFolder, null);
  assert.equal(settings.offloads, true);
  assert.equal(settings.receiveBufferBytes, null, 'not fixed: 32k at first');
  assert.equal(FIRST_BUFFER_BYTES, 32 * 1024);
  assert.deepEqual(settings.machine.names, []);
  assert.equal(wishes.syslog.size + wishes.stderr.size, 0);
  assert.deepEqual(settings.protectedNetworks, []);
  assert.deepEqual(settings.interfaces, ['lan0']);
  assert.equal(wishes.debug, null);
});

test('the letters of version 1 and 2', () => {
  const old = resolved('-n', '-b', '32k', '-f', '/var/lib/peers', '-t', '60', '-c', '/var/log/ftwall.clients', '-l', 'uc', '-L', 'tTpm', '-a', '127.0.0.1');
  assert.equal(old.settings.observesUdp, true);
  assert.equal(old.settings.receiveBufferBytes, 32_768);
  assert.equal(old.settings.storeFile, '/var/lib/peers');
  assert.deepEqual(old.settings.protectedNetworks, ['127.0.0.1']);
  assert.match(problems('-a', 'localhost'), /-a: 'localhost' is no IP address/);
  assert.equal(old.settings.machine.lockMs, 60_000);
  assert.equal(old.settings.clientFolder, '/var/log/ftwall.clients');
  assert.deepEqual([...(old.settings.machine.logs ?? [])].sort(), ['T', 'c', 'p', 't', 'u']);
  assert.equal(old.settings.offloads, false, 'every dropped connection is to be logged');
  assert.equal(resolved('-s').isForeground, true);
  const debug = (...args: string[]): string | null => {
    const { wishes, isForeground } = resolved(...args);
    assert.equal(isForeground, true);
    return wishes.debug && [...wishes.debug].join('');
  };
  assert.equal(debug('-d'), 'A');
  assert.equal(debug('-d', '-s'), 'A');
  assert.equal(debug('-d', 'tp'), 'tp');
  assert.equal(debug('-d', '-'), '-');
  assert.equal(debug('-ds'), 'A', 'version 1 knew no letters here: flags may follow');
  assert.equal(debug('-dsn'), 'A');
  assert.equal(resolved('-dn').settings.observesUdp, true);
  assert.equal(resolved('-nb', '64k').settings.receiveBufferBytes, 65_536);
});

test('the new options', () => {
  const { settings } = resolved('--iface', 'a', '--iface', 'b', '--queue', '5', '--reply', '0x28', '--lock-scope', 'user-ports', '--protect', '192.0.2.0/24', '--no-rules', '--block-name', '*.winmx.com');
  assert.deepEqual(settings.interfaces, ['a', 'b']);
  assert.equal(settings.queue, 5);
  assert.equal(settings.machine.reply, PONG);
  assert.equal(settings.lockScope, 'user-ports');
  assert.deepEqual(settings.protectedNetworks, ['192.0.2.0/24']);
  assert.equal(settings.installsRules, false);
  assert.equal(settings.watchesNames, true);
  assert.equal(resolved('--reply', 'none').settings.machine.reply, null);
});

test('all problems are said at once', () => {
  const text = problems('-l', 'uz', '-t', 'soon', '-b', 'much', '--protect', '192.0.2.1/24', '--block-name', '*.com', '--iface', 'a b', '-D', '/nowhere/names', '--queue', '70000');
  for (const part of ['-l: unknown letter z', "-t: 'soon'", "-b: 'much'", '--protect', '--block-name', '--iface', '-D: ', '--queue']) assert.ok(text.includes(part), `${part} in ${text}`);
  assert.ok(Array.isArray(resolveOptions({}, () => [])), 'no inside interface');
});

test('a TOML file gives the same options; strangers in it are refused', () => {
  const folder = mkdtempSync(join(tmpdir(), 'ftwall-config-'));
  try {
    const path = join(folder, 'ftwall.toml');
    writeFileSync(path, 'lock-time = 60\niface = ["lan1"]\nblock-udp = false\nreply = "0x28"\n');
    const options = readConfig(path);
    assert.ok(!Array.isArray(options));
    const result = resolveOptions(options, () => []);
    assert.ok(!Array.isArray(result));
    assert.equal(result.settings.machine.lockMs, 60_000);
    assert.equal(result.settings.observesUdp, true);
    const mistakes = (text: string): string[] => {
      writeFileSync(path, text);
      const read = readConfig(path);
      return Array.isArray(read) ? read.map((line) => line.replace(path, 'x')) : [];
    };
    assert.deepEqual(mistakes('store = "peers"\nlock-tme = 60\niface = "lan1"\nreply = "0x2"\n'), [
      'x:2: lock-tme: is not known; did you mean lock-time?',
      'x:3: iface: must be a list, and is text; write iface = ["lan1"]',
      'x:4: reply: "0x2" is none of 0x28, 0x29, none; did you mean "0x28"?',
    ]);
    assert.match(mistakes('store = "peers"\nnot toml\n')[0] ?? '', /^x:2: /);
    assert.ok(Array.isArray(readConfig(join(folder, 'absent'))));
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('the manual page documents every option, and no other', () => {
  const command = ftwallCommand();
  const known = new Set(['--help', '--version', '-h']);
  for (const option of command.options) {
    for (const flag of [option.short, option.long]) {
      if (!flag) continue;
      known.add(flag);
      assert.ok(new RegExp(`\\.(BR?|TP)[^\\n]*${flag}\\b`).test(page), `${flag} is missing in ftwall(8)`);
    }
  }
  for (const [flag] of page.matchAll(/(?<![\w-])--[a-z][a-z-]+/g)) assert.ok(known.has(flag), `${flag} of ftwall(8) does not exist`);
});
