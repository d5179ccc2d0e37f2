import { test } from 'node:test';
import assert from 'node:assert/strict';
import { type FtwallRuleOptions, rulesRemoval, rulesText, setsRemovalText, setsText } from './ftwall-rules.js';

const OPTIONS: FtwallRuleOptions = {
  interfaces: ['lan0', 'lan1'],
  queue: 27,
  lockScope: 'all',
  protectedNetworks: ['192.0.2.0/24', '2001:db8::/32'],
  offloads: true,
  observesUdp: false,
  watchesNames: false,
};
const linesOf = (family: 4 | 6, options: Partial<FtwallRuleOptions> = {}): string[] => rulesText(family, { ...OPTIONS, ...options }).split('\n');
const indexOf = (lines: string[], part: string): number => lines.findIndex((line) => line.includes(part));

test('protected networks come first, then the sets, then the queue', () => {
  const lines = linesOf(4);
  const order = ['-d 192.0.2.0/24 -j RETURN', 'ftwall-peers dst,dst', 'ftwall-own dst,dst,src', 'ftwall-locked src', '0x27', '--syn -j NFQUEUE', 'connbytes'];
  const places = order.map((part) => indexOf(lines, part));
  assert.ok(places.every((place) => place >= 0), JSON.stringify(places));
  assert.deepEqual(places, [...places].sort((a, b) => a - b));
  assert.equal(indexOf(lines, '2001:db8'), -1, 'each family its own networks');
  assert.ok(lines.every((line) => !line.includes('NFQUEUE') || line.endsWith(line.includes('0x27') ? '--queue-num 27 --queue-bypass' : '--queue-num 28 --queue-bypass')));
});

test('every inside interface is entered at the head of its hooks', () => {
  const lines = linesOf(6);
  for (const name of ['lan0', 'lan1']) {
    for (const part of [`FORWARD 1 -i ${name} -j FTWALL`, `FORWARD 2 -o ${name} -j FTWALL-BACK`, `INPUT 1 -i ${name} -j FTWALL-IN`, `OUTPUT 1 -o ${name} -j FTWALL-OUT`]) {
      assert.ok(indexOf(lines, part) > 0, part);
    }
  }
  assert.ok(indexOf(lines, 'ftwall-peers6') > 0);
  assert.ok(indexOf(lines, '48>>24=0x27') > 0);
});

test('options change what they should and nothing else', () => {
  const plain = linesOf(4);
  const added = (options: Partial<FtwallRuleOptions>): string[] => linesOf(4, options).filter((line) => !plain.includes(line));
  const removed = (options: Partial<FtwallRuleOptions>): string[] => plain.filter((line) => !linesOf(4, options).includes(line));
  assert.deepEqual(removed({ lockScope: 'none' }), ['-A FTWALL -p tcp --syn -m set --match-set ftwall-locked src -j DROP']);
  assert.deepEqual(added({ lockScope: 'user-ports' }), ['-A FTWALL -p tcp --syn --dport 1024:65535 -m set --match-set ftwall-locked src -j DROP']);
  assert.deepEqual(added({ offloads: false }), [
    '-A FTWALL -p tcp ! --syn -m set --match-set ftwall-peers dst,dst -j DROP',
    '-A FTWALL -p tcp ! --syn -m set --match-set ftwall-own dst,dst,src -j DROP',
  ]);
  assert.equal(removed({ offloads: false }).length, 4);
  assert.equal(added({ observesUdp: true }).length, 1);
  assert.ok(added({ watchesNames: true }).every((line) => line.includes('53') || line.includes('ftwall-names')));
});

test('what is installed is removed again', () => {
  for (const family of [4, 6] as const) {
    const installed = linesOf(family).filter((line) => line.startsWith('-I')).map((line) => line.replace(/^-I (\S+) \d+ /, '$1 '));
    const removal = rulesRemoval(OPTIONS.interfaces).map((args) => args.slice(2).join(' '));
    for (const line of installed) assert.ok(removal.includes(`-D ${line}`), line);
  }
  const created = setsText(10).trim().split('\n').map((line) => line.split(' ')[1]);
  assert.deepEqual(setsRemovalText().trim().split('\n').map((line) => line.split(' ')[1]).sort(), created.sort());
});
