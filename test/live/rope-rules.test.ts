/**
 * Rope scripts in rules of iptables and ip6tables, on real traffic between namespaces: counters must equal what the
 * interpreter says of the same packets recorded at the same place, and targets must take effect.
 *
 * Needs root (CAP_BPF, CAP_NET_ADMIN, CAP_SYS_ADMIN), iptables, and tcpdump for the recordings. Safe: namespaces, the bpf
 * file system and all files are the test's own and go with it.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { forEachPacket } from '../../src/cli/rope/packets.js';
import { readScript } from '../../src/config/rope-script.js';
import { labUnavailable, openRoutedLab, type LabHost, type RoutedLab } from '../../src/lab/namespaces.js';
import type { Argument } from '../../src/rope/argument.js';
import { INTERPRETER } from '../../src/rope/backends/back-end.js';
import { isMatch } from '../../src/rope/ir.js';
import { PacketInput } from '../../src/rope/packet.js';
import { RunContext } from '../../src/rope/run-context.js';
import { parseCaseFile } from '../../src/rope/testing/case-file.js';
import type { Message } from './support/dialogue-peer.js';
import { RopeCli } from './support/rope-cli.js';

const root = join(import.meta.dirname, '../../..');
const has = (program: string): boolean => spawnSync(program, ['--version']).error === undefined;
const skip = labUnavailable() ?? (has('iptables') ? (has('tcpdump') ? false : 'needs tcpdump') : 'needs iptables');
const dialogue = new URL('./support/dialogue-peer.js', import.meta.url);

const ARGUMENTS: Readonly<Record<string, { readonly words: string[]; readonly args: Argument[] }>> = {
  contlen: { words: ['--push-int', '1000000'], args: [{ type: 'int', value: 1_000_000 }] },
  subnet: {
    words: ['--push-ip', '10.77.1.0', '--push-ip', '255.255.255.0'],
    args: [{ type: 'str', bytes: Uint8Array.of(10, 77, 1, 0) }, { type: 'str', bytes: Uint8Array.of(255, 255, 255, 0) }],
  },
};

const scripts = readdirSync(join(root, 'rope')).filter((name) => name.endsWith('.rope')).map((name) => name.slice(0, -5));

/** Payloads of the supplied scripts' own test packets, as messages to the server of the lab. */
function messagesOfCases(): Message[] {
  const messages: Message[] = [];
  const input = new PacketInput();
  for (const file of readdirSync(join(root, 'rope')).filter((name) => name.endsWith('.md'))) {
    for (const { packets } of parseCaseFile(readFileSync(join(root, 'rope', file), 'utf8')).cases) {
      for (const { bytes } of packets) {
        input.load(bytes, 0, bytes.length);
        const payload = bytes.slice(input.dataAt, input.packetLength);
        if ((!input.hasTcp && !input.hasUdp) || payload.length === 0 || payload.length > 1200) continue;
        const isV6 = messages.length % 3 === 0;
        messages.push({
          protocol: input.hasTcp ? 'tcp' : 'udp',
          host: isV6 ? 'fd77:2::2' : '10.77.2.2',
          port: 20_000 + messages.length,
          payload,
          fromServer: input.hasTcp && new TextDecoder('latin1').decode(payload.subarray(0, 5)) === 'HTTP/',
        });
      }
    }
  }
  return messages;
}

/** Packets counted by the rules with this match, IPv4 and IPv6 together. */
function counted(router: LabHost, name: string): number {
  let packets = 0;
  for (const tool of ['iptables', 'ip6tables']) {
    const listing = router.must(tool, ['-w', '-vnxL', 'FORWARD']);
    for (const line of listing.split('\n')) if (line.includes(`/rope/${name}/match`)) packets += Number(line.trim().split(/\s+/)[0]);
  }
  return packets;
}

