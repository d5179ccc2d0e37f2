/**
 * Connections to BitTorrent's public servers by name: in DNS questions, in the
 * server name of TLS and in the Host field of HTTP. A name is `likely`, never
 * more: people look names up for other reasons too. Nothing is remembered.
 */
import { type Feature, type Finding, type Inspection, MORE, NO, TCP, UDP, match } from '../../detector.js';
import { labelsOf } from '../../facets/dns-questions.js';
import { BOOTSTRAP_NAMES, LOCAL_SERVICE, TRACKER_NAMES } from './service-names.js';

/* Heuristic. False positives: monitoring of these servers, and people who browse them. */
const BOOTSTRAP = match('likely', 'name of a BitTorrent DHT bootstrap node');
const TRACKER = match('likely', 'name of a public BitTorrent tracker');
const LOCAL = match('likely', 'BitTorrent service on the local network (multicast DNS)');

const NAMES: readonly string[] = [...BOOTSTRAP_NAMES, ...TRACKER_NAMES, LOCAL_SERVICE];

function findName(name: string): Finding {
  if (BOOTSTRAP_NAMES.has(name)) return BOOTSTRAP;
  if (TRACKER_NAMES.has(name)) return TRACKER;
  return name.endsWith(LOCAL_SERVICE) ? LOCAL : NO;
}

function inspectDns(input: Inspection): Finding {
  const dns = input.dns();
  if (!dns) return NO;
  for (const name of dns.questions) {
    const finding = findName(name);
    if (finding !== NO) return finding;
  }
  // Multicast DNS answers unasked (RFC 6762 section 8.3); other answers repeat the question.
  return dns.questions.length === 0 && dns.answers.some((name) => name.endsWith(LOCAL_SERVICE)) ? LOCAL : NO;
}

function inspectTls(input: Inspection): Finding {
  const tls = input.tls();
  if (!tls?.isClient) return NO;
  const finding = findName(tls.serverName);
  return finding === NO && !tls.isComplete ? MORE : finding;
}

function inspectHttp(input: Inspection): Finding {
  const http = input.http();
  if (!http?.isRequest) return NO;
  const host = http.field('host');
  if (host === null) return http.isComplete ? NO : MORE;
  return findName(host.toLowerCase().replace(/:[0-9]*$/, ''));
}

export const knownNameDns: Feature = {
  feature: 'known-name-dns',
  transport: UDP,
  trigger: { kind: 'facet', facet: 'dns', words: labelsOf(NAMES) },
  inspect: inspectDns,
  remember: 'none',
};

export const knownNameTls: Feature = {
  feature: 'known-name-tls',
  transport: TCP,
  trigger: { kind: 'facet', facet: 'tls' },
  inspect: inspectTls,
  remember: 'none',
};

export const knownNameHttp: Feature = {
  feature: 'known-name-http',
  transport: TCP,
  trigger: { kind: 'facet', facet: 'http', words: NAMES },
  inspect: inspectHttp,
  remember: 'none',
};
