/**
 * The supplied scripts: all go into the kernel, agree on cut packets on every back end, and match on the visible
 * captures exactly the flows that the identifier names for what they cover.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { ascii, concat, u16 } from '../../src/base/bytes.js';
import { CaptureReader } from '../../src/pcap/capture-reader.js';
import { pcapHeader, pcapRecord } from '../../src/pcap/capture-writer.js';
import type { Argument } from '../../src/rope/argument.js';
import { INTERPRETER, JAVASCRIPT } from '../../src/rope/backends/back-end.js';
import { EBPF } from '../../src/rope/backends/ebpf-vm.js';
import { compileForKernel } from '../../src/rope/backends/ebpf.js';
import { compile } from '../../src/rope/compile.js';
import { isMatch } from '../../src/rope/ir.js';
import { RunContext } from '../../src/rope/run-context.js';
import { parseCaseFile } from '../../src/rope/testing/case-file.js';
import { PacketInput } from '../../src/rope/packet.js';
import { buildTcp } from '../../src/wire/build.js';
import { TCP_SYN } from '../../src/wire/constants.js';
import { LINKTYPE_RAW } from '../../src/wire/link-types.js';
import { locateIp } from '../../src/wire/link.js';
import { CAPTURES, NO_CAPTURES, capturesIn, identifyFile, labelledCaptures } from '../support/captures.js';
import { flowName, loadProgram, loadScript, matchedFlows } from './script-flows.js';

const folder = join(import.meta.dirname, '../../..', 'rope');
const names = readdirSync(folder).filter((name) => name.endsWith('.rope')).map((name) => name.slice(0, -'.rope'.length));
const cases = readdirSync(folder).filter((name) => name.endsWith('.md')).flatMap((name) => parseCaseFile(readFileSync(join(folder, name), 'utf8')).cases);

/** Arguments of the cases of a script, for those that take some. */
function argumentsOf(name: string): readonly Argument[] {
  return cases.find(({ script }) => script === name)?.expect.args ?? [];
}

for (const name of names) {
  const source = readFileSync(join(folder, `${name}.rope`), 'utf8');

  test(`${name} compiles without a word, in less than 50 ms, and for the kernel`, () => {
    const args = argumentsOf(name);
    compile(source, { args });
    const startNs = process.hrtime.bigint();
    const compiled = compile(source, { args });
    const elapsedMs = Number(process.hrtime.bigint() - startNs) / 1e6;
    assert.deepEqual(compiled.diagnostics, []);
    assert.ok(compiled.ir !== null);
    const result = compileForKernel(compiled.ir);
    assert.deepEqual(result.ok ? [] : result.obstacles, []);
    // Generous: the machine may be busy. The benchmark measures it.
    assert.ok(elapsedMs < 250, `${elapsedMs} ms`);
  });

  test(`${name} has cases`, () => {
    assert.ok(cases.some(({ script }) => script === name));
  });

  test(`${name}: every cut of every packet gives the same answer on all back ends`, () => {
    const args = argumentsOf(name);
    const compiled = compile(source, { args });
    const runners = [INTERPRETER, JAVASCRIPT, EBPF].map((backEnd) => {
      const context = new RunContext();
      const runner = backEnd.prepare(compiled, args, context);
      assert.ok(typeof runner !== 'string', String(runner));
      return { context, runner };
    });
    for (const testCase of cases.filter(({ script }) => script === name)) {
      for (const { bytes, annotate } of testCase.packets) {
        for (let length = 0; length < bytes.length; length++) {
          const verdicts = runners.map(({ context, runner }) => {
            context.packet.load(bytes, 0, length);
            annotate(context.packet);
            return runner.run();
          });
          assert.equal(new Set(verdicts).size, 1, `${testCase.name} cut to ${length} bytes: ${verdicts.join(' ')}`);
        }
      }
    }
  });
}

/** What of the identifier's findings a script covers. */
interface Cover {
  /** All flows of these features must match. */
  readonly all: readonly string[];
  /** Flows of these features may match, for the reason given. With a sign, a program that looks for one thing anywhere, they match exactly when a packet of theirs has it. */
  readonly some: Readonly<Record<string, { readonly because: string; readonly sign?: string }>>;
}

/** The identifier follows the stream or the dialogue. */
const SOME_FORMS = { because: 'a single packet shows only some of its forms; the captures hold none' };

