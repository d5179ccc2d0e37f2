/**
 * Hostile and ordinary input for all detectors at once: nothing makes the identifier
 * throw, random bytes get no certain or likely finding, and neither do dialogues of
 * ordinary programs on odd ports, some of which mention words of our protocols.
 * Seeds are fixed: a failure repeats.
 */
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { ascii, concat, fromHex } from '../src/base/bytes.js';
import { PROTOCOLS } from '../src/detect/registry.js';
import { Identifier } from '../src/engine/identifier.js';
import { Replay } from '../src/engine/replay.js';
import { CaptureReader } from '../src/pcap/capture-reader.js';
import { buildTcp, buildUdp } from '../src/wire/build.js';
import { TCP_ACK, TCP_SYN } from '../src/wire/constants.js';
import { decodeIp } from '../src/wire/decode.js';
import { PacketView } from '../src/wire/packet-view.js';
import { CAPTURES, NO_CAPTURES } from './support/captures.js';

const CLIENT = '10.20.30.40';
const SERVER = '198.51.100.7';

/** One message of a dialogue: `>` from the client, `<` from the server. */
type Message = readonly ['>' | '<', Uint8Array];

class Probe {
  readonly found: string[] = [];
  readonly #view = new PacketView();
  readonly #identifier = new Identifier({
    protocols: PROTOCOLS,
    onFlowEnd: (_flow, finding) => {
      if (finding && finding.confidence !== 'suspected') this.found.push(`${finding.protocol.id} ${finding.feature} ${finding.confidence}`);
    },
  });
  #timeMs = 1_700_000_000_000;
  #port = 20_000;

  #packet(bytes: Uint8Array): void {
    decodeIp(this.#view, bytes, 0, bytes.length);
    this.#view.timeMs = this.#timeMs++;
    this.#identifier.packet(this.#view);
  }

  udp(messages: readonly Message[], port = 40_123): void {
    const own = ++this.#port;
    for (const [from, payload] of messages) {
      this.#packet(
        from === '>'
          ? buildUdp({ src: CLIENT, dst: SERVER, srcPort: own, dstPort: port, payload })
          : buildUdp({ src: SERVER, dst: CLIENT, srcPort: port, dstPort: own, payload }),
      );
    }
  }

  tcp(messages: readonly Message[], port = 40_123): void {
    const own = ++this.#port;
    const client = { src: CLIENT, dst: SERVER, srcPort: own, dstPort: port };
    const server = { src: SERVER, dst: CLIENT, srcPort: port, dstPort: own };
    let sent = 1001;
    let answered = 5001;
    this.#packet(buildTcp({ ...client, seq: 1000, flags: TCP_SYN }));
    this.#packet(buildTcp({ ...server, seq: 5000, ack: sent, flags: TCP_SYN | TCP_ACK }));
    for (const [from, payload] of messages) {
      if (from === '>') {
        this.#packet(buildTcp({ ...client, seq: sent, ack: answered, payload }));
        sent += payload.length;
      } else {
        this.#packet(buildTcp({ ...server, seq: answered, ack: sent, payload }));
        answered += payload.length;
      }
    }
  }

  /** Findings of `certain` and `likely`. */
  end(): string[] {
    this.#identifier.finish();
    return this.found;
  }
}

/** Text with `\n` as the protocols' CR LF. */
const text = (line: string): Uint8Array => ascii(line.replace(/\n/g, '\r\n'));
const ask = (content: string | Uint8Array): Message => ['>', typeof content === 'string' ? text(content) : content];
const answer = (content: string | Uint8Array): Message => ['<', typeof content === 'string' ? text(content) : content];
const page = (body: string): Message => answer(`HTTP/1.1 200 OK\nContent-Type: text/html\nContent-Length: ${body.length}\n\n${body}`);
const get = (target: string, fields = ''): Message => ask(`GET ${target} HTTP/1.1\nHost: www.example.org\nUser-Agent: Mozilla/5.0\n${fields}\n`);

