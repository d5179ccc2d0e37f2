import { test } from 'node:test';
import assert from 'node:assert/strict';
import { controlSocket, loadConfig, problemText } from './load.js';

const KNOWN = { protocols: ['bittorrent-like', 'gnu-like'] };

const EXAMPLE = `
[gateway]
inside = ["eth1"]            # interfaces of the network to protect
mode = "open"
queues = 1
[events]
file = "/var/log/p2pwall/eve.json"
[metrics]
listen = "127.0.0.1:9477"
[[rule]]
name = "no file sharing in school hours"
protocol = ["file-sharing"]
confidence = "likely"
clients = ["10.0.0.0/8"]
when = "mon-fri 08:00-16:00"
action = "drop"
[[rule]]
name = "the rest slowly"
protocol = ["bittorrent-like"]
action = "limit"
rate = "2mbit"
per = "client"
`;

function problems(text: string): string[] {
  const result = loadConfig(text, KNOWN);
  return 'problems' in result ? result.problems.map((problem) => problemText('x.toml', problem)) : [];
}

test('the example of the documentation loads, defaults filled in', () => {
  const result = loadConfig(EXAMPLE, KNOWN);
  assert.ok('config' in result, JSON.stringify(result));
  const { policy, file } = result.config;
  assert.equal(policy.defaultAction.kind, 'log');
  assert.equal(policy.trouble, 'accept');
  assert.deepEqual(policy.rules.map(({ name }) => name), ['no file sharing in school hours', 'the rest slowly']);
  assert.deepEqual(policy.rules[1]?.action, { kind: 'limit', bitsPerSecond: 2_000_000, per: 'client' });
  assert.equal(policy.rules[0]?.schedule?.text, 'mon-fri 08:00-16:00');
  assert.equal(file.gateway.queues, 1);
  assert.equal(file.control.socket, '/run/p2pwall/control.sock');
});

test('the smallest file names the inside', () => {
  const result = loadConfig('[gateway]\ninside = ["br-lan"]\n', KNOWN);
  assert.ok('config' in result);
  assert.deepEqual(result.config.policy.rules, []);
});

test('every mistake is reported with its line, key and remedy, all at once', () => {
  const text = `[gateway]
inside = []
mod = "open"
[[rule]]
name = "a"
action = "drop"
[[rule]]
name = "b"
action = "block"
`;
  assert.deepEqual(problems(text), [
    'x.toml:2: gateway.inside: names no interface: give those of the network to protect, for example ["eth1"]; see p2pwall.toml(5)',
    'x.toml:3: gateway.mod: is not known; did you mean mode?',
    'x.toml:9: rule[1].action: "block" is none of allow, log, drop, reject, limit, prioritise, contain; see p2pwall.toml(5)',
  ]);
});

test('what has the wrong kind or size is told in the words of the file, with what to write', () => {
  const text = `[gateway]
inside = "eth1"
mode = "opn"
queues = "2"
first_queue = 65001
ipv6 = "yes"
max_flows = 1.5
[[gatway]]
[[rule]]
name = ""
protocols = ["bittorrent-like"]
rate = 5
[[rule]]
name = "${'x'.repeat(65)}"
action = "log"
whither = 1
[metrics]
listen = "127.0.0.1:65536"
`;
  assert.deepEqual(problems(text).map((line) => line.replace(/^x.toml:/, '')), [
    '2: gateway.inside: must be a list, and is text; write inside = ["eth1"]',
    '3: gateway.mode: "opn" is none of open, closed; did you mean "open"?',
    '4: gateway.queues: must be a number, and is text; write 2, without quotes',
    '5: gateway.first_queue: 65001 is too large; write at most 65000',
    '6: gateway.ipv6: must be true or false, and is text; write true or false, without quotes',
    '7: gateway.max_flows: must be a whole number, and is the number 1.5; see p2pwall.toml(5)',
    '8: gatway: is not known; did you mean gateway?',
    '9: rule[0].action: is missing; add action = one of "allow", "log", "drop", "reject", "limit", "prioritise", "contain"',
    '10: rule[0].name: is empty; see p2pwall.toml(5)',
    '11: rule[0].protocols: is not known; did you mean protocol?',
    '12: rule[0].rate: must be text, and is the number 5; write "5", in quotes',
    '14: rule[1].name: is too long; write at most 64 characters',
    '16: rule[1].whither: is not known; known here are name, protocol, confidence, clients, except, mac, outside, except_outside, when, action, rate, per, dscp, priority, hold',
    '18: metrics.listen: is no address and port (127.0.0.1:9477); see p2pwall.toml(5)',
  ]);
  assert.deepEqual(problems('[gateway]\ninside = ["eth1"]\n[rule]\nname = "a"\n'), ['x.toml:3: rule: must be a list, and is a section; write [[rule]] instead of [rule]']);
});

