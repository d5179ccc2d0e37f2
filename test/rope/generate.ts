/**
 * Random programs and packets for comparing back ends.
 *
 * Programs are well typed and mostly bounded, built from a list of random
 * numbers (`Choices`), so that a property test can shrink them. They use all
 * words that a compiled program can have; `forKernel` leaves out those that the
 * kernel cannot run by nature (output).
 */
import { buildIp, buildTcp, buildUdp } from '../../src/wire/build.js';

/** A source of decisions: 0 when the list is used up, so that generation ends. */
export class Choices {
  readonly #values: readonly number[];
  #at = 0;
  constructor(values: readonly number[]) {
    this.#values = values;
  }

  below(n: number): number {
    return (this.#values[this.#at++] ?? 0) % n;
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)] as T;
  }

  get isEmpty(): boolean {
    return this.#at >= this.#values.length;
  }
}

const INTS = ['0', '1', '-1', '2', '3', '7', '80', '255', '256', '65535', '-2147483648', '2147483647', '31', '32'];
const FIELDS = [
  'packet_len', 'data_len', 'data_start', 'offset', 'ip_version', 'ip_ihl', 'ip_tos', 'ip_tot_len', 'ip_id', 'ip_dont_frag', 'ip_frag_off', 'ip_ttl',
  'ip_protocol', 'ip_check', 'ip6_hop_limit', 'ip6_flow_label', 'tcp_source', 'tcp_dest', 'tcp_seq', 'tcp_ack_seq', 'tcp_doff',
  'tcp_window', 'tcp_check', 'tcp_urg_ptr', 'tcp_urg', 'tcp_ack', 'tcp_psh', 'tcp_rst', 'tcp_syn', 'tcp_fin', 'udp_source', 'udp_dest',
  'udp_len', 'udp_check', 'mark',
];
const STRINGS = ['""', '"a"', '"ab"', '"GET "', '"\\r\\n"', '"\\0x13BitTorrent"', '"12"', '"Content-Length: "', '1.2.3.4', '"ABCDEFGHIJKLMNOPQRSTUVWXYZ"', '"-7x"'];
const CLASSES = ['isalpha', 'isdigit', 'isalnum', 'isspace', 'isupper', 'islower', 'isprint', 'isascii', 'iseoln', 'isuri', 'ispunct', 'isxdigit', 'isgraph', 'iscntrl', '"aAd" match'];
const REGISTERS = { int: ['a', 'b', 'c'], str: ['s', 't'] };

export interface GenerateOptions {
  /** No output, no strings longer than a few bytes made of pieces of the packet. */
  readonly forKernel?: boolean;
}

export function generateProgram(choices: Choices, options: GenerateOptions = {}): string {
  const generator = new Generator(choices, options.forKernel === true);
  const lines = ['"" $s put "ab" $t put'];
  const count = 1 + choices.below(6);
  for (let i = 0; i < count; i++) lines.push(generator.statement(3));
  if (choices.below(2) === 0) lines.push(`${generator.int(2)} assert`);
  return lines.join('\n');
}

class Generator {
  readonly #choices: Choices;
  readonly #forKernel: boolean;
  #loops = 0;

  constructor(choices: Choices, forKernel: boolean) {
    this.#choices = choices;
    this.#forKernel = forKernel;
  }

