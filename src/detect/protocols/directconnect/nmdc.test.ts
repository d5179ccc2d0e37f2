import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ascii } from '../../../base/bytes.js';
import type { Turn } from '../../sample.js';
import { harvested, only, type Sample, sampleProblems } from '../../sample-table.js';
import { nmdc, nmdcChat, nmdcUdp } from './nmdc.js';

const LOCK = '$Lock EXTENDEDPROTOCOL_hub Pk=hub1|';
const KEY = '$Key t\xc0\xb0A\x11\xd1|';

const streams: readonly [string, string, Sample['expected']][] = [
  ['lock of a hub', `${LOCK}$HubName my hub|`, 'certain'],
  ['opening of a client', '$MyNick somebody|$Lock EXTENDEDPROTOCOLABC Pk=DCPLUSPLUS2.4|', 'certain'],
  ['supports and key', `$Supports UserCommand NoGetINFO TTHSearch ZPipe0 |${KEY}$ValidateNick somebody|`, 'certain'],
  ['key and nick', `${KEY}$ValidateNick somebody|`, 'certain'],
  ['own information', '$MyINFO $ALL somebody <++ V:0.8,M:A,H:1/0/0,S:3>$ $LAN(T3)\x01$$0$|', 'certain'],
  ['search', '$Search 192.0.2.1:4000 F?T?0?1?some$words|', 'certain'],
  ['search of a passive client', '$Search Hub:somebody T?T?500?1?words|', 'certain'],
  ['connect to me', '$ConnectToMe somebody 192.0.2.1:4000|', 'certain'],
  ['connect to me over TLS', '$ConnectToMe somebody 192.0.2.1:4000S|', 'certain'],
  ['direction', '$Direction Download 11808|', 'certain'],
  ['file request', '$ADCGET file TTH/RY4AVZT64B3SN7D2SERN3ACQYBCGWIKEM7GW4CA 0 65536 ZL1|', 'certain'],
  ['file answer', '$ADCSND file files.xml.bz2 0 310 ZL1|', 'certain'],
  ['old file request and answer', '$Get path\\name$1|$Send|', 'certain'],
  ['search of several hubs', '$MultiSearch 192.0.2.1:4000 F?T?0?9?TTH:RY4AVZT64B3SN7D2SERN3ACQYBCGWIKEM7GW4CA|', 'certain'],
  ['short search for a tree hash', '$SA RY4AVZT64B3SN7D2SERN3ACQYBCGWIKEM7GW4CA 192.0.2.1:4000|', 'certain'],
  ['the same of a passive client', '$SP RY4AVZT64B3SN7D2SERN3ACQYBCGWIKEM7GW4CA somebody|', 'certain'],
  ['private message', '$To: other From: somebody $<somebody> hello|', 'certain'],
  ['extended information', '$ExtJSON somebody {"Files":5}|', 'likely'],
  ['login answered with salt, then a rule', '$SaltPass ABCDEF|$NickRule Min 3|', 'certain'],
  ['short search for something else', '$SA abc 192.0.2.1:4000|', 'suspected'],
  ['one command', '$Hello somebody|', 'likely'],
  ['lock without Pk', '$Lock something|', 'suspected'],
  ['full hub', '$HubIsFull|', 'likely'],
  ['quit', '$Quit somebody|', 'likely'],
  ['quit behind bars that keep alive', '||$Quit somebody|', 'likely'],
  ['two quits with a bar between them', '$Quit somebody||$Quit another|', 'certain'],
  ['password asked for', '$GetPass|', 'likely'],
  ['old file request', '$Get path\\name$1|', 'likely'],
  ['key by itself', KEY, 'likely'],
  ['lists of nicks', '$OpList one$$two$$|', 'certain'],
  ['request to be called', '$RevConnectToMe somebody another|', 'certain'],
  ['addresses of users', '$UserIP somebody 192.0.2.1$$another 192.0.2.2$$|', 'certain'],
  ['menu entry', '$UserCommand 1 3 Help$<%[mynick]> +help&#124;|', 'certain'],
  ['part of a file in UTF-8', '$UGetBlock 0 -1 /a/b.iso|', 'certain'],
  ['result for a passive client', '$SR somebody dir\\name.iso\x0512345 1/3\x05TTH:RY4AVZT64B3SN7D2 (192.0.2.1:411)|', 'certain'],
  ['directory for a passive client', '$SR somebody dir\\name 1/3\x05my hub (192.0.2.1)|', 'certain'],
  ['lock cut by a snap length', '$Lock EXTENDEDPROTOCOLABCABC', 'certain'],
  ['features cut by a snap length', '$Supports NoGetINFO NoHello Us', 'certain'],
  ['information cut by a snap length', '$MyINFO $ALL somebody <++ V:0.8', 'certain'],
  ['search cut by a snap length', '$Search 192.0.2.1:4000 F?T?0?1', 'certain'],
  ['connect cut by a snap length', '$ConnectToMe somebody 192.0.2.', 'certain'],
  ['request cut by a snap length', '$ADCGET file TTH/RY4AVZT64B3SN', 'certain'],
  ['short search cut by a snap length', '$SA RY4AVZT64B3SN7D2SERN3ACQYB', 'certain'],
  ['old error', '$Error File Not Available|', 'likely'],
  // Near misses
  ['error with a text of another program', '$Error in line 5|', 'suspected'],
  ['a sentence with a word of the list', '$Search for some text|', 'suspected'],
  ['two words behind a greeting', '$Hello dear world|', 'suspected'],
  ['a word that takes no parameters', '$Send all of it|', 'suspected'],
  ['text for a key', '$Key of the door|', 'suspected'],
  ['an operator of lists', '$OpList x|', 'suspected'],
  ['bars and a table', '||cell|cell|', 'no'],
  ['many bars', '|'.repeat(30), 'no'],
  ['Redis', '$5\r\nhello\r\n', 'no'],
  ['a shell prompt', '$ ls -l | more', 'no'],
  ['an unknown command', '$Greet somebody|', 'no'],
  ['a long word', '$AVeryLongVariableName = 1|', 'no'],
  ['a PHP variable', '$Search = array(1);', 'more'],
];

