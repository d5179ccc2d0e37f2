/** The feature that several protocols share: a DNS question for a name under their domains. Says nothing of the server that is asked. */
import type { DomainSet } from '../../base/domain.js';
import { type Feature, type Match, NO, UDP } from '../detector.js';

export function dnsQuestions(domains: DomainSet, finding: Match): Feature {
  return {
    feature: 'dns',
    transport: UDP,
    trigger: { kind: 'facet', facet: 'dns' },
    remember: 'none',
    inspect(input) {
      const message = input.dns();
      return message !== null && domains.hasAny(message.questions) ? finding : NO;
    },
  };
}