async function record(net: RoutedLab, path: string): Promise<() => Promise<void>> {
  // Immediate mode and an unbuffered file: nothing is lost when it is ended.
  const dump = net.router.spawn('tcpdump', ['-i', 'inside', '-n', '-s', '0', '-U', '--immediate-mode', '-B', '8192', '-w', path, 'tcp or udp or ip6']);
  let words = '';
  dump.stderr?.on('data', (data: Buffer) => {
    words += data.toString();
  });
  for (let i = 0; i < 100 && !words.includes('listening'); i++) await sleep(50);
  return async () => {
    await sleep(300);
    dump.kill('SIGINT');
    await once(dump, 'exit');
  };
}

test('counters of every supplied script equal the interpreter on the recorded packets', { skip }, async () => {
  const cli = new RopeCli();
  const folder = mkdtempSync(join(tmpdir(), 'p2pw-ebpf-rec-'));
  const net = openRoutedLab('p2pw-ebpf', { conntrack: false });
  try {
    for (const name of scripts) {
      cli.must('load', join(root, 'rope', `${name}.rope`), '--name', name.slice(0, 20), ...(ARGUMENTS[name]?.words ?? []));
      for (const tool of ['iptables', 'ip6tables']) net.router.must(tool, ['-w', '-A', 'FORWARD', ...cli.match(name)]);
    }
    const messages = messagesOfCases();
    assert.ok(messages.length > 80, `${messages.length} messages`);
    const server = net.server.startWorker(dialogue, { serve: messages });
    await once(server, 'message');
    const stop = await record(net, join(folder, 'inside.pcap'));
    const client = net.client.startWorker(dialogue, { say: messages });
    await once(client, 'message');
    await stop();
    const results: Record<string, [number, number]> = {};
    for (const name of scripts) {
      const script = readScript(join(root, 'rope', `${name}.rope`));
      assert.ok('compile' in script);
      const args = ARGUMENTS[name]?.args ?? [];
      const compiled = script.compile({ args });
      const context = new RunContext();
      const runner = INTERPRETER.prepare(compiled, args, context);
      assert.ok(typeof runner !== 'string');
      let matched = 0;
      await forEachPacket(join(folder, 'inside.pcap'), ({ bytes, start, end, timeSeconds }) => {
        context.packet.load(bytes, start, end);
        context.packet.kernelTime = timeSeconds ?? 0;
        context.packet.packetTime = timeSeconds ?? 0;
        // Neighbour discovery is not forwarded.
        const isForwarded = context.packet.protocol === 6 || context.packet.protocol === 17;
        if (isForwarded && isMatch(runner.run())) matched++;
        return true;
      });
      results[name] = [counted(net.router, name), matched];
    }
    for (const [name, [kernel, interpreter]] of Object.entries(results)) {
      assert.equal(kernel, interpreter, `${name}: ${JSON.stringify(results)}`);
    }
    // Each protocol's script has seen its own; the teaching examples depend on the packets and the hour.
    for (const name of ['bittorrent', 'gnutella', 'contlen', 'opennap', 'fasttrack', 'edonkey', 'directconnect', 'subnet', 'ascii-only']) {
      assert.ok((results[name]?.[0] ?? 0) > 0, `${name} matched nothing: ${JSON.stringify(results)}`);
    }
  } finally {
    net.close();
    cli.close();
    rmSync(folder, { recursive: true, force: true });
  }
});

