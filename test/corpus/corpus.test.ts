/**
 * All detectors on all visible captures: recall and precision by protocol and kind,
 * compared with the committed expectation; no false alarms. UPDATE_GOLDEN=1 rewrites the
 * expectation: read its diff. What differs from the labels is explained in README.md here.
 */
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PROTOCOLS } from '../../src/detect/registry.js';
import { CAPTURES, NO_CAPTURES, capturesIn, identifyFile, labelledCaptures, readLabels, recordName } from '../support/captures.js';
import { Scores } from './score.js';

/** This folder in the checkout, not in the compiled tree. */
const folder = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..', 'test', 'corpus');
const expectedPath = join(folder, 'expected.json');

/** Categories whose presence in ordinary captures is a false alarm; cryptocurrency and voice may be there. */
const ALARMING: readonly string[] = ['file-sharing', 'streaming', 'sync', 'distributed-web'];

test('labelled captures: found as expected, and nothing certain or likely against a label', (t) => {
  if (CAPTURES === null) return t.skip(NO_CAPTURES);
  const scores = new Scores();
  for (const { id, path } of labelledCaptures(CAPTURES)) scores.add(id, readLabels(CAPTURES, id), identifyFile(path));
  t.diagnostic(scores.table());
  if (process.env.CORPUS_MISSED !== undefined) t.diagnostic(scores.missed.join('\n'));
  assert.deepEqual(scores.contradictions, []);
  if (process.env.UPDATE_GOLDEN === '1') writeFileSync(expectedPath, `${JSON.stringify(scores, null, 2)}\n`);
  if (!existsSync(expectedPath)) return;
  assert.deepEqual(JSON.parse(JSON.stringify(scores)), JSON.parse(readFileSync(expectedPath, 'utf8')));
});

test('captures without P2P: no finding certain or likely', (t) => {
  if (CAPTURES === null) return t.skip(NO_CAPTURES);
  const alarms: string[] = [];
  let flows = 0;
  let suspected = 0;
  for (const { id, path } of [...capturesIn(CAPTURES, 'negatives'), ...capturesIn(CAPTURES, 'programs').filter((it) => it.id.startsWith('neg-'))]) {
    for (const record of identifyFile(path)) {
      flows++;
      if (!record.p2p || !ALARMING.includes(record.p2p.category)) continue;
      if (record.p2p.confidence === 'suspected') suspected++;
      else alarms.push(`${id}: ${recordName(record)}: ${record.p2p.protocol} ${record.p2p.feature} ${record.p2p.confidence}`);
    }
  }
  t.diagnostic(`${flows} flows, ${alarms.length} false alarms, ${suspected} suspected`);
  assert.deepEqual(alarms, []);
});

/** Truth of the captures of single programs: what the name says, and the protocol that must be found with certainty. */
const PROGRAMS: readonly (readonly [prefix: string, protocol: string])[] = [
  ['bt-', 'bittorrent'],
  ['dc-', 'directconnect'],
  ['ed2k-plain', 'edonkey'],
  ['kad_', 'edonkey'],
  ['hyperswarm', 'hyperswarm'],
  ['libp2p', 'ipfs'],
  ['litecoin', 'bitcoin'],
  ['syncthing', 'syncthing'],
];

test('captures of one program each: its protocol is found with certainty, no other is', (t) => {
  if (CAPTURES === null) return t.skip(NO_CAPTURES);
  const known = new Set<string>(PROTOCOLS.map(({ id }) => id));
  const problems: string[] = [];
  for (const { id, path } of capturesIn(CAPTURES, 'programs')) {
    const truth = PROGRAMS.find(([prefix]) => id.startsWith(prefix))?.[1];
    if (truth === undefined || !known.has(truth)) continue;
    const certain = identifyFile(path).flatMap(({ p2p }) => (p2p?.confidence === 'certain' ? [p2p.protocol] : []));
    if (!certain.includes(truth)) problems.push(`${id}: no certain finding of ${truth}`);
    for (const other of new Set(certain)) if (other !== truth) problems.push(`${id}: ${other} found`);
  }
  assert.deepEqual(problems, []);
});

test('the order of the registry does not change a finding', (t) => {
  if (CAPTURES === null) return t.skip(NO_CAPTURES);
  const reversed = [...PROTOCOLS].reverse();
  for (const { path } of labelledCaptures(CAPTURES)) {
    assert.deepEqual(identifyFile(path, reversed), identifyFile(path), path);
  }
});
