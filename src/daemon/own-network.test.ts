import { test } from 'node:test';
import assert from 'node:assert/strict';
import { insideInterfacesOf, ownAddressesOf } from './own-network.js';

const ROUTES = `Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT
wan	00000000	0102A8C0	0003	0	0	0	00000000	0	0	0
lan0	00014D0A	00000000	0001	0	0	0	00FFFFFF	0	0	0
lan0	0000A8C0	01014D0A	0003	0	0	0	00FFFFFF	0	0	0
wan	0002A8C0	00000000	0001	0	0	0	00FFFFFF	0	0	0
dmz	0003A8C0	00000000	0001	0	0	0	00FFFFFF	0	0	0
pub	076433C6	00000000	0001	0	0	0	FFFFFFFF	0	0	0
`;

test('inside is where private networks are, but not where the default route goes', () => {
  assert.deepEqual(insideInterfacesOf(ROUTES), ['lan0', 'dmz']);
  assert.deepEqual(insideInterfacesOf(''), []);
});

test('own addresses of both families', () => {
  const trie = `Local:
  +-- 0.0.0.0/0 3 0 5
     |-- 10.77.1.0
        /24 link UNICAST
     |-- 10.77.1.1
        /32 host LOCAL
     |-- 10.77.1.255
        /32 link BROADCAST
`;
  const inet6 = '00000000000000000000000000000001 01 80 10 80       lo\nfd770001000000000000000000000001 02 40 00 80   lan0\n';
  assert.deepEqual(ownAddressesOf(trie, inet6), ['10.77.1.1', '::1', 'fd77:1::1']);
});
