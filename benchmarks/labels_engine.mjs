// Compute Engine, served line by line: one JSON string in, {"ok", "cpu"} out.
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const path = process.argv[2] + "/node_modules/@cortex-js/compute-engine/dist/esm-min/compute-engine.js";
const { ComputeEngine } = await import(pathToFileURL(path));
const engine = new ComputeEngine();
engine.parse("x+1", { canonical: false });
const base = process.memoryUsage().rss;
for await (const line of createInterface({ input: process.stdin })) {
  const start = process.cpuUsage();
  let ok = false;
  try {
    const tree = engine.parse(JSON.parse(line), { canonical: false });
    ok = !JSON.stringify(tree.json).includes('"Error"');
  } catch {
    ok = false;
  }
  const used = process.cpuUsage(start);
  const cpu = (used.user + used.system) / 1e6;
  console.log(JSON.stringify({ ok, cpu, grown_mb: (process.memoryUsage().rss - base) / 1048576 }));
}