const COVERED: Readonly<Record<string, Cover>> = {
  bittorrent: {
    all: ['bittorrent/handshake', 'bittorrent/dht', 'bittorrent/udp-tracker'],
    some: {
      'bittorrent/utp': {
        because: 'in uTP an encrypted handshake looks random; but DHT messages may run between the same ports',
        sign: '$udp_len assert expect_one( { "\\19BitTorrent protocol" expect_to } { "d" expect_str $data 1 right "e" eq assert "1:y1:" expect_to } )',
      },
      'bittorrent/torrent-file': { because: 'a .torrent that comes in small pieces is beyond a single packet' },
    },
  },
  gnutella: {
    all: ['gnutella/handshake', 'gnutella/udp', 'gnutella/http', 'gnutella2/handshake'],
    some: {
      'gnutella/udp-reliable': SOME_FORMS,
      'gnutella/push': SOME_FORMS,
      'gnutella2/udp': { because: 'the script covers the handshakes of Gnutella2 only; some servents speak both from one port' },
    },
  },
  opennap: { all: ['opennap/login', 'opennap/transfer'], some: {} },
  fasttrack: {
    all: ['fasttrack/ping', 'fasttrack/session'],
    some: {
      'fasttrack/pong': SOME_FORMS,
      'fasttrack/transfer': SOME_FORMS,
      'fasttrack/push': SOME_FORMS,
    },
  },
  edonkey: {
    all: ['edonkey/tcp', 'edonkey/kad', 'edonkey/server-udp'],
    some: {
      'edonkey/client-udp': SOME_FORMS,
      'edonkey/kad-packed': SOME_FORMS,
      'edonkey/kad-obfuscated': { because: 'obfuscated datagrams look random; some flows hold clear ones as well' },
    },
  },
  directconnect: {
    all: ['directconnect/nmdc', 'directconnect/nmdc-udp', 'directconnect/adc', 'directconnect/adc-udp'],
    some: { 'directconnect/adc-line': SOME_FORMS },
  },
};

function differences(captures: readonly { readonly id: string; readonly path: string }[], counts: Map<string, number>): string[] {
  const scripts = Object.keys(COVERED).map(loadScript);
  const signs = Object.values(COVERED).flatMap(({ some }) => Object.entries(some)).flatMap(([feature, { sign }]) => (sign === undefined ? [] : [loadProgram(feature, sign)]));
  const problems: string[] = [];
  for (const { id, path } of captures) {
    const findings = new Map(
      identifyFile(path).map((it) => [
        flowName(it.proto, `${it.src_ip}:${it.src_port}`, `${it.dest_ip}:${it.dest_port}`),
        it.p2p?.confidence === 'certain' ? `${it.p2p.protocol}/${it.p2p.feature}` : 'nothing certain',
      ]),
    );
    const signed = matchedFlows(path, signs);
    for (const [name, flows] of matchedFlows(path, scripts)) {
      const covered = COVERED[name];
      assert.ok(covered);
      counts.set(name, (counts.get(name) ?? 0) + flows.size);
      for (const flow of flows) {
        const finding = findings.get(flow) ?? 'no finding';
        if (!covered.all.includes(finding) && !(finding in covered.some)) problems.push(`${id}: ${name} matches ${flow}, which is ${finding}`);
      }
      for (const [flow, finding] of findings) {
        const isWanted = finding in covered.some ? signed.get(finding)?.has(flow) : covered.all.includes(finding);
        if (isWanted === true && !flows.has(flow)) problems.push(`${id}: ${name} misses ${flow}, which is ${finding}`);
        if (isWanted === false && finding in covered.some && flows.has(flow)) problems.push(`${id}: ${name} matches ${flow}, which is ${finding} without its sign`);
      }
    }
  }
  return problems;
}

test('scripts match the flows that the identifier names, and no others', (t) => {
  if (CAPTURES === null) return t.skip(NO_CAPTURES);
  const counts = new Map<string, number>();
  assert.deepEqual(differences([...labelledCaptures(CAPTURES), ...capturesIn(CAPTURES, 'programs')], counts), []);
  t.diagnostic([...counts].map(([name, count]) => `${name} ${count}`).join(', '));
  for (const name of ['bittorrent', 'gnutella', 'fasttrack', 'edonkey', 'directconnect']) assert.ok((counts.get(name) ?? 0) > 0, name);
});