test('one rule keeps two BitTorrent peers apart, and without it they are done in seconds', { skip }, async (t) => {
  if (spawnSync('/usr/bin/python3', ['-c', 'import libtorrent']).status !== 0) return t.skip('needs libtorrent (Debian package python3-libtorrent)');
  const cli = new RopeCli();
  const folder = mkdtempSync(join(tmpdir(), 'p2pw-ebpf-bt-'));
  const net = openRoutedLab('p2pw-ebpf', { conntrack: false });
  try {
    for (const name of ['seed', 'leech']) mkdirSync(join(folder, name));
    writeFileSync(join(folder, 'seed', 'data'), Buffer.alloc(1 << 20, 7));
    const maker = 'import libtorrent as l,sys;f=l.file_storage();l.add_files(f,sys.argv[1]);c=l.create_torrent(f);l.set_piece_hashes(c,sys.argv[2]);open(sys.argv[3],"wb").write(l.bencode(c.generate()))';
    assert.equal(spawnSync('/usr/bin/python3', ['-c', maker, join(folder, 'seed', 'data'), join(folder, 'seed'), join(folder, 't.torrent')]).status, 0);
    cli.must('load', join(root, 'rope', 'bittorrent.rope'), '--name', 'bt');
    const rule = ['-A', 'FORWARD', ...cli.match('bt'), '-j', 'DROP'];
    net.router.must('iptables', ['-w', ...rule]);
    const peer = (host: LabHost, options: object) =>
      host.spawn('/usr/bin/python3', [join(root, 'src/lab/torrent-peer.py'), JSON.stringify({ torrent: join(folder, 't.torrent'), encryption: 'off', transport: 'tcp', seconds: 40, ...options })]);
    const seeder = peer(net.server, { save: join(folder, 'seed'), seed: true, port: 6881 });
    seeder.stdout?.resume();
    const leecher = peer(net.client, { save: join(folder, 'leech'), port: 6882, peers: [['10.77.2.2', 6881]] });
    let last = { bytes: 0, done: false };
    let rest = '';
    leecher.stdout?.on('data', (data: Buffer) => {
      const lines = (rest + data.toString()).split('\n');
      rest = lines.pop() ?? '';
      const line = lines.at(-1);
      if (line) last = JSON.parse(line) as typeof last;
    });
    await sleep(6000);
    assert.equal(last.bytes, 0, 'nothing came through the rule');
    assert.ok(counted(net.router, 'bt') > 0, 'the rule dropped handshakes');
    assert.match(cli.must('list'), /bt .*bittorrent\.rope +[1-9]/);
    net.router.must('iptables', ['-w', '-D', ...rule.slice(1)]);
    for (let i = 0; i < 60 && !last.done; i++) await sleep(500);
    assert.equal(last.done, true, 'without the rule the transfer is done');
    assert.ok(existsSync(join(folder, 'leech', 'data')));
  } finally {
    net.close();
    cli.close();
    rmSync(folder, { recursive: true, force: true });
  }
  return undefined;
});

/** Sends datagrams and says which arrived. */
async function arrived(net: RoutedLab, texts: readonly string[]): Promise<string[]> {
  const worker = new URL('./support/datagram-peer.js', import.meta.url);
  const server = net.server.startWorker(worker, { receive: { host: '10.77.2.2', port: 9999 }, forMs: 1500 });
  await once(server, 'message');
  const client = net.client.startWorker(worker, { send: { host: '10.77.2.2', port: 9999 }, texts });
  await once(client, 'message');
  const [got] = (await once(server, 'message')) as [string[]];
  return got;
}

