import { test } from 'node:test';
import assert from 'node:assert/strict';
import { markMaskProblem } from '../base/mark-mask.js';
import type { Rule } from '../policy/policy.js';
import { guardExpressions, guardText } from './guard.js';
import { ipsetText, ownSets } from './ipsets.js';
import { iptablesRemovalText, iptablesText, missingFrom, repeatsSettled, withoutStandingJumps } from './iptables.js';
import { markField, markText, markValue } from './marks.js';
import { addText, deleteText } from './nft-members.js';
import { NftRules } from './nft-rules.js';
import { nftablesText } from './nftables.js';
import { type PlanOptions, type WallPlan, wallPlan } from './plan.js';
import { shapedInterfaces, shapingText } from './shaping.js';
import { ToolError, type RunTool } from './tools.js';
import { WallRules } from './wall-rules.js';

const OPTIONS: PlanOptions = { inside: ['eth1'], outside: ['eth0'], markMask: 0x00ff0000, firstQueue: 4700, queues: 1, mode: 'open', ipv6: true };

function rule(name: string, action: Rule['action']): Rule {
  return { name, protocols: null, confidence: 'likely', clients: [], exceptClients: [], macs: [], outside: [], exceptOutside: [], schedule: null, action };
}

const REJECTS = [rule('no', { kind: 'reject' })];
const SHAPING = [
  rule('slow', { kind: 'limit', bitsPerSecond: 2_000_000, per: 'client' }),
  rule('plain', { kind: 'drop' }),
  rule('late', { kind: 'prioritise', dscp: 8, band: 'low' }),
];

test('masks: adjacent bits, at least eight', () => {
  assert.equal(markMaskProblem(0x00ff0000), null);
  assert.equal(markMaskProblem(0xff), null);
  assert.match(markMaskProblem(0x00fe0000) ?? '', /fewer than 8/);
  assert.match(markMaskProblem(0x00ff00ff) ?? '', /holes/);
  const field = markField(0x00ff0000);
  assert.equal(markText(field, 2), '0x20000/0xff0000');
  assert.equal(markValue(field, 0x7f03_1234), 3);
});

test('every rule that touches a mark does so through the mask', () => {
  for (const ipVersion of [4, 6] as const) {
    for (const line of iptablesText(wallPlan(OPTIONS, SHAPING), ipVersion).split('\n')) {
      if (/--(set-xmark|mark) /.test(line)) assert.match(line, /\/0xff0000( |$)/, line);
      if (/(save|restore)-mark/.test(line)) assert.match(line, /--nfmask 0xff0000 --ctmask 0xff0000/, line);
    }
  }
  const text = nftablesText(wallPlan(OPTIONS, SHAPING), { withQueue: true });
  for (const found of text.matchAll(/(meta|ct) mark set (\S+) mark & (\S+)/g)) {
    assert.equal(found[1], found[2]);
    assert.equal(found[3], '0xff00ffff', 'bits of others are kept');
  }
});

const OPEN_JUMPS = { all: '-I FORWARD 1 -j P2PWALL-FORWARD', marked: '-I FORWARD 1 -m mark ! --mark 0x0/0xff0000 -j P2PWALL-FORWARD' } as const;

test('own chains only; in mode open what passes meets one hook, two where rules reject, and leaves by the first rule, in mode closed three', () => {
  const jumps = (mode: 'open' | 'closed', policy: Rule[] = []): string[] => iptablesText(wallPlan({ ...OPTIONS, mode }, policy), 4).split('\n').filter((line) => line.startsWith('-I '));
  assert.deepEqual(jumps('open'), [OPEN_JUMPS.all]);
  assert.deepEqual(jumps('open', REJECTS), Object.values(OPEN_JUMPS));
  assert.deepEqual(jumps('closed'), ['-I FORWARD 1 -j P2PWALL-FORWARD', '-I POSTROUTING 1 -j P2PWALL-POST', '-I FORWARD 1 -j P2PWALL-FORWARD']);
  const rules = iptablesText(wallPlan(OPTIONS, []), 4).split('\n').filter((line) => line.startsWith('-A '));
  for (const line of rules) assert.match(line, /^-A P2PWALL-/);
  assert.equal(rules[0], '-A P2PWALL-FORWARD -m connmark --mark 0x10000/0xff0000 -j RETURN');
});

test('mode open: a packet that comes back with its verdict is saved and classified before it could be queued again', () => {
  const rules = iptablesText(wallPlan(OPTIONS, SHAPING), 4).split('\n').filter((line) => line.startsWith('-A P2PWALL-INSPECT '));
  const judged = '-A P2PWALL-INSPECT -m mark ! --mark 0x0/0xff0000 -g P2PWALL-POST';
  assert.deepEqual(rules.slice(0, 3), [judged, '-A P2PWALL-INSPECT -j CONNMARK --restore-mark --nfmask 0xff0000 --ctmask 0xff0000', judged]);
  assert.equal(repeatsSettled(wallPlan(OPTIONS, [])), true);
  assert.equal(repeatsSettled(wallPlan({ ...OPTIONS, mode: 'closed' }, [])), false);
});

