/** TLS hello messages in clear (RFC 8446 section 4.1.2, RFC 6066 SNI, RFC 7301 ALPN). */
export interface TlsHello {
  readonly isClient: boolean;
  /** Server name of a ClientHello, lower case; '' when absent. */
  readonly serverName: string;
  /** Protocols offered (client) or chosen (server up to TLS 1.2). */
  readonly alpn: readonly string[];
  /** False while the hello is cut: names found so far are valid, absent ones may still come. */
  readonly isComplete: boolean;
}
