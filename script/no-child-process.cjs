// In place of node:child_process in the bundle of `p2pwall identify`, which starts no programs (script/bundle).
'use strict';