test('opennap matches the packets that the identifier names, in its cases: the captures hold no OpenNAP', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'p2pwall-opennap-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, 'packet.pcap');
  const scripts = [loadScript('opennap')];
  let named = 0;
  const input = new PacketInput();
  for (const { name, packets } of cases.filter(({ script }) => script === 'opennap')) {
    for (const { bytes } of packets) {
      input.load(bytes, 0, bytes.length);
      const ports = { srcPort: u16(bytes, input.transportAt), dstPort: u16(bytes, input.transportAt + 2) };
      // As on the wire: the connection opens, and the side that is asked for a file greets with '1'.
      const opening = buildTcp({ src: '192.0.2.1', dst: '192.0.2.2', ...ports, flags: TCP_SYN, seq: 999 });
      const greeting = buildTcp({ src: '192.0.2.2', dst: '192.0.2.1', srcPort: ports.dstPort, dstPort: ports.srcPort, payload: ascii('1') });
      const payload = bytes.slice(input.dataAt, input.packetLength);
      const data = input.hasTcp ? buildTcp({ src: '192.0.2.1', dst: '192.0.2.2', ...ports, seq: 1000, payload }) : bytes;
      const frames = input.hasTcp ? [opening, ...(ports.dstPort === 6699 ? [greeting] : []), data] : [data];
      writeFileSync(path, concat(pcapHeader({ linkType: LINKTYPE_RAW }), ...frames.map((frame) => pcapRecord({ bytes: frame, timeMs: 0 }))));
      const findings = identifyFile(path).map(({ p2p }) => (p2p?.confidence === 'certain' ? `${p2p.protocol}/${p2p.feature}` : 'nothing certain'));
      const isNamed = findings.some((finding) => COVERED.opennap?.all.includes(finding));
      assert.equal((matchedFlows(path, scripts).get('opennap')?.size ?? 0) > 0, isNamed, `${name}: ${findings.join()}: ${Buffer.from(payload).toString('latin1')}`);
      if (isNamed) named++;
    }
  }
  assert.ok(named >= 4, `${named} packets`);
});

/** Sizes that the complete header lines of a response announce, by another way than the script's: regular expressions. */
function announcedSizes(payload: string): number[] {
  const head = /^HTTP\/1\.[01] \d+[^\n]*\n/.exec(payload);
  if (head === null) return [];
  const lines = payload.slice(head[0].length).match(/[^\n]*\n/g) ?? [];
  const end = lines.findIndex((line) => /^[\r\n]/.test(line));
  const sizes = lines.slice(0, end < 0 ? lines.length : end).map((line) => /^content-(?:length:[ \t]*|range:[^/\r\n]+\/)(\d+)/i.exec(line)?.[1]);
  return sizes.flatMap((size) => (size === undefined ? [] : [Number(size)]));
}

test('contlen matches the responses that announce more, in all captures', (t) => {
  if (CAPTURES === null) return t.skip(NO_CAPTURES);
  const source = readFileSync(join(folder, 'contlen.rope'), 'utf8');
  const counts: number[] = [];
  for (const limit of [10_000, 1_000_000]) {
    const args: Argument[] = [{ type: 'int', value: limit }];
    const context = new RunContext();
    const runner = JAVASCRIPT.prepare(compile(source, { args }), args, context);
    assert.ok(typeof runner !== 'string');
    let matched = 0;
    for (const { id, path } of [...labelledCaptures(CAPTURES), ...capturesIn(CAPTURES, 'programs'), ...capturesIn(CAPTURES, 'negatives')]) {
      const reader = new CaptureReader();
      reader.feed(readFileSync(path));
      reader.finish();
      for (let number = 1; reader.next() === 'packet'; number++) {
        const at = locateIp(reader.linkType, reader.bytes, reader.start, reader.end);
        if (at < 0) continue;
        const { packet } = context;
        packet.load(reader.bytes, at, reader.end);
        const isMatched = isMatch(runner.run());
        const payload = Buffer.from(reader.bytes.subarray(at + packet.dataAt, at + packet.packetLength)).toString('latin1');
        assert.equal(isMatched, announcedSizes(payload).some((size) => size > limit), `${id} packet ${number}: ${payload.slice(0, 300)}`);
        if (isMatched) matched++;
      }
    }
    counts.push(matched);
  }
  t.diagnostic(`responses of more than 10,000 bytes: ${counts[0]}, more than 1,000,000: ${counts[1]}`);
  assert.ok(counts.every((count) => count > 0), counts.join(' '));
});

test('scripts match nothing in captures without P2P', (t) => {
  if (CAPTURES === null) return t.skip(NO_CAPTURES);
  const scripts = Object.keys(COVERED).map(loadScript);
  const alarms: string[] = [];
  for (const { id, path } of capturesIn(CAPTURES, 'negatives')) {
    for (const [name, flows] of matchedFlows(path, scripts)) for (const flow of flows) alarms.push(`${id}: ${name} matches ${flow}`);
  }
  assert.deepEqual(alarms, []);
});