test('hotdrop drops whatever the target, inversion inverts, rules survive being saved and restored', { skip }, async () => {
  const cli = new RopeCli();
  const net = openRoutedLab('p2pw-ebpf', { conntrack: false });
  const script = join(mkdtempSync(join(tmpdir(), 'p2pw-ebpf-s-')), 'drops.rope');
  try {
    writeFileSync(script, '$data 4 left "drop" eq { hotdrop("asked for") } if\ngreg(3) inc\n"match" expect_str yes\n');
    cli.must('load', script, '--name', 'drops');
    for (const line of cli.must('rule', 'drops', '--chain', 'FORWARD', '--jump', 'ACCEPT').trim().split('\n')) {
      const [tool = '', ...words] = line.split(' ');
      net.router.must(tool, ['-w', ...words]);
    }
    const texts = ['hello', 'drop this', 'match this', 'drop', 'dro'];
    assert.deepEqual(await arrived(net, texts), ['hello', 'match this', 'dro']);
    const [listed] = cli.must('list', '--json').trim().split('\n').map((line) => JSON.parse(line) as Record<string, unknown>);
    assert.deepEqual(
      [listed?.hits, listed?.hotdrops, listed?.errors, listed?.last_error],
      [1, 2, 0, 'hotdrop "asked for" at 1:26'],
    );
    assert.equal(cli.must('greg', '3'), '3\n');
    cli.must('greg', '3', '-41');
    await arrived(net, ['again']);
    assert.equal(cli.must('greg', '3'), '-40\n');

    const saved = net.router.must('iptables-save');
    net.router.must('iptables', ['-w', '-F']);
    net.router.must('iptables', ['-w', '-X']);
    assert.deepEqual(await arrived(net, texts), texts);
    net.router.must('iptables-restore', ['-w'], saved);
    assert.deepEqual(await arrived(net, texts), ['hello', 'match this', 'dro']);

    // What does not match goes to the target now; hotdrop stays hotdrop.
    net.router.must('iptables', ['-w', '-F']);
    net.router.must('iptables', ['-w', '-X']);
    for (const line of cli.must('rule', '!drops', '--chain', 'FORWARD', '--jump', 'DROP').trim().split('\n')) {
      const [tool = '', ...words] = line.split(' ');
      net.router.must(tool, ['-w', ...words]);
    }
    assert.deepEqual(await arrived(net, texts), ['match this']);

    // Pins may go while a rule stands: it keeps working.
    cli.must('unload', 'drops');
    assert.equal(cli.run('unload', 'drops').status, 1);
    assert.deepEqual(await arrived(net, texts), ['match this']);
    assert.equal(cli.run('rule', 'drops').status, 1);
  } finally {
    net.close();
    cli.close();
    rmSync(join(script, '..'), { recursive: true, force: true });
  }
});

test('the list tells the average time of a run while the kernel measures it', { skip }, async () => {
  const cli = new RopeCli();
  const net = openRoutedLab('p2pw-ebpf', { conntrack: false });
  try {
    cli.must('load', join(root, 'rope', 'bittorrent.rope'), '--name', 'bt');
    net.router.must('iptables', ['-w', '-A', 'FORWARD', ...cli.match('bt')]);
    const sender = 'import socket,time\ns=socket.socket(socket.AF_INET,socket.SOCK_DGRAM)\nfor i in range(200):\n  s.sendto(b"x"*500,("10.77.2.2",9999)); time.sleep(0.05)';
    const child = net.client.spawn('/usr/bin/python3', ['-c', sender], { stdio: 'ignore' });
    await sleep(500);
    const { name, runs, average_ns: averageNs } = JSON.parse(cli.must('list', '--json', '--measure', '2')) as { name: string; runs: number; average_ns: number };
    assert.equal(name, 'bt');
    assert.ok(runs > 5 && averageNs > 20 && averageNs < 1_000_000, `${runs} runs of ${averageNs} ns`);
    child.kill('SIGKILL');
  } finally {
    net.close();
    cli.close();
  }
});

test('a script beyond the kernel works through the queue', { skip }, async () => {
  const cli = new RopeCli();
  const net = openRoutedLab('p2pw-ebpf', { conntrack: false });
  const script = join(mkdtempSync(join(tmpdir(), 'p2pw-ebpf-q-')), 'deep.rope');
  try {
    // As many items as the packet says: the depth of the stack is not known before.
    writeFileSync(script, '1 $data_len { dup } repeat\n$data 4 left "drop" eq { hotdrop } if\n"match" expect_str yes\n');
    assert.equal(cli.run('load', script, '--name', 'deep').status, 2);
    const worker = cli.spawnIn(net.router.namespace, 'load', script, '--name', 'deep', '--via', 'queue', '--queue', '9');
    let words = '';
    worker.stderr?.on('data', (data: Buffer) => {
      words += data.toString();
    });
    for (let i = 0; i < 100 && !words.includes('NFQUEUE'); i++) await sleep(50);
    const rules = words.split('\n').filter((line) => line.includes('-A CHAIN')).map((line) => line.trim().replace('CHAIN', 'FORWARD').replace('TARGET', 'DROP'));
    assert.equal(rules.length, 2, words);
    for (const rule of rules) net.router.must('iptables', ['-w', ...rule.split(' ').slice(1)]);
    assert.deepEqual(await arrived(net, ['hello', 'match this', 'drop this', 'bye']), ['hello', 'bye']);
    worker.kill('SIGTERM');
    await once(worker, 'exit');
    assert.match(words, /1 of 4 packets matched, 1 hotdropped/);
  } finally {
    net.close();
    cli.close();
    rmSync(join(script, '..'), { recursive: true, force: true });
  }
});

