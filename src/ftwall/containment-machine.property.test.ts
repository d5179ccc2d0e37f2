import { test } from 'node:test';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { buildPing, buildPong } from '../fasttrack/udp.js';
import { buildTransferRequest } from '../fasttrack/transfer.js';
import type { Action } from './actions.js';
import { ContainmentMachine } from './containment-machine.js';

const LIMITS = { maxPeers: 12, maxPeersPerClient: 4, maxClients: 3, lockMs: 10_000, peerAgeMs: 60_000, probeRetryMs: 1_000, probeRetries: 2 };
const CLIENTS = ['10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.0.4', '10.0.0.5'];
const OUTSIDE = ['192.0.2.1', '192.0.2.2', '198.51.100.1', '198.51.100.2', '203.0.113.1', '203.0.113.2'];
const isProtected = (address: string): boolean => address.startsWith('192.0.2.');
const PING = buildPing('KaZaA');
const PONG = buildPong('KaZaA');

type Step =
  | { readonly kind: 'ping' | 'pong' | 'syn' | 'transfer' | 'told'; readonly client: string; readonly address: string; readonly port: number }
  | { readonly kind: 'answer'; readonly client: string }
  | { readonly kind: 'wait'; readonly ms: number };

const client = fc.constantFrom(...CLIENTS);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constantFrom('ping', 'pong', 'syn', 'transfer', 'told'), client, address: fc.constantFrom(...OUTSIDE), port: fc.integer({ min: 1, max: 4 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('answer'), client }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('wait'), ms: fc.integer({ min: -5_000, max: 30_000 }) }) },
);

function run(machine: ContainmentMachine, nowMs: number, it: Exclude<Step, { kind: 'wait' }>, out: Action[]): void {
  const from = it.client;
  switch (it.kind) {
    case 'answer':
      machine.udpToWall(nowMs, from, 1214, PONG, 0, PONG.length, out);
      break;
    case 'ping':
      machine.udpFromInside(nowMs, from, 1214, it.address, it.port, PING, 0, PING.length, out);
      break;
    case 'pong':
      machine.udpFromOutside(nowMs, from, it.address, it.port, PONG, 0, PONG.length, out);
      break;
    case 'syn':
      machine.synFromInside(nowMs, from, it.address, it.port, out);
      break;
    case 'told':
      machine.told(nowMs, from, it.address, it.port, out);
      break;
    case 'transfer': {
      const fields = { userName: 'a', network: 'KaZaA', ownEndpoint: '10.0.0.1:1', supernode: '192.0.2.2:3' };
      const bytes = buildTransferRequest('0'.repeat(40), 'h', fields, 0, 1);
      machine.streamPrefix(nowMs, from, it.address, it.port, true, bytes, 0, bytes.length, out);
    }
  }
}

test('no sequence of events exceeds a cap, unlocks early, blocks a protected network or blocks an uninvolved client', () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 120, size: 'max' }), fc.boolean(), (steps, isSharing) => {
      const machine = new ContainmentMachine({ ...LIMITS, isProtected, isSharing });
      let nowMs = 0;
      let latestMs = Number.NEGATIVE_INFINITY;
      const heardAtMs = new Map<string, number>();
      const ponged = new Set<string>();
      const namedBy = new Map<string, Set<string>>();
      for (const it of steps) {
        const out: Action[] = [];
        if (it.kind === 'wait') nowMs += it.ms;
        latestMs = Math.max(latestMs, nowMs);
        if (it.kind === 'wait') machine.tick(nowMs, out);
        else {
          const wasLocked = it.kind !== 'answer' && machine.clients.isLocked(it.client, latestMs);
          run(machine, nowMs, it, out);
          if (it.kind === 'ping' || it.kind === 'transfer' || it.kind === 'told') {
            const key = `${it.address} ${it.port}`;
            namedBy.set(key, (namedBy.get(key) ?? new Set()).add(it.client));
          }
          if ((it.kind === 'ping' || it.kind === 'transfer') && !isProtected(it.address) && machine.clients.find(it.client)) heardAtMs.set(it.client, latestMs);
          if (it.kind === 'pong' && namedBy.get(`${it.address} ${it.port}`)?.has(it.client)) ponged.add(`${it.address} ${it.port}`);
          const verdict = out.find((action) => action.kind === 'verdict');
          if (it.kind === 'syn' && verdict?.kind === 'verdict' && verdict.verdict === 'drop') {
            assert.ok(!isProtected(it.address), 'a protected network was refused');
            const key = `${it.address} ${it.port}`;
            const who = namedBy.get(key);
            if (verdict.reason === 'time-lock') assert.ok(wasLocked, 'held back without a lock');
            else if (!isSharing) assert.ok(who?.has(it.client), 'blocked because of another client');
            else assert.ok(who?.has(it.client) || (who?.size ?? 0) > 1 || ponged.has(key), 'blocked for an uninvolved client');
          }
        }
        assert.ok(machine.peers.size <= LIMITS.maxPeers);
        assert.ok(machine.clients.size <= LIMITS.maxClients);
        for (const address of CLIENTS) assert.ok(machine.peers.countOf(address) <= LIMITS.maxPeersPerClient);
        for (const action of out) {
          if (action.kind === 'block') assert.ok(!isProtected(action.address), 'a protected network became a peer');
          if (action.kind === 'unlock') {
            assert.ok(latestMs - (heardAtMs.get(action.client) ?? 0) >= LIMITS.lockMs, 'unlocked early');
          }
        }
      }
    }),
    { numRuns: 300 },
  );
});

test('datagrams and streams of any bytes are decided without throwing', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), fc.integer({ min: 0, max: 3 }), (noise, first) => {
      const bytes = noise.slice();
      if (bytes.length > 0 && first > 0) bytes[0] = [0x27, 0x28, 0x29][first - 1] ?? 0;
      const machine = new ContainmentMachine();
      const out: Action[] = [];
      machine.udpFromInside(0, CLIENTS[0] ?? '', 1, OUTSIDE[0] ?? '', 1, bytes, 0, bytes.length, out);
      machine.udpFromOutside(0, CLIENTS[0] ?? '', OUTSIDE[0] ?? '', 1, bytes, 0, bytes.length, out);
      machine.udpToWall(0, CLIENTS[0] ?? '', 1, bytes, 0, bytes.length, out);
      machine.streamPrefix(0, CLIENTS[0] ?? '', OUTSIDE[0] ?? '', 1, true, bytes, 0, bytes.length, out);
      assert.equal(out.filter((action) => action.kind === 'verdict').length, 4);
    }),
    { numRuns: 300 },
  );
});
