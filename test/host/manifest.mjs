// SPDX-License-Identifier: MIT
// Checks Kubernetes manifests against the schemas of the API:
//   node manifest.mjs FILE
// Exit 0 when every document fits; what does not is printed. NODE_TOOLS has the npm packages.
import { createRequire } from 'node:module';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const modules = `${process.env.NODE_TOOLS}/node_modules`;
const require = createRequire(`${process.env.NODE_TOOLS}/`);
const yaml = require('yaml');
let faults = 0;

function fault(words) {
  console.log(words);
  faults++;
}

// A schema lets fields pass that it does not know, as the API server does: a name that
// is misspelt would go unseen. The types list them all.
function checkNames(value, file, place) {
  const text = readFileSync(file, 'utf8');
  const body = text.slice(text.search(/^export interface I/m));
  const types = new Map([...body.matchAll(/^ {4}"(\w+)"\??: ([^]*?);\n/gm)].map((m) => [m[1], m[2]]));
  if (!types.size) return;
  for (const [name, inner] of Object.entries(value)) {
    const type = types.get(name);
    if (type === undefined) {
      fault(`${place}.${name}: no such field`);
      continue;
    }
    const alias = /\b(II\w+)\b/.exec(type)?.[1];
    const from = alias && new RegExp(`import \\{ ${alias} \\} from "([^"]+)"`).exec(text)?.[1];
    if (!from) continue;
    const target = (from.startsWith('.') ? join(dirname(file), from) : join(modules, from)) + '.d.ts';
    if (!existsSync(target)) throw new Error(`no types at ${target}`);
    for (const each of [inner].flat())
      if (each && typeof each === 'object') checkNames(each, target, `${place}.${name}`);
  }
}

for (const parsed of yaml.parseAllDocuments(readFileSync(process.argv[2], 'utf8'), { uniqueKeys: true })) {
  parsed.errors.forEach((e) => fault(e.message));
  const object = parsed.toJS();
  const model = `${object.apiVersion}/${object.kind}`;
  try {
    new (require(`kubernetes-models/${model}`)[object.kind])(object).validate();
  } catch (e) {
    fault(`${model}: ${e.message}`);
  }
  checkNames(object, `${modules}/kubernetes-models/${model}.d.ts`, object.kind);
  console.log(`checked ${object.kind}`);
}
process.exit(faults ? 1 : 0);
