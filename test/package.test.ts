/**
 * The npm package as `npm install -g p2pwall-*.tgz` unpacks it: the five programs start from it without the
 * checkout. Its dependencies are the checkout's own, linked in; nothing is fetched.
 */
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const checkout = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

interface Answer { readonly status: number | null; readonly stdout: string; readonly stderr: string }

function run(command: string, parameters: readonly string[], cwd: string): Answer {
  const { status, stdout, stderr } = spawnSync(command, parameters, { cwd, encoding: 'utf8', timeout: 60_000 });
  return { status, stdout, stderr };
}

test('the packed package', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'p2pwall-package-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const packed = run('npm', ['pack', '--ignore-scripts', '--silent', '--pack-destination', folder], checkout);
  assert.equal(packed.status, 0, packed.stderr);
  const tarball = readdirSync(folder).find((name) => name.endsWith('.tgz'));
  assert.ok(tarball !== undefined, 'npm pack wrote no tarball');
  assert.equal(run('tar', ['xzf', tarball], folder).status, 0);
  const root = join(folder, 'package');
  symlinkSync(join(checkout, 'node_modules'), join(root, 'node_modules'));

  await t.test('holds what it names, and no test', () => {
    const description = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { bin: Record<string, string>; man: string[] };
    const files = new Set(readdirSync(root, { recursive: true, encoding: 'utf8' }));
    for (const path of [...Object.values(description.bin), ...description.man, 'LICENSE', 'README.md', 'share/p2pwall.toml'])
      assert.ok(files.has(path), `${path} is not in the package`);
    const pages = readdirSync(join(checkout, 'docs', 'man')).map((name) => `docs/man/${name}`);
    assert.deepEqual([...description.man].sort(), pages.sort(), 'package.json names every man page');
    assert.deepEqual([...files].filter((path) => !path.startsWith('node_modules') && /\.test\.[jt]s/.test(path)), []);
  });

  const version = (JSON.parse(readFileSync(join(checkout, 'package.json'), 'utf8')) as { version: string }).version;
  for (const program of ['p2pwall', 'cutter', 'ftwall', 'rope', 'ropec'])
    await t.test(`${program} tells its version`, () => {
      const answer = run(join(root, 'bin', program), ['--version'], folder);
      assert.deepEqual([answer.status, answer.stdout.trim()], [0, version], answer.stderr);
    });

  await t.test('p2pwall identifies a capture', () => {
    const answer = run(join(root, 'bin', 'p2pwall'), ['identify', join(checkout, 'samples', 'bittorrent-plain.pcap')], folder);
    assert.equal(answer.status, 0, answer.stderr);
    assert.match(answer.stdout, /bittorrent/);
  });

  await t.test('rope finds a supplied script', () => {
    const answer = run(join(root, 'bin', 'ropec'), ['--check', join(root, 'rope', 'bittorrent.rope')], folder);
    assert.equal(answer.status, 0, answer.stderr);
  });
});
