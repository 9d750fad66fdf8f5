"""asyncpg: always prepared, always binary, resets its sessions in its own way."""
import asyncio
import decimal

import asyncpg


async def main():
    pool = await asyncpg.create_pool(min_size=2, max_size=4, ssl=False)
    async with pool.acquire() as conn:
        assert await conn.fetchval("SELECT n FROM counts WHERE word = $1", "often") == 3000
        row = await conn.fetchrow("SELECT * FROM types.samples WHERE key = $1", 7)
        assert row["tiny"] == -3 and row["name"] is None and row["raw"] == b"\x00\x00\x07", row
        assert row["price"] == decimal.Decimal("-17653.35"), row
        assert (await conn.fetch("SELECT word FROM counts WHERE word = ANY($1)", ["w1", "w2"]))
        assert await conn.fetchval("SELECT version()")
        async with conn.transaction():
            count = 0
            async for _ in conn.cursor("SELECT word FROM counts", prefetch=500):
                count += 1
            assert count == 3001
        try:
            await conn.fetch("SELECT nope FROM counts")
        except asyncpg.UndefinedColumnError:
            pass
        try:
            await conn.execute("INSERT INTO counts VALUES ('a', 1)")
        except asyncpg.ReadOnlySQLTransactionError:
            pass
    async with pool.acquire() as conn:
        await conn.reset()
        assert await conn.fetchval("SELECT 1") == 1
    await pool.close()
    print("asyncpg", asyncpg.__version__)


asyncio.run(main())
