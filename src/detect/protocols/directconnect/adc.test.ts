import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deflateSync } from 'node:zlib';
import fc from 'fast-check';
import { ascii, concat, fromHex } from '../../../base/bytes.js';
import { findingName, inspectSample, type Turn } from '../../sample.js';
import { harvested, only, type Sample, sampleProblems } from '../../sample-table.js';
import { datagrams, dht, handshake, lines } from './adc.js';

const CID = 'OL5JUNC22JHISU36D2ND5YVSSLORTNK47N54JYA';
const TTH = 'RY4AVZT64B3SN7D2SERN3ACQYBCGWIKEM7GW4CA';

const handshakes: readonly [string, string, Sample['expected']][] = [
  ['client to hub', 'HSUP ADBAS0 ADBASE ADTIGR ADUCM0\n', 'certain'],
  ['hub to client', 'ISUP ADBASE ADTIGR ADPING\n', 'certain'],
  ['client to client', 'CSUP ADBASE\n', 'certain'],
  ['feature removed', 'HSUP RMTIGR ADBASE\n', 'certain'],
  ['a word of its own', 'HSUP ADVENTURE GAME\n', 'no'],
  ['no feature', 'HSUP hello world\n', 'no'],
];

for (const [name, text, expected] of handshakes) {
  test(`ADC handshake: ${name}`, () => assert.deepEqual(sampleProblems(handshake, { name, turns: only(ascii(text)), expected }), []));
}

const commands: readonly [string, string, Sample['expected']][] = [
  ['information', `BINF AAAB ID${CID} NIlab2 SL3 I4192.0.2.1 U43034\n`, 'certain'],
  ['search', 'BSCH AAAC TO600397730 ANpayload\n', 'certain'],
  ['feature-cast search', 'FSCH AAAC +TCP4 TO600397730 ANpayload\n', 'certain'],
  ['connect to me', 'DCTM AAAB AAAC ADC/1.0 3034 123\n', 'certain'],
  ['session id', 'ISID AAAB\n', 'certain'],
  ['status', 'ISTA 000 Powered\\sby\\suhub\n', 'certain'],
  ['hub information', 'IINF CT32 VEuhub/0.4.1 NIlab\n', 'certain'],
  ['quit', 'IQUI AAAB\n', 'certain'],
  ['client information', `CINF ID${CID} TO123\n`, 'certain'],
  ['file request', `CGET file TTH/${TTH} 0 65536 ZL1\n`, 'certain'],
  ['file answer', 'CSND file files.xml.bz2 0 380 ZL1\n', 'certain'],
  ['password challenge', 'IGPA 3QKUUL2LNSYW4BTJGA2TIMJS\n', 'certain'],
  ['message of the hub', 'IMSG Welcome\\sto\\sthe\\shub\n', 'certain'],
  ['message of the hub in one word', 'IMSG Welcome\n', 'suspected'],
  ['the same twice', 'IMSG Welcome\nIMSG Enjoy\n', 'certain'],
  ['message of the hub and a quit', 'IMSG Welcome\nIQUI AAAB\n', 'certain'],
  ['message to the hub with a time', 'HMSG +help\\sme TS1300000000\n', 'certain'],
  ['private message between clients', 'CMSG hello\\sthere PMAAAB\n', 'certain'],
  ['menu entry', 'ICMD Hub\\smanagement/Reload TTHMSG\\s+reload\\n CT3\n', 'certain'],
  ['menu entry that is gone', 'ICMD Help RM1\n', 'certain'],
  ['broadcast chat', 'BMSG AAAB hello\n', 'certain'],
  ['direct message and its echo', 'EMSG AAAB AAAC hello PMAAAB\n', 'certain'],
  ['menu chosen by a direct command', 'DCMD AAAB AAAC x\n', 'certain'],
  ['Bloom filter asked for', 'IGET blom / 0 1024 BK6 BH24\n', 'certain'],
  ['Bloom filter', 'HSND blom / 0 1024\n', 'certain'],
  ['behind empty lines that keep alive', '\n\nBMSG AAAB hello\n', 'certain'],
  ['information of a hub with an address of its own', 'IINF I4192.0.2.1 NIlab\n', 'certain'],
  ['information cut by a snap length', `BINF AAAB ID${CID.slice(0, 12)}`, 'certain'],
  ['client information cut by a snap length', `CINF ID${CID.slice(0, 20)}`, 'certain'],
  ['file request cut by a snap length', `CGET file TTH/${TTH.slice(0, 12)}`, 'certain'],
  ['chat cut by a snap length', 'BMSG AAAB hello', 'likely'],
  // Near misses
  ['message of several words', 'IMSG hello world and all\n', 'no'],
  ['message with an escape of another language', 'IMSG hello\\tworld\n', 'no'],
  ['menu entry without parameters', 'ICMD do something\n', 'no'],
  ['direct message to nobody', 'DMSG AAAB hello\n', 'no'],
  ['empty lines and a header', '\n\nHost: example\n', 'no'],
  ['a page behind an empty line', '\nBRES is a word\n', 'no'],
  ['more empty lines than anybody sends', '\n'.repeat(20), 'no'],
  ['information with a bad session id', 'BINF aaab NIlab2\n', 'no'],
  ['information without session id', 'BINF is a word\n', 'no'],
  ['status without number', 'ISTA okay then\n', 'no'],
  ['request for something else', 'CGET what is this\n', 'no'],
];