  /** Postfix or bracketed. */
  #apply(word: string, ...operands: string[]): string {
    return this.#choices.below(3) === 0 ? `${word}( ${operands.join(' ')} )` : `${operands.join(' ')} ${word}`;
  }

  /** A register of its own is read at once: branches must leave values. */
  #value(expression: string): string {
    return /^\$[a-z]$/.test(expression) || expression === '$offset' ? `${expression} get` : expression;
  }

  int(depth: number): string {
    const c = this.#choices;
    if (depth <= 0 || c.isEmpty) return c.below(3) === 0 ? c.pick(INTS) : c.below(2) === 0 ? `$${c.pick(FIELDS)}` : `$${c.pick(REGISTERS.int)}`;
    const inner = depth - 1;
    switch (c.below(14)) {
      case 0:
      case 1:
        return this.#apply(c.pick(['add', 'sub', 'mult', 'and', 'or', 'xor']), this.int(inner), this.int(inner));
      case 2:
        return this.#apply(c.pick(['div', 'mod', 'lshift', 'rshift']), this.int(inner), this.int(inner));
      case 3:
      case 4:
        return this.#apply(c.pick(['gt', 'lt', 'ge', 'le', 'eq', 'ne']), this.int(inner), this.int(inner));
      case 5:
        return this.#apply(c.pick(['gt', 'lt', 'ge', 'le', 'eq', 'ne', 'eqi', 'nei']), this.str(inner), this.str(inner));
      case 6:
        return this.#apply(c.pick(['not', 'abs', 'neg']), this.int(inner));
      case 7:
        return this.#apply(c.pick(['strlen', 'not']), this.str(inner));
      case 8:
        return `${this.str(inner)} ${c.pick(CLASSES)}`;
      case 9:
        return this.#apply(c.pick(['ord', 'be16_to_int', 'be16_to_uint', 'be32_to_int', 'le16_to_int', 'le16_to_uint', 'le32_to_uint', 'atoi']), this.str(inner));
      case 10:
        return `greg(${c.below(4)}) get`;
      case 11:
        return `{ ${this.statement(inner)} } eval`;
      case 12:
        return `${this.int(inner)} { ${this.#value(this.int(inner))} } { ${this.#value(this.int(inner))} } ifelse`;
      default:
        return `${this.int(inner)} ${c.pick(['gmtime', 'localtime'])} ${c.pick(['tm_sec', 'tm_min', 'tm_hour', 'tm_mday', 'tm_mon', 'tm_year', 'tm_wday'])}`;
    }
  }

  str(depth: number): string {
    const c = this.#choices;
    if (depth <= 0 || c.isEmpty) return c.below(3) === 0 ? c.pick(STRINGS) : c.below(2) === 0 ? `$${c.pick(REGISTERS.str)}` : c.pick(['$data', '$packet', '$ip_saddr', '$ip_daddr']);
    const inner = depth - 1;
    const kinds = this.#forKernel ? 8 : 12;
    switch (c.below(kinds)) {
      case 0:
        return this.#apply(c.pick(['lift', 'lift', 'expect']), c.below(2) === 0 ? String(c.below(9)) : this.int(inner));
      case 1:
        return `{ ${c.pick(CLASSES)}${c.below(3) === 0 ? ' not' : ''} } ${c.pick(['lift_while', 'lift_while', 'expect_while'])}`;
      case 2:
        return this.#apply(c.pick(['left', 'right']), this.str(inner), c.below(2) === 0 ? String(c.below(9)) : this.int(inner));
      case 3:
        return this.#apply('substr', this.str(inner), this.int(inner), this.int(inner));
      case 4:
        return this.#apply(c.pick(['lift_to', 'lifti_to']), c.pick(STRINGS));
      case 5:
        return `$ip_saddr ${c.pick(['255.255.0.0', '$ip_daddr', '1.2.3.4'])} ${c.pick(['and', 'or', 'xor'])}`;
      case 6:
        return `${this.int(inner)} { ${this.#value(this.str(inner))} } { ${this.#value(this.str(inner))} } ifelse`;
      case 7:
        return this.#apply('chr', this.int(inner));
      case 8:
        return this.#apply('strcat', this.str(inner), this.str(inner));
      case 9:
        return this.#apply(c.pick(['tolower', 'toupper']), this.str(inner));
      case 10:
        return this.#apply(c.pick(['mac_ntoa', 'ipv4_ntoa']), `${this.str(inner)} 4 left`);
      default:
        return `{ ord ${c.below(256)} lt $b inc } ${c.pick(['lift_while', 'expect_while'])}`;
    }
  }

  statement(depth: number): string {
    const c = this.#choices;
    if (depth <= 0 || c.isEmpty) return c.pick(['$a inc', '$b dec', '1 move', '']);
    const inner = depth - 1;
    switch (c.below(22)) {
      case 0:
      case 1:
      case 2:
        return `${this.int(inner)} $${c.pick(REGISTERS.int)} put`;
      case 3:
      case 4:
        return `${this.str(inner)} $${c.pick(REGISTERS.str)} put`;
      case 5:
        return `${c.pick(['$a', '$b', '$c', '$offset', 'greg(1)', 'greg(2)'])} ${c.pick(['inc', 'dec'])}`;
      case 6:
        return `${this.int(inner)} { ${this.statement(inner)} } ${c.pick(['if', 'unless'])}`;
      case 7:
        return `${this.str(inner)} { ${this.statement(inner)} } { ${this.statement(inner)} } ifelse`;
      case 8:
        return `${c.below(7)} { ${this.statement(inner)} } repeat`;
      case 9: {
        const counter = `loop${this.#loops++}`;
        const word = c.below(2) === 0 ? `{ $${counter} ${1 + c.below(6)} lt }` : `{ 1 lift strlen $${counter} ${1 + c.below(6)} lt and }`;
        return `0 $${counter} put ${word} { ${this.statement(inner)} $${counter} inc } while`;
      }
      case 10: {
        const counter = `loop${this.#loops++}`;
        return `${c.below(6)} $${counter} put { $${counter} 1 lt } { $${counter} dec ${this.statement(inner)} } until`;
      }
      case 11:
        return `{ ${this.statement(inner)} } eval $${c.pick(REGISTERS.int)} put`;
      case 12:
        return `expect_one( { ${this.statement(inner)} } { ${this.statement(inner)} ${c.pick(['', 'no', 'yes'])} } { } )`;
      case 13:
        return this.#apply(c.pick(['expect_str', 'expecti_str', 'expect_to', 'expecti_to']), c.pick(STRINGS));
      case 14:
        return this.#apply('move', c.pick(['1', '2', '-1', '-3', '100', this.int(inner)]));
      case 15:
        return `${c.pick(['$data_start', '0', '-1', this.int(inner)])} $offset put`;
      case 16:
        return `${this.int(inner)} greg(${c.below(4)}) put`;
      case 17:
        return c.pick(['yes', 'no', '{ yes } do', '1 { no } if']);
      case 18:
        return c.below(4) === 0 ? 'hotdrop' : `${this.int(inner)} assert`;
      case 19: {
        const name = `$block${this.#loops++}`;
        return `{ ${this.statement(inner)} } ${name} put ${name} do ${c.pick(['', `${name} do`])}`;
      }
      case 20:
        return this.#forKernel ? '' : `${c.pick([this.int(inner), this.str(inner)])} ${c.pick(['print', 'println'])}`;
      default:
        return `${this.int(inner)} ${this.int(inner)} ${c.pick(['', 'swap', 'swap dup drop', 'dup drop'])} sub $${c.pick(REGISTERS.int)} put`;
    }
  }
}

