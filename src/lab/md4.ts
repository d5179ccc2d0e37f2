/**
 * MD4, which names files in eDonkey; OpenSSL 3 no longer offers it. For the lab only: not fast, and no
 * protection of anything.
 *
 * Specification: RFC 1320.
 */
const ROUNDS = [
  { mix: (x: number, y: number, z: number) => (x & y) | (~x & z), add: 0, order: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15], turns: [3, 7, 11, 19] },
  { mix: (x: number, y: number, z: number) => (x & y) | (x & z) | (y & z), add: 0x5a827999, order: [0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15], turns: [3, 5, 9, 13] },
  { mix: (x: number, y: number, z: number) => x ^ y ^ z, add: 0x6ed9eba1, order: [0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15], turns: [3, 9, 11, 15] },
] as const;

/** The digest of `bytes`, as hexadecimal text. */
export function md4(bytes: Uint8Array): string {
  const padded = Buffer.alloc((((bytes.length + 8) >> 6) + 1) << 6);
  padded.set(bytes);
  padded[bytes.length] = 0x80;
  padded.writeUInt32LE((bytes.length << 3) >>> 0, padded.length - 8);
  padded.writeUInt32LE(Math.floor(bytes.length / 0x20000000), padded.length - 4);
  const state = [0x67452301, 0xefcdab89 | 0, 0x98badcfe | 0, 0x10325476];
  for (let at = 0; at < padded.length; at += 64) {
    let [a = 0, b = 0, c = 0, d = 0] = state;
    for (const { mix, add, order, turns } of ROUNDS) {
      for (const [step, word] of order.entries()) {
        const turn = turns[step & 3] ?? 0;
        const sum = (a + mix(b, c, d) + padded.readUInt32LE(at + 4 * word) + add) | 0;
        [a, b, c, d] = [d, (sum << turn) | (sum >>> (32 - turn)), b, c];
      }
    }
    for (const [i, value] of [a, b, c, d].entries()) state[i] = ((state[i] ?? 0) + value) | 0;
  }
  const digest = Buffer.alloc(16);
  for (const [i, value] of state.entries()) digest.writeInt32LE(value, 4 * i);
  return digest.toString('hex');
}
