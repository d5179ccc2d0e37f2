import { test } from 'node:test';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { addressText } from '../base/address.js';
import { type Connection, type ConntrackTimeouts, connectionOfEntry, connectionOfSocket, isTranslated, legsOf } from './connection.js';
import { type Names, parseByteRange, parseDurationRange, parseMark, parsePositional, parseProtocols, parseStates } from './arguments.js';
import { RECORDED_NAMES, type RecordedName, recordedEntry } from './recorded-entries.js';
import type { ConntrackEntry } from '../netlink/conntrack.js';
import { ALL_CONNECTIONS, type Selection, isSelected, namesNothing, singleAddress } from './selection.js';

const TIMEOUTS: ConntrackTimeouts = { tcp: { ESTABLISHED: 432000, CLOSE_WAIT: 60 }, unacknowledged: [300, 200], udp: 30, udpStream: 120 };
const names: Names = {
  host: (name) => (name === 'server.example' ? [Uint8Array.of(10, 77, 2, 2)] : []),
  service: (name) => ({ ssh: 22, https: 443 })[name],
};

function connections(): Map<RecordedName, Connection> {
  const startMs = recordedEntry('plainMarked').startedAtMs ?? 0;
  return new Map(RECORDED_NAMES.map((name) => [name, connectionOfEntry(recordedEntry(name), startMs + 60_000, TIMEOUTS)]));
}

function matching(selection: Selection): RecordedName[] {
  return [...connections()].filter(([, connection]) => isSelected(selection, connection)).map(([name]) => name);
}

/** Selection of a command line of positions, all protocols and states. */
function positional(line: string, more: Partial<Selection> = {}): Selection {
  const parsed = parsePositional(line.split(' '), names);
  if (parsed.problem) assert.fail(`${line}: ${parsed.problem.message}`);
  return { ...ALL_CONNECTIONS, ends: parsed.value, ...more };
}

test('either end, in either view and either order, selects', () => {
  const client: RecordedName[] = ['plainMarked', 'masqueraded', 'forwarded', 'bothNat', 'halfClosed'];
  const table: [string, string, RecordedName[]][] = [
    ['the client', '10.77.1.2', client],
    ['the server', '10.77.2.2', client],
    ['the public address of masquerading', '10.77.2.1', ['masqueraded', 'forwarded']],
    ['an address that only NAT uses', '10.77.2.9', ['bothNat']],
    ['the router as the client saw it', '10.77.1.1', ['bothNat']],
    ['address and port', '10.77.1.2 40443', ['masqueraded']],
    ['address and port of the server', '10.77.2.2 443', ['masqueraded']],
    ['the port before forwarding', '10.77.2.1 8080', ['forwarded']],
    ['the port behind forwarding', '10.77.1.2 80', ['forwarded']],
    ['a port of the other end does not count', '10.77.1.2 443', []],
    ['three words', '10.77.1.2 40022 10.77.2.2', ['plainMarked']],
    ['four words', '10.77.1.2 40022 10.77.2.2 22', ['plainMarked']],
    ['the same in the other order', '10.77.2.2 22 10.77.1.2 40022', ['plainMarked']],
    ['ports exchanged', '10.77.1.2 22 10.77.2.2 40022', []],
    ['views are not mixed', '10.77.1.2 0 10.77.2.1', []],
    ['both ends before forwarding', '10.77.1.2 0 10.77.1.1 9000', ['bothNat']],
    ['both ends behind forwarding', '10.77.2.9 30029 10.77.2.2 7000', ['bothNat']],
    ['zero is any port', '10.77.2.2 0 10.77.1.2 40443', ['masqueraded']],
    ['zero is any address', '0 22', ['plainMarked', 'plainIpv6']],
    ['a service name', '0 ssh', ['plainMarked', 'plainIpv6']],
    ['a network', '10.77.2.8/29', ['bothNat']],
    ['IPv6', 'fd77:2::/64', ['plainIpv6']],
    ['IPv6 in four words', 'fd77:2::2 22 fd77:1::2 40022', ['plainIpv6']],
    ['a range of ports', '0 40000-40500', ['plainMarked', 'masqueraded', 'plainIpv6']],
    ['a list of ports', '0 80,443', ['masqueraded', 'forwarded']],
    ['a host name', 'server.example ssh', ['plainMarked']],
    ['the dotted zero of the old cutter', '0.0.0.0 22', ['plainMarked', 'plainIpv6']],
    ['a stranger', '192.0.2.1', []],
  ];
  for (const [name, line, expected] of table) assert.deepEqual(matching(positional(line)), expected, `${name}: ${line}`);
});

