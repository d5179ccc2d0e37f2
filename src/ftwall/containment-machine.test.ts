import { test } from 'node:test';
import assert from 'node:assert/strict';
import { ascii, fromHex, toHex } from '../base/bytes.js';
import { buildTransferRequest, buildTransferResponse } from '../fasttrack/transfer.js';
import { buildPing, buildPong, parsePong, parsePong2, PONG, TYPE_KAZAA } from '../fasttrack/udp.js';
import type { Action } from './actions.js';
import { ContainmentMachine, type ContainmentOptions } from './containment-machine.js';

const CLIENT = '10.1.0.2';
const NEIGHBOUR = '10.1.0.3';
const PEER = '198.51.100.7';
const PING = buildPing('KaZaA');
const FIELDS = { userName: 'tester', network: 'KaZaA', ownEndpoint: '10.1.0.2:1214', supernode: '203.0.113.9:3128' };
const REQUEST = buildTransferRequest('8e0cda92da564448da5ec5070f3231907abac2a6', '192.0.2.10:1214', FIELDS, 0, 99);
const RESPONSE = buildTransferResponse(FIELDS, 0, 99, 1000);

/** A machine with a clock and short calls; each returns its actions. */
class Scene {
  readonly machine: ContainmentMachine;
  nowMs = 1_000_000;