test('what would only fail when the wall is put up is refused before', () => {
  const gateway = (line: string): string[] => problems(`[gateway]\ninside = ["eth1"]\n${line}\n`).map((problem) => problem.replace(/^x.toml:/, ''));
  assert.deepEqual(gateway('mark_mask = 0x00f00ff0'), ['3: gateway.mark_mask: has holes: its bits must be adjacent; write for example mark_mask = 0x00ff0000']);
  assert.deepEqual(gateway('mark_mask = 0x7f'), ['3: gateway.mark_mask: has fewer than 8 bits; write for example mark_mask = 0x00ff0000']);
  assert.deepEqual(gateway('mark_mask = 0xff0'), []);
  assert.deepEqual(gateway('outside = ["eth0", "eth1"]'), ['3: gateway.outside[1]: eth1 is an inside interface, too; name it once']);
  assert.deepEqual(gateway('time_zone = "Mars/Olympus"'), ['3: gateway.time_zone: \'Mars/Olympus\' is no time zone; write for example "Europe/Berlin" or "UTC"']);
  assert.match(gateway('outside = ["wlan0123456789a+"]')[0] ?? '', /at most 15 characters/);
  const rule = (line: string): string[] => gateway(`[[rule]]\nname = "a"\n${line}`);
  assert.deepEqual(rule('action = "contain"\nhold = "597h"'), ['6: rule[0].hold: \'597h\' is longer than the kernel\'s sets can hold; write at most hold = "596h"']);
  assert.deepEqual(rule('action = "contain"\nhold = "596h"'), []);
  assert.match(rule('action = "drop"\nprotocol = ["any", "bitorrent-like"]')[0] ?? '', /^6: rule\[0\]\.protocol\[1\]: 'bitorrent-like' is no protocol/);
});

test('meaning is checked too: names, networks, hours, rates, keys that do nothing', () => {
  const text = `[gateway]
inside = ["eth1"]
[[rule]]
name = "a"
protocol = ["bitorrent-like", "file-sharing"]
clients = ["10.0.0.1/8", "ten"]
when = "monday"
mac = ["1:2:3"]
action = "limit"
hold = "5m"
[[rule]]
name = "a"
action = "prioritise"
dscp = "gold"
rate = "2mbit"
`;
  assert.deepEqual(problems(text).map((line) => line.replace(/^x.toml:/, '')), [
    "3: rule[0].rate: is missing: action = \"limit\" needs it; add for example rate = \"2mbit\"",
    "5: rule[0].protocol[0]: 'bitorrent-like' is no protocol and no category; did you mean 'bittorrent-like'? p2pwall protocols lists them",
    "6: rule[0].clients[0]: '10.0.0.1/8' is no network; bits behind the prefix are set: did you mean 10.0.0.0/8?",
    "6: rule[0].clients[1]: 'ten' is no network; write for example 10.0.0.0/8, 2001:db8::/32 or a single address",
    "7: rule[0].when: 'monday' is no day or range of days (mon, tue, wed, thu, fri, sat, sun, mon-fri); write for example \"mon-fri 08:00-16:00\"",
    "8: rule[0].mac[0]: '1:2:3' is no hardware address; write six pairs of hexadecimal digits: 02:00:5e:10:00:01",
    '10: rule[0].hold: has no meaning with action = "limit"; remove it, or use action = "contain"',
    '12: rule[1].name: is the name of two rules; names stand in events and metrics: make them different',
    "14: rule[1].dscp: 'gold' is no DSCP name; use a number from 0 to 63 or one of cs0 cs1 cs2 cs3 cs4 cs5 cs6 cs7 af11 af12 af13 af21 af22 af23 af31 af32 af33 af41 af42 af43 ef le",
    '15: rule[1].rate: has no meaning with action = "prioritise"; remove it, or use action = "limit"',
  ]);
});

test('text that is no TOML is one problem with its line', () => {
  assert.deepEqual(problems('[gateway]\ninside = [\n').length, 1);
  assert.match(problems('[gateway]\nmode = open\n')[0] ?? '', /^x\.toml:2: /);
  assert.match(problems('')[0] ?? '', /^x\.toml:1: gateway: is missing; add a section \[gateway\]/);
});

test('a protocol that a rope script defines can be named by rules', () => {
  const text = '[gateway]\ninside = ["eth1"]\n[[rope]]\nscript = "mine"\nprotocol = "mine"\n[[rule]]\nname = "x"\nprotocol = ["mine"]\naction = "drop"\n';
  assert.deepEqual(problems(text), []);
});

test('the control socket is found in a configuration with mistakes elsewhere, and in none that names no socket', () => {
  assert.equal(controlSocket('[gateway]\ninside = 5\n[control]\nsocket = "/run/x.sock"\n[[rule]]\naction = "fly"\n'), '/run/x.sock');
  for (const text of ['', '[control]\n', '[control]\nsocket = 5\n', 'control = 5\n', '[control\n']) assert.equal(controlSocket(text), null, text);
});

test('a wall has room for 16 rope detectors', () => {
  const text = (count: number): string => `[gateway]\ninside = ["lan"]\n${Array.from({ length: count }, (_, i) => `[[rope]]\nscript = "x.rope"\nprotocol = "p${i}"\n`).join('')}`;
  assert.ok('config' in loadConfig(text(16), KNOWN));
  const result = loadConfig(text(17), KNOWN);
  assert.ok('problems' in result);
  assert.match(result.problems.map((problem) => problemText('c', problem)).join(), /rope\[16\]: is one detector too many/);
});