test('mode open: what is dropped is dropped in mangle, after its mark is saved; filter is for refusals', () => {
  const lines = (plan: WallPlan): string[] => iptablesText(plan, 4).split('\n');
  const [plain, refusing] = [lines(wallPlan(OPTIONS, [])), lines(wallPlan(OPTIONS, REJECTS))];
  assert.deepEqual(lines(wallPlan(OPTIONS, [], { kind: 'reject' })), refusing, 'the default action counts, too');
  const save = plain.indexOf('-A P2PWALL-POST -m mark ! --mark 0x0/0xff0000 -j CONNMARK --save-mark --nfmask 0xff0000 --ctmask 0xff0000');
  const drop = plain.indexOf('-A P2PWALL-POST -m mark --mark 0x20000/0xff0000 -j DROP');
  assert.ok(save > 0 && save < drop);
  assert.ok(plain.includes('-A P2PWALL-POST -m mark --mark 0x30000/0xff0000 -j DROP'), 'late verdicts of a policy that rejected');
  assert.deepEqual(plain.slice(plain.indexOf('*filter'), -1), ['*filter', ':P2PWALL-FORWARD - [0:0]', 'COMMIT'], 'jumps of a wall that rejected find nothing');
  assert.ok(!refusing.includes('-A P2PWALL-POST -m mark --mark 0x30000/0xff0000 -j DROP'));
  assert.equal(refusing.filter((line) => line.includes('-j REJECT')).length, 2);
  // Members of sets are marked to be dropped: they must not meet the queue.
  const inspect = plain.filter((line) => line.startsWith('-A P2PWALL-INSPECT '));
  const last = (part: string): number => inspect.findLastIndex((line) => line.includes(part));
  assert.ok(last('--match-set') < last('-g P2PWALL-POST') && last('-g P2PWALL-POST') < last('NFQUEUE') - 1);
});

test('open lets traffic pass without a reader, closed does not; several queues are balanced', () => {
  const queued = (options: Partial<PlanOptions>): string[] =>
    iptablesText(wallPlan({ ...OPTIONS, ...options }, []), 4).split('\n').filter((line) => line.includes('NFQUEUE'));
  assert.equal(queued({}).length, 2);
  for (const line of queued({})) assert.match(line, /--queue-num 4700 --queue-bypass$/);
  for (const line of queued({ mode: 'closed' })) assert.match(line, /--queue-num 4700$/);
  for (const line of queued({ queues: 4 })) assert.match(line, /--queue-balance 4700:4703 --queue-bypass$/);
});

test('mode closed: mangle marks what it lets pass, filter drops what has no mark, and what is undecided keeps none', () => {
  const closed = wallPlan({ ...OPTIONS, mode: 'closed' }, SHAPING);
  const lines = iptablesText(closed, 4).split('\n');
  const at = (start: string): number => lines.findIndex((line) => line.startsWith(start));
  assert.ok(at('-A P2PWALL-INSPECT -m mark --mark 0x0/0xff0000 -j MARK --set-xmark 0xff0000/0xff0000') < at('-A P2PWALL-INSPECT -p tcp -m mark --mark 0xff0000/0xff0000 -j NFQUEUE'));
  for (const end of ['-i', '-o']) assert.ok(at(`-A P2PWALL-FORWARD ${end} eth1 -m mark --mark 0x0/0xff0000 -j DROP`) > 0);
  const unmark = at('-A P2PWALL-POST -m mark --mark 0xff0000/0xff0000 -j MARK --set-xmark 0x0/0xff0000');
  assert.ok(unmark > 0 && unmark < at('-A P2PWALL-POST -m mark ! --mark 0x0/0xff0000 -j CONNMARK'));
  assert.ok(at('-A P2PWALL-POST -m mark --mark 0x20000/0xff0000 -j DROP') > 0);
  const open = iptablesText(wallPlan(OPTIONS, SHAPING), 4);
  assert.doesNotMatch(open, /0xff0000\/0xff0000|0x0\/0xff0000 -j DROP/, 'nothing of it in mode open');
});

