/**
 * Local service discovery (BEP 14): announcements of torrents to multicast groups
 * on the local network, in the form of HTTP requests over UDP. Harvests the
 * announcing client's port.
 */
import { ascii, hasAtIgnoringCase, indexOfByte, latin1 } from '../../../base/bytes.js';
import { type Feature, type Inspection, type PeerSink, UDP, match } from '../../detector.js';
import { tellListeningPort } from './peers.js';

const OPENING = ascii('bt-search * http/1.1\r\n');
const PORT_FIELD = ascii('port:');
const LF = 0x0a;

/* Odds: 22 fixed bytes (letter case aside) that no other protocol uses. */
const ANNOUNCEMENT = match('certain', 'BitTorrent local service discovery announcement');

function harvest({ bytes, start, end }: Inspection, sink: PeerSink): boolean {
  for (let lineAt = start; lineAt < end; ) {
    const lineFeedAt = indexOfByte(bytes, lineAt, end, LF);
    const lineEnd = lineFeedAt < 0 ? end : lineFeedAt;
    if (hasAtIgnoringCase(bytes, lineAt, lineEnd, PORT_FIELD)) {
      const digits = /^\s*([0-9]{1,5})\s*$/.exec(latin1(bytes, lineAt + PORT_FIELD.length, lineEnd));
      if (digits) tellListeningPort(Number(digits[1]), sink);
      break;
    }
    lineAt = lineEnd + 1;
  }
  return true;
}

export const localDiscovery: Feature = {
  feature: 'local-discovery',
  transport: UDP,
  trigger: { kind: 'anchors', anchors: [{ at: 0, bytes: OPENING, ignoreCase: true }] },
  inspect: () => ANNOUNCEMENT,
  harvest,
  // The destination is a multicast group, the source port is that of the group.
  remember: 'none',
};
