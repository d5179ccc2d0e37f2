/**
 * Somebody flushes our rules under load. Mode closed: not one packet of blocked flows gets through, because the guard stands
 * behind our chains; mode open: nothing stops. Needs root. Safe: all traffic and rules are in namespaces that the tests made.
 */
import { describe, test } from 'node:test';
import assert from 'node:assert/strict';
import { GUARD_TABLE, guardText } from '../../src/enforce/guard.js';
import { NftRules } from '../../src/enforce/nft-rules.js';
import { nftablesText } from '../../src/enforce/nftables.js';
import { wallPlan } from '../../src/enforce/plan.js';
import { type Gateway, PYTHON, SERVER, eventually, gatewayUnavailable, pause } from '../../src/lab/gateway-lab.js';
import type { LabHost } from '../../src/lab/namespaces.js';
import { DROP, assertUnharmed, gateway, isReached, traces } from './support/gateway-checks.js';

const live = { skip: gatewayUnavailable() ?? false };
const BLOCKED_PORT = 7001;
const OTHER_PORT = 7002;
const FLUSHES = 8;

/**
 * 500 datagrams a second, queries of BitTorrent's hash table or random bytes, half of them of one flow and half each of a new one;
 * prints how many it sent when its standard input ends. New flows come from ports outside the range that the system gives to others
 * (ip_local_port_range, 32768 to 60999): an everyday socket that got one of thousands that had just spoken BitTorrent would rightly be taken for it.
 */
const SENDER = `
import os, select, socket, sys, time
host, port, kind = sys.argv[1], int(sys.argv[2]), sys.argv[3]
def text(): return b"d1:ad2:id20:" + os.urandom(20) + b"e1:q4:ping1:t2:aa1:y1:qe" if kind == "blocked" else b"\\0" * 8 + os.urandom(60)
fixed = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sent, first = 0, 10000 if kind == "blocked" else 20000
def say(s):
    global sent
    s.sendto(text(), (host, port)); sent += 1
while not select.select([sys.stdin], [], [], 0.004)[0]:
    say(fixed)
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("", first + sent % 10000)); say(s); s.close()
print(sent, flush=True)
`;

/** Sends until asked how much it was. */
function sender(gate: Gateway, port: number, kind: 'blocked' | 'other'): () => Promise<number> {
  const child = gate.net.client.spawn(PYTHON, ['-c', SENDER, SERVER[4], String(port), kind]);
  let words = '';
  child.stdout?.on('data', (data: Buffer) => {
    words += data.toString();
  });
  return () => {
    child.stdin?.end();
    return eventually('the sender ends', 10, () => (/^\d+\n/.test(words) ? Number(words) : null));
  };
}

function countArrivals(gate: Gateway): void {
  for (const port of [BLOCKED_PORT, OTHER_PORT]) gate.net.server.must('iptables', ['-A', 'INPUT', '-p', 'udp', '--dport', String(port), '-j', 'DROP']);
}

function arrived(gate: Gateway, port: number): number {
  return Number(new RegExp(`^\\[(\\d+):\\d+\\] -A INPUT .*--dport ${port} `, 'm').exec(gate.net.server.must('iptables-save', ['-c']))?.[1]);
}

/** An ICMP echo is answered. */
function isPinged(gate: Gateway, ipVersion: 4 | 6): boolean {
  const [family, protocol, type] = ipVersion === 4 ? ['AF_INET', 1, 8] : ['AF_INET6', 58, 128];
  // The checksum of type 8 and zeros is known; ICMPv6 has the kernel's.
  const script = `import socket,sys\ns=socket.socket(socket.${family},socket.SOCK_RAW,${protocol})\ns.settimeout(1)\ns.connect((sys.argv[1],0))\ns.send(bytes([${type},0,${ipVersion === 4 ? '0xf7,0xff' : '0,0'},0,0,0,0]))\ns.recv(100)`;
  // The first one may be lost while neighbours look for each other.
  return [0, 1].some(() => gate.net.client.run(PYTHON, ['-c', script, SERVER[ipVersion]]).status === 0);
}

