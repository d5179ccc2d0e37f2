/** `.torrent` files in HTTP responses, by content. */
import { test } from 'node:test';
import { ascii } from '../../../base/bytes.js';
import { answer, ask, checkSamples, checkTruncations } from '../../../../test/support/detector-table.js';
import { torrentFile } from './torrent-file.js';

const OK = 'HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n\r\n';
const TORRENT =
  'd8:announce35:udp://tracker.example.org:1337/annou13:creation datei1400000000e4:infod6:lengthi5e4:name1:x12:piece lengthi16384e6:pieces20:aaaaaaaaaaaaaaaaaaaaee';

test('metainfo is certain by its dictionary', () => {
  checkSamples(
    torrentFile,
    (
      [
        ['with tracker', OK + TORRENT, 'certain'],
        ['without tracker', `${OK}d10:created by4:test4:infod5:filesld6:lengthi5e4:pathl1:aeeee`, 'certain'],
        ['version 2', `${OK}d4:infod9:file treed1:ad0:d6:lengthi5eeeee`, 'certain'],
        ['list of trackers, then info', `${OK}d13:announce-listll20:http://t.example/annee4:infod4:name1:x`, 'certain'],
        ['chunked', `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n80\r\n${TORRENT}`, 'certain'],
        ['content type alone', 'HTTP/1.1 200 OK\r\nContent-Type: application/x-bittorrent\r\n\r\n', 'more'],
        ['page with that content type', 'HTTP/1.1 200 OK\r\nContent-Type: application/x-bittorrent\r\n\r\n<html>', 'no'],
        ['compressed, of that content type', 'HTTP/1.1 200 OK\r\nContent-Type: application/x-bittorrent\r\nContent-Encoding: gzip\r\n\r\n\x1f\x8b\x08', 'likely'],
        ['compressed, of another type', 'HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Encoding: gzip\r\n\r\n\x1f\x8b\x08', 'no'],
        ['announce of another kind', `${OK}d8:announce5:helloe`, 'no'],
        ['info of another kind', `${OK}d4:infod3:fooi1eee`, 'no'],
        ['other dictionary', `${OK}d3:fooi1ee`, 'no'],
      ] as const
    ).map(([name, text, expected]) => ({ name, turns: [answer(ascii(text))], expected })),
  );
  checkSamples(torrentFile, [{ name: 'request for one', turns: [ask(ascii('GET /x.torrent HTTP/1.1\r\n\r\n'))], expected: 'no' }]);
});

test('it waits for the whole of the tracker’s scheme', () => {
  checkTruncations(torrentFile, [answer(ascii(OK + TORRENT))], {}, OK.length + 'd8:announce35:udp:'.length);
});
