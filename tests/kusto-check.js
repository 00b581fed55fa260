// Check KQL with Microsoft's own parser. Each line of stdin is one JSON document:
//   {"tables": {"Requests": {"Service": "string", …}}, "queries": [{"name": "…", "text": "…"}]}
// and is answered by one: [{"name", "errors": ["1:21 KS142 …"], "columns": [["Service", "string"], …]}].
// It ends with its input: starting costs a second, a query a few milliseconds.
"use strict";

const path = require("path");

const library = path.join(__dirname, "node_modules", "@kusto", "language-service-next");
require(path.join(library, "bridge.min.js"));
require(path.join(library, "Kusto.Language.Bridge.min.js"));

const { KustoCode, GlobalState, Symbols } = globalThis.Kusto.Language;

function listOf(type, items) {
  const list = new (System.Collections.Generic.List$1(type).ctor)();
  for (const item of items) list.add(item);
  return list;
}

function toArray(list) {
  const items = [];
  const enumerator = Bridge.getEnumerator(list);
  while (enumerator.moveNext()) items.push(enumerator.Current);
  return items;
}

function globals(tables) {
  const symbols = Object.entries(tables).map(([table, columns]) =>
    Symbols.TableSymbol.From(`(${Object.entries(columns).map(([name, type]) => `['${name}']: ${type}`).join(", ")})`)
      .WithName(table));
  const database = new Symbols.DatabaseSymbol.ctor("workspace", listOf(Symbols.Symbol, symbols));
  return GlobalState.Default.WithDatabase(database);
}

function place(text, offset) {
  const before = text.slice(0, offset).split("\n");
  return `${before.length}:${before[before.length - 1].length + 1}`;
}

function check(query, state) {
  if (/^(\s|\/\/[^\n]*(\n|$))*\./.test(query.text)) {
    // The parser takes this as a management command; Log Analytics does not.
    return { name: query.name, errors: ["1:1 a query cannot start with a dot"], columns: [] };
  }
  const code = KustoCode.ParseAndAnalyze(query.text, state);
  const errors = toArray(code.GetDiagnostics())
    .filter((found) => found.Severity === "Error")
    .map((found) => `${place(query.text, found.Start)} ${found.Code} ${found.Message}`);
  const columns = code.ResultType && code.ResultType.Columns
    ? toArray(code.ResultType.Columns).map((column) => [column.Name, column.Type.Name])
    : [];
  return { name: query.name, errors, columns };
}

require("readline").createInterface({ input: process.stdin }).on("line", (line) => {
  const asked = JSON.parse(line);
  const state = globals(asked.tables);
  process.stdout.write(`${JSON.stringify(asked.queries.map((query) => check(query, state)))}\n`);
});
