/**
 * `contain` from the packet to the kernel's sets, without a kernel: a gate with the real protocols hears trackers, the machine
 * keeps what they told, and what the sets would hold is looked at. Caps, ageing and protection as ftwall has them.
 */
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { addressText, parseNetwork } from '../base/address.js';
import { ascii, concat, fromHex } from '../base/bytes.js';
import { PROTOCOLS } from '../detect/registry.js';
import { Gate } from '../engine/gate.js';
import type { SetMember } from '../netlink/ipset.js';
import type { Rule } from '../policy/policy.js';
import { buildUdp } from '../wire/build.js';
import { decodeIp } from '../wire/decode.js';
import { PacketView } from '../wire/packet-view.js';
import { KernelBlocks } from './kernel-blocks.js';
import { protection } from './protection.js';

const TRACKER = '198.51.100.53';
const ANY: Omit<Rule, 'name' | 'action'> = { protocols: null, confidence: 'likely', clients: [], exceptClients: [], macs: [], outside: [], exceptOutside: [], schedule: null };
const HOLD_MS = 60_000;
const network = (text: string) => parseNetwork(text) ?? assert.fail(text);
const show = (address: Uint8Array | undefined): string => (address ? addressText(address, 0, address.length) : '-');

/** Members of the kernel's sets, by `client not to peer port/protocol`, and when they run out. */
class Kernel {
  readonly members = new Map<string, number>();
  writes = 0;
  nowMs = 0;
  #name({ address, port, protocol, second }: SetMember): string {
    return `${show(second)} not to ${show(address)} ${port ?? 0}/${protocol ?? 0}`;
  }
  add(member: SetMember, timeoutMs: number): void {
    this.writes++;
    this.members.set(this.#name(member), this.nowMs + timeoutMs);
  }
  delete(member: SetMember): void {
    this.members.delete(this.#name(member));
  }
  /** Pairs of client and peer that are held now. */
  held(): string[] {
    return [...this.members].filter(([name, untilMs]) => untilMs > this.nowMs && name.endsWith('/6')).map(([name]) => name.slice(0, -2));
  }
}

class Lab {
  readonly kernel = new Kernel();
  readonly blocks = new KernelBlocks(this.kernel, protection([], ['203.0.113.1']));
  readonly #gate: Gate;
  readonly #view = new PacketView();
  #transaction = 0;
  newPairs = 0;

  constructor(rules: readonly Partial<Rule>[] = []) {
    // The tracker itself may be asked.
    const all: readonly Partial<Rule>[] = [{ outside: [network(`${TRACKER}/32`)], action: { kind: 'allow' } }, ...rules, { action: { kind: 'contain', holdMs: HOLD_MS } }];
    const whole = all.map((rule, i): Rule => ({ ...ANY, name: `rule ${i}`, action: { kind: 'allow' }, ...rule }));
    this.#gate = new Gate(
      { protocols: PROTOCOLS, policy: { rules: whole, defaultAction: { kind: 'log' }, trouble: 'accept' } },
      { onContain: (containment) => void (this.blocks.contain(containment, this.kernel.nowMs) && this.newPairs++) },
    );
  }

  pass(ms: number): void {
    this.kernel.nowMs += ms;
    this.blocks.expire(this.kernel.nowMs);
  }

  feed(packet: Uint8Array, isFromInside: boolean): string {
    const status = decodeIp(this.#view, packet, 0, packet.length);
    const verdict = this.#gate.packet(this.#view, status, isFromInside, null, this.kernel.nowMs, this.kernel.nowMs);
    return typeof verdict === 'string' ? verdict : verdict.outcome;
  }

  /** A UDP tracker (BEP 15) names peers to a client; at most 200 in an answer. */
  tells(client: string, peers: readonly (readonly [address: string, port: number])[]): void {
    for (let at = 0; at < peers.length; at += 200) {
      this.#transaction++;
      const port = 1024 + (this.#transaction % 60_000);
      const id = Uint8Array.of(this.#transaction >>> 24, this.#transaction >>> 16, this.#transaction >>> 8, this.#transaction);
      const send = (isFromInside: boolean, ...parts: Uint8Array[]): void => {
        const ends = isFromInside ? { src: client, dst: TRACKER, srcPort: port, dstPort: 6969 } : { src: TRACKER, dst: client, srcPort: 6969, dstPort: port };
        this.feed(buildUdp({ ...ends, payload: concat(...parts) }), isFromInside);
      };
      const compact = peers.slice(at, at + 200).map(([address, peerPort]) => Uint8Array.of(...address.split('.').map(Number), peerPort >> 8, peerPort & 0xff));
      send(true, fromHex('0000041727101980 00000000'), id);
      send(false, fromHex('00000000'), id, fromHex('a1a2a3a4a5a6a7a8'));
      send(true, fromHex('a1a2a3a4a5a6a7a8 00000001'), id, ascii('h'.repeat(20)), ascii('-XX0001-123456789012'), fromHex('0000000000000000 0000000000000063 0000000000000000 00000002 00000000 11223344 ffffffff 1ae1'));
      send(false, fromHex('00000001'), id, fromHex('00000708 00000001 00000002'), ...compact);
    }
  }

  syn(client: string, address: string, port: number): string {
    return this.feed(buildUdp({ src: client, dst: address, srcPort: 6999, dstPort: port, payload: fromHex('21 00 a5 5a') }), true);
  }
}

function manyPeers(count: number, first = 0): (readonly [string, number])[] {
  return Array.from({ length: count }, (_, i) => [`198.${18 + ((first + i) >> 16)}.${((first + i) >> 8) & 255}.${(first + i) & 255}`, 6881] as const);
}

test('what a tracker told becomes members of the sets, for TCP and UDP, for this client alone', () => {
  const lab = new Lab();
  lab.tells('10.0.0.1', [['203.0.113.5', 51_413]]);
  assert.deepEqual([...lab.kernel.members.keys()], ['10.0.0.1 not to 203.0.113.5 51413/6', '10.0.0.1 not to 203.0.113.5 51413/17']);
  assert.equal(lab.syn('10.0.0.1', '203.0.113.5', 51_413), 'drop', 'and the engine refuses what came before the kernel knew');
  assert.equal(lab.syn('10.0.0.2', '203.0.113.5', 51_413), 'undecided');
  lab.tells('10.0.0.2', [['203.0.113.5', 51_413]]);
  assert.deepEqual(lab.kernel.held(), ['10.0.0.1 not to 203.0.113.5 51413', '10.0.0.2 not to 203.0.113.5 51413']);
  assert.equal(lab.syn('10.0.0.3', '203.0.113.5', 51_413), 'undecided', 'a second client does not close it for a third: rules say whom they hold back');
});

test('caps: one client that is told of very many peers leaves room for others', () => {
  const lab = new Lab();
  lab.tells('10.0.0.1', manyPeers(9_000));
  assert.equal(lab.blocks.containedCount, 8_192);
  lab.tells('10.0.0.2', manyPeers(10, 50_000));
  assert.equal(lab.blocks.containedCount, 8_202);
  lab.pass(HOLD_MS);
  assert.equal(lab.blocks.containedCount, 0);
  lab.tells('10.0.0.1', manyPeers(10, 60_000));
  assert.equal(lab.kernel.held().length, 10, 'and it has its room back');
});

test('caps: in all, the peer told longest ago makes room, in the kernel too', () => {
  const kernel = new Kernel();
  const blocks = new KernelBlocks(kernel, () => false);
  const peer = (n: number): Uint8Array => Uint8Array.of(198, n >> 16, n >> 8, n);
  for (let n = 0; n < 132_000; n++) blocks.contain({ client: Uint8Array.of(10, 0, 0, n & 31), peer: peer(n), port: 6881, holdMs: HOLD_MS, rule: 'hold' }, n);
  assert.equal(blocks.containedCount, 131_072);
  assert.equal(kernel.members.size, 2 * 131_072, 'never more members than the sets hold');
  assert.ok(!kernel.members.has('10.0.0.0 not to 198.0.0.0 6881/6') && kernel.members.has('10.0.0.0 not to 198.2.0.0 6881/6'));
  assert.deepEqual(blocks.contained(2).map((it) => it.peer), ['198.2.3.158', '198.2.3.159'], 'those told last');
});

test('ageing: told again it is held on, written again only when half of its time has passed', () => {
  const lab = new Lab();
  const tell = (): void => lab.tells('10.0.0.1', [['203.0.113.5', 51_413]]);
  tell();
  lab.pass(29_000);
  tell();
  assert.equal(lab.kernel.writes, 2, 'both protocols, once');
  lab.pass(2_000);
  tell();
  assert.equal(lab.kernel.writes, 4);
  lab.pass(59_000);
  assert.equal(lab.kernel.held().length, 1);
  lab.pass(1_000);
  assert.equal(lab.kernel.held().length + lab.blocks.containedCount, 0);
});

test('protected: what is told of this machine, of the link, of the system\'s ports or of networks that rules except is never held back', () => {
  const lab = new Lab([{ outside: [network('203.0.113.128/25')], action: { kind: 'allow' } }]);
  lab.tells('10.0.0.1', [
    ['203.0.113.1', 8080],
    ['127.0.0.1', 8080],
    ['169.254.169.254', 8080],
    ['203.0.113.200', 8443],
    ['203.0.113.7', 443],
    ['203.0.113.7', 51_413],
  ]);
  assert.deepEqual(lab.kernel.held(), ['10.0.0.1 not to 203.0.113.7 51413']);
  assert.notEqual(lab.syn('10.0.0.1', '203.0.113.200', 8443), 'drop');
  assert.notEqual(lab.syn('10.0.0.1', '203.0.113.7', 443), 'drop');
  const excepted = new Lab([{ exceptOutside: [network('203.0.113.0/24')], action: { kind: 'contain', holdMs: HOLD_MS } }, { action: { kind: 'log' } }]);
  excepted.tells('10.0.0.1', [['203.0.113.200', 8443]]);
  assert.deepEqual(excepted.kernel.held(), []);
});

test('sets that were made anew are filled again, each member for the time it has left', () => {
  const lab = new Lab();
  lab.tells('10.0.0.1', [['203.0.113.5', 51_413]]);
  lab.blocks.block(Uint8Array.of(192, 0, 2, 1), 20_000, 0);
  lab.pass(15_000);
  assert.deepEqual(lab.blocks.blocked(), [{ address: '192.0.2.1', untilMs: 20_000 }]);
  lab.kernel.members.clear();
  lab.blocks.refill(15_000);
  assert.deepEqual([...lab.kernel.members.entries()], [
    ['10.0.0.1 not to 203.0.113.5 51413/6', HOLD_MS],
    ['10.0.0.1 not to 203.0.113.5 51413/17', HOLD_MS],
    ['- not to 192.0.2.1 0/0', 20_000],
  ]);
  assert.deepEqual(lab.blocks.contained(9), [{ client: '10.0.0.1', peer: '203.0.113.5', port: 51_413, rule: 'rule 1', untilMs: HOLD_MS }]);
  lab.pass(5_001);
  assert.equal(lab.blocks.unblock(Uint8Array.of(192, 0, 2, 1)), false, 'it has run out');
});
