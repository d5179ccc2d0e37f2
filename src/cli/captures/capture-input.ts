/**
 * Opening captures for the offline commands: files, gzip, pipes and standard input.
 *
 * One loop for all of them: `readCapture` feeds a CaptureReader and calls `drain` after each
 * chunk; `drain` takes the packets synchronously. Plain files are read by `readSync` into one
 * buffer (nothing is allocated and nothing waits), everything else through streams. Memory is
 * constant in all cases. Does not decompress zstd, xz or bzip2: Node 20 cannot.
 */
import { closeSync, createReadStream, fstatSync, openSync, readSync } from 'node:fs';
import type { Readable } from 'node:stream';
import type { Gunzip } from 'node:zlib';
import { CaptureReader } from '../../pcap/capture-reader.js';
import type { CaptureError } from '../../pcap/formats.js';

/** Plain files: what is read should leave the flow table its place in a core's second cache, often 1 MiB in all (bench/identify.ts). */
const CHUNK_BYTES = 256 << 10;
/** The first read; each one doubles. V8 sees what happens between chunks before it optimises (bench/identify.ts). */
const FIRST_CHUNK_BYTES = 16 << 10;
/** Streams and inflating allocate their chunks. */
const STREAM_CHUNK_BYTES = 256 << 10;
/** After an interrupt what still comes out of a pipe is read for so long: tcpdump, interrupted by the same Ctrl-C, writes its last packets. */
const GRACE_MS = 500;
/** Chunks between two turns of the event loop: 4 MiB take some milliseconds, a turn some microseconds. */
const CHUNKS_BEFORE_TURN = 16;

export interface CaptureInputOptions {
  /** After each chunk: bytes of the file read so far (compressed ones for gzip), and its size or null for pipes. */
  readonly onProgress?: (readBytes: number, totalBytes: number | null) => void;
  /** Stops reading: a file between two chunks, a stream when it ends by itself or after `GRACE_MS`. The answer is then `interrupted`. */
  readonly signal?: AbortSignal;
  /** For tests and benchmarks. */
  readonly chunkBytes?: number;
}

/** Takes packets with `reader.next()` until it answers something else than `packet`. Its exceptions pass through. */
export type Drain = (reader: CaptureReader) => void;

/**
 * Reads the capture at `path`, `-` for standard input. Resolves when all was read: null, or why
 * reading stopped; packets before the damage were drained. Never rejects for what the file holds
 * or the system says.
 */
export async function readCapture(path: string, drain: Drain, options: CaptureInputOptions = {}): Promise<CaptureError | null> {
  const reader = new CaptureReader();
  if (path === '-') return readStream(process.stdin, reader, drain, options, null);
  let descriptor: number;
  try {
    descriptor = openSync(path, 'r');
  } catch (error) {
    return ioError(error, reader);
  }
  let totalBytes: number | null = null;
  const head = new Uint8Array(2);
  try {
    const stat = fstatSync(descriptor);
    if (stat.isFile()) {
      totalBytes = stat.size;
      readSync(descriptor, head, 0, 2, 0);
    }
  } catch (error) {
    closeSync(descriptor);
    return ioError(error, reader);
  }
  if (totalBytes === null || isGzip(head)) {
    const stream = createReadStream('', { fd: descriptor, highWaterMark: options.chunkBytes ?? STREAM_CHUNK_BYTES });
    return readStream(stream, reader, drain, options, totalBytes);
  }
  try {
    return await readFile(descriptor, reader, drain, options, totalBytes);
  } finally {
    closeSync(descriptor);
  }
}

/** The fast path: no copies, no waiting but a turn of the event loop now and then, so that signals and timers live. */
async function readFile(
  descriptor: number,
  reader: CaptureReader,
  drain: Drain,
  options: CaptureInputOptions,
  totalBytes: number,
): Promise<CaptureError | null> {
  const buffer = new Uint8Array(options.chunkBytes ?? CHUNK_BYTES);
  let chunkBytes = Math.min(buffer.length, FIRST_CHUNK_BYTES);
  let readBytes = 0;
  for (let chunks = 1; ; chunks++) {
    let count: number;
    try {
      count = readSync(descriptor, buffer, 0, chunkBytes, null);
    } catch (error) {
      return ioError(error, reader);
    }
    if (count === 0) break;
    readBytes += count;
    chunkBytes = Math.min(buffer.length, 2 * chunkBytes);
    reader.feed(buffer, 0, count);
    drain(reader);
    options.onProgress?.(readBytes, totalBytes);
    if (reader.error !== null) return reader.error;
    if (options.signal?.aborted) return interrupted(reader);
    if (chunks % CHUNKS_BEFORE_TURN === 0) await new Promise(setImmediate);
  }
  return finish(reader, drain);
}

