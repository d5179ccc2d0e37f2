/**
 * Inflates gzip captures (RFC 1952) as a stream. A file of its own, so that node:zlib is loaded only for them.
 */
import { Readable } from 'node:stream';
import { type Gunzip, createGunzip } from 'node:zlib';

/** The content of a gzip stream whose first chunk was already taken. Errors of either side end the iteration. */
export function inflate(first: Buffer, chunks: AsyncIterator<Buffer>, chunkBytes: number): Gunzip {
  async function* compressed(): AsyncGenerator<Buffer> {
    yield first;
    for (;;) {
      const { done, value } = await chunks.next();
      if (done) return;
      yield value;
    }
  }
  const gunzip = createGunzip({ chunkSize: chunkBytes });
  const source = Readable.from(compressed(), { objectMode: false });
  // Both ways: a failing disk ends the inflating, and giving up on a damaged file ends the reading.
  source.on('error', (error) => gunzip.destroy(error));
  gunzip.on('close', () => source.destroy());
  source.pipe(gunzip);
  return gunzip;
}