test('conditions on state, age, idle time, bytes and mark', () => {
  const all = positional('0');
  const range = (least: number, most = Number.POSITIVE_INFINITY): { least: number; most: number } => ({ least, most });
  const table: [string, Partial<Selection>, RecordedName[]][] = [
    ['half closed', { states: ['CLOSE_WAIT'] }, ['halfClosed']],
    ['being closed is not asked by default', { states: ['TIME_WAIT'] }, []],
    ['a mark', { mark: { value: 0x10, mask: 0xffffffff } }, ['plainMarked']],
    ['a mark under a mask', { mark: { value: 0, mask: 0x1 } }, ['plainMarked', 'masqueraded', 'forwarded', 'bothNat', 'plainIpv6', 'halfClosed']],
    ['idle for two seconds', { idleMs: range(2000) }, ['plainMarked', 'masqueraded', 'forwarded', 'bothNat']],
    ['idle for at most one', { idleMs: range(0, 1000) }, ['plainIpv6', 'halfClosed']],
    ['more than a minute old', { ageMs: range(60_001) }, []],
    ['a minute old at most', { ageMs: range(0, 60_000) }, ['plainMarked', 'masqueraded', 'forwarded', 'bothNat', 'plainIpv6', 'halfClosed']],
    ['500 bytes and more', { bytes: range(500) }, ['plainIpv6']],
    ['UDP', { protocols: [17] }, ['udp']],
  ];
  for (const [name, conditions, expected] of table) assert.deepEqual(matching({ ...all, ...conditions }), expected, name);
});

test('what the kernel did not record is never cut by a condition on it', () => {
  const bare = { ...recordedEntry('plainMarked'), startedAtMs: null, originalCounters: null, timeoutSeconds: -1 };
  const connection = connectionOfEntry(bare, 0, TIMEOUTS);
  assert.equal(isSelected(ALL_CONNECTIONS, connection), true);
  const any = { least: 0, most: Number.POSITIVE_INFINITY };
  for (const condition of ['ageMs', 'idleMs', 'bytes'] as const) {
    assert.equal(isSelected({ ...ALL_CONNECTIONS, [condition]: any }, connection), false, condition);
  }
});

test('how long a connection was idle is never said too long', () => {
  const idleSeconds = (more: Partial<ConntrackEntry>): number | null => {
    const { idleMs } = connectionOfEntry({ ...recordedEntry('plainMarked'), ...more }, 0, TIMEOUTS);
    return idleMs === null ? null : idleMs / 1000;
  };
  const table: [string, Partial<ConntrackEntry>, number | null][] = [
    ['a packet just now', { timeoutSeconds: 431_999 }, 0],
    ['an hour', { timeoutSeconds: 428_399 }, 3600],
    // nf_conntrack_tcp_packet: under a shorter timer while data is unacknowledged, thus in the middle of any transfer.
    ['a transfer that runs', { timeoutSeconds: 299 }, 0],
    ['data that nobody acknowledges for a minute', { timeoutSeconds: 239 }, 60],
    ['under the shorter of both timers, perhaps', { timeoutSeconds: 199 }, 0],
    ['five days but for five minutes: taken for a transfer, to be safe', { timeoutSeconds: 10 }, 189],
    ['closing, whose own timer is the shortest', { timeoutSeconds: 50, tcpState: 'CLOSE_WAIT' }, 9],
    ['handed to a flow table, whose timer is its own', { timeoutSeconds: 86_399, status: 0x400e }, null],
    ['longer than the timeout in force', { timeoutSeconds: 500_000 }, null],
  ];
  for (const [name, more, expected] of table) assert.equal(idleSeconds(more), expected, name);
});

test('a socket that connection tracking does not know has no connection mark, not even 0', () => {
  const { original } = recordedEntry('plainMarked');
  const [local, remote] = [original.source, original.destination];
  const socket = { ipVersion: 4, protocol: 6, state: 1, local, remote, localPort: 40022, remotePort: 22, interfaceIndex: 0, cookie: new Uint8Array(8) } as const;
  const connection = connectionOfSocket(socket);
  assert.equal(isSelected(ALL_CONNECTIONS, connection), true);
  assert.equal(isSelected({ ...ALL_CONNECTIONS, mark: { value: 0, mask: 0xffffffff } }, connection), false);
});

test('legs carry the addresses that each side sees', () => {
  const show = (name: RecordedName): string[] =>
    legsOf(recordedEntry(name)).map(({ from, to, routedFrom }) => {
      const text = (address: Uint8Array): string => addressText(address, 0, address.length);
      return `${text(from.address)}:${from.port} > ${text(to.address)}:${to.port} routed from ${text(routedFrom)}`;
    });
  assert.deepEqual(show('plainMarked'), [
    '10.77.2.2:22 > 10.77.1.2:40022 routed from 10.77.2.2',
    '10.77.1.2:40022 > 10.77.2.2:22 routed from 10.77.1.2',
  ]);
  assert.deepEqual(show('masqueraded'), [
    '10.77.2.2:443 > 10.77.1.2:40443 routed from 10.77.2.2',
    '10.77.2.1:40443 > 10.77.2.2:443 routed from 10.77.1.2',
  ]);
  assert.deepEqual(show('forwarded'), [
    '10.77.2.1:8080 > 10.77.2.2:40808 routed from 10.77.1.2',
    '10.77.2.2:40808 > 10.77.1.2:80 routed from 10.77.2.2',
  ]);
  assert.deepEqual(show('bothNat'), [
    '10.77.1.1:9000 > 10.77.1.2:40900 routed from 10.77.2.2',
    '10.77.2.9:30029 > 10.77.2.2:7000 routed from 10.77.1.2',
  ]);
  assert.deepEqual(RECORDED_NAMES.filter((name) => isTranslated(recordedEntry(name))), ['masqueraded', 'forwarded', 'bothNat']);
});

