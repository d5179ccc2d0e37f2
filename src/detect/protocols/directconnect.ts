/**
 * Direct Connect: hubs with chat and search, transfers between their clients
 * (DC++, EiskaltDC++, StrongDC++, AirDC++, ncdc), in the dialects NMDC and ADC.
 *
 * The parts are in `directconnect/`. Not recognised: TLS connections to hubs without ALPN,
 * encrypted search results (SUDP) and DHT.
 */
import { defineProtocol } from '../detector.js';
import { datagrams, dht, handshake, lines } from './directconnect/adc.js';
import { nmdc, nmdcChat, nmdcUdp } from './directconnect/nmdc.js';
import { tls } from './directconnect/tls.js';

export const directconnect = defineProtocol({
  id: 'directconnect',
  title: 'Direct Connect (NMDC, ADC)',
  category: 'file-sharing',
  specs: [
    'https://adc.sourceforge.io/ADC.html',
    'https://nmdc.sourceforge.io/NMDC.html',
    'https://github.com/direct-connect/protocols',
  ],
  features: [handshake, lines, nmdc, nmdcChat, tls, datagrams, nmdcUdp, dht],
});