const STREAMS: readonly (readonly [string, readonly Message[]])[] = [
  ['a page about BitTorrent', [get('/wiki/BitTorrent'), page('<p>\x13BitTorrent protocol, announce?info_hash= and d8:announce are words</p>')]],
  ['a search for file-sharing words', [get('/search?q=gnutella+connect+%2Furi-res%2F+info_hash+kazaa+emule'), page('GNUTELLA CONNECT/0.6')]],
  ['a path with the word announce', [get('/announce?id=5&port=80'), page('{"ok":true}')]],
  ['a status interface with peers', [get('/api/peers?client=ipad&version=3&ip=192.0.2.1:80'), page('{"peers":[],"interval":30}')]],
  ['a path /get/ with a number', [get('/get/1234/report.pdf'), page('%PDF')]],
  ['a shop of hash pages', [get('/hash=abcdef/'), page('x')]],
  ['a bencoded body that is no torrent', [get('/data'), answer('HTTP/1.1 200 OK\nContent-Length: 17\n\nd4:name5:Alice3:agei7ee')]],
  ['WebSocket with an action', [get('/ws', 'Upgrade: websocket\nConnection: Upgrade\n'), answer('HTTP/1.1 101 Switching Protocols\nUpgrade: websocket\n\n\x81\x16{"action":"announce"}')]],
  ['X-Queue of a mail gateway', [get('/'), answer('HTTP/1.1 200 OK\nX-Queue: inbound\nX-Alt: text\n\n')]],
  ['IRC', [ask('NICK someone\nUSER someone 0 * :Real Name\n'), answer(':irc.example.org 001 someone :Welcome\n'), ask('PRIVMSG #dc :$MyNick is a command of Direct Connect|\n')]],
  ['SMTP', [answer('220 mail.example.org ESMTP\n'), ask('EHLO client\n'), answer('250-mail\n250 HELP\n'), ask('MAIL FROM:<a@example.org>\n')]],
  ['POP3', [answer('+OK ready\n'), ask('USER x\n'), answer('+OK\n')]],
  ['FTP', [answer('220 ready\n'), ask('USER anonymous\n'), answer('331 send password\n')]],
  ['SSH', [ask('SSH-2.0-OpenSSH_9.2\n'), answer('SSH-2.0-dropbear\n'), ask(concat(fromHex('0000045c0614'), new Uint8Array(600).map((_, i) => i * 37)))]],
  ['SIP over TCP', [ask('REGISTER sip:example.org SIP/2.0\nVia: SIP/2.0/TCP 192.0.2.1\n\n'), answer('SIP/2.0 200 OK\n\n')]],
  ['RTSP', [ask('DESCRIBE rtsp://cam/1 RTSP/1.0\nCSeq: 1\n\n'), answer('RTSP/1.0 200 OK\n\n')]],
  ['Redis', [ask('*2\n$3\nGET\n$8\n$MyNick \n'), answer('$-1\n')]],
  ['memcached', [ask('get announce\n'), answer('END\n'), ask('set a 0 0 3\nabc\n')]],
  ['a template that begins with a dollar', [ask('$Get some text'), answer('$Error nothing here\n')]],
  ['a shell prompt', [answer('$ '), ask('ls\n'), answer('GET\nSEND\n$ ')]],
  ['MQTT', [ask(fromHex('101500044d51545404c2003c000474657374000170000170')), answer(fromHex('20020000')), ask(fromHex('820a00010005612f622f6300'))]],
  ['PostgreSQL', [ask(fromHex('0000000804d2162f')), answer('N'), ask(concat(fromHex('0000002100030000'), ascii('user\0me\0database\0db\0\0')))]],
  ['MySQL', [answer(concat(fromHex('4a0000000a'), ascii('8.0.36\0'), fromHex('0800000001020304'), new Uint8Array(50).map((_, i) => 40 + i)))]],
  ['MongoDB', [ask(concat(fromHex('3a000000010000000000000000000000d407000000000000'), ascii('admin.$cmd\0'), new Uint8Array(23)))]],
  ['SMB', [ask(fromHex('00000054ff534d4272000000001843c80000000000000000000000000000fffe0000000000310002'))]],
  ['RDP', [ask(fromHex('0300002b26e00000000000436f6f6b69653a206d737473686173683d61646d696e0d0a0100080003000000')), answer(fromHex('030000130ed000001234000209080000000000'))]],
  ['VNC', [answer('RFB 003.008\n'), ask('RFB 003.008\n'), answer(fromHex('0102 10'.replace(/ /g, '')))]],
  ['LDAP', [ask(fromHex('300c020101600702010304008000')), answer(fromHex('300c02010161070a010004000400'))]],
  ['Modbus', [ask(fromHex('000100000006010300000001')), answer(fromHex('0001000000050103020000'))]],
  ['frames with length, code and text', [ask(fromHex('0d000000010000000500000061646d696e')), answer(fromHex('11000000010000000008000000626164206e616d65'))]],
  ['frames of type, number and length', [ask(fromHex('3600000001000000080000000102030405060708')), answer(fromHex('360000000100000000000000'))]],
  ['a five, a zero and an answer with a code', [ask(fromHex('050000000012345678')), answer(fromHex('0800000009ffffff00000000'))]],
  ['one byte 8, then blocks of 15', [answer('8'), ask('abcdefghijklmno'), answer('abcdefghijklmno')]],
  ['TLS without a server name', [ask(fromHex(`16030100310100002d0303${'5a'.repeat(32)}000006c02bc02f00ff0100`))]],
  ['Telnet', [answer(fromHex('fffd18fffd20fffd23fffd27')), ask(fromHex('fffb18fffb20fffb23fffb27'))]],
  ['NUL bytes', [ask(new Uint8Array(400)), answer(new Uint8Array(400))]],
  ['0x13 and text', [ask('\x13BitTorrent client v1')]],
];