test('mistakes on the command line are named, with a remedy', () => {
  const table: [string, RegExp][] = [
    ['10.0.0.256', /'10.0.0.256' is not an IP address/],
    ['10.1', /'10.1' is not an IP address/],
    ['010.0.0.1', /not an IP address/],
    ['255.255.255.255.1', /not an IP address/],
    ['fe80::1%eth0', /not an IP address/],
    ['10.0.0.1:22', /is an address and a port/],
    ['[2001:db8::1]:22', /is an address and a port/],
    ['10.0.0.1/33', /'33' is not a prefix length/],
    ['10.0.0.1/8', /bits set behind its prefix/],
    ['10.0.0/8', /'10.0.0' is not an IP address/],
    ['nowhere.example', /host 'nowhere.example' is not known/],
    ['10.0.0.1 sssh', /'sssh' is neither a port nor a known service/],
    ['10.0.0.1 22x', /neither a port nor a known service/],
    ['10.0.0.1 65536', /'65536' is no port$/],
    ['10.0.0.1 80-65536', /'80-65536' is no range of ports$/],
    ['10.0.0.1 90-80', /'90-80' is no range of ports$/],
    ['10.0.0.1 -5', /neither a port/],
    ['10.0.0.1 80,', /neither a port/],
    ['10.0.0.1 22 10.0.0.2 22 23', /too many arguments: '23'/],
  ];
  for (const [line, expected] of table) {
    const { problem } = parsePositional(line.split(' '), names);
    assert.ok(problem, line);
    assert.match(problem.message, expected);
    assert.notEqual(problem.hint, '');
  }
});

test('quantities, marks, states and protocols', () => {
  const infinity = Number.POSITIVE_INFINITY;
  assert.deepEqual(parseDurationRange('10m'), { value: { least: 600_000, most: infinity } });
  assert.deepEqual(parseDurationRange('<30s'), { value: { least: 0, most: 30_000 } });
  assert.deepEqual(parseDurationRange('>=1.5h'), { value: { least: 5_400_000, most: infinity } });
  assert.deepEqual(parseDurationRange('5m-1h'), { value: { least: 300_000, most: 3_600_000 } });
  assert.deepEqual(parseByteRange('10M'), { value: { least: 10 * 1024 ** 2, most: infinity } });
  assert.deepEqual(parseByteRange('1k-2KiB'), { value: { least: 1024, most: 2048 } });
  for (const bad of ['', 'x', '10 m', '-5', '1h-5m', '<1-2', '5m-']) assert.ok(parseDurationRange(bad).problem, bad);
  assert.deepEqual(parseMark('0x10/0xff'), { value: { value: 16, mask: 255 } });
  assert.deepEqual(parseMark('0xffffffff'), { value: { value: 0xffffffff, mask: 0xffffffff } });
  for (const bad of ['0x100/0xff', 'x', '0x123456789', '1/']) assert.ok(parseMark(bad).problem, bad);
  assert.deepEqual(parseStates('established,close_wait'), { value: ['ESTABLISHED', 'CLOSE_WAIT'] });
  assert.ok(parseStates('open').problem);
  assert.deepEqual(parseProtocols('tcp,udp'), { value: [6, 17] });
  assert.ok(parseProtocols('icmp').problem);
});

test('a selection that names nothing is known as such', () => {
  const table: [string, boolean][] = [
    ['0', true],
    ['0.0.0.0 0', true],
    ['0 0 0 0', true],
    ['0.0.0.0/0', true],
    [':: 0', true],
    ['10.0.0.0/8', false],
    ['0 22', false],
    ['0 0 10.0.0.1', false],
  ];
  for (const [line, expected] of table) assert.equal(namesNothing(positional(line)), expected, line);
  assert.equal(namesNothing({ ...ALL_CONNECTIONS, mark: { value: 1, mask: 1 } }), false);
  assert.equal(namesNothing({ ...ALL_CONNECTIONS, idleMs: { least: 1, most: 2 } }), true, 'idle ones of everybody are still of everybody');
});

test('the address that the kernel filters by never hides a match', () => {
  const address = fc.constantFrom('10.77.1.2', '10.77.2.2', '10.77.2.1', '10.77.2.9', '10.77.1.1', '0', '10.77.2.0/24');
  fc.assert(
    fc.property(address, address, (one, other) => {
      const selection = positional(`${one} 0 ${other} 0`);
      const single = singleAddress(selection);
      if (single === null) return;
      const text = addressText(single, 0, single.length);
      for (const name of matching(selection)) {
        const { original, reply } = recordedEntry(name);
        const ends = [original.source, original.destination, reply.source, reply.destination].map((end) => addressText(end, 0, end.length));
        assert.ok(ends.includes(text), `${name} by ${text}`);
      }
    }),
    { numRuns: 60 },
  );
});
