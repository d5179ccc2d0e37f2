/** What several live tests of the wall look at. */
import type { TestContext } from 'node:test';
import assert from 'node:assert/strict';
import { SERVER, Gateway } from '../../../src/lab/gateway-lab.js';
import type { OrdinaryReport } from '../../../src/lab/ordinary-peer.js';
import type { RoutedLabOptions } from '../../../src/lab/namespaces.js';

export const WATCH = '[[rule]]\nname = "watch"\nprotocol = ["any"]\naction = "log"\n';
export const DROP = '[[rule]]\nname = "none"\nprotocol = ["any"]\naction = "drop"\n';

/** A gateway that ends with the test. */
export function gateway(t: TestContext, options: RoutedLabOptions = {}): Gateway {
  const made = new Gateway('p2pw-wall', options);
  t.after(() => made.close());
  return made;
}

/** Everything of ours that stands in the router; '' when nothing does. */
export function traces(gate: Gateway): string {
  const commands: readonly (readonly string[])[] = [['iptables-save'], ['ip6tables-save'], ['iptables-legacy-save'], ['ipset', 'list', '-n'], ['tc', 'qdisc', 'show'], ['nft', 'list', 'tables']];
  const shown = commands.map(([command = '', ...args]) => gate.router.run(command, args).stdout).join('\n');
  return shown.split('\n').filter((line) => /p2pwall|htb 7032/i.test(line)).join('\n');
}

/** A new connection from client to server says what it should; needs `ordinaryTraffic` for its server. */
export function isReached(gate: Gateway): boolean {
  return gate.net.client.run('timeout', ['2', 'bash', '-c', `exec 3<>/dev/tcp/${SERVER[4]}/22; head -c 3 <&3`]).stdout === 'SSH';
}

export function assertUnharmed({ exchanges, mismatches }: OrdinaryReport): void {
  assert.deepEqual(mismatches, []);
  for (const name of ['http', 'tls', 'ssh', 'dns', 'quic']) assert.ok((exchanges[name] ?? 0) > 5, `${name} went on: ${exchanges[name]}`);
}