/** Takes ownership of the stream: it is destroyed at the end. */
async function readStream(
  stream: Readable,
  reader: CaptureReader,
  drain: Drain,
  options: CaptureInputOptions,
  totalBytes: number | null,
): Promise<CaptureError | null> {
  const chunks = stream[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  let gunzip: Gunzip | null = null;
  let source = chunks;
  let readBytes = 0;
  let failure: CaptureError | null = null;
  const next = async (): Promise<Buffer | null> => {
    try {
      return await nextChunk(source);
    } catch (error) {
      failure = options.signal?.aborted ? interrupted(reader) : ioError(error, reader);
      return null;
    }
  };
  let grace: NodeJS.Timeout | undefined;
  const giveUp = (): void => {
    grace = setTimeout(() => void stream.destroy(), GRACE_MS);
  };
  options.signal?.addEventListener('abort', giveUp, { once: true });
  try {
    let chunk = await next();
    // A pipe may deliver a single byte first: the magic needs two.
    while (chunk !== null && chunk.length < 2) {
      const more = await next();
      if (more === null) break;
      chunk = Buffer.concat([chunk, more]);
    }
    if (chunk !== null && isGzip(chunk)) {
      // Loaded when there is something to inflate: plain captures start sooner (bench/identify.ts).
      const { inflate } = await import('./inflate.js');
      gunzip = inflate(chunk, chunks, options.chunkBytes ?? STREAM_CHUNK_BYTES);
      source = gunzip[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
      chunk = await next();
    }
    while (chunk !== null) {
      readBytes += chunk.length;
      // Not as the Buffer that it is: the hot loops stay monomorphic over one kind of array.
      reader.feed(new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.length));
      drain(reader);
      options.onProgress?.(gunzip?.bytesWritten ?? readBytes, totalBytes);
      if (reader.error !== null) return reader.error;
      chunk = await next();
    }
    return failure ?? finish(reader, drain);
  } finally {
    options.signal?.removeEventListener('abort', giveUp);
    clearTimeout(grace);
    gunzip?.destroy();
    stream.destroy();
  }
}

async function nextChunk(chunks: AsyncIterator<Buffer>): Promise<Buffer | null> {
  const { done, value } = await chunks.next();
  return done ? null : value;
}

function finish(reader: CaptureReader, drain: Drain): CaptureError | null {
  reader.finish();
  drain(reader);
  return reader.error;
}

function interrupted({ offsetBytes: atBytes }: CaptureReader): CaptureError {
  return { kind: 'interrupted', message: `interrupted (at byte ${atBytes}); what was read until then is reported`, atBytes };
}

/** RFC 1952 section 2.3.1: ID1, ID2. */
function isGzip(head: Uint8Array): boolean {
  return head[0] === 0x1f && head[1] === 0x8b;
}

const HINTS: Readonly<Record<string, string>> = {
  ENOENT: 'check the path; p2pwall identify - reads standard input',
  EACCES: 'the file is not readable for this user: change its mode, or run as its owner',
  EPERM: 'the file is not readable for this user: change its mode, or run as its owner',
  EISDIR: 'name the capture files in the directory, for example DIRECTORY/*.pcap',
};

/** What the system or zlib threw, as data. */
function ioError(thrown: unknown, reader: CaptureReader): CaptureError {
  const error = thrown as NodeJS.ErrnoException;
  const atBytes = reader.offsetBytes;
  const code = error.code ?? 'EUNKNOWN';
  if (code === 'Z_BUF_ERROR') {
    return { kind: 'truncated', message: `the gzip data ends too early (at byte ${atBytes} of the content)`, atBytes };
  }
  if (code.startsWith('Z_')) {
    return { kind: 'malformed', message: `the gzip data is damaged: ${error.message} (at byte ${atBytes} of the content)`, atBytes };
  }
  const message = `${error.syscall ?? 'read'} failed: ${error.message.replace(/, \w+( '.*')?$/, '')}`;
  const hint = HINTS[code];
  const system = { syscall: error.syscall ?? 'read', errno: error.errno ?? 0, code };
  return { kind: 'io', message, atBytes, system, ...(hint === undefined ? {} : { hint }) };
}