for (const [name, text, expected] of commands) {
  test(`ADC line: ${name}`, () => assert.deepEqual(sampleProblems(lines, { name, turns: only(ascii(text)), expected }), []));
}

const samples: readonly Sample[] = [
  { name: 'search result', turns: only(ascii(`URES ${CID} SI200000 SL3 FN/s/song.bin TR${TTH}\n`)), expected: 'certain', isOpenEnded: true },
  { name: 'extension of a client', turns: only(ascii(`UPBD ${CID} HI198.51.100.30:1511\n`)), expected: 'certain', isOpenEnded: true },
  { name: 'client id of 38 characters', turns: only(ascii(`URES ${CID.slice(1)} SI200000 SL3\n`)), expected: 'no' },
  { name: 'client id of 40 characters', turns: only(ascii(`URES ${CID}A SI200000\n`)), expected: 'no' },
  { name: 'lower case', turns: only(ascii(`URES ${CID.toLowerCase()} SI200000\n`)), expected: 'no' },
  { name: 'a sentence', turns: only(ascii('UDP is a protocol with datagrams and nothing else to speak of')), expected: 'no' },
];

for (const sample of samples) test(`ADC datagram: ${sample.name}`, () => assert.deepEqual(sampleProblems(datagrams, sample), []));

/** Zlib's output for an ADC line, level 9: fixed codes. */
const PACKED_LINE = deflateSync(Buffer.from(`UPNG ${CID} I4192.0.2.1 U44000\n`), { level: 9 });

const packed: readonly Sample[] = [
  { name: 'ping', turns: only(concat(fromHex('c1'), PACKED_LINE)), expected: 'certain', isOpenEnded: true },
  { name: 'codes of its own', turns: only(concat(fromHex('c1 789c 05'), new Uint8Array(30))), expected: 'suspected' },
  { name: 'another first letter', turns: only(concat(fromHex('c1'), deflateSync(Buffer.from('hello, this is text'), { level: 9 }))), expected: 'no' },
  { name: 'no zlib header', turns: only(concat(fromHex('c1 7800'), new Uint8Array(30))), expected: 'no' },
  { name: 'too short', turns: only(fromHex('c1 789c 0b05')), expected: 'no' },
];

for (const sample of packed) test(`Direct Connect DHT: ${sample.name}`, () => assert.deepEqual(sampleProblems(dht, sample), []));

test('connect requests and information tell ports, with the address of the session', () => {
  const own = ascii(`BINF AAAB ID${CID} I4192.0.2.1 U43034\nDCTM AAAB AAAC ADC/1.0 3035 1\n`);
  assert.deepEqual(harvested(lines, only(own)), ['listens:3034', '192.0.2.1:3034', 'listens:3035', '192.0.2.1:3035']);
  const relayed: readonly Turn[] = [
    { from: 0, bytes: ascii('HSUP ADBASE\n') },
    { from: 1, bytes: ascii(`BINF AAAC NIx I4198.51.100.9 SL3 U44000\nBINF AAAD NIy I40.0.0.0 U44000\nDCTM AAAC AAAB ADCS/0.10 4001 7\nDCTM AAAD AAAB ADC/1.0 4002 8\n`) },
  ];
  assert.deepEqual(harvested(handshake, relayed), ['198.51.100.9:4000', '198.51.100.9:4001']);
});

test('connect requests of both kinds name the port of their sender', () => {
  assert.deepEqual(harvested(lines, only(ascii('DCTM AAAB AAAC ADCS/0.10 3035 1\n'))), ['listens:3035']);
  assert.deepEqual(harvested(lines, only(ascii('DNAT AAAB AAAC ADC/1.0 3036 1\n'))), ['listens:3036']);
});

test('streams and datagrams of any bytes never throw, nor match at random', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 100 }), (tail) => {
      for (const [feature, head] of [
        [handshake, 'HSUP '],
        [lines, 'BINF '],
        [datagrams, 'U'],
      ] as const) {
        assert.notEqual(findingName(inspectSample(feature, only(concat(ascii(head), tail)))), 'certain');
      }
    }),
    { numRuns: 200, seed: 1 },
  );
});
