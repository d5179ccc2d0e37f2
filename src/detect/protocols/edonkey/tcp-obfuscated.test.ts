import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ascii, concat } from '../../../base/bytes.js';
import type { Known } from '../../detector.js';
import { findingName, inspectSample, type Turn } from '../../sample.js';
import { opening } from './samples.js';
import { obfuscated } from './tcp-obfuscated.js';

/** `>137` is a segment of 137 random bytes from the initiator; `first` is the first byte of the stream. */
function stream(text: string, first = 0x7f): readonly Turn[] {
  return text.split(' ').map((word, index): Turn => {
    const lengthBytes = Number(word.slice(1));
    return { from: word.startsWith('>') ? 0 : 1, bytes: opening(index === 0 ? first : 0x90 + index, lengthBytes, index) };
  });
}

const CLIENT = '>137 <13 >100 <99';
const cases: readonly [string, string, Known, string][] = [
  ['opening', '>137', 'none', 'more'],
  ['opening to a told endpoint', '>137', 'told', 'suspected'],
  ['opening and answer', '>137 <13', 'none', 'more'],
  ['opening and answer at a host that speaks eDonkey', '>137 <13', 'host', 'more'],
  ['handshake and hello', '>137 <13 >100', 'none', 'more'],
  ['handshake and hellos', CLIENT, 'none', 'more'],
  ['handshake and hellos at a host that speaks eDonkey', CLIENT, 'host', 'suspected'],
  ['and the identification of the answerer', `${CLIENT} <11`, 'none', 'suspected'],
  ['and info with identification, as one segment', `${CLIENT} <34`, 'none', 'more'],
  ['and info with identification of the opener', `${CLIENT} >34`, 'none', 'suspected'],
  ['and the identification of the opener', `${CLIENT} >11`, 'none', 'suspected'],
  ['and a file request', `${CLIENT} >22`, 'none', 'suspected'],
  ['shortest handshake', '>12 <6 >100 <99 >11', 'none', 'suspected'],
  ['longest paddings', '>267 <261 >100 <99 >11', 'none', 'suspected'],
  ['an obfuscated server', '>99 <110 >75', 'none', 'suspected'],
  // Segments end anywhere
  ['the first byte of the opening', '>1', 'told', 'more'],
  ['the first bytes of the answer', '>137 <5', 'told', 'more'],
  ['the first bytes of the hello', '>137 <13 >30', 'told', 'more'],
  ['the first bytes of the hello answer', '>137 <13 >100 <20', 'host', 'more'],
  ['every message in two segments', '>70 >67 <6 <7 >50 >50 <20 <79 <11', 'none', 'suspected'],
  // Only one side was captured
  ['the opener alone, up to its hello', '>137 >100', 'none', 'more'],
  ['the opener alone, with its identification', '>137 >100 >11', 'none', 'suspected'],
  ['the answerer alone, up to its info', '<13 <99 <23', 'none', 'more'],
  ['the answerer alone, with its identification', '<13 <99 <23 <11', 'none', 'suspected'],
  ['the longest opener alone', '>267 >420 >11', 'none', 'suspected'],
  ['a message of another size behind one side', '>137 >100 >12', 'none', 'more'],
  ['an opening in two segments, the second of 11 bytes', '>50 >11', 'none', 'more'],
  ['one side that sends much', '>137 >1400', 'none', 'no'],
  ['one side that opens with much', '<300', 'none', 'no'],
  // Near misses
  ['opening too short, followed by an answer', '>11 <13', 'host', 'no'],
  ['opening too long', '>268', 'host', 'no'],
  ['answer too short, followed by a hello', '>137 <5 >100', 'host', 'no'],
  ['answer too long', '>137 <262', 'host', 'no'],
  ['hello too short, followed by an answer', '>137 <13 >30 <99', 'host', 'no'],
  ['hellos of very different length', '>137 <13 >100 <800', 'none', 'no'],
  ['the answerer speaks first', '<13 >137', 'host', 'no'],
  ['the answerer speaks first, as long as if nobody else did', '<13 >137 <99 <11', 'host', 'no'],
  ['a further message of another size', `${CLIENT} >40`, 'none', 'more'],
  ['MSE of BitTorrent with short paddings, a short message later', '>266 <129 >229 <329 >68 <271 >278 <6', 'none', 'more'],
  ['MSE of BitTorrent', '>317 <155 >427 <403 >68 <295', 'host', 'no'],
  ['Shadowsocks', '>600 <1448', 'host', 'no'],
];

for (const [name, text, known, expected] of cases) {
  test(`obfuscated eDonkey stream: ${name}`, () => assert.equal(findingName(inspectSample(obfuscated, stream(text), { known })), expected));
}

test('of the sizes only the identification message lets a host raise the finding: tunnels cannot send 11 bytes', () => {
  for (const [text, needsEndpoint] of [[CLIENT, true], [`${CLIENT} >22`, true], ['>99 <110 >75', true], [`${CLIENT} >11`, undefined], [`${CLIENT} <11`, undefined]] as const) {
    const finding = inspectSample(obfuscated, stream(text), { known: 'host' });
    assert.ok(typeof finding === 'object', text);
    assert.equal(finding.needsEndpoint, needsEndpoint, text);
  }
});

test('a clear marker, text, and a stream without its start that nobody knows are refused', () => {
  for (const marker of [0xe3, 0xc5, 0xd4]) {
    assert.equal(findingName(inspectSample(obfuscated, stream('>137', marker), { known: 'told' })), 'no');
  }
  const text: readonly Turn[] = [{ from: 0, bytes: ascii('login somebody with a password of this length') }];
  assert.equal(findingName(inspectSample(obfuscated, text, { known: 'told' })), 'no');
  assert.equal(findingName(inspectSample(obfuscated, stream(`${CLIENT} >11`), { known: 'none', fromStart: false })), 'no');
  assert.equal(findingName(inspectSample(obfuscated, stream('>137'), { known: 'told', fromStart: false })), 'suspected');
  assert.equal(findingName(inspectSample(obfuscated, stream(CLIENT), { known: 'host', fromStart: false })), 'suspected');
});

test('text of one side alone is refused, whoever sends it', () => {
  for (const from of [0, 1] as const) {
    const turns = ['220 ftp.example.com ready, and welcome to everybody here', '331 your name is fine, the password please, if there is one', '230 ok: in'].map((line): Turn => ({ from, bytes: ascii(line + String.fromCharCode(10)) }));
    assert.equal(findingName(inspectSample(obfuscated, turns)), 'no');
  }
});

test('an opening that states its own length is refused', () => {
  for (const header of [[0, 137], [0, 135], [137, 0], [135, 0], [0, 0, 0, 133], [133, 0, 0, 0]]) {
    const turns = stream(`${CLIENT} >11`);
    turns[0]?.bytes.set(header);
    assert.equal(findingName(inspectSample(obfuscated, turns, { known: 'host' })), 'no', `${header}`);
  }
});

test('a binary header of either side refuses the dialogue', () => {
  const header = concat(Uint8Array.of(0, 0, 0, 96, 1, 0, 0, 0, 2, 0, 0, 0), new Uint8Array(88));
  const turns = stream(`${CLIENT} >11`);
  for (const which of [0, 1]) {
    const changed = turns.map((turn, index) => (index === which ? { from: turn.from, bytes: header } : turn));
    assert.equal(findingName(inspectSample(obfuscated, changed)), 'no', `turn ${which}`);
  }
});