const DATAGRAMS: readonly (readonly [string, readonly Message[]])[] = [
  ['DNS', [ask(fromHex('e4600100000100000000000003777777076578616d706c65036f72670000010001'))]],
  ['DNS with the number of an eDonkey marker', [ask(fromHex('e39a0100000100000000000003777777076578616d706c65036f72670000010001')), answer(fromHex('e39a8180000100000000000003777777076578616d706c65036f72670000010001'))]],
  ['DNS with the number of uTP', [ask(fromHex('410001000001000000000000076578616d706c65036f72670000010001'))]],
  ['NTP', [ask(concat(fromHex('e30003fa000100000001000000000000'), new Uint8Array(32))), answer(concat(fromHex('240103e9000000420000001ac0000201'), new Uint8Array(32).fill(0xd1)))]],
  ['SNMP', [ask(fromHex('302602010104067075626c6963a019020101020100020100300e300c06082b060102010101000500'))]],
  ['RADIUS', [ask(fromHex(`01010026${'9a'.repeat(16)}0106616263640204123404060a000001`))]],
  ['syslog', [ask('<34>Oct 11 22:14:15 host su: d1:ad2:id20: is a word')]],
  ['SIP', [ask('INVITE sip:bob@example.org SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.1\n\n'), answer('SIP/2.0 100 Trying\n\n')]],
  ['SSDP', [ask('M-SEARCH * HTTP/1.1\nHOST: 239.255.255.250:1900\nMAN: "ssdp:discover"\nMX: 1\nST: ssdp:all\n\n')]],
  ['STUN', [ask(fromHex('000100002112a442b7e7a701bc34d686fa87dfae'))]],
  ['TURN channel data', [ask(fromHex('4001001001010101010101010101010101010101')), answer(fromHex('4001001001010101010101010101010101010102'))]],
  ['RTP', [...Array(6).keys()].map((i) => ask(concat(fromHex('8000'), Uint8Array.of(0x12, i, 0, 0, i, 0xa0, 1, 2, 3, 4), new Uint8Array(160).fill(0xd5)))),],
  ['WireGuard', [ask(concat(fromHex('01000000'), new Uint8Array(144).map((_, i) => i * 91))), answer(concat(fromHex('02000000'), new Uint8Array(88).map((_, i) => i * 53)))]],
  ['OpenVPN', [ask(fromHex('38a1b2c3d4e5f607180000000000')), answer(fromHex('40b1c2d3e4f506172801000000000a1b2c3d4e5f60718000000000'))]],
  ['DTLS', [ask(concat(fromHex('16feff000000000000000000400100003400000000000000 34fefd'.replace(/ /g, '')), new Uint8Array(50)))]],
  ['Quake', [ask(concat(fromHex('ffffffff'), ascii('getstatus'))), answer(concat(fromHex('ffffffff'), ascii('statusResponse\n')))]],
  ['Source engine query', [ask(concat(fromHex('ffffffff54'), ascii('Source Engine Query\0'))), answer(fromHex('ffffffff4111223344'))]],
  ['RakNet', [ask(fromHex('01000000000000123400ffff00fefefefefdfdfdfd12345678')), answer(fromHex('1c0000000000001234000000000000567800ffff00fefefefefdfdfdfd12345678'))]],
  ['keep-alives of one zero byte', [ask(new Uint8Array(1)), answer(new Uint8Array(1)), ask(new Uint8Array(1))]],
  ['keep-alives of four small bytes', [ask(fromHex('02010100')), ask(fromHex('02010100'))]],
  ['length-prefixed text', [ask(concat(fromHex('0b00'), ascii('CMD hello'))), answer(concat(fromHex('0b00'), ascii('CMD there'))), ask(concat(fromHex('0b00'), ascii('CMD again')))]],
  ['CoAP', [ask(fromHex('40011234b474657374')), answer(fromHex('60451234c0ff3131'))]],
  ['memcached', [ask(fromHex('000000000001000067657420610d0a'))]],
  ['bencoded, but not KRPC', [ask('d1:ai5e1:bi6ee'), ask('d2:idi5e4:name3:abce')]],
  ['VXLAN', [ask(concat(fromHex('0800000000002a00'), new Uint8Array(60)))]],
  ['IPsec NAT keep-alive and ESP', [ask(fromHex('ff')), ask(concat(fromHex('c0ffee0100000001'), new Uint8Array(80).map((_, i) => i * 77)))]],
];

