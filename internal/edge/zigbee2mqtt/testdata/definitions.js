// Prints every device definition of zigbee-herdsman-converters as one JSON
// line {"file","vendor","model","description","exposes"}.
// Usage: node definitions.js FOLDER (the one that holds node_modules)
'use strict';
const fs = require('fs');
const path = require('path');
const {createRequire} = require('module');

const base = path.resolve(process.argv[2]);
const load = createRequire(path.join(base, 'from.js'));
const converters = load('zigbee-herdsman-converters');
const folder = path.join(base, 'node_modules/zigbee-herdsman-converters/dist/devices');
const quiet = () => {};
converters.setLogger({debug: quiet, info: quiet, warning: quiet, error: quiet});

const out = fs.createWriteStream(null, {fd: 1});
for (const file of fs.readdirSync(folder).filter((f) => f.endsWith('.js')).sort()) {
    for (const raw of load(path.join(folder, file)).definitions ?? []) {
        const d = converters.prepareDefinition(raw);
        const exposes = typeof d.exposes === 'function' ? d.exposes({isDummyDevice: true}, {}) : d.exposes;
        out.write(JSON.stringify({file, vendor: d.vendor, model: d.model, description: d.description, exposes}) + '\n');
    }
}
out.end();
