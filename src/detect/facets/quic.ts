/** QUIC Initial packets of a client, decrypted with the published Initial secrets (RFC 9001 section 5.2, RFC 9369). */
import type { TlsHello } from './tls.js';

export interface QuicInitial {
  readonly version: number;
  /** The ClientHello inside its CRYPTO frames, as far as this packet carries it. */
  readonly hello: TlsHello;
}