const PAYLOADS = [
  '', 'a', 'ab12', 'GET /a HTTP/1.1\r\nContent-Length: 12345\r\n\r\n', '\x13BitTorrent protocol', '12 34', '\xff\xfe\x00\x01abcdefghijklmnop',
  'content-LENGTH: 7x\r\n', 'ABCDEFGHIJKLMNOPQRSTUVWXYZ', '-7x',
];

/** One IP packet: mostly well formed, sometimes cut or damaged. */
export function generatePacket(choices: Choices): Uint8Array {
  const c = choices;
  const text = `${c.pick(PAYLOADS)}${c.pick(PAYLOADS)}`;
  const payload = Uint8Array.from(text, (letter) => letter.charCodeAt(0));
  const isV6 = c.below(3) === 0;
  const ip = isV6
    ? { src: '2001:db8::1', dst: '2001:db8::2', ttl: c.below(256), id: c.below(65536), ...(c.below(4) === 0 ? { extensions: [{ protocol: 60, bytes: new Uint8Array(8) }] } : {}) }
    : { src: `192.0.2.${c.below(4)}`, dst: '192.0.2.2', ttl: c.below(256), id: c.below(65536), dontFragment: c.below(2) === 0, ...(c.below(4) === 0 ? { ipOptions: new Uint8Array(4) } : {}) };
  const ports = { srcPort: c.pick([80, 1024, 6881, 65535]), dstPort: c.pick([80, 53, 6346, 0]), payload };
  const kind = c.below(5);
  let packet =
    kind < 2 ? buildTcp({ ...ip, ...ports, flags: c.below(64), seq: c.below(2 ** 31), ack: c.below(2 ** 31) })
    : kind < 4 ? buildUdp({ ...ip, ...ports })
    : buildIp(ip, c.pick([1, 47, 132]), payload);
  if (c.below(5) === 0) packet = packet.slice(0, c.below(packet.length + 1));
  if (c.below(6) === 0 && packet.length > 0) packet[c.below(packet.length)] = c.below(256);
  return packet;
}
