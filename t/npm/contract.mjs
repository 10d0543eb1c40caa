// Property-based requests for the management API, sent through Prism (a public contract tester), which holds each
// request and each answer against openapi.json. Bodies and parameters come of the schemas (json-schema-faker) and of
// fast-check: valid ones, and ones with a member too many, of a wrong type, beyond a limit, or no JSON at all.
//
//   node contract.mjs openapi.json http://127.0.0.1:<prism> options.json
//
// options: token, params {"name" or "tag.name": value}, runs (of each operation), seed, skip [operationId].
// Prints one line of JSON for each broken promise, and {"asked": n, "statuses": {...}, "good": [...]} at the end.

import fs from "node:fs";
import fc from "fast-check";
import jsf from "json-schema-faker";

const [file, base, optionsFile] = process.argv.slice(2);
const doc = JSON.parse(fs.readFileSync(file, "utf8"));
const options = JSON.parse(fs.readFileSync(optionsFile, "utf8"));
const statuses = {};
const good = new Set(); // operations that have answered with 2xx
let asked = 0;

let state = options.seed;
jsf.option({
  alwaysFakeOptionals: false,
  optionalsProbability: 0.6,
  failOnInvalidTypes: false,
  failOnInvalidFormat: false,
  refDepthMax: 4,
  random: () => ((state = (state * 1103515245 + 12345) % 2147483648) / 2147483648),
});

const deref = (what) => {
  while (what && what.$ref) what = what.$ref.slice(2).split("/").reduce((at, step) => at[step], doc);
  return what;
};

// json-schema-faker resolves references of the schema itself only.
const whole = (schema) => ({ ...schema, components: { schemas: doc.components.schemas } });

const odd = fc.oneof(
  fc.jsonValue({ maxDepth: 2 }),
  fc.string({ unit: "binary", maxLength: 40 }),
  fc.integer(),
  fc.double(),
  fc.constantFrom("x".repeat(70000), "\u0000", "\ud83d\ude00", -1, 1e308, 9007199254740993, [[[[]]]], { "": "" })
);

// A body, and what was done to it.
function bodies(schema) {
  const good = () => jsf.generate(whole(deref(schema)));
  const object = (value) => (value && typeof value === "object" && !Array.isArray(value) ? value : {});
  return fc.oneof(
    { weight: 4, arbitrary: fc.constant(null).map(() => JSON.stringify(good())) },
    { weight: 1, arbitrary: fc.tuple(fc.string({ minLength: 1, maxLength: 12 }), odd).map(([name, value]) => JSON.stringify({ ...object(good()), [name]: value })) },
    { weight: 3, arbitrary: fc.tuple(fc.nat(), odd).map(([n, value]) => {
        const body = object(good());
        const names = Object.keys(deref(schema).properties ?? {});
        if (names.length > 0) body[names[n % names.length]] = value;
        return JSON.stringify(body);
      }) },
    { weight: 1, arbitrary: odd.map((value) => JSON.stringify(value) ?? "") },
    { weight: 1, arbitrary: fc.string({ maxLength: 60 }) }
  );
}

function queries(op) {
  const own = (op.parameters ?? []).map(deref).filter((p) => p.in === "query");
  const value = (p) => fc.oneof(
    { weight: 3, arbitrary: fc.constant(null).map(() => String(jsf.generate(whole(p.schema)))) },
    { weight: 1, arbitrary: fc.string({ maxLength: 40 }) });
  const given = own.map((p) => fc.option(fc.tuple(fc.constant(p.name), value(p)), { freq: 2 }));
  return fc.tuple(...given, fc.option(fc.tuple(fc.string({ minLength: 1, maxLength: 8 }), fc.string({ maxLength: 8 })), { freq: 12 }))
    .map((pairs) => pairs.filter((pair) => pair));
}

const ids = fc.oneof({ weight: 1, arbitrary: fc.uuid() }, { weight: 1, arbitrary: fc.string({ minLength: 1, maxLength: 20 }) });

async function ask(op, method, path, query, body) {
  const url = base + path + (query.length ? "?" + query.map(([k, v]) => encodeURIComponent(k) + "=" + encodeURIComponent(v)).join("&") : "");
  const headers = { accept: "*/*", authorization: "Bearer " + options.token };
  const needs = (op.parameters ?? []).map(deref);
  if (needs.some((p) => p.name === "If-Match" && p.required)) headers["if-match"] = '"0000000000000000"';
  if (body !== undefined) headers["content-type"] = Object.keys(op.requestBody.content)[0];
  const reply = await fetch(url, { method: method.toUpperCase(), headers, body, redirect: "manual" });
  const text = await reply.text();
  const violations = JSON.parse(reply.headers.get("sl-violations") ?? "[]");
  asked++;
  if (reply.ok) good.add(op.operationId);
  statuses[reply.status] = (statuses[reply.status] ?? 0) + 1;
  const broken = violations.filter((v) => v.location[0] === "response").map((v) => v.location.join(".") + ": " + v.message);
  if (reply.status >= 500) broken.push("a status that is the server's fault");
  if (broken.length > 0)
    console.log(JSON.stringify({ operation: op.operationId, status: reply.status, broken, path: url.slice(base.length, base.length + 200), body: (body ?? "").slice(0, 300), reply: text.slice(0, 300) }));
}

const wellFormed = (text) => { try { return encodeURIComponent(text) !== ""; } catch { return false; } };

// What removes comes last, so that the rest has something to work on.
const operations = Object.entries(doc.paths).flatMap(([path, item]) => Object.entries(item).map(([method, op]) => [path, method, op]));
for (const removing of [false, true]) {
  for (const [path, method, op] of operations) {
    if ((method === "delete") !== removing) continue;
    if (options.skip.includes(op.operationId)) continue;
    const schema = op.requestBody && Object.values(op.requestBody.content)[0].schema;
    const own = [...path.matchAll(/\{(\w+)\}/g)].map((m) => m[1]);
    const params = fc.tuple(...own.map((name) => fc.oneof({ weight: 5, arbitrary: fc.constant(options.params[op.tags[0] + "." + name] ?? options.params[name] ?? "1") },
      { weight: 1, arbitrary: ids.filter(wellFormed) })));
    const property = fc.asyncProperty(params, queries(op), schema ? bodies(schema) : fc.constant(undefined), async (given, query, body) => {
      let at = path;
      own.forEach((name, i) => { at = at.replace(`{${name}}`, encodeURIComponent(given[i]).replace(/\./g, "%2E")); });
      if (/%2F|%00|%5C/i.test(at)) return; // httpd itself refuses these
      await ask(op, method, at, query.filter((pair) => pair.every(wellFormed)), body);
    });
    await fc.assert(property, { numRuns: options.runs, seed: options.seed, endOnFailure: true });
  }
}
console.log(JSON.stringify({ asked, statuses, good: [...good].sort() }));
