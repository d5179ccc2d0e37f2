import { test } from 'node:test';
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseAddress } from '../../base/address.js';
import { ControlServer } from '../../control/server.js';
import type { Connection } from '../../cutter/connection.js';
import type { Tuple } from '../../netlink/conntrack.js';
import { p2pConnections } from './cut-p2p.js';

function tuple(source: string, sourcePort: number, destination: string, destinationPort: number): Tuple {
  return { source: parseAddress(source), sourcePort, destination: parseAddress(destination), destinationPort } as Tuple;
}

function connection(original: Tuple, reply: Tuple): Connection {
  return { ipVersion: 4, protocol: 6, original, reply, state: 'ESTABLISHED', mark: 0, zone: 0, ageMs: null, idleMs: null, sentBytes: null, receivedBytes: null, entry: null, sockets: [] };
}

const PLAIN = connection(tuple('10.0.0.5', 40000, '198.51.100.7', 6881), tuple('198.51.100.7', 6881, '10.0.0.5', 40000));
const MASQUERADED = connection(tuple('10.0.0.6', 40000, '198.51.100.7', 6881), tuple('198.51.100.7', 6881, '203.0.113.1', 1025));
const FORWARDED = connection(tuple('198.51.100.9', 5000, '203.0.113.1', 6881), tuple('10.0.0.7', 16881, '198.51.100.9', 5000));
const WEB = connection(tuple('10.0.0.5', 40001, '198.51.100.7', 443), tuple('198.51.100.7', 443, '10.0.0.5', 40001));

function flow(src_ip: string, src_port: number, dest_ip: string, dest_port: number, protocol: string | null): object {
  return { src_ip, src_port, dest_ip, dest_port, proto: 'TCP', p2p: protocol === null ? null : { protocol, category: 'file-sharing' } };
}

test('connections are those that the wall names, through both kinds of NAT', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'p2pwall-cut-'));
  const socket = join(folder, 'control.sock');
  const server = new ControlServer(socket, () => ({
    ok: true,
    data: [
      flow('10.0.0.5', 40000, '198.51.100.7', 6881, 'sharing-thing'),
      flow('10.0.0.6', 40000, '198.51.100.7', 6881, 'sharing-thing'),
      flow('198.51.100.9', 5000, '10.0.0.7', 16881, 'other-thing'),
      flow('10.0.0.5', 40001, '198.51.100.7', 443, null),
    ],
  }));
  try {
    await server.open(null);
    for (const [protocol, expected] of [
      ['sharing-thing', [true, true, false, false]],
      ['other-thing', [false, false, true, false]],
      ['file-sharing', [true, true, true, false]],
      ['any', [true, true, true, false]],
      ['voice', [false, false, false, false]],
    ] as const) {
      const isP2p = await p2pConnections(protocol, socket);
      assert.ok(typeof isP2p === 'function');
      assert.deepEqual([PLAIN, MASQUERADED, FORWARDED, WEB].map(isP2p), expected, protocol);
    }
  } finally {
    server.close();
    rmSync(folder, { recursive: true, force: true });
  }
});

test('without a wall nothing is guessed: the answer is a failure with its remedy', async () => {
  const answer = await p2pConnections('any', '/nonexistent/control.sock');
  assert.ok(typeof answer !== 'function');
  assert.equal(answer.status, 69);
  assert.match(answer.hint, /p2pwall run/);
});
