/**
 * A crowd of TCP connections as a process of its own, so that two ends of 10,000 connections
 * do not share one limit on descriptors: `crowd-process.js PLANS-AS-JSON`. Says `ready`, then
 * answers each line on standard input with a report, as JSON.
 */
import { MessageChannel } from 'node:worker_threads';
import crowd from '../../test/live/support/tcp-crowd.js';

const { port1, port2 } = new MessageChannel();
port2.on('message', (message) => process.stdout.write(`${JSON.stringify(message)}\n`));
process.stdin.on('data', () => port2.postMessage('report'));
process.stdin.on('end', () => process.exit(0));
await crowd(JSON.parse(process.argv[2] ?? '{}'), port1);
