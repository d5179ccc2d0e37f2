/** The feature that several protocols share: a DNS question for a name under their domains. Says nothing of the server that is asked. */
import { DomainSet } from '../../base/domain.js';
import { type Feature, type Match, NO, UDP } from '../detector.js';

export function dnsQuestions(names: readonly string[], finding: Match): Feature {
  const domains = new DomainSet(names);
  return {
    feature: 'dns',
    transport: UDP,
    trigger: { kind: 'facet', facet: 'dns', words: labelsOf(names) },
    remember: 'none',
    inspect(input) {
      const message = input.dns();
      return message !== null && domains.hasAny(message.questions) ? finding : NO;
    },
  };
}

/**
 * The longest label of each domain: it stands literally in every DNS message that holds a name below the domain,
 * however the message compresses names.
 */
export function labelsOf(domains: readonly string[]): string[] {
  return domains.map((domain) => domain.split('.').reduce((longest, label) => (label.length > longest.length ? label : longest)));
}
