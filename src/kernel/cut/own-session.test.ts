import { test } from 'node:test';
import assert from 'node:assert/strict';
import { parseAddress } from '../../base/address.js';
import { socketKey } from '../../cutter/connection.js';
import { sessionKey } from './own-session.js';

/** Key of the socket that sshd has for a session. */
function keyOf(local: string, localPort: number, remote: string, remotePort: number): string {
  const address = (text: string): Uint8Array => parseAddress(text) ?? assert.fail(text);
  const [here, there] = [address(local), address(remote)];
  return socketKey({ ipVersion: here.length === 4 ? 4 : 6, protocol: 6, local: here, remote: there, localPort, remotePort, interfaceIndex: 0, state: 1, cookie: new Uint8Array(8) });
}

for (const [name, words, expected] of [
  ['IPv4', '192.0.2.7 50000 10.0.0.1 22', keyOf('10.0.0.1', 22, '192.0.2.7', 50000)],
  ['IPv4 on a socket of IPv6', '192.0.2.7 50000 10.0.0.1 22', keyOf('::ffff:10.0.0.1', 22, '::ffff:192.0.2.7', 50000)],
  ['IPv6', '2001:db8::7 50000 2001:db8::1 2222', keyOf('2001:db8::1', 2222, '2001:db8::7', 50000)],
  ['IPv6 on the link', 'fe80::7%eth0 50000 fe80::1%eth0 22', keyOf('fe80::1', 22, 'fe80::7', 50000)],
  ['no addresses', 'UNKNOWN 65535 UNKNOWN 65535', null],
  ['nothing', '', null],
] as const) {
  test(`the session is known by its socket: ${name}`, () => assert.equal(sessionKey(words), expected));
}
