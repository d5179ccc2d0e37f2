/**
 * What the containment machine wants done. Plain data: the daemon turns it into verdicts, packets,
 * kernel set entries, files and log lines; tests read it.
 */

/** Log letters of the original: u/U UDP dropped/accepted, t/T TCP dropped/accepted, c clients, p peers, x commands. */
export type LogLetter = 'u' | 'U' | 't' | 'T' | 'c' | 'p' | 'x';

export type Reason =
  | 'not-fasttrack'
  | 'ping'
  | 'ping-observed'
  | 'ping-to-protected'
  | 'pong'
  | 'probe-answer'
  | 'known-peer'
  | 'time-lock'
  | 'transfer'
  | 'session-opening'
  | 'blocked-name'
  | 'protected'
  | 'nothing-known';

export type Action =
  /** For the packet of the event; always the first action of an event that has a packet. */
  | { readonly kind: 'verdict'; readonly verdict: 'accept' | 'drop'; readonly reason: Reason }
  /** Answer the client in the peer's name. */
  | {
      readonly kind: 'send-as-peer';
      readonly peer: string;
      readonly peerPort: number;
      readonly client: string;
      readonly clientPort: number;
      readonly payload: Uint8Array;
    }
  /** Send from the wall's own socket: the client answers to it. */
  | { readonly kind: 'send-probe'; readonly client: string; readonly clientPort: number; readonly payload: Uint8Array }
  /** Block an endpoint (port 0: the whole address) for one client, or for all ('' ). */
  | { readonly kind: 'block'; readonly client: string; readonly address: string; readonly port: number; readonly timeoutMs: number }
  | { readonly kind: 'unblock'; readonly client: string; readonly address: string; readonly port: number }
  | { readonly kind: 'lock'; readonly client: string; readonly timeoutMs: number }
  | { readonly kind: 'unlock'; readonly client: string }
  /** A line for the store file; `client` '' once the peer is confirmed. */
  | { readonly kind: 'store'; readonly address: string; readonly port: number; readonly client: string }
  /** A DNS answer came by: what the client asked, and the addresses and aliases it was told. For debug output. */
  | { readonly kind: 'dns-answer'; readonly client: string; readonly question: string; readonly targets: readonly string[] }
  | { readonly kind: 'create-client-file'; readonly client: string }
  | { readonly kind: 'remove-client-file'; readonly client: string }
  | {
      readonly kind: 'log';
      readonly letter: LogLetter;
      readonly client: string;
      readonly address: string;
      readonly port: number;
      readonly text: string;
    };
