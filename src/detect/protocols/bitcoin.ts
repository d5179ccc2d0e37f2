/**
 * Bitcoin and the networks that descend from its program (Litecoin, Dogecoin, Bitcoin
 * Cash, Dash, Zcash and others): version 1 transport, in both directions and mid-stream,
 * and the DNS seeds.
 *
 * Not recognised: the encrypted version 2 transport (BIP 324), whose bytes are uniformly
 * random by design; such flows are named only when a peer told the endpoint. Wallets that
 * speak to servers (Electrum) and mining pools (Stratum) are not peer-to-peer.
 *
 * Specification: https://developer.bitcoin.org/reference/p2p_networking.html
 */
import { ascii, fromHex, u32 } from '../../base/bytes.js';
import { type Anchor, defineProtocol, type Feature, type Finding, type Inspection, match, MORE, NO, TCP } from '../detector.js';
import { dnsQuestions } from '../facets/dns-questions.js';
import { COMMAND_AT, HEADER_BYTES, harvestAddresses, isHeader, payloadBytes } from './bitcoin/messages.js';

const MESSAGE = match('certain', 'message header of Bitcoin or a network derived from it');
const VERSION = match('certain', 'version message of the Bitcoin protocol family');
const NAMED = match('likely', 'DNS question for seeds of a Bitcoin-like network');

/** Message start bytes of the best known networks, from their programs' chain parameters. */
const MAGICS: readonly string[] = [
  'f9beb4d9', // Bitcoin
  '0b110907', // Bitcoin testnet 3
  '1c163f28', // Bitcoin testnet 4
  '0a03cf40', // Bitcoin signet
  'fabfb5da', // regtest of Bitcoin, Litecoin, Dogecoin
  'fbc0b6db', // Litecoin
  'fdd2c8f1', // Litecoin testnet
  'c0c0c0c0', // Dogecoin
  'fcc1b7dc', // Dogecoin testnet
  'e3e1f3e8', // Bitcoin Cash
  'f4e5f3f4', // Bitcoin Cash testnet
  'e1476d44', // Bitcoin Gold
  'f9beb4fe', // Namecoin
  'bf0c6bbd', // Dash
  'cee2caff', // Dash testnet
  '24e92764', // Zcash
  'fa1af9bf', // Zcash testnet
  'e6e8e9e5', // Peercoin
  '5241564e', // Ravencoin
  'fac3b6da', // DigiByte
];

/** Any network's first message: the magic is unknown, the command is not. */
const VERSION_COMMAND = ascii('version\0\0\0\0\0');
/** Fixed fields are 85 bytes with two addresses and a height; the user agent has at most 256 bytes. */
const MIN_VERSION_BYTES = 46;
const MAX_VERSION_BYTES = 512;

const ANCHORS: readonly Anchor[] = [
  ...MAGICS.map((magic) => ({ at: 0, bytes: fromHex(magic) })),
  { at: COMMAND_AT, bytes: VERSION_COMMAND },
];
const MAGIC_NUMBERS: readonly number[] = MAGICS.map((magic) => Number.parseInt(magic, 16));

/**
 * Odds of a false alarm: a known magic (one of 20, 2^-27), twelve bytes of command form (2^-40 at
 * the longest command, far less for real ones) and 7 bits of the length; for unknown networks
 * the twelve bytes of the version command and 23 bits of its length, 2^-119.
 */
const messages: Feature = {
  feature: 'messages',
  transport: TCP,
  trigger: { kind: 'anchors', anchors: ANCHORS },
  inspect(input: Inspection): Finding {
    const { bytes, start, end } = input;
    if (end - start < HEADER_BYTES) return MORE;
    if (!isHeader(bytes, start)) return NO;
    if (MAGIC_NUMBERS.includes(u32(bytes, start))) return MESSAGE;
    const lengthBytes = payloadBytes(bytes, start);
    return lengthBytes >= MIN_VERSION_BYTES && lengthBytes <= MAX_VERSION_BYTES ? VERSION : NO;
  },
  harvest(input, sink): boolean {
    harvestAddresses(input.bytes, input.start, input.end, sink);
    return true;
  },
};

/** Seeds compiled into the programs; they serve nothing else. */
const SEEDS = [
  'seed.bitcoin.sipa.be',
  'dnsseed.bluematt.me',
  'dnsseed.bitcoin.dashjr.org',
  'dnsseed.bitcoin.dashjr-list-of-p2p-nodes.us',
  'seed.bitcoinstats.com',
  'seed.bitcoin.jonasschnelli.ch',
  'testnet-seed.bitcoin.jonasschnelli.ch',
  'seed.btc.petertodd.net',
  'seed.btc.petertodd.org',
  'seed.tbtc.petertodd.net',
  'seed.tbtc.petertodd.org',
  'seed.bitcoin.sprovoost.nl',
  'dnsseed.emzy.de',
  'seed.bitcoin.wiz.biz',
  'seed.mainnet.achownodes.xyz',
  'seed-a.litecoin.loshan.co.uk',
  'dnsseed.thrasher.io',
  'dnsseed.litecointools.com',
  'dnsseed.litecoinpool.org',
  'seed.multidoge.org',
  'seed2.multidoge.org',
];

const dns = dnsQuestions(SEEDS, NAMED);

export const bitcoin = defineProtocol({
  id: 'bitcoin',
  title: 'Bitcoin and derived networks',
  category: 'cryptocurrency',
  specs: [
    'https://developer.bitcoin.org/reference/p2p_networking.html',
    'https://github.com/bitcoin/bips/blob/master/bip-0155.mediawiki',
  ],
  features: [messages, dns],
});