test('the guard: none in mode open; each interface both ways; patterns; IPv6 only where the wall has rules for it', () => {
  const text = (options: Partial<PlanOptions>): string => guardText(wallPlan({ ...OPTIONS, ...options }, []));
  assert.equal(text({}), '');
  assert.equal(
    text({ mode: 'closed', inside: ['eth1', 'wg+'], ipv6: false }),
    `table inet p2pwall_guard {
  chain forward {
    type filter hook forward priority 100; policy accept;
    meta mark & 0xff0000 == 0x10000 accept
    meta nfproto ipv6 accept
${['iifname "eth1"', 'oifname "eth1"', 'iifname "wg*"', 'oifname "wg*"'].flatMap((end) => ['0x0', '0x20000', '0x30000'].map((value) => `    ${end} meta mark & 0xff0000 == ${value} counter drop\n`)).join('')}  }
}
`,
  );
  const closed = wallPlan({ ...OPTIONS, mode: 'closed' }, []);
  assert.equal(guardExpressions(closed).length, guardText(closed).split('\n').filter((line) => /accept$|drop$/.test(line)).length);
});

test('as many classes as the mark has values, and none is the value of packets that were seen', () => {
  const { classes } = wallPlan(OPTIONS, Array.from({ length: 300 }, (_, i) => rule(`r${i}`, { kind: 'prioritise', dscp: 8, band: 'low' })));
  assert.deepEqual([classes[0]?.value, classes.at(-1)?.value, classes.length], [4, 0xfe, 251]);
});

test('shaping is installed only where a rule shapes', () => {
  assert.deepEqual(shapedInterfaces(wallPlan(OPTIONS, [rule('plain', { kind: 'drop' })])), []);
  const plan = wallPlan(OPTIONS, SHAPING);
  assert.deepEqual(shapedInterfaces(plan), ['eth1', 'eth0']);
  assert.deepEqual(shapingText(plan, 'eth1').trim().split('\n'), [
    'qdisc replace dev eth1 root handle 7032: htb default 0',
    'class replace dev eth1 parent 7032: classid 7032:4 htb rate 2000000bit ceil 2000000bit burst 32768 cburst 32768 prio 4',
    'class replace dev eth1 parent 7032: classid 7032:5 htb rate 100gbit ceil 100gbit prio 7',
  ]);
  assert.match(ipsetText(plan), /create p2pwall-c4-4 hash:ip family inet timeout 0 .*skbinfo/);
});

test('removal takes what is ours and leaves what is not', () => {
  const save = `*mangle
:PREROUTING ACCEPT [0:0]
:P2PWALL-FORWARD - [0:0]
:OTHERS - [0:0]
-A FORWARD -j P2PWALL-FORWARD
-A FORWARD -m connmark ! --mark 0x10000/0xff0000 -j P2PWALL-FORWARD
-A FORWARD -j OTHERS
-A OTHERS -j P2PWALL-FORWARD-NOT-OURS
COMMIT
*nat
:POSTROUTING ACCEPT [0:0]
-A POSTROUTING -o eth0 -j MASQUERADE
COMMIT
`;
  assert.equal(
    iptablesRemovalText(save),
    '*mangle\n-D FORWARD -j P2PWALL-FORWARD\n-D FORWARD -m connmark ! --mark 0x10000/0xff0000 -j P2PWALL-FORWARD\n-F P2PWALL-FORWARD\n-X P2PWALL-FORWARD\nCOMMIT\n',
  );
  assert.equal(iptablesRemovalText('*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n'), '');
  assert.deepEqual(ownSets(['p2pwall-peers4', 'p2pwall-c12-6', 'mine', 'p2pwall-peersX', '']), ['p2pwall-peers4', 'p2pwall-c12-6']);
});

/** What iptables-save shows once `text` is restored, as far as jumps go. */
function saved(text: string): string {
  return text.replace(/^-I (\S+) 1 /gm, '-A $1 ');
}

test('where a wall stands, its jumps are not installed a second time, and those of a wall in another mode go', () => {
  const open = iptablesText(wallPlan(OPTIONS, REJECTS), 4);
  const closed = iptablesText(wallPlan({ ...OPTIONS, mode: 'closed' }, []), 4);
  const jumps = (text: string, save: string): string[] => withoutStandingJumps(text, save).split('\n').filter((line) => /^-[ID] /.test(line));
  assert.deepEqual(jumps(open, ''), Object.values(OPEN_JUMPS));
  assert.deepEqual(jumps(open, saved(open)), []);
  assert.deepEqual(jumps(closed, saved(closed)), []);
  assert.deepEqual(jumps(open, '*mangle\n-A FORWARD -j P2PWALL-FORWARD\n-A FORWARD -j OTHERS\nCOMMIT\n'), [OPEN_JUMPS.marked]);
  assert.deepEqual(jumps(open, saved(closed)), ['-D POSTROUTING -j P2PWALL-POST', OPEN_JUMPS.marked, '-D FORWARD -j P2PWALL-FORWARD']);
  assert.deepEqual(jumps(closed, saved(open)), ['-I POSTROUTING 1 -j P2PWALL-POST', '-I FORWARD 1 -j P2PWALL-FORWARD', '-D FORWARD -m mark ! --mark 0x0/0xff0000 -j P2PWALL-FORWARD']);
  const dropsOnly = iptablesText(wallPlan(OPTIONS, []), 4);
  assert.deepEqual(jumps(dropsOnly, saved(open)), ['-D FORWARD -m mark ! --mark 0x0/0xff0000 -j P2PWALL-FORWARD']);
  assert.equal(withoutStandingJumps(open, '*nat\n-A POSTROUTING -o eth0 -j MASQUERADE\nCOMMIT\n'), open);
  const whole = iptablesText(wallPlan({ ...OPTIONS, markMask: 0xffffffff }, []), 4);
  assert.deepEqual(jumps(whole, saved(whole).replace(/\/0xffffffff/g, '')), [], 'a mask of all bits is not shown');
});

