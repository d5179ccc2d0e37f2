/**
 * The supplied script `mac` in a rule, against a real DHCP client: its messages are counted, in the kernel, by the
 * interpreter and in the global register alike, those of another card are not, and with a target they do not arrive.
 * Needs root, and busybox for its udhcpc. Safe: all traffic and rules are in namespaces that the test made.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { test } from 'node:test';
import { Gateway, eventually, gatewayUnavailable } from '../../src/lab/gateway-lab.js';
import { RopeCli } from './support/rope-cli.js';

const has = (program: string): boolean => spawnSync('which', [program]).status === 0;
const reason = gatewayUnavailable() ?? ['tcpdump', 'busybox'].filter((it) => !has(it)).map((it) => `needs ${it}`)[0] ?? null;

const root = join(import.meta.dirname, '../../..');
const script = join(root, 'rope/mac.rope');
/** The card that the script names, and another one. */
const NAMED_CARD = '00:0f:1f:5c:30:21';
const OTHER_CARD = '02:00:00:00:00:77';

/** A DHCP server's ear: prints the card of each message that reaches port 67. */
const EAR = `
import socket
s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM); s.setsockopt(socket.SOL_SOCKET,socket.SO_BROADCAST,1); s.bind(("",67)); print("ready",flush=True)
while True: print(s.recv(2048)[28:34].hex(":"),flush=True)`;

test('mac: DHCP messages of one card', { skip: reason ?? false, timeout: 60_000 }, async (t) => {
  const gate = new Gateway('p2pw-rdhcp', { conntrack: false });
  const cli = new RopeCli();
  t.after(() => {
    gate.close();
    cli.close();
  });
  const { router, net } = gate;
  cli.must('load', script, '--name', 'mac');
  const rule = ['INPUT', '-i', 'inside', ...cli.match('mac')];
  const counted = (): number => Number(/^\s*(\d+)/m.exec(router.must('iptables', ['-w', '-vnxL', 'INPUT']).split('\n')[2] ?? '')?.[1]);

  let heard: string[] = [];
  const ear = router.spawn('/usr/bin/python3', ['-c', EAR]);
  ear.stdout?.on('data', (data: Buffer) => heard.push(...data.toString().trim().split('\n')));
  await eventually('the server listens', 10, () => (heard.includes('ready') ? true : null));

  /** The client asks three times for an address, as this card. */
  const ask = (card: string): string[] => {
    net.client.ip(`link set eth0 address ${card}`);
    net.client.run('busybox', ['udhcpc', '-f', '-n', '-q', '-i', 'eth0', '-t', '3', '-T', '1', '-A', '1', '-s', '/bin/true']);
    return heard;
  };
  const heardOf = (card: string): Promise<number> =>
    eventually(`messages of ${card}`, 5, () => heard.filter((it) => it === card).length || null);

  router.must('iptables', ['-w', '-A', ...rule]);
  const recording = gate.path('dhcp.pcap');
  const dump = router.spawn('tcpdump', ['-i', 'inside', '-n', '-s', '0', '-U', '--immediate-mode', '-w', recording, 'udp port 67']);
  let words = '';
  dump.stderr?.on('data', (data: Buffer) => {
    words += data.toString();
  });
  await eventually('the recording begins', 10, () => (words.includes('listening') ? true : null));

  heard = [];
  ask(NAMED_CARD);
  const named = await heardOf(NAMED_CARD);
  assert.equal(counted(), named, 'the rule counts the messages of the card');
  heard = [];
  ask(OTHER_CARD);
  const others = await heardOf(OTHER_CARD);
  assert.equal(counted(), named, 'and none of another card');
  assert.equal(Number(cli.must('greg', '10').trim().split(/\s+/).at(-1)), named, 'the global register counts the same');

  dump.kill('SIGINT');
  await once(dump, 'close');
  const { stdout } = spawnSync(join(root, 'bin/rope'), ['-q', script, recording], { encoding: 'utf8' });
  assert.match(stdout, new RegExp(`^${named} of ${named + others} packets? matched`), 'the interpreter says the same of the recording');

  router.must('iptables', ['-w', '-F', 'INPUT']);
  router.must('iptables', ['-w', '-A', ...rule, '-j', 'DROP']);
  heard = [];
  ask(NAMED_CARD);
  ask(OTHER_CARD);
  await heardOf(OTHER_CARD);
  assert.ok(counted() > 0, 'the rule dropped messages');
  assert.ok(!heard.includes(NAMED_CARD), 'with DROP no message of the card arrives');
  t.diagnostic(`${named} of ${named + others} messages are of the card`);
});
