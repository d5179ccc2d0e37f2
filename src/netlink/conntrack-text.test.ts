import { test } from 'node:test';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { addressText } from '../base/address.js';
import type { Tuple } from './conntrack.js';
import { readConntrackLine } from './conntrack-text.js';

// Recorded in a lab of client, router and server; kernel 6.18.
const PLAIN =
  'ipv4     2 tcp      6 431999 ESTABLISHED src=10.77.1.2 dst=10.77.2.2 sport=46826 dport=7000 packets=3 bytes=165 ' +
  'src=10.77.2.2 dst=10.77.1.2 sport=7000 dport=46826 packets=2 bytes=112 [ASSURED] mark=16 zone=0 delta-time=0 use=2';
const ZONED_BOTH = PLAIN.replace('zone=0', 'zone=7');
const ZONED_MASQUERADED =
  'ipv4     2 tcp      6 431999 ESTABLISHED src=10.77.1.2 dst=10.77.2.2 sport=55274 dport=7002 zone-orig=9 packets=3 bytes=165 ' +
  'src=10.77.2.2 dst=10.77.2.1 sport=7002 dport=55274 packets=2 bytes=112 [ASSURED] mark=0 delta-time=0 use=2';
const IPV6 =
  'ipv6     10 tcp      6 431999 ESTABLISHED src=fd77:0001:0000:0000:0000:0000:0000:0002 dst=fd77:0002:0000:0000:0000:0000:0000:0002 sport=43510 dport=7003 packets=3 bytes=225 ' +
  'src=fd77:0002:0000:0000:0000:0000:0000:0002 dst=fd77:0001:0000:0000:0000:0000:0000:0002 sport=7003 dport=43510 packets=2 bytes=152 [ASSURED] mark=0 zone=0 delta-time=0 use=2';
const UDP =
  'ipv4     2 udp      17 29 src=10.77.1.2 dst=10.77.2.2 sport=35144 dport=53 packets=1 bytes=30 [UNREPLIED] ' +
  'src=10.77.2.2 dst=10.77.1.2 sport=53 dport=35144 packets=0 bytes=0 mark=0 zone=0 delta-time=0 use=2';
// Without nf_conntrack_acct, nf_conntrack_timestamp and zones.
const BARE = 'ipv4     2 tcp      6 299 CLOSE_WAIT src=10.0.0.1 dst=10.0.0.2 sport=1 dport=65535 src=10.0.0.2 dst=10.0.0.1 sport=65535 dport=1 [ASSURED] mark=0 use=2';
// IPS_OFFLOAD: without time and state, as ct_seq_show prints it.
const OFFLOADED = 'ipv4     2 tcp      6 src=10.0.0.1 dst=10.0.0.2 sport=1 dport=65535 src=10.0.0.2 dst=10.0.0.1 sport=65535 dport=1 [OFFLOAD] mark=0 use=3';
const ALL = [OFFLOADED, PLAIN, ZONED_BOTH, ZONED_MASQUERADED, IPV6, UDP, BARE];

const ends = ({ source, destination, sourcePort, destinationPort }: Tuple): string =>
  `${addressText(source, 0, source.length)} ${sourcePort} > ${addressText(destination, 0, destination.length)} ${destinationPort}`;

function show(line: string): string | null {
  const entry = readConntrackLine(line);
  if (!entry) return null;
  const { ipVersion, protocol, original, reply, originalZone, replyZone } = entry;
  return `${ipVersion} ${protocol} | ${ends(original)} | ${ends(reply)} | ${originalZone} ${replyZone}`;
}

for (const [name, line, expected] of [
  ['a plainly routed connection', PLAIN, '4 6 | 10.77.1.2 46826 > 10.77.2.2 7000 | 10.77.2.2 7000 > 10.77.1.2 46826 | 0 0'],
  ['one in a zone', ZONED_BOTH, '4 6 | 10.77.1.2 46826 > 10.77.2.2 7000 | 10.77.2.2 7000 > 10.77.1.2 46826 | 7 7'],
  ['a masqueraded one, in a zone on one side only', ZONED_MASQUERADED, '4 6 | 10.77.1.2 55274 > 10.77.2.2 7002 | 10.77.2.2 7002 > 10.77.2.1 55274 | 9 0'],
  ['IPv6', IPV6, '6 6 | fd77:1::2 43510 > fd77:2::2 7003 | fd77:2::2 7003 > fd77:1::2 43510 | 0 0'],
  ['UDP', UDP, '4 17 | 10.77.1.2 35144 > 10.77.2.2 53 | 10.77.2.2 53 > 10.77.1.2 35144 | 0 0'],
  ['without counters and times', BARE, '4 6 | 10.0.0.1 1 > 10.0.0.2 65535 | 10.0.0.2 65535 > 10.0.0.1 1 | 0 0'],
  ['one in a flow table', OFFLOADED, '4 6 | 10.0.0.1 1 > 10.0.0.2 65535 | 10.0.0.2 65535 > 10.0.0.1 1 | 0 0'],
  ['a protocol without ports', 'ipv4     2 icmp     1 29 src=10.77.1.2 dst=10.77.2.2 type=8 code=0 id=7 src=10.77.2.2 dst=10.77.1.2 type=0 code=0 id=7 mark=0 use=2', null],
  ['no address', PLAIN.replace('src=10.77.1.2', 'src=10.77.1'), null],
  ['an empty line', '', null],
] as const) {
  test(`${name}: ${expected ?? 'nothing'}`, () => assert.equal(show(line), expected));
}

test('a line that was cut off names nothing, or the same entry', () => {
  for (const line of ALL) {
    const whole = show(line)?.replace(/ \| [0-9]+ [0-9]+$/, '');
    for (let length = 0; length < line.length; length++) {
      const found = show(line.slice(0, length))?.replace(/ \| [0-9]+ [0-9]+$/, '');
      assert.ok(found === undefined || found === whole, line.slice(0, length));
    }
  }
});

test('no line makes it throw', () => {
  const word = fc.constantFrom('ipv4', '2', 'tcp', '6', 'src=10.0.0.1', 'dst=x', 'sport=1', 'dport=99999', 'zone=7', 'mark=0', '');
  fc.assert(fc.property(fc.array(word, { maxLength: 14 }), (words) => void readConntrackLine(words.join(' '))), { numRuns: 200 });
});