const chats: readonly [string, string, Sample['expected']][] = [
  ['greeting in front of the lock', `<Hub> Welcome to my hub|${LOCK}`, 'certain'],
  ['several lines', '<Hub> Welcome|<Bot> 5 < 6|$Quit somebody|', 'suspected'],
  ['a line and two commands', '<Bot> 5 < 6|$Quit somebody|$Quit another|', 'certain'],
  ['information behind a line', '<Somebody> hello|$MyINFO $ALL somebody <++ V:0.8>$ $\x01$$0$', 'certain'],
  ['chat alone', '<Hub> Welcome|', 'more'],
  // Near misses
  ['a page', '<html><body>|$Quit a|', 'no'],
  ['a page with a blank', '<p> a | b </p> $Quit x|', 'no'],
  ['a line and an unknown command', '<Somebody> hello|$Greet somebody|', 'no'],
  ['an unending name', `<${'x'.repeat(100)}`, 'no'],
];

for (const [name, text, expected] of chats) {
  test(`NMDC chat: ${name}`, () => assert.deepEqual(sampleProblems(nmdcChat, { name, turns: only(ascii(text)), expected }), []));
}

for (const [name, text, expected] of streams) {
  test(`NMDC: ${name}`, () => {
    const problems = sampleProblems(nmdc, { name, turns: only(ascii(text)), expected });
    assert.deepEqual(problems, []);
  });
}

const datagrams: readonly Sample[] = [
  { name: 'file', turns: only(ascii('$SR somebody path\\file.bin\x053000000 3/3\x05my hub (198.51.100.30:411)|')), expected: 'certain', isOpenEnded: true },
  { name: 'file by its tree hash', turns: only(ascii('$SR a b\x051 3/3\x05TTH:RY4AVZT64B3SN7D2 (198.51.100.30)|')), expected: 'certain', isOpenEnded: true },
  { name: 'search', turns: only(ascii('$Search 192.0.2.1:4000 F?T?0?9?TTH:RY4A|')), expected: 'certain', isOpenEnded: true },
  { name: 'short search for a tree hash', turns: only(ascii('$SA RY4AVZT64B3SN7D2SERN3ACQYBCGWIKEM7GW4CA 192.0.2.1:4000|')), expected: 'certain', isOpenEnded: true },
  { name: 'the same of a passive client', turns: only(ascii('$SP RY4AVZT64B3SN7D2SERN3ACQYBCGWIKEM7GW4CA somebody|')), expected: 'certain', isOpenEnded: true },
  { name: 'search of several hubs', turns: only(ascii('$MultiSearch 192.0.2.1:4000 F?T?0?9?TTH:RY4A|')), expected: 'certain', isOpenEnded: true },
  { name: 'file, cut by a snap length', turns: only(ascii('$SR somebody path\\to a fi')), expected: 'likely' },
  { name: 'file, cut in the name of the hub', turns: only(ascii('$SR somebody a b\x053000000 3/3\x05my h')), expected: 'certain', isOpenEnded: true },
  { name: 'short search for a word', turns: only(ascii('$SA hello 192.0.2.1:4000|')), expected: 'no' },
  { name: 'hash of 38 characters', turns: only(ascii('$SP RY4AVZT64B3SN7D2SERN3ACQYBCGWIKEM7GW4C somebody|')), expected: 'no', isOpenEnded: true },
  { name: 'without separator', turns: only(ascii('$SR somebody (something)|')), expected: 'no' },
  { name: 'without hub', turns: only(ascii('$SR somebody file\x051 3/3|')), expected: 'no' },
];

for (const sample of datagrams) {
  test(`NMDC datagram: ${sample.name}`, () => {
    // The bar at the end is optional.
    const problems = sampleProblems(nmdcUdp, sample).filter((problem) => !problem.includes(`cut to ${(sample.turns[0]?.bytes.length ?? 0) - 1} bytes`));
    assert.deepEqual(problems, []);
  });
}

test('clients tell their ports to the hub, the hub tells clients to each other', () => {
  const commands = ascii('$Search 192.0.2.1:4000 F?T?0?1?x|$ConnectToMe other 192.0.2.1:4001|');
  assert.deepEqual(harvested(nmdc, only(commands)), ['192.0.2.1:4001', 'listens:4001', '192.0.2.1:4000', 'listens:4000']);
  const relayed: readonly Turn[] = [
    { from: 0, bytes: ascii('$Supports x|') },
    { from: 1, bytes: ascii(`${LOCK}$ConnectToMe me 198.51.100.9:3000S|`) },
  ];
  assert.deepEqual(harvested(nmdc, relayed), ['198.51.100.9:3000']);
});
