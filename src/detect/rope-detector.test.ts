import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ascii } from '../base/bytes.js';
import type { Argument } from '../rope/argument.js';
import { compile } from '../rope/compile.js';
import { MORE, type Protocol, TCP, UDP } from './detector.js';
import { PROTOCOLS } from './registry.js';
import { ropeProtocol } from './rope-detector.js';
import { inspectSample } from './sample.js';
import { buildTransportIndex } from './trigger-index.js';

function detector(source: string, args: readonly Argument[] = []): Protocol {
  const compiled = compile(source, args.length > 0 ? { args } : {});
  assert.ok(compiled.isValid);
  return ropeProtocol({ protocol: 'mine', script: 'mine', compiled, args, confidence: 'certain', category: 'file-sharing' });
}

function answer(protocol: Protocol, transport: typeof TCP | typeof UDP, payload: Uint8Array, options: { srcPort?: number; dstPort?: number } = {}): string {
  const feature = protocol.features.find((it) => it.transport === transport);
  assert.ok(feature);
  const finding = inspectSample(feature, [{ from: 0, bytes: payload }], options);
  return typeof finding === 'object' ? finding.confidence : finding === MORE ? 'more' : 'no';
}

test('a script sees ports, addresses and payload of the flow', () => {
  const mine = detector('$tcp_dest 4000 eq $udp_dest 4000 eq or assert "HELO" expect_str $ip_daddr 198.51.100.7 eq assert yes');
  const table: [typeof TCP | typeof UDP, string, number, string][] = [
    [TCP, 'HELO there', 4000, 'certain'],
    [UDP, 'HELO there', 4000, 'certain'],
    [TCP, 'HELO there', 4001, 'more'],
    [UDP, 'EHLO there', 4000, 'more'],
    [TCP, 'HEL', 4000, 'more'],
  ];
  for (const [transport, payload, dstPort, expected] of table) assert.equal(answer(mine, transport, ascii(payload), { dstPort }), expected, `${transport} ${payload}`);
});

test('transports are told apart', () => {
  const mine = detector('$udp_len 12 eq assert $tcp_doff not assert $ip_protocol IPPROTO_UDP eq assert yes');
  assert.equal(answer(mine, UDP, ascii('abcd')), 'certain');
  assert.equal(answer(mine, TCP, ascii('abcd')), 'more');
});

test('scripts that only the interpreter can run work too; hotdrop is a match', () => {
  assert.equal(answer(detector('$data_len 4 eq { 1 2 } { 3 } ifelse drop yes'), TCP, ascii('abcd')), 'certain');
  assert.equal(answer(detector('hotdrop( "stop" )'), UDP, ascii('abcd')), 'certain');
});

test('a full stream prefix without a match is no', () => {
  const mine = detector('"x" expect_str');
  assert.equal(answer(mine, TCP, new Uint8Array(4095)), 'more');
  assert.equal(answer(mine, TCP, new Uint8Array(4096)), 'no');
  assert.equal(answer(mine, UDP, new Uint8Array(9000)), 'more');
});

test('arguments are constants of the detector, on both back ends', () => {
  const args: Argument[] = [{ type: 'int', value: 4000 }, { type: 'str', bytes: ascii('HELO') }];
  for (const source of ['$text put $port put $tcp_dest $port eq assert $text expect_str yes', '$text put $port put $tcp_dest $port eq assert $text expect_str $port { 1 2 } { 3 } ifelse yes']) {
    const mine = detector(source, args);
    assert.equal(answer(mine, TCP, ascii('HELO there'), { dstPort: 4000 }), 'certain');
    assert.equal(answer(mine, TCP, ascii('HELO there'), { dstPort: 4001 }), 'more');
    assert.equal(answer(mine, TCP, ascii('EHLO there'), { dstPort: 4000 }), 'more');
  }
});

test('the engine has room for the registry and as many scripts as a configuration may name', () => {
  const scripts = Array.from({ length: 16 }, (_, i) => ({ ...detector('no'), id: `mine-${i}` }));
  for (const transport of [TCP, UDP] as const) assert.equal(buildTransportIndex([...PROTOCOLS, ...scripts], transport).byFirstByte.length, 256);
});
