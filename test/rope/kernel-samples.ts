/**
 * Programs and packets that reach each part of the eBPF back end: every way a
 * string can be kept, every loop, every read at the edges of the packet.
 *
 * Nothing says what is right: the interpreter is asked. Kept apart from the
 * conformance files, which say what words mean.
 */
import { concat, ascii } from '../../src/base/bytes.js';

function ipv4(protocol: number, transport: Uint8Array, options: { readonly ihl?: number; readonly fragment?: number; readonly padding?: number } = {}): Uint8Array {
  const { ihl = 5, fragment = 0, padding = 0 } = options;
  const header = new Uint8Array(4 * ihl);
  const length = header.length + transport.length;
  header.set([0x40 | ihl, 0, length >> 8, length & 255, 0, 1, 0x40 | (fragment >> 8), fragment & 255, 64, protocol, 0, 0]);
  header.set([192, 0, 2, 1, 198, 51, 100, 2], 12);
  return concat(header, transport, new Uint8Array(padding));
}

function ipv6(next: number, rest: Uint8Array): Uint8Array {
  const header = new Uint8Array(40);
  header.set([0x60, 1, 2, 3, rest.length >> 8, rest.length & 255, next, 64]);
  header.fill(0x20, 8, 24);
  header.fill(0x21, 24, 40);
  return concat(header, rest);
}

function tcp(payload: string, doff = 5): Uint8Array {
  const header = new Uint8Array(4 * doff);
  header.set([0x1a, 0xe1, 0, 80, 0x80, 0, 0, 1, 0, 0, 0, 2, doff << 4, 0x18, 1, 0]);
  return concat(header, ascii(payload));
}

function udp(payload: string): Uint8Array {
  return concat(Uint8Array.of(0x1a, 0xe1, 0, 53, 0, 8 + payload.length, 0, 0), ascii(payload));
}

const HTTP = 'hello world HTTP/1.1 200 OK\r\nContent-Length: 12345\r\n\r\n';
const BINARY = String.fromCharCode(...Array.from({ length: 700 }, (_, i) => (i * 7919 + 13) & 255));

export const SAMPLE_PACKETS: readonly (readonly [string, Uint8Array])[] = [
  ['TCP without data', ipv4(6, tcp(''))],
  ['TCP hello', ipv4(6, tcp('hello'))],
  ['TCP hello with options of both headers', ipv4(6, tcp('hello', 8), { ihl: 7 })],
  ['TCP http', ipv4(6, tcp(HTTP))],
  ['TCP handshake', ipv4(6, tcp(`\x13BitTorrent protocol${'\0'.repeat(48)}`))],
  ['TCP with padding behind', ipv4(6, tcp('hell'), { padding: 6 })],
  ['TCP with a data offset beyond the packet', ipv4(6, tcp('hello').fill(0xf0, 12, 13))],
  ['TCP with a data offset below the header', ipv4(6, tcp('hello').fill(0x40, 12, 13))],
  ['TCP, a later fragment', ipv4(6, tcp('hello'), { fragment: 5 })],
  ['TCP numbers', ipv4(6, tcp('12ab,-77xyz;'.repeat(30)))],
  ['TCP of one letter', ipv4(6, tcp('A'.repeat(1400)))],
  ['TCP binary', ipv4(6, tcp(BINARY))],
  ['TCP gnutella', ipv4(6, tcp('GNUTELLA CONNECT/0.6\r\n'))],
  ['TCP cut inside its header', ipv4(6, tcp('abc')).subarray(0, 30)],
  ['UDP hello', ipv4(17, udp('hello'))],
  ['UDP without data', ipv4(17, udp(''))],
  ['UDP bencode', ipv4(17, udp('d1:ad2:id20:'))],
  ['UDP behind IP options', ipv4(17, udp('options here  ok'), { ihl: 6 })],
  ['ICMP', ipv4(1, ascii('hello'))],
  ['IPv6 UDP', ipv6(17, udp('hello'))],
  ['IPv6 TCP', ipv6(6, tcp('hello'))],
  ['IPv6 hop-by-hop options', ipv6(0, concat(Uint8Array.of(17, 0, 0, 0, 0, 0, 0, 0), udp('hello')))],
  ['IPv6 authentication and routing', ipv6(51, concat(Uint8Array.of(43, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), Uint8Array.of(17, 0, 0, 0, 0, 0, 0, 0), udp('hello')))],
  ['IPv6 later fragment', ipv6(44, concat(Uint8Array.of(17, 0, 0, 8, 1, 2, 3, 4), udp('x')))],
  ['IPv6 first fragment', ipv6(44, concat(Uint8Array.of(17, 0, 0, 1, 1, 2, 3, 4), udp('y')))],
  ['IPv6 with nine extension headers', ipv6(60, concat(...new Array<Uint8Array>(9).fill(Uint8Array.of(60, 0, 0, 0, 0, 0, 0, 0)), udp('z')))],
  ['IPv6 cut inside an extension header', ipv6(0, concat(Uint8Array.of(17, 9, 0, 0, 0, 0, 0, 0), udp('hello')))],
  ['three bytes', Uint8Array.of(1, 2, 3)],
  ['nothing', new Uint8Array(0)],
];