test('what the verifier refuses is shown at the line it stems from, and leaves nothing behind', { skip }, () => {
  const cli = new RopeCli();
  const folder = mkdtempSync(join(tmpdir(), 'p2pw-ebpf-v-'));
  try {
    // Four loops inside each other compile, and are more work than the verifier is ready to do (1,000,000 instructions).
    const level = (inner: string): string => `$data_len {\n${inner}\n  { 1 lift $b put $b "x" eq } { $c inc } while\n} repeat`;
    const source = `# too much\n${level(level(level(level('  $a inc'))))}\n`;
    writeFileSync(join(folder, 'much.rope'), source);
    cli.must('load', join(root, 'rope', 'ascii-only.rope'), '--name', 'much');
    const { status, stderr } = cli.run('load', join(folder, 'much.rope'), '--name', 'much', '--verbose');
    assert.equal(status, 1, stderr);
    const [head = '', line = '', underline = '', hint = ''] = stderr.split('\n');
    const place = /much\.rope:(\d+):(\d+): error\[not-for-kernel\]: the kernel refused the program: BPF program is too large/.exec(head);
    assert.ok(place, head);
    const text = source.split('\n')[Number(place[1]) - 1] ?? '';
    assert.ok(Number(place[1]) >= 2 && line.endsWith(text), `${head}\n${line}`);
    assert.equal(underline.indexOf('^') - line.indexOf(text), text.length - text.trimStart().length, `${line}\n${underline}`);
    assert.match(hint, /= help: .*split the script, or use rope load --via queue/);
    assert.match(stderr, /^processed \d+ insns/m, 'with --verbose the verifier\'s own words follow');
    // It was verified once, which takes 3 s on an idle machine, and not again for a log of each instruction, which takes four times as long.
    assert.doesNotMatch(stderr, /^\d+: \([0-9a-f]{2}\)/m);
    // The script that had the name keeps it.
    assert.match(cli.must('list'), /much .*ascii-only\.rope/);
  } finally {
    cli.close();
    rmSync(folder, { recursive: true, force: true });
  }
});

test('what cannot be loaded leaves nothing behind and says why', { skip }, () => {
  const cli = new RopeCli();
  const folder = mkdtempSync(join(tmpdir(), 'p2pw-ebpf-x-'));
  try {
    const write = (name: string, text: string): string => {
      writeFileSync(join(folder, name), text);
      return join(folder, name);
    };
    const table: [string, string, string[], number, RegExp][] = [
      ['conntrack', '"a" expect_str\n$ct_mark 1 eq assert\n', ['--name', 'x'], 2, /conntrack\.rope:2:1[\s\S]*\$ct_mark comes from connection tracking/],
      ['name', 'yes', ['--name', 'a/b'], 2, /'a\/b' cannot be a name/],
      ['fault', '1 "a" add', ['--name', 'x'], 2, /error/],
      ['long', Array.from({ length: 400 }, (_, i) => `{ "a${i}" expect_to } eval NO eq { $a inc } if`).join('\n'), ['--name', 'x'], 2, /long\.rope:25\d:\d+[\s\S]*needs 400 loops and searches/],
      ['args', 'put( $a ) $a assert', ['--name', 'x'], 2, /argument/],
    ];
    for (const [name, text, words, status, message] of table) {
      const result = cli.run('load', write(`${name}.rope`, text), ...words);
      assert.equal(result.status, status, `${name}: ${result.stderr}`);
      assert.match(result.stderr, message);
    }
    assert.equal(cli.run('load', join(folder, 'none.rope'), '--name', 'x').status, 2);
    assert.equal(cli.must('list'), '');
    assert.equal(cli.run('greg', '64').status, 2);
  } finally {
    cli.close();
    rmSync(folder, { recursive: true, force: true });
  }
});
