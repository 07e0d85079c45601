// PostgreSQL's protocol with the drivers of Node.js: `pg` and `postgres`.
"use strict";
const assert = require("node:assert/strict");

const [driver, address] = process.argv.slice(2);
const [host, port] = address.split(":");
const connection = { host, port: Number(port), user: "ada", database: "headcount" };

const tests = {
  async pg() {
    const { Pool } = require("pg");
    const pool = new Pool(connection);
    const months = await pool.query("SELECT period_start::text AS period_start, users FROM mau WHERE users > $1 ORDER BY 1", [1]);
    assert.deepEqual(months.rows, [
      { period_start: "2026-01-01", users: "2" },
      { period_start: "2026-02-01", users: "3" },
    ]);
    const stages = await pool.query(
      "SELECT stage, users FROM active_users($1, level => $2) WHERE period_start = $3 ORDER BY 1 LIMIT $4",
      ["month", "stage", "2026-01-01", 1],
    );
    assert.deepEqual(stages.rows, [{ stage: "reading", users: "2" }]);
    const some = await pool.query("SELECT count(*)::int AS n FROM visits WHERE user_id = any($1)", [["1", "2"]]);
    assert.deepEqual(some.rows, [{ n: 5 }]);
    // Named statements are prepared once; in binary, integers are numbers.
    for (const plan of ["free", "paid"]) {
      const statement = { name: "plan", text: "SELECT count(*) AS n FROM visits WHERE plan = $1", values: [plan] };
      assert.equal((await pool.query({ ...statement, binary: false })).rows[0].n, plan === "free" ? "4" : "3");
    }
    await assert.rejects(pool.query("SELECT nothing FROM visits"), { code: "42703" });
    await assert.rejects(pool.query("DELETE FROM visits"), { code: "25006" });
    const client = await pool.connect();
    await client.query("BEGIN READ ONLY");
    assert.equal((await client.query("SELECT true AS yes")).rows[0].yes, true);
    await client.query("COMMIT");
    client.release();
    await pool.end();
  },

  async postgres() {
    // It asks for the types of arrays, and for those of all parameters.
    const sql = require("postgres")(connection);
    const level = "stage";
    const rows = await sql`
      SELECT stage, users::int AS users FROM active_users(${"month"}, level => ${level})
      WHERE period_start = ${"2026-01-01"}::date ORDER BY 1 LIMIT ${2}`;
    assert.deepEqual([...rows], [{ stage: "reading", users: 2 }, { stage: "writing", users: 1 }]);
    const some = await sql`SELECT count(*)::int AS n FROM visits WHERE user_id = any(${["1", "2"]})`;
    assert.equal(some[0].n, 5);
    const listed = await sql`SELECT count(*)::int AS n FROM visits WHERE plan IN ${sql(["paid", "none"])}`;
    assert.equal(listed[0].n, 3);
    let sum = 0;
    await sql`SELECT value::int AS value FROM generate_series(1, 1000) AS t(value)`.cursor(100, (batch) => {
      sum += batch.reduce((total, row) => total + row.value, 0);
    });
    assert.equal(sum, 500500);
    const lines = [];
    for await (const chunk of await sql`COPY (SELECT DISTINCT plan FROM visits ORDER BY 1) TO STDOUT`.readable()) {
      lines.push(chunk.toString());
    }
    assert.equal(lines.join(""), "free\npaid\n");
    const both = await sql.begin((t) => [t`SELECT 1 AS n`, t`SELECT 2 AS n`]);
    assert.deepEqual(both.map((result) => result[0].n), [1, 2]);
    await assert.rejects(sql`SELECT * FROM nowhere`, { code: "42P01" });
    await sql.end();
  },
};

tests[driver]().catch((error) => {
  console.error(error);
  process.exit(1);
});