  constructor(options: ContainmentOptions = {}) {
    this.machine = new ContainmentMachine(options);
  }
  #run(call: (out: Action[]) => void): Action[] {
    const out: Action[] = [];
    call(out);
    return out;
  }
  ping(client = CLIENT, address = PEER, port = 3128, bytes = PING, clientPort = 1214): Action[] {
    return this.#run((out) => this.machine.udpFromInside(this.nowMs, client, clientPort, address, port, bytes, 0, bytes.length, out));
  }
  pong(client = CLIENT, address = PEER, port = 3128): Action[] {
    const bytes = buildPong('KaZaA');
    return this.#run((out) => this.machine.udpFromOutside(this.nowMs, client, address, port, bytes, 0, bytes.length, out));
  }
  syn(client = CLIENT, address = PEER, port = 3128): string {
    return textOf(this.#run((out) => this.machine.synFromInside(this.nowMs, client, address, port, out))[0]);
  }
  toWall(bytes = buildPong('KaZaA'), client = CLIENT, clientPort = 1214): string {
    return textOf(this.#run((out) => this.machine.udpToWall(this.nowMs, client, clientPort, bytes, 0, bytes.length, out))[0]);
  }
  stream(bytes: Uint8Array, isFromClient = true, address = '192.0.2.10', port = 1214): Action[] {
    return this.#run((out) => this.machine.streamPrefix(this.nowMs, CLIENT, address, port, isFromClient, bytes, 0, bytes.length, out));
  }
  /** Time passes in steps of a second. Returns what ticks did, logs left out. */
  pass(seconds: number, step = 1): string[] {
    const done: string[] = [];
    for (let s = 0; s < seconds; s += step) {
      this.nowMs += step * 1000;
      const out = this.#run((actions) => this.machine.tick(this.nowMs, actions));
      for (const action of out) if (action.kind !== 'log') done.push(`${s + step}s ${action.kind}`);
    }
    return done;
  }
}

function textOf(action: Action | undefined): string {
  return action?.kind === 'verdict' ? `${action.verdict} ${action.reason}` : `no verdict but ${action?.kind}`;
}

const kinds = (actions: readonly Action[]): string[] => actions.map((action) => action.kind);
const find = <K extends Action['kind']>(actions: readonly Action[], kind: K): Extract<Action, { kind: K }> => {
  const found = actions.find((action): action is Extract<Action, { kind: K }> => action.kind === kind);
  assert.ok(found, `no ${kind} among ${kinds(actions).join(' ')}`);
  return found;
};

test('U: the first ping is dropped and answered, peer and client are noted, the lock starts', () => {
  const scene = new Scene();
  const actions = scene.ping();
  assert.deepEqual(kinds(actions), [
    'verdict', 'log', 'block', 'store', 'log', 'create-client-file', 'log', 'lock', 'send-as-peer',
  ]);
  assert.equal(textOf(actions[0]), 'drop ping');
  const pong = find(actions, 'send-as-peer');
  assert.deepEqual([pong.peer, pong.peerPort, pong.client, pong.clientPort], [PEER, 3128, CLIENT, 1214]);
  assert.ok(parsePong2(pong.payload, 0, pong.payload.length));
  assert.deepEqual(find(actions, 'block'), { kind: 'block', client: CLIENT, address: PEER, port: 3128, timeoutMs: 86_400_000 });
  assert.deepEqual(find(actions, 'store'), { kind: 'store', address: PEER, port: 3128, client: CLIENT });
  assert.ok(find(actions, 'lock').timeoutMs >= 120_000);
  const letters = actions.flatMap((action) => (action.kind === 'log' ? [action.letter] : []));
  assert.deepEqual(letters, ['u', 'p', 'c']);
});

test('U: a repeated ping is only dropped and answered', () => {
  const scene = new Scene();
  scene.ping();
  assert.deepEqual(kinds(scene.ping()), ['verdict', 'log', 'send-as-peer']);
  assert.deepEqual(kinds(scene.ping(CLIENT, '198.51.100.8')), ['verdict', 'log', 'block', 'store', 'log', 'send-as-peer']);
});

test('U: other UDP passes untouched', () => {
  const scene = new Scene();
  const query = ascii('hello');
  assert.equal(textOf(scene.ping(CLIENT, PEER, 53, query)[0]), 'accept not-fasttrack');
  assert.equal(scene.machine.peers.size + scene.machine.clients.size, 0);
});

test('the forged answer follows --reply, and keeps to the network and type of the ping', () => {
  const kazaa = buildPing('fileshare', TYPE_KAZAA);
  const first = find(new Scene({ reply: PONG }).ping(CLIENT, PEER, 3128, kazaa), 'send-as-peer');
  const pong = parsePong(first.payload, 0, first.payload.length);
  assert.equal(pong?.network, 'fileshare');
  assert.equal(pong?.minimumType, TYPE_KAZAA);
  assert.ok(!kinds(new Scene({ reply: null }).ping()).includes('send-as-peer'));
  const again = (port: number) => toHex(find(new Scene().ping(CLIENT, PEER, port), 'send-as-peer').payload);
  assert.equal(again(3128), again(3128), 'a node keeps its identifier');
  assert.notEqual(again(3128), again(3129));
});

test('-n: pings pass and nothing is forged, but peers and clients are known', () => {
  const scene = new Scene({ observesUdp: true });
  const actions = scene.ping();
  assert.equal(textOf(actions[0]), 'accept ping-observed');
  assert.ok(!kinds(actions).includes('send-as-peer'));
  assert.equal(scene.syn(), 'drop known-peer');
});

test('S: connections to known peers are refused, others too while the lock runs', () => {
  const scene = new Scene();
  assert.equal(scene.syn(), 'accept nothing-known');
  scene.ping();
  assert.equal(scene.syn(), 'drop known-peer');
  assert.equal(scene.syn(CLIENT, PEER, 80), 'drop time-lock');
  assert.equal(scene.syn(CLIENT, '192.0.2.80', 443), 'drop time-lock');
  assert.equal(scene.syn(NEIGHBOUR, '192.0.2.80', 443), 'accept nothing-known');
});

test('S: --lock-scope limits what the lock holds back', () => {
  const web = new Scene({ lockScope: 'user-ports' });
  web.ping();
  assert.equal(web.syn(CLIENT, '192.0.2.80', 443), 'accept nothing-known');
  assert.equal(web.syn(CLIENT, '192.0.2.80', 1214), 'drop time-lock');
  const none = new Scene({ lockScope: 'none' });
  none.ping();
  assert.equal(none.syn(CLIENT, '192.0.2.80', 1214), 'accept nothing-known');
  assert.equal(none.syn(), 'drop known-peer');
});

test('S: a refused connection to a peer refreshes the lock, one refused by the lock does not', () => {
  const scene = new Scene();
  scene.ping();
  scene.pass(100);
  assert.equal(scene.syn(), 'drop known-peer');
  assert.deepEqual(scene.pass(119).filter((text) => !text.endsWith('send-probe')), []);
  assert.equal(scene.syn(CLIENT, '192.0.2.80', 443), 'drop time-lock');
  assert.deepEqual(scene.pass(2), ['1s unlock', '1s remove-client-file']);
  assert.equal(scene.syn(CLIENT, '192.0.2.80', 443), 'accept nothing-known');
  assert.equal(scene.syn(), 'drop known-peer', 'the peer stays known');
});

test('time-lock: probes at half time and twice more, then release and removal of the client file', () => {
  const scene = new Scene();
  scene.ping();
  assert.deepEqual(scene.pass(121), ['60s send-probe', '65s send-probe', '70s send-probe', '120s unlock', '120s remove-client-file']);
  assert.equal(scene.machine.clients.size, 0);
  assert.equal(scene.machine.nextDueMs(), Number.POSITIVE_INFINITY);
});

test('time-lock: coarse clock steps neither release early nor forget the probe', () => {
  const scene = new Scene();
  scene.ping();
  assert.deepEqual(scene.pass(119, 119), ['119s send-probe']);
  assert.equal(scene.syn(CLIENT, '192.0.2.80', 443), 'drop time-lock');
  assert.deepEqual(scene.pass(1), ['1s unlock', '1s remove-client-file']);
});

test('time-lock: a clock that steps back stands still', () => {
  const scene = new Scene();
  scene.ping();
  scene.pass(119);
  scene.nowMs -= 3_600_000;
  assert.equal(scene.syn(CLIENT, '192.0.2.80', 443), 'drop time-lock');
  assert.deepEqual(scene.pass(3600, 600), []);
  assert.deepEqual(scene.pass(1), ['1s unlock', '1s remove-client-file']);
});

test('R: the answer to a probe refreshes the lock and is dropped; anything else is not ours', () => {
  const scene = new Scene();
  scene.ping(CLIENT, PEER, 3128, buildPing('Grokster', TYPE_KAZAA));
  assert.equal(scene.toWall(), 'accept not-fasttrack', 'nobody asked');
  const out: Action[] = [];
  scene.nowMs += 60_000;
  scene.machine.tick(scene.nowMs, out);
  const probe = find(out, 'send-probe');
  assert.deepEqual(probe.payload, buildPing('Grokster', TYPE_KAZAA), 'the probe is a genuine ping of its own network');
  assert.equal(probe.clientPort, 1214);
  assert.equal(scene.toWall(buildPong('KaZaA'), CLIENT, 999), 'accept not-fasttrack', 'another port');
  assert.equal(scene.toWall(ascii('dns?')), 'accept not-fasttrack');
  assert.equal(scene.toWall(fromHex('29 00000029 01 00 0000 00000007')), 'drop probe-answer');
  assert.deepEqual(scene.pass(119).filter((text) => !text.endsWith('send-probe')), []);
  assert.deepEqual(scene.pass(1), ['1s unlock', '1s remove-client-file']);
});

test('a client that goes on pinging stays locked for ever, renewing the data plane at most once a second', () => {
  const scene = new Scene();
  let renewals = 0;
  for (let i = 0; i < 600; i++) {
    scene.nowMs += 200;
    renewals += kinds(scene.ping()).filter((kind) => kind === 'lock').length;
  }
  assert.ok(renewals >= 110 && renewals <= 121, `${renewals} renewals in 120 s`);
  assert.deepEqual(scene.pass(59), []);
});

test('-t 0: clients are identified but never locked', () => {
  const scene = new Scene({ lockMs: 0 });
  assert.ok(!kinds(scene.ping()).includes('lock'));
  assert.equal(scene.syn(CLIENT, '192.0.2.80', 443), 'accept nothing-known');
  assert.equal(scene.syn(), 'drop known-peer');
  assert.deepEqual(scene.pass(121), ['120s remove-client-file']);
});

test('two programs behind one address are probed each, and one answer keeps the lock', () => {
  const scene = new Scene();
  scene.ping();
  scene.ping(CLIENT, '198.51.100.8', 4000, PING, 2000);
  assert.deepEqual(scene.pass(61).filter((text) => text.startsWith('60s')), ['60s send-probe', '60s send-probe']);
  assert.equal(scene.toWall(buildPong('KaZaA'), CLIENT, 2000), 'drop probe-answer');
  assert.deepEqual(scene.pass(110).filter((text) => text.endsWith('unlock')), []);
});

test('H: a transfer in clear names two peers, locks the client and is dropped', () => {
  const scene = new Scene();
  const actions = scene.stream(REQUEST);
  assert.equal(textOf(actions[0]), 'drop transfer');
  const blocked = actions.flatMap((action) => (action.kind === 'block' ? [`${action.address}:${action.port} for ${action.client}`] : []));
  assert.deepEqual(blocked, [`192.0.2.10:1214 for ${CLIENT}`, `203.0.113.9:3128 for ${CLIENT}`]);
  assert.equal(scene.syn(CLIENT, '203.0.113.9', 3128), 'drop known-peer');
  assert.equal(scene.syn(CLIENT, '192.0.2.80', 443), 'drop time-lock');
});

test('H: any letter case, any cut, pushes, answers of the peer and session openings', () => {
  const text = String.fromCharCode(...REQUEST);
  assert.equal(textOf(new Scene().stream(ascii(text.toUpperCase()))[0]), 'drop transfer');
  const scene = new Scene();
  const at = text.indexOf('X-Kazaa-Username');
  assert.equal(scene.machine.streamPrefix(1, CLIENT, PEER, 80, true, ascii('GET /1/x HTTP/1.1\r\nX-Kaz'), 0, 24, []), 'more');
  assert.equal(textOf(new Scene().stream(REQUEST.subarray(0, at + 20))[0]), 'drop transfer');
  assert.equal(textOf(new Scene().stream(ascii('GIVE 123456789\r\n'))[0]), 'drop transfer');
  assert.equal(textOf(new Scene().stream(fromHex('fa00b62bfacb12383209d232'))[0]), 'drop session-opening');
  assert.equal(textOf(new Scene().stream(ascii('GET / HTTP/1.1\r\nHost: a\r\n\r\n'))[0]), 'accept nothing-known');
  assert.equal(textOf(new Scene().stream(ascii('GET / HTTP/1.1\r\nUserAgent: KazaaClient Nov  3 2002 20:29:03\r\n\r\n'))[0]), 'accept nothing-known', 'it reads the web too');
  assert.equal(textOf(new Scene().stream(ascii(`GET /.hash=${'0'.repeat(40)} HTTP/1.1\r\n`))[0]), 'drop transfer');
  for (const path of ['/.status', '/.files/report.pdf', '/.network', '/.hash=12']) {
    const web = ascii(`GET ${path} HTTP/1.1\r\nHost: www.example.org\r\nUser-Agent: Mozilla/5.0\r\n\r\n`);
    assert.equal(textOf(new Scene().stream(web)[0]), 'accept nothing-known', `${path} exists on web servers too`);
  }
  const answered = new Scene();
  const actions = answered.stream(RESPONSE, false);
  assert.equal(textOf(actions[0]), 'drop transfer');
  assert.equal(answered.syn(NEIGHBOUR, '192.0.2.10', 1214), 'drop known-peer', 'the peer spoke itself: blocked for all');
  assert.equal(answered.syn(NEIGHBOUR, '203.0.113.9', 3128), 'accept nothing-known', 'but not whom it names');
});

test('peers are blocked for the client that revealed them, for all once confirmed', () => {
  const scene = new Scene();
  scene.ping();
  assert.equal(scene.syn(NEIGHBOUR), 'accept nothing-known');
  const actions = scene.ping(NEIGHBOUR);
  assert.deepEqual(find(actions, 'block').client, '', 'a second client named it');
  assert.equal(find(actions, 'store').client, '');
  assert.equal(scene.syn('10.1.0.4'), 'drop known-peer');

  const observed = new Scene({ observesUdp: true });
  observed.ping();
  assert.deepEqual(kinds(observed.pong(NEIGHBOUR)), ['verdict'], 'a pong to somebody else proves nothing');
  assert.equal(find(observed.pong(), 'block').client, '');
  assert.equal(observed.syn(NEIGHBOUR), 'drop known-peer');

  const late = new Scene({ observesUdp: true });
  late.ping();
  late.nowMs += 21_000;
  assert.deepEqual(kinds(late.pong()), ['verdict'], 'too late to be an answer');
});

test('protected networks never become peers and are never held back', () => {
  const scene = new Scene({ isProtected: (address) => address.startsWith('192.0.2.') });
  const actions = scene.ping(CLIENT, '192.0.2.80', 443);
  assert.equal(textOf(actions[0]), 'accept ping-to-protected');
  assert.equal(scene.machine.peers.size, 0);
  scene.ping();
  assert.equal(scene.syn(CLIENT, '192.0.2.80', 443), 'accept protected', 'not even by the lock');
  assert.equal(textOf(scene.stream(REQUEST)[0]), 'accept nothing-known');
});

test('peers age, and are renewed in the data plane when half their time has passed', () => {
  const scene = new Scene({ peerAgeMs: 600_000, lockMs: 10_000 });
  scene.ping();
  scene.pass(299);
  assert.ok(!kinds(scene.ping()).includes('block'));
  scene.pass(1);
  assert.equal(find(scene.ping(), 'block').timeoutMs, 600_000, 'the data plane ends it by itself');
  scene.pass(599);
  assert.equal(scene.syn(), 'drop known-peer');
  scene.pass(1);
  assert.equal(scene.syn(), 'accept nothing-known');
  assert.equal(scene.machine.peers.size, 0);
});

test('restart: of several lines about a peer the later ones count', () => {
  const scene = new Scene();
  const out: Action[] = [];
  scene.machine.restore(scene.nowMs, CLIENT, PEER, 3128, 80_000_000, out);
  assert.deepEqual(find(out, 'block'), { kind: 'block', client: CLIENT, address: PEER, port: 3128, timeoutMs: 6_400_000 });
  out.length = 0;
  scene.machine.restore(scene.nowMs, '', PEER, 3128, 1_000, out);
  assert.deepEqual(find(out, 'block'), { kind: 'block', client: '', address: PEER, port: 3128, timeoutMs: 86_399_000 }, 'confirmed, and seen later');
  out.length = 0;
  scene.machine.restore(scene.nowMs, CLIENT, PEER, 3128, 9_000, out);
  assert.deepEqual(out, [], 'nothing new');
});

test('restart: peers of the store are known again, old ones are not', () => {
  const scene = new Scene();
  const out: Action[] = [];
  assert.equal(scene.machine.restore(scene.nowMs, '', PEER, 3128, 1000, out), true);
  assert.equal(scene.machine.restore(scene.nowMs, CLIENT, '203.0.113.9', 80, 0, out), true);
  assert.equal(scene.machine.restore(scene.nowMs, '', '203.0.113.10', 80, 90_000_000, out), false);
  assert.equal(scene.syn(NEIGHBOUR), 'drop known-peer');
  assert.equal(scene.syn(CLIENT, '203.0.113.9', 80), 'drop known-peer');
  assert.equal(scene.syn(NEIGHBOUR, '203.0.113.9', 80), 'accept nothing-known');
  assert.equal(out.filter((action) => action.kind === 'block').length, 2);
});

test('names: an answer under a blocked name closes its addresses, for TCP and UDP', () => {
  const scene = new Scene({ names: [{ name: 'winmx.com', matchesSubdomains: true, label: '' }] });
  const out: Action[] = [];
  const record = { name: 'c3310.z1301.winmx.com', ttlS: 300, target: '192.0.2.33', isAlias: false };
  scene.machine.dnsAnswer(scene.nowMs, CLIENT, { question: record.name, records: [record] }, out);
  assert.deepEqual(find(out, 'block'), { kind: 'block', client: CLIENT, address: '192.0.2.33', port: 0, timeoutMs: 300_000 });
  assert.equal(scene.syn(CLIENT, '192.0.2.33', 7950), 'drop blocked-name');
  assert.equal(textOf(scene.ping(CLIENT, '192.0.2.33', 6257, ascii('x'))[0]), 'drop blocked-name');
  assert.equal(scene.syn(NEIGHBOUR, '192.0.2.33', 7950), 'accept nothing-known');
  scene.pass(300, 300);
  assert.equal(scene.syn(CLIENT, '192.0.2.33', 7950), 'accept nothing-known');
});

test('told by other protocols: blocked for that client, no lock, no forged answer', () => {
  const scene = new Scene();
  const out: Action[] = [];
  scene.machine.told(scene.nowMs, CLIENT, PEER, 51413, out);
  assert.deepEqual(kinds(out), ['block', 'store', 'log']);
  assert.equal(scene.syn(CLIENT, PEER, 51413), 'drop known-peer');
  assert.equal(scene.syn(CLIENT, '192.0.2.80', 443), 'accept nothing-known');
});

test('log actions are made only for the letters asked for', () => {
  const scene = new Scene({ logs: new Set(['p'] as const) });
  const letters = [...scene.ping(), ...scene.ping()].flatMap((action) => (action.kind === 'log' ? [action.letter] : []));
  assert.deepEqual(letters, ['p']);
});
