/** DNS and mDNS messages (RFC 1035, RFC 6762) as far as features need them: the names asked and answered. */
export interface DnsMessage {
  readonly isResponse: boolean;
  /** Question names, lower case, without the final dot. At most 8 are parsed. */
  readonly questions: readonly string[];
  /** Owner names of answer records, and PTR/CNAME/SRV target names; lower case. At most 32 are parsed. */
  readonly answers: readonly string[];
}
