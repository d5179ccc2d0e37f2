/**
 * Random programs that follow a format: literals and pieces at places that are mostly known when the program is compiled, with
 * branches, alternatives and loops that move `$offset`; and packets of two letters, so that literals are often found. The
 * general generator (generate.ts) rarely gets beyond the first bytes of a packet.
 */
import { buildIp, buildTcp, buildUdp } from '../../src/wire/build.js';
import type { Choices } from './generate.js';

const LITERALS = ['"a"', '"b"', '"ab"', '"ba"', '"aab"', '"abab"', '"aaaa"', '""', '"\\0"', '"abaababa"'];
const PLACES = ['$p', '$q'];
/** Rounds of a loop at most; nesting multiplies them. */
const MAX_ROUNDS = 3;

export function generateFollower(choices: Choices): string {
  const lines = Array.from({ length: 2 + choices.below(5) }, () => step(choices, 3));
  lines.push(choices.pick(['yes', 'no', '', '$a assert', '$offset 50 lt assert']));
  return lines.join('\n');
}

/** A string whose place is mostly known. */
function piece(c: Choices): string {
  const count = c.below(12);
  switch (c.below(6)) {
    case 0:
      return `${count} expect`;
    case 1:
      return `${count} lift`;
    case 2:
      return `$data ${c.below(70) - 4} ${count} substr`;
    case 3:
      return `$data ${count} left`;
    case 4:
      return `$data ${c.below(30)} ${c.below(40)} substr ${c.below(12)} ${c.below(9)} substr`;
    default:
      return `$packet ${c.below(60)} ${count} substr`;
  }
}

function condition(c: Choices): string {
  switch (c.below(6)) {
    case 0:
      return `${piece(c)} ${c.pick(LITERALS)} ${c.pick(['eq', 'ne', 'eqi', 'lt', 'ge'])}`;
    case 1:
      return `${piece(c)} ${c.pick(['ord', 'be16_to_uint', 'le32_to_int', 'strlen'])} ${c.pick(['97', '98', '0x6162', '0x61626162'])} ${c.pick(['eq', 'ne', 'gt'])}`;
    case 2:
      return `$data_len ${c.below(90)} ge`;
    case 3:
      return `{ ${step(c, 1)} } eval ${c.pick(['NO', 'OKAY', 'YES', 'FAIL'])} eq`;
    case 4:
      return `$offset ${c.pick(['$data_start', '$p', '$packet_len'])} ${c.pick(['eq', 'gt'])}`;
    default:
      return c.pick(['$tcp_doff', '$udp_len', '$a']);
  }
}

function step(c: Choices, depth: number): string {
  if (c.isEmpty) return '"a" expect_str';
  const inner = (): string => step(c, depth - 1);
  switch (c.below(depth > 0 ? 16 : 9)) {
    case 0:
    case 1:
    case 2:
      return `${c.pick(LITERALS)} ${c.pick(['expect_str', 'expect_str', 'expecti_str'])}`;
    case 3:
      return `${c.below(5)} ${c.pick(['expect', 'lift'])} drop`;
    case 4:
      return `${c.pick(['1', '4', '31', '-1', '-4', '60'])} move`;
    case 5:
      return `$offset ${c.pick(PLACES)} put`;
    case 6:
      return `${c.pick([...PLACES, '$data_start', '0'])} $offset put`;
    case 7:
      return `${condition(c)} assert`;
    case 8:
      return `${c.pick(['{ "a" match }', '{ isalpha }'])} ${c.pick(['lift_while', 'expect_while'])} drop`;
    case 9:
      return `${c.pick(LITERALS)} ${c.pick(['expect_to', 'lift_to drop'])}`;
    case 10:
      return `expect_one( { ${inner()} } { ${inner()} ${c.pick(['', 'yes', 'no'])} } { ${inner()} } )`;
    case 11:
      return `{ ${inner()} ${inner()} } eval $a put`;
    case 12:
      return `${condition(c)} { ${inner()} } if`;
    case 13:
      return `${condition(c)} { ${inner()} } { ${inner()} } ifelse`;
    case 14:
      return `${c.below(MAX_ROUNDS + 1)} { ${inner()} } repeat`;
    default: {
      const counter = `$n${depth}`;
      return `0 ${counter} put { ${counter} ${MAX_ROUNDS} lt ${condition(c)} and } { ${counter} inc ${inner()} } while`;
    }
  }
}

/** A packet whose data are two letters, behind headers of many lengths; sometimes cut, or shorter than what was captured. */
export function generateLetters(choices: Choices): Uint8Array {
  const c = choices;
  const payload = Uint8Array.from({ length: c.below(3) === 0 ? c.below(120) : c.below(24) }, () => 0x61 + c.below(2));
  const version = c.below(4);
  const ends = version === 0 ? { src: '2001:db8::1', dst: '2001:db8::2' } : { src: '192.0.2.1', dst: '192.0.2.2' };
  const extra = version === 1 ? { ipOptions: new Uint8Array(4 * c.below(4)) } : version === 0 && c.below(2) === 0 ? { extensions: [{ protocol: 60, bytes: new Uint8Array(8) }] } : {};
  const ports = { ...ends, ...extra, srcPort: 1024, dstPort: 80, payload };
  const kind = c.below(8);
  const packet =
    kind < 4 ? buildTcp({ ...ports, tcpOptions: new Uint8Array(4 * c.pick([0, 0, 3, 3, 1, 10])) })
    : kind < 7 ? buildUdp(ports)
    : buildIp({ ...ends, ...extra }, 47, payload);
  switch (c.below(6)) {
    case 0:
      return packet.slice(0, c.below(packet.length + 1));
    case 1: {
      // Padding behind the packet, as short frames of Ethernet have it.
      const padded = new Uint8Array(packet.length + c.below(60)).fill(0x61);
      padded.set(packet);
      return padded;
    }
    default:
      return packet;
  }
}
