/**
 * The supplied scripts: all go into the kernel, agree on cut packets on every back end, and match on the visible
 * captures exactly the flows that the identifier names for what they cover.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Argument } from '../../src/rope/argument.js';
import { INTERPRETER, JAVASCRIPT } from '../../src/rope/backends/back-end.js';
import { EBPF } from '../../src/rope/backends/ebpf-vm.js';
import { compileForKernel } from '../../src/rope/backends/ebpf.js';
import { compile } from '../../src/rope/compile.js';
import { RunContext } from '../../src/rope/run-context.js';
import { parseCaseFile } from '../../src/rope/testing/case-file.js';
import { CAPTURES, NO_CAPTURES, capturesIn, identifyFile, labelledCaptures } from '../support/captures.js';
import { flowName, loadScript, matchedFlows } from './script-flows.js';

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

/** What of the identifier's findings each script covers: all flows of these features must match. */
const COVERED: Readonly<Record<string, { readonly all: readonly string[]; readonly some: readonly string[] }>> = {
  // A .torrent in pieces and uTP without the handshake are beyond a single packet.
  bittorrent: { all: ['bittorrent/handshake', 'bittorrent/dht', 'bittorrent/udp-tracker'], some: ['bittorrent/utp', 'bittorrent/torrent-file'] },
  gnutella: { all: ['gnutella/handshake', 'gnutella/udp', 'gnutella/http', 'gnutella2/handshake'], some: ['gnutella/udp-reliable', 'gnutella/push', 'gnutella2/udp'] },
  opennap: { all: ['opennap/login', 'opennap/transfer'], some: [] },
  fasttrack: { all: ['fasttrack/ping', 'fasttrack/session'], some: ['fasttrack/pong', 'fasttrack/transfer', 'fasttrack/push'] },
  edonkey: { all: ['edonkey/tcp', 'edonkey/kad', 'edonkey/server-udp'], some: ['edonkey/client-udp', 'edonkey/kad-packed', 'edonkey/kad-obfuscated'] },
  directconnect: { all: ['directconnect/nmdc', 'directconnect/nmdc-udp', 'directconnect/adc', 'directconnect/adc-udp'], some: ['directconnect/adc-line'] },
};

function differences(captures: readonly { readonly id: string; readonly path: string }[], counts: Map<string, number>): string[] {
  const scripts = Object.keys(COVERED).map(loadScript);
  const problems: string[] = [];
  for (const { id, path } of captures) {
    const findings = new Map(
      identifyFile(path).map((it) => [
        flowName(it.proto, `${it.src_ip}:${it.src_port}`, `${it.dest_ip}:${it.dest_port}`),
        it.p2p?.confidence === 'certain' ? `${it.p2p.protocol}/${it.p2p.feature}` : 'nothing certain',
      ]),
    );
    for (const [name, flows] of matchedFlows(path, scripts)) {
      const covered = COVERED[name];
      if (covered === undefined) continue;
      counts.set(name, (counts.get(name) ?? 0) + flows.size);
      for (const flow of flows) {
        const finding = findings.get(flow) ?? 'no finding';
        if (!covered.all.includes(finding) && !covered.some.includes(finding)) problems.push(`${id}: ${name} matches ${flow}, which is ${finding}`);
      }
      for (const [flow, finding] of findings) {
        if (covered.all.includes(finding) && !flows.has(flow)) problems.push(`${id}: ${name} misses ${flow}, which is ${finding}`);
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

test('scripts match nothing in captures without P2P', (t) => {
  if (CAPTURES === null) return t.skip(NO_CAPTURES);
  const scripts = Object.keys(COVERED).map(loadScript);
  const alarms: string[] = [];
  for (const { id, path } of capturesIn(CAPTURES, 'negatives')) {
    for (const [name, flows] of matchedFlows(path, scripts)) for (const flow of flows) alarms.push(`${id}: ${name} matches ${flow}`);
  }
  assert.deepEqual(alarms, []);
});