for (const [name, messages] of STREAMS) {
  test(`no P2P: ${name}`, () => {
    const probe = new Probe();
    probe.tcp(messages);
    probe.tcp(messages.map(([from, bytes]) => [from === '>' ? '<' : '>', bytes]));
    for (const [from, bytes] of messages) probe.tcp([...bytes].map((byte) => [from, Uint8Array.of(byte)] as const));
    assert.deepEqual(probe.end(), []);
  });
}

for (const [name, messages] of DATAGRAMS) {
  test(`no P2P: ${name} over UDP`, () => {
    const probe = new Probe();
    probe.udp(messages);
    probe.udp(messages.map(([from, bytes]) => [from === '>' ? '<' : '>', bytes]));
    assert.deepEqual(probe.end(), []);
  });
}

const message: fc.Arbitrary<Message> = fc.tuple(fc.constantFrom('>' as const, '<' as const), fc.uint8Array({ minLength: 1, maxLength: 700, size: 'max' }));

test('random datagrams and streams get no certain or likely finding', () => {
  fc.assert(
    fc.property(fc.array(message, { minLength: 1, maxLength: 8 }), (messages) => {
      const probe = new Probe();
      probe.udp(messages);
      probe.tcp(messages);
      assert.deepEqual(probe.end(), []);
    }),
    { numRuns: 400, seed: 20_040_817 },
  );
});

/** Marsaglia's xorshift: fast and the same everywhere. */
function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}

/** A capture's own headers stay as they are: flipped packets, not flipped files (those are the reader's tests). */
const FILE_HEADER_BYTES = 24;
const MAX_CAPTURE_BYTES = 400_000;

test('captures with flipped bytes are read to their end', (t) => {
  if (CAPTURES === null) return t.skip(NO_CAPTURES);
  const random = numbers(0x2545f491);
  for (const folder of ['p2p', 'lab', 'programs']) {
    for (const name of readdirSync(join(CAPTURES, folder)).sort()) {
      const whole = readFileSync(join(CAPTURES, folder, name));
      const bytes = Uint8Array.prototype.slice.call(whole, 0, MAX_CAPTURE_BYTES);
      const reader = new CaptureReader();
      const identifier = new Identifier({ protocols: PROTOCOLS });
      const replay = new Replay(identifier, (view) => {
        // Every other packet follows with a few bytes changed, in the payload mostly.
        if (random() % 2 !== 0) return;
        const copy = view.bytes.slice(view.start, view.end);
        for (let i = 0; i < 3 && copy.length > 0; i++) {
          const at = random() % copy.length;
          copy[at] = (copy[at] ?? 0) ^ (1 << (random() % 8));
        }
        const changed = new PacketView();
        changed.timeMs = reader.timeMs;
        const status = decodeIp(changed, copy, 0, copy.length);
        if (status === 'ok') identifier.packet(changed);
      });
      for (let i = 0; i < bytes.length / 2000; i++) {
        const at = FILE_HEADER_BYTES + (random() % (bytes.length - FILE_HEADER_BYTES));
        if (name.endsWith('.pcap') && i % 8 !== 0) continue;
        bytes[at] = random() & 0xff;
      }
      reader.feed(bytes);
      if (replay.drain(reader) === 'more') {
        reader.finish();
        replay.drain(reader);
      }
      identifier.finish();
      assert.ok(reader.packetCount > 0, name);
    }
  }
});

test('every prefix of the first messages of the samples is borne', () => {
  const folder = join(import.meta.dirname, '../../samples');
  for (const name of readdirSync(folder).filter((file) => file.endsWith('.pcap'))) {
    const identifier = new Identifier({ protocols: PROTOCOLS });
    const part = new PacketView();
    const reader = new CaptureReader();
    let shown = 0;
    const replay = new Replay(new Identifier({ protocols: PROTOCOLS }), (view) => {
      if (view.payloadAt === view.end || shown++ > 40) return;
      const packet = view.bytes.slice(view.start, view.end);
      for (let end = 0; end <= packet.length; end++) {
        part.timeMs = reader.timeMs;
        if (decodeIp(part, packet, 0, end) === 'ok') identifier.packet(part);
      }
    });
    reader.feed(readFileSync(join(folder, name)));
    if (replay.drain(reader) === 'more') {
      reader.finish();
      replay.drain(reader);
    }
    identifier.finish();
    assert.ok(shown > 0, name);
  }
});
