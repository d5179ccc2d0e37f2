/** `p2pwall check` on machines that lack something of the network: each finding with its remedy. Needs root. Safe: all in namespaces that the test made. */
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { gatewayUnavailable } from '../../src/lab/gateway-lab.js';
import { DROP, WATCH, gateway } from './support/gateway-checks.js';

interface Check {
  readonly name: string;
  readonly state: string;
  readonly detail: string;
  readonly remedy: string;
}

test('check: interfaces, forwarding, counters, queues in use, rules of others, another user', { skip: gatewayUnavailable() ?? false }, async (t) => {
  const gate = gateway(t);
  const path = gate.configure(DROP, 'mode = "closed"');
  const checks = (status: number): Map<string, Check> => {
    const result = gate.command('check', '--json', '--config', path);
    assert.equal(result.status, status, result.stdout + result.stderr);
    return new Map((JSON.parse(result.stdout) as { checks: Check[] }).checks.map((it) => [it.name, it]));
  };
  const remedyOf = (all: Map<string, Check>, name: string): string => {
    const found = all.get(name);
    assert.ok(found, `${name} of ${[...all.keys()].join(', ')}`);
    return `${found.state}: ${found.remedy}`;
  };
  const healthy = checks(0);
  for (const name of ['inside interfaces', 'outside interfaces', 'IPv4 forwarding', 'IPv6 forwarding', 'connection counters', 'queues', 'rules of others', 'guard of mode closed (nf_tables)', 'kernel sets (ip_set)']) assert.equal(remedyOf(healthy, name), 'good: ');

  gate.router.sysctl('net.ipv4.ip_forward=0', 'net.ipv6.conf.all.forwarding=0', 'net.netfilter.nf_conntrack_acct=0');
  gate.router.must('iptables', ['-t', 'mangle', '-A', 'PREROUTING', '-j', 'MARK', '--set-xmark', '0x10000/0x10000']);
  const text = readFileSync(path, 'utf8');
  writeFileSync(path, text.replace('inside = ["inside"]', 'inside = ["none0"]').replace('outside = ["outside"]', ''));
  gate.router.ip('route flush default');
  const lacking = checks(0);
  assert.equal(remedyOf(lacking, 'IPv4 forwarding'), 'advice: sysctl -w net.ipv4.ip_forward=1');
  assert.equal(remedyOf(lacking, 'IPv6 forwarding'), 'advice: sysctl -w net.ipv6.conf.all.forwarding=1, or gateway.ipv6 = false');
  assert.equal(remedyOf(lacking, 'connection counters'), 'advice: sysctl -w net.netfilter.nf_conntrack_acct=1');
  assert.equal(remedyOf(lacking, 'inside interfaces'), 'advice: correct gateway.inside; ip link shows the names');
  assert.equal(remedyOf(lacking, 'outside interfaces'), 'advice: name them in gateway.outside: uploads are shaped there');
  assert.match(remedyOf(lacking, 'rules of others'), /^advice: choose another gateway\.mark_mask/);

  gate.router.must('iptables', ['-t', 'mangle', '-F']);
  await gate.up(WATCH);
  assert.match(remedyOf(checks(0), 'queues'), /^advice: stop that program, or choose another gateway\.first_queue/);
  assert.equal(await gate.end(), 0);

  const other = gate.router.run('setpriv', ['--reuid=65534', '--clear-groups', process.execPath, new URL('../../../bin/p2pwall', import.meta.url).pathname, 'check', '--config', path]);
  assert.equal(other.status, 77, other.stdout + other.stderr);
  assert.match(other.stdout, /NO +privilege: not root.*\n +run as root \(sudo p2pwall check\)/);
  assert.match(other.stdout, /NO +event file: .* cannot be written\n +correct events\.file, or the permissions of its folder/);
});