/** Each takes rules of ours away in another way; our sets and classes stay. */
const FLUSH: Readonly<Record<string, readonly (readonly [string, ...string[]])[]>> = {
  'iptables-nft': [
    ['sh', '-c', 'for t in mangle filter; do iptables -w -t $t -F; done'],
    ['iptables', '-w', '-t', 'mangle', '-F'],
    ['iptables', '-w', '-t', 'filter', '-F'],
    ['nft', 'flush', 'ruleset'],
  ],
  'iptables-legacy': [
    ['sh', '-c', 'for t in mangle filter; do iptables-legacy -w -t $t -F; done'],
    ['iptables-legacy', '-w', '-t', 'mangle', '-F'],
    ['iptables-legacy', '-w', '-t', 'filter', '-F'],
  ],
};
const stands = (gate: Gateway, variant: string): boolean => {
  const saved = gate.router.must(`${variant}-save`);
  return /-A P2PWALL-INSPECT .*NFQUEUE/.test(saved) && /-A P2PWALL-FORWARD .*-j REJECT/.test(saved);
};

describe('somebody flushes the rules under load', { concurrency: 4 }, () => {
  for (const variant of ['iptables-nft', 'iptables-legacy']) {
    const ways = FLUSH[variant] ?? [];
    test(`mode closed, ${variant}: no packet of a blocked flow gets through, everyday traffic waits and goes on`, live, async (t) => {
      const gate = gateway(t);
      countArrivals(gate);
      await gate.up(DROP, `mode = "closed"\nbackend = "${variant}"`);
      const report = await gate.ordinaryTraffic();
      const ask = sender(gate, BLOCKED_PORT, 'blocked');
      const askOther = sender(gate, OTHER_PORT, 'other');
      const backMs: number[] = [];
      for (let i = 0; i < FLUSHES; i++) {
        const [command, ...args] = ways[i % ways.length] ?? ['true'];
        gate.router.must(command, args);
        const flushedMs = performance.now();
        await eventually('put back', 15, () => (stands(gate, variant) ? true : null));
        backMs.push(performance.now() - flushedMs);
        await pause(200);
      }
      // Each kind of everyday traffic shall make six exchanges: those interrupted ask again after a second.
      await pause(6000);
      const [sent, sentOther] = [await ask(), await askOther()];
      const [slipped, other] = [arrived(gate, BLOCKED_PORT), arrived(gate, OTHER_PORT)];
      t.diagnostic(`${FLUSHES} flushes, put back within ${Math.max(...backMs).toFixed(0)} ms: ${slipped} of ${sent} blocked datagrams arrived, ${other} of ${sentOther} others`);
      assert.ok(sent > 500 && sentOther > 500, 'under load');
      assert.equal(slipped, 0);
      assert.ok(other > 0.1 * sentOther, `others pass while the rules stand: ${other}`);
      assert.equal(isReached(gate), true);
      assertUnharmed(await report());
      assert.equal(await gate.end(), 0);
      assert.equal(traces(gate), '');
    });

    test(`mode open, ${variant}: nothing stops`, live, async (t) => {
      const gate = gateway(t);
      countArrivals(gate);
      await gate.up(DROP, `backend = "${variant}"`);
      assert.doesNotMatch(gate.router.must('nft', ['list', 'tables']), /p2pwall/);
      const report = await gate.ordinaryTraffic();
      const ask = sender(gate, OTHER_PORT, 'other');
      for (let i = 0; i < 3; i++) {
        const [command, ...args] = ways[i % ways.length] ?? ['true'];
        gate.router.must(command, args);
        await pause(400);
      }
      const sent = await ask();
      await pause(200);
      const other = arrived(gate, OTHER_PORT);
      t.diagnostic(`${other} of ${sent} datagrams arrived`);
      assert.equal(other, sent);
      assertUnharmed(await report());
      assert.equal(await gate.end(), 0);
      assert.equal(traces(gate), '');
    });
  }

  test('the guard is what is printed, outlives a killed wall, and goes with down', live, async (t) => {
    const gate = gateway(t);
    await gate.up(DROP, 'mode = "closed"\nipv6 = false');
    await gate.ordinaryTraffic();
    // Without counters, and flags that this nft may not know.
    const listed = (host: LabHost): string => host.must('nft', ['list', 'table', 'inet', GUARD_TABLE]).replace(/ packets \d+ bytes \d+| # progname.*/g, '').replace(/^(\tflags .*|)\n/gm, '');
    const standing = listed(gate.router);
    const printed = gate.command('rules', '--json', '--config', gate.path('p2pwall.toml')).stdout;
    const text = (JSON.parse(printed) as { text: string }[]).find((part) => part.text.includes(GUARD_TABLE))?.text ?? '';
    assert.equal(text, guardText(wallPlan({ inside: ['inside'], outside: ['outside'], markMask: 0x00ff0000, firstQueue: 4700, queues: 1, mode: 'closed', ipv6: false }, [])));
    gate.net.server.must('nft', ['-f', '-'], text);
    assert.equal(standing, listed(gate.net.server));
    assert.equal(isReached(gate), true);
    assert.equal(isPinged(gate, 4), true, 'what is no flow passes');
    assert.equal(isPinged(gate, 6), true, 'and IPv6 that the wall leaves alone');
    assert.notEqual(gate.command('down').status, 0, 'the guard of a wall that runs is its own');
    assert.equal(isReached(gate), true);
    await gate.end('SIGKILL');
    gate.router.must('sh', ['-c', 'for t in mangle filter; do iptables -t $t -F; done']);
    assert.equal(isReached(gate), false, 'killed, and then flushed: still closed');
    await gate.up(DROP);
    assert.equal(isReached(gate), true, 'a wall in mode open takes its place');
    await gate.end('SIGKILL');
    await gate.up(DROP, 'mode = "closed"');
    await gate.end('SIGKILL');
    await gate.up(DROP, 'mode = "closed"');
    assert.equal(isReached(gate), true);
    await gate.end('SIGKILL');
    assert.equal(gate.command('down').status, 0);
    assert.equal(traces(gate), '');
    assert.equal(isReached(gate), true);
  });

  test('marks: bits of others survive a closed wall, and an undecided connection bears none of ours', live, async (t) => {
    const gate = gateway(t);
    const others = 0x1200_0034;
    gate.router.must('iptables', ['-t', 'mangle', '-A', 'PREROUTING', '-j', 'MARK', '--set-xmark', `0x${others.toString(16)}/0xff0000ff`]);
    for (const value of [0, 0xff]) gate.router.must('iptables', ['-t', 'mangle', '-A', 'POSTROUTING', '-p', 'udp', '--dport', String(OTHER_PORT), '-m', 'mark', '--mark', `0x${(others + value * 0x10000).toString(16)}`]);
    await gate.up(DROP, 'mode = "closed"');
    const ask = sender(gate, OTHER_PORT, 'other');
    await pause(500);
    await ask();
    const saved = gate.router.must('iptables-save', ['-c', '-t', 'mangle']);
    const seen = [...saved.matchAll(/^\[(\d+):\d+\] -A POSTROUTING -p udp .*--mark 0x([0-9a-f]+)$/gm)].map(([, count, mark]) => [mark, Number(count)] as const);
    assert.equal(seen.length, 2, saved);
    assert.ok((seen[0]?.[1] ?? 0) > 20, `undecided again, others' bits kept: ${JSON.stringify(seen)}`);
    assert.equal(seen[1]?.[1], 0, 'ours left none behind');
    assert.doesNotMatch(gate.router.must('conntrack', ['-L', '-p', 'udp']), /mark=167\d{5} /, 'nor in a connection');
  });

  test('the same with the nftables form of the rules, without its queue', live, (t) => {
    const gate = gateway(t);
    const rules = new NftRules((command, args, input) => gate.router.run(command, args, input), (plan) => nftablesText(plan, { withQueue: false }));
    const plan = wallPlan({ inside: ['ins+'], outside: ['outside'], markMask: 0x00ff0000, firstQueue: 4700, queues: 2, mode: 'closed', ipv6: true }, []);
    const answers = (): boolean[] => [isPinged(gate, 4), isPinged(gate, 6)];
    rules.install(plan);
    gate.router.must('nft', ['-f', '-'], guardText(plan));
    assert.deepEqual(answers(), [true, true], 'what the table has seen passes the guard');
    gate.router.must('nft', ['flush', 'table', 'inet', 'p2pwall']);
    assert.deepEqual(answers(), [false, false], 'flushed');
    rules.install(plan);
    assert.deepEqual(answers(), [true, true], 'put back');
  });
});
