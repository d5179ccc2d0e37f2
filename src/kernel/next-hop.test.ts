import { test } from 'node:test';
import assert from 'node:assert/strict';
import { isInNetwork, parseAddress, parseNetwork } from '../base/address.js';
import { u32le } from '../base/bytes.js';
import { NLMSG_DONE, NLMSG_ERROR, NLM_F_MULTI, forEachAttribute, messageSequence, messageType } from '../netlink/message.js';
import { MessageWriter } from '../netlink/message-writer.js';
import { ENETUNREACH } from './errno.js';
import { fakeLibc } from './fake-libc.js';
import { NextHops } from './next-hop.js';

interface FakeLink {
  readonly name: string;
  readonly kind?: 'vrf';
  /** Name of the VRF it belongs to. */
  readonly master?: string;
}

/** `10.77.1.0/24 dev inside`; one list for each table: of a VRF's name, '' for the main one. */
type Tables = Readonly<Record<string, readonly string[]>>;

// rtnetlink.h, if_link.h
const RTM_NEWLINK = 16;
const RTM_GETLINK = 18;
const RTM_NEWROUTE = 24;
const RTM_GETROUTE = 26;
const RTM_F_FIB_MATCH = 0x2000;
const RTA_DST = 1;
const RTA_IIF = 3;
const RTA_OIF = 4;
const IFLA_IFNAME = 3;
const IFLA_LINKINFO = 18;
const IFLA_INFO_KIND = 1;

const text = (value: string): Uint8Array => Uint8Array.from(`${value}\0`, (character) => character.charCodeAt(0));

/**
 * Routing as Linux does it with VRF devices (Documentation/networking/vrf.rst): a lookup by the VRF's device, or from an interface
 * that belongs to it, is made in the VRF's table; others in the main table.
 */
function hopsOf(links: readonly FakeLink[], tables: Tables): NextHops {
  const indexOf = (name: string): number => links.findIndex((link) => link.name === name) + 1;
  const tableOf = (index: number): string => {
    const link = links[index - 1];
    return link?.kind === 'vrf' ? link.name : (link?.master ?? '');
  };
  const answerLinks = (sequence: number): Uint8Array[] => {
    const messages = links.map(({ name, kind }) => {
      const writer = new MessageWriter().begin(RTM_NEWLINK, NLM_F_MULTI, sequence);
      writer.u8(0).u8(0).u16(1).u32(indexOf(name)).u32(1).u32(0).attribute(IFLA_IFNAME, text(name));
      if (kind) writer.beginNested(IFLA_LINKINFO).attribute(IFLA_INFO_KIND, text(kind)).endNested();
      return writer.end().finish();
    });
    return [...messages, new MessageWriter().begin(NLMSG_DONE, NLM_F_MULTI, sequence).u32(0).end().finish()];
  };
  const answerRoute = (request: Uint8Array, sequence: number): Uint8Array => {
    let destination = new Uint8Array();
    let by = 0;
    forEachAttribute(request, 28, request.length, (type, at, end) => {
      if (type === RTA_DST) destination = request.slice(at, end);
      if (type === RTA_OIF || type === RTA_IIF) by = u32le(request, at);
    });
    const entries = (tables[tableOf(by)] ?? []).map((line) => {
      const [prefix = '', , device = ''] = line.split(' ');
      const network = parseNetwork(prefix);
      assert.ok(network && indexOf(device) > 0, line);
      return { network, device };
    });
    const fitting = entries.filter(({ network }) => isInNetwork(network, destination, 0, destination.length));
    const [best] = fitting.sort((a, b) => b.network.prefixLength - a.network.prefixLength);
    if (!best) return new MessageWriter().begin(NLMSG_ERROR, 0, sequence).u32(-ENETUNREACH).u32(20).u32(0).u32(0).u32(0).end().finish();
    const isEntryWanted = (u32le(request, 24) & RTM_F_FIB_MATCH) !== 0;
    const writer = new MessageWriter().begin(RTM_NEWROUTE, 0, sequence);
    writer.u8(2).u8(isEntryWanted ? best.network.prefixLength : 32).u8(0).u8(0).u8(254).u8(0).u8(0).u8(1).u32(0);
    return writer.attributeU32(RTA_OIF, indexOf(best.device)).end().finish();
  };
  const { libc } = fakeLibc({
    sent: (socket, request) => {
      const sequence = messageSequence(request, 0);
      const type = messageType(request, 0);
      assert.ok(type === RTM_GETLINK || type === RTM_GETROUTE);
      for (const answer of type === RTM_GETLINK ? answerLinks(sequence) : [answerRoute(request, sequence)]) socket.deliver(answer);
      return 0;
    },
  });
  return new NextHops(libc);
}

function way(links: readonly FakeLink[], tables: Tables, destination: string, source: string): string {
  const hops = hopsOf(links, tables);
  const route = hops.route(parseAddress(destination) ?? assert.fail(), parseAddress(source) ?? assert.fail(), 0);
  return typeof route === 'number' ? `errno ${route}` : hops.interfaceName(route.outputInterface);
}

const PLAIN: readonly FakeLink[] = [{ name: 'inside' }, { name: 'outside' }];
const IN_VRF: readonly FakeLink[] = [
  { name: 'management' },
  { name: 'blue', kind: 'vrf' },
  { name: 'inside', master: 'blue' },
  { name: 'outside', master: 'blue' },
];
const BLUE = ['10.77.1.0/24 dev inside', '0.0.0.0/0 dev outside'];

for (const [name, links, tables, toServer, toClient] of [
  ['no VRF', PLAIN, { '': ['10.77.1.0/24 dev inside', '0.0.0.0/0 dev outside'] }, 'outside', 'inside'],
  ['no way to the client', PLAIN, { '': ['192.0.2.0/24 dev outside'] }, 'outside', `errno ${ENETUNREACH}`],
  ['a VRF, and nothing in the main table', IN_VRF, { '': [], blue: BLUE }, 'outside', 'inside'],
  ['a VRF beside the default route of a management network', IN_VRF, { '': ['0.0.0.0/0 dev management'], blue: BLUE }, 'outside', 'inside'],
  ['a VRF that knows less of both ends than the main table', IN_VRF, { '': ['10.77.1.0/24 dev management', '192.0.2.0/24 dev management'], blue: BLUE }, 'management', 'management'],
  [
    'the second of two VRFs',
    [...IN_VRF, { name: 'red', kind: 'vrf' }, { name: 'left', master: 'red' }, { name: 'right', master: 'red' }],
    { '': ['0.0.0.0/0 dev management'], blue: ['10.88.0.0/16 dev inside', '0.0.0.0/0 dev outside'], red: ['10.77.1.0/24 dev left', '192.0.2.0/24 dev right'] },
    'right',
    'left',
  ],
] as const satisfies readonly (readonly [string, readonly FakeLink[], Tables, string, string])[]) {
  test(`${name}: to the server by ${toServer}, to the client by ${toClient}`, () => {
    assert.equal(way(links, tables, '192.0.2.7', '10.77.1.2'), toServer);
    assert.equal(way(links, tables, '10.77.1.2', '192.0.2.7'), toClient);
  });
}