test('what somebody flushed is noticed', () => {
  const plan = wallPlan(OPTIONS, REJECTS);
  const standing = saved(iptablesText(plan, 4));
  assert.deepEqual(missingFrom(standing, plan), []);
  assert.equal(missingFrom('*mangle\n:P2PWALL-FORWARD - [0:0]\nCOMMIT\n*filter\nCOMMIT\n', plan).length, 6);
  assert.deepEqual(missingFrom(standing.replace(saved(OPEN_JUMPS.marked), ''), plan), ['jump from FORWARD to P2PWALL-FORWARD in filter']);
  assert.equal(missingFrom(standing, wallPlan({ ...OPTIONS, mode: 'closed' }, [])).length, 2);
  const dropsOnly = wallPlan(OPTIONS, []);
  assert.deepEqual(missingFrom(saved(iptablesText(dropsOnly, 4)), dropsOnly), []);
  assert.equal(missingFrom('', dropsOnly).length, 4);
});

test('a failing tool leaves nothing behind and says what to do', () => {
  const calls: string[] = [];
  const run: RunTool = (command, args) => {
    calls.push(`${command} ${args.join(' ')}`);
    const isRestore = command === 'iptables-restore' && args.includes('--noflush');
    return isRestore ? { status: 4, stdout: '', stderr: 'Another app is currently holding the xtables lock' } : { status: 0, stdout: '', stderr: '' };
  };
  const rules = new WallRules('iptables', run);
  assert.throws(
    () => rules.install(wallPlan(OPTIONS, [])),
    (error) => error instanceof ToolError && error.message.includes('xtables lock') && error.hint.includes('/run/xtables.lock'),
  );
  assert.ok(calls.lastIndexOf('ipset list -n') > calls.indexOf('ipset restore -exist'), 'removal follows the failed installation');
});

test('nftables: what a listing shows and what is missing in it', () => {
  const rules = new NftRules();
  const listing = `table ip mine {
	chain forward {
		type filter hook forward priority filter; policy accept;
	}
}
table inet p2pwall {
	set block4 {
		type ipv4_addr
	}
	chain inspect {
		meta l4proto { tcp, udp } counter packets 12 bytes 720 queue flags bypass to 4700
	}
	chain forward {
		type filter hook forward priority mangle; policy accept;
		iifname "eth1" goto inspect
	}
	chain verdict {
		type filter hook forward priority -149; policy accept;
	}
}
`;
  assert.deepEqual(rules.missingFrom(listing), ['rules of chain verdict in inet p2pwall', 'rules of chain postrouting in inet p2pwall']);
  assert.equal(rules.missingFrom('').length, 4);
  assert.equal(rules.queuedBy(listing), 12);
});

test('nftables: members are renewed and removed whether they are there or not', () => {
  const member = { set: 'p2pwall-peers4', address: Uint8Array.of(192, 0, 2, 1), port: 6881, protocol: 6, second: Uint8Array.of(10, 0, 0, 1) };
  const element = '192.0.2.1 . tcp . 6881 . 10.0.0.1';
  assert.equal(
    addText(member, 1500),
    `add element inet p2pwall peers4 { ${element} }\ndelete element inet p2pwall peers4 { ${element} }\nadd element inet p2pwall peers4 { ${element} timeout 2s }\n`,
  );
  assert.equal(deleteText(member), `add element inet p2pwall peers4 { ${element} }\ndelete element inet p2pwall peers4 { ${element} }\n`);
});

test('nftables: the queue is chosen by addresses, not by CPU, and only mode open goes on without a reader', () => {
  const queued = (options: Partial<PlanOptions>): string => nftablesText(wallPlan({ ...OPTIONS, ...options }, []), { withQueue: true }).split('\n').find((line) => line.includes('queue')) ?? '';
  assert.match(queued({ queues: 2 }), /counter queue flags bypass to 4700-4701$/);
  assert.match(queued({ mode: 'closed' }), /counter queue to 4700$/);
});
