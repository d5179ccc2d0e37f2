/** ICMP headers, and the errors that answer a packet. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addressText, parseAddress } from '../base/address.js';
import { buildIcmp, buildTcp, buildUdp } from './build.js';
import { internetChecksum, transportChecksum } from './checksum.js';
import { decodeIp } from './decode.js';
import { ICMPV6_ADM_PROHIBITED, ICMP_PORT_UNREACH, buildUnreachable, icmpHeader, mayAnswerWithIcmp } from './icmp.js';
import { PacketView } from './packet-view.js';

const four = { src: '192.0.2.1', dst: '198.51.100.2', srcPort: 40001, dstPort: 6881 };
const six = { ...four, src: '2001:db8::1', dst: '2001:db8::2' };

function viewOf(bytes: Uint8Array): PacketView {
  const view = new PacketView();
  assert.notEqual(decodeIp(view, bytes, 0, bytes.length), 'malformed');
  return view;
}

for (const of of [four, six]) {
  const version = of === four ? 4 : 6;
  test(`an unreachable message of IPv${version} quotes the packet`, () => {
    const offending = buildUdp({ ...of, payload: new Uint8Array(2000).fill(7) });
    const code = version === 4 ? ICMP_PORT_UNREACH : ICMPV6_ADM_PROHIBITED;
    const answer = buildUnreachable(viewOf(offending), code);
    assert.equal(answer.length, version === 4 ? 576 : 1280);
    const view = viewOf(answer);
    assert.equal(addressText(answer, view.destinationAt, version === 4 ? 4 : 16), of.src);
    assert.equal(addressText(answer, view.sourceAt, version === 4 ? 4 : 16), of.dst);
    const sum = version === 4 ? internetChecksum(answer, 20, answer.length) : transportChecksum(answer, 8, 24, 16, 58, 40, answer.length);
    assert.equal(sum, 0);
    const header = icmpHeader(view);
    assert.ok(header);
    assert.deepEqual([header.type, header.code, header.rest], [version === 4 ? 3 : 1, code, 0]);
    const quoted = new PacketView();
    assert.equal(decodeIp(quoted, answer, header.quotedAt, view.end), 'ok');
    assert.deepEqual([quoted.srcPort, quoted.dstPort, quoted.isClipped], [40001, 6881, true]);
    assert.equal(mayAnswerWithIcmp(view), false, 'no error about an error');
  });
}

test('the firewall may speak in its own name', () => {
  const src = parseAddress('203.0.113.9');
  assert.ok(src);
  const answer = buildUnreachable(viewOf(buildTcp(four)), 13, src);
  assert.equal(addressText(answer, 12, 4), '203.0.113.9');
});

test('eight quoted bytes of TCP are enough for the ports', () => {
  const quote = buildTcp({ ...four, seq: 77 }).subarray(0, 28);
  const view = viewOf(buildIcmp({ ...four, type: 3, code: 1, body: quote }));
  const header = icmpHeader(view);
  assert.ok(header);
  const quoted = new PacketView();
  assert.equal(decodeIp(quoted, view.bytes, header.quotedAt, view.end), 'truncated');
  assert.deepEqual([quoted.protocol, quoted.srcPort, quoted.dstPort, quoted.seq], [6, 40001, 6881, 0]);
});

test('an echo is no error and other protocols have no ICMP header', () => {
  const echo = viewOf(buildIcmp({ ...four, type: 8, rest: 0x00010002 }));
  assert.deepEqual(icmpHeader(echo), { type: 8, code: 0, rest: 0x00010002, quotedAt: -1 });
  assert.equal(mayAnswerWithIcmp(echo), true);
  assert.equal(icmpHeader(viewOf(buildTcp(four))), null);
  const short = buildIcmp({ ...four, type: 8 }).slice(0, 26);
  short[3] = 26;
  assert.equal(icmpHeader(viewOf(short)), null);
});

test('nobody answers multicasts, broadcasts, later fragments or senders without address', () => {
  const refused = [
    buildUdp({ ...four, dst: '239.192.152.143' }),
    buildUdp({ ...four, dst: '255.255.255.255' }),
    buildUdp({ ...four, src: '0.0.0.0' }),
    buildUdp({ ...four, src: '224.0.0.1' }),
    buildUdp({ ...four, fragment: { offsetBytes: 8, isLast: true, id: 1 } }),
    buildUdp({ ...six, dst: 'ff02::fb' }),
    buildUdp({ ...six, src: '::' }),
  ];
  for (const bytes of refused) assert.equal(mayAnswerWithIcmp(viewOf(bytes)), false);
  for (const bytes of [buildUdp(four), buildUdp(six), buildTcp({ ...six, src: '::1' })]) assert.equal(mayAnswerWithIcmp(viewOf(bytes)), true);
});