export const SAMPLE_SCRIPTS: readonly string[] = [
  // Comparing: literals of every width with the packet, in both cases, in order.
  '$ip_protocol IPPROTO_TCP eq assert "hel" expect_str yes',
  '$data "hello" eq assert',
  '$data "HELLO" eqi assert',
  '$data "hello" ne assert',
  '$data "GNUTELLA CONNECT/0.6\\r\\n" eq assert',
  '$data "gnutella connect/0.6\\r\\n" eqi assert',
  '"b" $data lt assert',
  '$data "hellp" lt assert',
  '"ab" "abc" lt assert',
  '"x" 1 left "x" eq assert',
  '"HELLO" $data 5 left eqi assert',
  '$packet 12 4 substr $ip_saddr eq assert',
  '$packet 12 4 substr $ip_daddr gt assert',
  '$data "l" eq $data "" eq or assert',
  '$data isascii assert',
  '$data isalpha assert',
  '$data isprint not assert',
  '$data "a" match assert',
  '$data strlen assert',
  '$data assert',
  // Headers.
  '$packet_len 50 gt assert',
  '$data_len 5 eq assert',
  '$tcp_seq 0 lt assert',
  '$tcp_syn assert',
  '$tcp_ack assert',
  '$udp_dest 53 eq assert',
  '$udp_len 13 eq assert',
  '$ip_version 6 eq assert $ip_saddr strlen 16 eq assert $ip6_flow_label 66051 eq assert $ip6_hop_limit 64 eq assert',
  '$ip_ihl 5 eq $ip_ttl 64 eq and $ip_dont_frag and assert $ip_id 1 eq assert $ip_tot_len $packet_len eq assert',
  '$tcp_source 6881 eq assert $tcp_doff 5 eq assert $tcp_window 256 eq assert',
  '$ip_protocol 17 eq $data_start 28 gt and assert',
  '$mark 0 eq assert',
  // Reading and searching.
  '"lo" expect_to yes',
  '"o" expect_to "o" expect_to yes',
  '"HTTP/1." expecti_to 1 expect "1" eq assert yes',
  '"content-length: " expecti_to expect_while({isdigit}) atoi 12345 eq assert',
  'expect( 3 ) drop $offset $data_start sub 3 eq assert',
  '3 expect 2 expect "lo" eq assert drop',
  '100 $offset put 5 lift strlen 5 eq assert',
  '-1 $offset put 5 lift strlen 0 eq assert',
  '-1 $offset put "" expect_to yes',
  '20 $offset put "A" lift_to strlen 20 gt assert',
  '0 $offset put "hello" expect_to yes',
  '$data lift_to("zz") drop yes',
  '"a" lifti_to strlen 1 gt assert',
  'lift_while({isalpha}) "hello" eq assert',
  'lift_while({ "aAd_" match }) strlen 3 gt assert',
  'expect_while({ isdigit not }) drop 3 lift print',
  'lift_while({ ord 100 gt }) strlen $n put $n 0 gt assert',
  '{ dup "l" ne swap "x" ne and } lift_while "he" eq assert',
  'lift_while({ ord $a put $a 96 gt }) strlen $a 90 gt assert 0 gt assert',
  '{ "abc" expect_str yes } { "hel" expect_str yes } expect_one yes',
  'expect_one( {"x" expect_str} {"h" expect_str 1 lift "e" eq assert} {$data_len 0 eq assert} )',
  '5 lift isalpha assert "GET " $u put expect_str( $u "x" )',
  '1 lift $u put expect_to( $u ) yes',
  '1 lift $u put expecti_to( $u ) yes',
  '1 lift $u put lift_to( $u ) strlen 2 gt assert',
  '2 lift $u put $data_start $offset put expect_str( $u "llo" )',
  '2 lift $u put $data_start $offset put expecti_str( $u "LL" "o" )',
  // Numbers.
  '-7 2 div -3 eq assert -7 2 mod -1 eq assert 7 -2 div -3 eq assert 7 -2 mod 1 eq assert $packet_len neg 7 div abs 0 gt assert',
  '$packet_len 3 sub 0 div',
  '$packet_len 13 mod 3 lshift 1 rshift 4 xor 255 and 1 or $a put $a 8 gt assert',
  '$tcp_seq 3 rshift 0 lt assert',
  '-2147483648 $packet_len 0 mult 1 sub div -2147483648 eq assert',
  '$packet_len 32 lshift 0 eq assert $tcp_seq 40 rshift -1 eq assert',
  '$data be16_to_uint 26725 eq assert',
  '$data le16_to_int 25960 eq assert',
  '$data be32_to_int 1751477356 eq assert',
  '2 lift be16_to_int 0 lt assert',
  '$data atoi 12 eq assert',
  '"," expect_to 3 lift atoi -77 eq assert',
  // Strings with bytes of their own.
  '$ip_saddr 255.255.0.0 and 192.0.0.0 eq assert',
  '$ip_saddr ipv4_ntoa "192.0.2.1" eq assert',
  '$data tolower "hello" eq assert',
  '$data tolower tolower strlen assert',
  '$data 10 left tolower "hello worl" eq assert',
  '5 lift toupper "HELLO" eq assert',
  '3 lift 2 lift strcat "hello" eq assert',
  '65 chr "A" eq assert',
  '3 lift mac_ntoa "68:65:6c" eq assert',
  '$data 2 2 substr "ll" eq assert',
  '$data 3 right "llo" eq assert',
  '$data 1000000000 left strlen $data_len eq assert',
  '2 lift $u put 1 move 1 lift $u strcat "lhe" eq assert',
  '2 lift dup strcat "hehe" eq assert',
  '1 lift $u put $u $u strcat $u put $u $u strcat $u put $u "hhhh" eq assert',
  '1 lift $u put $u "l" strcat expect_to yes',
  '$data 1 left $a put $a "h" eq { "e" $a put } if $a "e" eq assert',
  '$data_len 5 gt { $data 3 left $a put } { "xyz" $a put } ifelse $a "xyz" eq assert',
  '$data_len 5 gt { $data 3 left $a put } { "xyz" $a put } ifelse $a strlen $b put $a 1 left "h" eq $a $data lt or assert',
  '1 lift $a put 1 lift $b put $a $b gt assert',
  '1 lift $a put 4 move 1 lift $a eq assert',
  // Control.
  '0 $a put { $a 10 lt } { $a inc } while $a 10 eq assert',
  '10 { $a inc } repeat $a 10 eq assert',
  '{ $a 5 ge } { $a inc } until $a 5 eq assert',
  '7 $max_while_loops put 0 $a put { 1 } { $a inc } while',
  '$packet_len $max_while_loops put { 1 } { $a inc } while',
  '6 $max_actions put { $a 100 lt } { $a inc } while yes',
  '40 { 1 $a add $a put } repeat $a 40 eq assert',
  '{ $offset $packet_len lt } { 1 lift "l" eq { $l inc } if } while $l 2 eq assert',
  '{ $offset $packet_len lt } { "l" lift_to drop $l inc } while $l 3 ge assert',
  '{ $packet_len $offset gt } { { 1 lift isalpha assert $n inc } eval YES ne { $m inc } if } while $n $m gt assert',
  '3 { 3 { $a inc 2 { $b inc } repeat } repeat } repeat $a 9 eq $b 18 eq and assert',
  '3 { 3 { $a inc $a 5 gt { yes } if } repeat } repeat no',
  '{ 3 { 3 { $a inc $a 5 gt { no } if } repeat } repeat } eval NO eq assert $a 6 eq assert',
  '{ 1 0 div } eval FAIL eq assert',
  '{ no } eval NO eq assert { yes } eval YES eq assert { } eval OKAY eq assert',
  'put( {"x"} $a ) $a do "x" eq assert',
  'hotdrop',
  '$data "hello" eq {hotdrop("x")} if no',
  '{ hotdrop } eval drop yes',
  // Global registers and time.
  '5 greg inc 5 greg get 3 gt assert',
  '29 greg(7) put 7 greg 29 eq assert $packet_len 64 mod greg inc',
  '1108742472 gmtime tm_hour 16 eq assert 1108742472 gmtime dup tm_wday 5 eq assert dup tm_year 2005 eq assert dup tm_mon 2 eq assert tm_mday 18 eq assert',
  '$tcp_seq gmtime dup tm_year 1970 lt assert tm_wday 1 ge assert',
  '1108742472 gmtime $t put $t 2 left le16_to_uint 12 eq assert $t strlen 14 eq assert $t "x" strcat strlen 15 eq assert',
];
