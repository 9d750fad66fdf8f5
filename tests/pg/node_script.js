// node's pg: parameters, prepared statements, binary, errors, pools.
const assert = require("node:assert");
const { Client, Pool } = require("pg");

async function main() {
  const client = new Client();
  await client.connect();
  const all = await client.query("SELECT word, n FROM counts WHERE n > 1");
  assert.deepStrictEqual(all.rows, [{ word: "often", n: "3000" }]);
  const named = { name: "by-word", text: "SELECT n FROM counts WHERE word = $1" };
  for (const word of ["w1", "w2", "often"]) {
    const found = await client.query({ ...named, values: [word] });
    assert.strictEqual(found.rowCount, 1);
  }
  const sample = await client.query("SELECT * FROM types.samples WHERE key = $1", [7]);
  assert.strictEqual(sample.rows[0].tiny, -3);
  assert.strictEqual(sample.rows[0].price, "-17653.35");
  assert.deepStrictEqual([...sample.rows[0].raw], [0, 0, 7]);
  const binary = await client.query({ text: "SELECT n FROM counts WHERE word = $1", values: ["w1"], binary: true });
  assert.strictEqual(binary.rowCount, 1);
  await assert.rejects(client.query("SELECT nope FROM counts"), { code: "42703" });
  await assert.rejects(client.query("INSERT INTO counts VALUES ('a', 1)"), { code: "25006" });
  await client.query("BEGIN");
  assert.strictEqual((await client.query("SELECT 1 AS one")).rows[0].one, 1);
  await client.query("COMMIT");
  await client.end();
  const pool = new Pool({ max: 5 });
  const words = Array.from({ length: 200 }, (_, n) => pool.query(named.text, [`w${n}`]));
  for (const found of await Promise.all(words)) assert.strictEqual(found.rows[0].n, "1");
  await pool.end();
  console.log("node", process.version, "pg", require("pg/package.json").version);
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
