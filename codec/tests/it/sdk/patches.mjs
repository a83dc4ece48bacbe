// Applies each patch from standard input with the applier of the npm package `centrifuge`, which does not export it.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const require = createRequire(`${process.env.NODE_MODULES_DIR}/`);
const path = require.resolve('centrifuge');
const source = `${readFileSync(path, 'utf8')}\nreturn applyDelta;`;
const inner = createRequire(path);
const applyDelta = new Function('exports', 'require', source)({}, inner);

// As the package does for JSON: the patch passes as text.
const cases = JSON.parse(readFileSync(0, 'utf8'));
const results = cases.map(({ base, patch }) => {
    const made = applyDelta(new TextEncoder().encode(base), new TextEncoder().encode(patch));
    return new TextDecoder('utf-8', { fatal: true }).decode(new Uint8Array(made));
});
process.stdout.write(JSON.stringify(results));
