/** The programs rope and ropec as users run them: exit statuses, outputs, files. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { pcapHeader, pcapRecord } from '../pcap/capture-writer.js';
import { ascii, concat } from '../base/bytes.js';
import { readScript } from '../config/rope-script.js';
import { buildTcp } from '../wire/build.js';
import { LINKTYPE_RAW } from '../wire/link-types.js';

const folder = mkdtempSync(join(tmpdir(), 'p2pwall-rope-'));
after(() => rmSync(folder, { recursive: true, force: true }));
const bin = join(import.meta.dirname, '../../../bin');

const web = buildTcp({ src: '192.0.2.1', dst: '192.0.2.2', srcPort: 1024, dstPort: 80, payload: ascii('GET / HTTP/1.0\r\n') });
const other = buildTcp({ src: '192.0.2.1', dst: '192.0.2.2', srcPort: 1024, dstPort: 81 });

function put(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

put('web.rope', '# web\n$tcp_dest 80 eq assert\nyes\n');
put('bad.rope', '20 add\n');
put('port.rope', '$port put\n$tcp_dest $port eq assert\n');
put('dynamic.rope', '$tcp_dest 80 eq { 1 2 } { 3 } ifelse\n');
put('say.rope', 'println( "port " $tcp_dest ) hotdrop( "stop" )\n');
put('conntrack.rope', '$ct_mark 5 eq assert\n');
put('web.bin', web);
put('other.bin', other);
put('both.pcap', concat(pcapHeader({ linkType: LINKTYPE_RAW }), pcapRecord({ bytes: web, timeMs: 1000 }), pcapRecord({ bytes: other, timeMs: 2000 })));
put('cases.md', '# A\n\n```rope\n$tcp_dest 80 eq assert\n```\n\n```expect\nverdict: okay\n```\n');
put('wrong.md', '# B\n\n```rope\nno\n```\n\n```expect\nverdict: yes\n```\n');

function run(program: 'rope' | 'ropec', args: readonly string[], input?: Uint8Array | string): { status: number | null; out: string; err: string } {
  const result = spawnSync(process.execPath, [join(bin, program), ...args], { cwd: folder, input: input ?? '', encoding: 'utf8', timeout: 20_000, env: { ...process.env, NO_COLOR: '1' } });
  return { status: result.status, out: result.stdout, err: result.stderr };
}

test('ropec compiles into the working directory, and rope runs both forms', () => {
  assert.deepEqual(run('ropec', ['web.rope']), { status: 0, out: '', err: '' });
  assert.equal(statSync(join(folder, 'web.rp')).mode & 0o777, 0o644);
  for (const script of ['web.rope', 'web.rp']) {
    const { status, out } = run('rope', [script, 'web.bin', 'other.bin']);
    assert.equal(status, 0);
    assert.equal(out, `web.bin:1: yes\nother.bin:1: no  EAssertFailed at ${script}:2:17\n1 of 2 packets matched\n`);
  }
});

test('exit statuses are those of grep, on every back end', () => {
  for (const backEnd of ['interpreter', 'javascript', 'ebpf']) {
    const status = (...args: string[]): number | null => run('rope', ['-q', '--backend', backEnd, ...args]).status;
    assert.equal(status('web.rope', 'both.pcap'), 0, backEnd);
    assert.equal(status('web.rope', 'other.bin'), 1, backEnd);
    assert.equal(status('web.rope', 'nowhere.pcap'), 2, backEnd);
    assert.equal(status('bad.rope', 'web.bin'), 2, backEnd);
  }
  assert.equal(run('rope', ['--backend', 'javascript', 'dynamic.rope', 'web.bin']).status, 2);
  const beyond = run('rope', ['--backend', 'ebpf', 'conntrack.rope', 'web.bin']);
  assert.equal(beyond.status, 2);
  assert.match(beyond.err, /ct_mark/);
  assert.equal(run('rope', ['dynamic.rope', 'web.bin']).status, 0);
  assert.equal(run('rope', []).status, 2);
  assert.equal(run('rope', ['--backend', 'none', 'web.rope', 'web.bin']).status, 2);
});

test('standard input holds a capture or one packet', () => {
  assert.match(run('rope', ['web.rope', '-'], readFileSync(join(folder, 'both.pcap'))).out, /^1: yes\n2: no .*\n1 of 2 packets matched\n$/);
  assert.match(run('rope', ['web.rope', '-'], web).out, /^1: yes\n1 of 1 packet matched\n$/);
  assert.equal(run('rope', ['web.rope', '-'], 'neither').status, 2);
  assert.equal(run('rope', ['web.rope', '-'], '').status, 2);
});

test('arguments are pushed in the order of the command line', () => {
  assert.equal(run('rope', ['-q', '--push-int', '80', 'port.rope', 'web.bin']).status, 0);
  assert.equal(run('rope', ['-q', '--push-int=0x51', 'port.rope', 'web.bin']).status, 1);
  assert.match(run('rope', ['port.rope', 'web.bin']).err, /takes 1 argument: an integer/);
  assert.match(run('rope', ['--push-str', 'x', 'port.rope', 'web.bin']).err, /mixed-types/);
  assert.equal(run('rope', ['--push-int', 'x', 'port.rope', 'web.bin']).status, 2);
  put('order.rope', '$s put $ip put $n put $n 7 eq assert $ip $ip_saddr eq assert $s "text" eq assert');
  assert.equal(run('rope', ['-q', '--push-int', '7', '--push-ip', '192.0.2.1', '--push-str', 'text', 'order.rope', 'web.bin']).status, 0);
});

test('traces, dumps, profiles, JSON, output', () => {
  assert.match(run('rope', ['--trace', 'web.rope', 'web.bin']).err, / {4}2 \| \$tcp_dest 80 eq assert\n(.*\n)?.*2:11\s+80\s+offset 40\s+\[ \$tcp_dest \]/);
  assert.match(run('rope', ['--dump', 'web.rope', 'web.bin']).out, /max = 64, used = 0/);
  assert.match(run('rope', ['--profile', '-q', 'web.rope', 'both.pcap']).err, /ns for a packet \(2 packets\)\n.*\n +2 +8 {2}2: \$tcp_dest/);
  const lines = run('rope', ['--json', 'web.rope', 'both.pcap']).out.trim().split('\n').map((line) => JSON.parse(line));
  assert.deepEqual(lines[0], { packet: 1, file: 'both.pcap', verdict: 'yes', match: true });
  assert.equal(lines[1].error, 'EAssertFailed');
  assert.deepEqual(lines[2], { summary: { packets: 2, matched: 1, failed: 0, hotdropped: 0 } });
  const said = run('rope', ['say.rope', 'web.bin']);
  assert.equal(said.out, 'port 80\n1: hotdrop  stop\n0 of 1 packet matched, 1 hotdropped\n');
  assert.equal(said.status, 1);
  assert.equal(run('rope', ['--trace', '--backend', 'javascript', 'web.rope', 'web.bin']).status, 2);
});

test('rope debug obeys commands from a file', () => {
  const { out, status } = run('rope', ['debug', 'web.rope', 'both.pcap'], 'p\ns\np\nr\nx\nb 3\nl\nc\nc\n');
  assert.equal(status, 0);
  for (const part of ['the stack is empty', '0: $tcp_dest', '$offset = 40', '00000000 : 47 45 54', 'breakpoint on line 3', '*    3  yes', 'verdict: yes']) assert.ok(out.includes(part), `${part}\n${out}`);
  assert.equal(run('rope', ['debug', 'web.rope', 'both.pcap', '--packet', '2'], 'c\n').status, 1);
  assert.equal(run('rope', ['debug', 'web.rope', 'both.pcap', '--packet', '3'], '').status, 2);
});

test('rope test runs cases of Markdown files', () => {
  assert.deepEqual([run('rope', ['test', 'cases.md']).status, run('rope', ['test', 'wrong.md']).status, run('rope', ['test', 'none.md']).status], [0, 1, 2]);
  assert.match(run('rope', ['test', 'wrong.md']).out, /failed wrong\.md:3 B: javascript: verdict no, expected yes/);
});

test('ropec tells what is wrong, where scripts run, and shows their forms', () => {
  const bad = run('ropec', ['bad.rope']);
  assert.equal(bad.status, 1);
  assert.match(bad.err, /bad\.rope:1:4: error\[underflow\]/);
  assert.ok(!existsSync(join(folder, 'bad.rp')));
  const [record] = run('ropec', ['--json', 'bad.rope']).out.trim().split('\n').map((line) => JSON.parse(line));
  assert.deepEqual([record.line, record.column, record.severity, record.code], [1, 4, 'error', 'underflow']);
  assert.match(run('ropec', ['--check', 'web.rope', 'dynamic.rope', 'port.rope', 'conntrack.rope']).out, /web\.rope: runs everywhere.*\ndynamic\.rope: runs on the interpreter only\nport\.rope: .*takes integer\nconntrack\.rope: runs on interpreter and JavaScript\n/);
  assert.match(run('ropec', ['--emit=ir', 'web.rope']).out, /end yes/);
  assert.match(run('ropec', ['--emit=js', '--push-int', '80', 'port.rope']).out, /!== 80/);
  assert.match(run('ropec', ['--emit=disasm', 'web.rope']).out, /exit/);
  assert.match(run('ropec', ['--emit=ebpf', 'web.rope']).out, /^([0-9a-f]{16}\n)+$/);
  assert.equal(run('ropec', ['--emit=js', 'port.rope']).status, 2);
  assert.equal(run('ropec', ['web.bin']).status, 2);
  assert.equal(run('ropec', ['none.rope']).status, 2);
});

test('ropec writes where it is told, and replaces no device or pipe', () => {
  assert.equal(run('ropec', ['-o', 'here.rp', 'web.rope']).status, 0);
  assert.ok(existsSync(join(folder, 'here.rp')));
  symlinkSync('/dev/null', join(folder, 'sink'));
  assert.equal(run('ropec', ['-o', 'sink', 'web.rope']).status, 0);
  assert.ok(statSync('/dev/null').isCharacterDevice());
  assert.ok(statSync(join(folder, 'sink')).isCharacterDevice());
  assert.equal(run('ropec', ['-o', 'none/x.rp', 'web.rope']).status, 2);
  assert.equal(run('ropec', ['-o', 'x.rp', 'web.rope', 'port.rope']).status, 2);
});

test('damaged containers are refused with a reason', () => {
  run('ropec', ['-o', 'damaged.rp', 'web.rope']);
  const bytes = readFileSync(join(folder, 'damaged.rp'));
  bytes[60] = (bytes[60] ?? 0) ^ 1;
  put('damaged.rp', bytes);
  const { status, err } = run('rope', ['damaged.rp', 'web.bin']);
  assert.equal(status, 2);
  assert.match(err, /checksum/);
  put('text.rp', 'yes');
  assert.match(run('rope', ['text.rp', 'web.bin']).err, /not a compiled script/);
  assert.match(run('rope', ['web.bin', 'web.rope']).err, /not a script/);
});

test('scripts of the system directory must belong to root alone', (t) => {
  if (process.getuid?.() !== 0) return t.skip('needs root, to own files as root');
  const system = mkdtempSync(join(tmpdir(), 'p2pwall-rope-system-'));
  t.after(() => rmSync(system, { recursive: true, force: true }));
  chmodSync(system, 0o755);
  run('ropec', ['-o', join(system, 'web.rp'), 'web.rope']);
  const read = (): string => {
    const script = readScript('web', system);
    return 'message' in script ? script.message : script.name;
  };
  assert.equal(read(), 'web');
  chmodSync(join(system, 'web.rp'), 0o664);
  assert.match(read(), /others than root can write it/);
  chmodSync(join(system, 'web.rp'), 0o644);
  chmodSync(system, 0o777);
  assert.match(read(), /others than root can write it/);
  // A directory further up: whoever can write there can put another one in the place of ours.
  chmodSync(system, 0o755);
  const inner = join(system, 'rope.d', 'scripts');
  mkdirSync(inner, { recursive: true });
  renameSync(join(system, 'web.rp'), join(inner, 'web.rp'));
  const readInner = (): string => {
    const script = readScript('web', inner);
    return 'message' in script ? script.message : script.name;
  };
  assert.equal(readInner(), 'web');
  chmodSync(join(system, 'rope.d'), 0o777);
  assert.match(readInner(), /rope\.d: refused: others than root can write it/);
  chmodSync(join(system, 'rope.d'), 0o1777);
  assert.equal(readInner(), 'web');
  // A link leads out of the directory, to what somebody else can write.
  put('theirs.rp', readFileSync(join(inner, 'web.rp')));
  chmodSync(join(folder, 'theirs.rp'), 0o666);
  rmSync(join(inner, 'web.rp'));
  symlinkSync(join(folder, 'theirs.rp'), join(inner, 'web.rp'));
  assert.match(readInner(), /others than root can write it/);
});
