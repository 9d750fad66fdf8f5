"""Drivers and readers of tables beside psycopg 3 and asyncpg: those that are installed."""
import datetime
import decimal
import os
import sys

URI = "postgresql://{PGUSER}@{PGHOST}:{PGPORT}/{PGDATABASE}".format(**os.environ)
OFTEN = "SELECT word, n FROM counts WHERE n > 1"


def psycopg2():
    import psycopg2
    import psycopg2.extras
    with psycopg2.connect("") as conn, conn.cursor() as cursor:
        cursor.execute("SELECT n FROM counts WHERE word = %s AND n = ANY(%s)", ["often", [1, 3000]])
        assert cursor.fetchone() == (3000,)
        cursor.execute("SELECT price, day, at, raw, flag FROM types.samples WHERE key IN %s", [(6, 7)])
        assert cursor.rowcount == 2
        cursor.execute("SELECT price FROM types.samples WHERE price > %s AND day < %s LIMIT %s",
                       [decimal.Decimal("1.5"), datetime.date(2030, 1, 1), 3])
        assert len(cursor.fetchall()) == 3
        cursor.execute("SELECT count(*) FROM counts WHERE n IN (%s)" % ", ".join(map(str, range(10_000))))
        assert cursor.fetchone() == (3001,)
        with conn.cursor("named", withhold=True) as named:
            named.itersize = 500
            named.execute("SELECT word FROM counts")
            assert sum(1 for _ in named) == 3001
        with conn.cursor("back", scrollable=True) as back:
            back.execute("SELECT n FROM (VALUES (1), (2), (3)) v(n) ORDER BY n")
            assert back.fetchall() == [(1,), (2,), (3,)]
            back.scroll(-2)
            assert back.fetchone() == (3,), "it stood behind the last row"
    with psycopg2.connect("") as conn, conn.cursor(cursor_factory=psycopg2.extras.DictCursor) as cursor:
        cursor.execute("SELECT * FROM types.samples LIMIT 1")
        assert cursor.fetchone()["key"] == 0


def pandas():
    import pandas
    import sqlalchemy
    engine = sqlalchemy.create_engine(URI.replace("postgresql:", "postgresql+psycopg:"))
    frame = pandas.read_sql(OFTEN, engine)
    assert frame.n.tolist() == [3000]
    frame = pandas.read_sql_table("samples", engine, schema="types")
    assert len(frame) == 300 and "price" in frame.columns
    frame = pandas.read_sql(sqlalchemy.text("SELECT * FROM counts LIMIT :most"), engine, params={"most": 5})
    assert len(frame) == 5


def sqlalchemy():
    import sqlalchemy
    from sqlalchemy import MetaData, Table, func, select
    for driver in ["psycopg", "psycopg2", "pg8000"]:
        engine = sqlalchemy.create_engine(URI.replace("postgresql:", f"postgresql+{driver}:"))
        counts = Table("counts", MetaData(), autoload_with=engine, schema="word_count")
        with engine.connect() as conn:
            among = select(func.count()).where(counts.c.n.in_(range(10_000)))
            assert conn.execute(among).scalar() == 3001, driver
            two = select(counts.c.n, counts.c.n).where(counts.c.word == "often").limit(1).offset(0)
            assert conn.execute(two).one() == (3000, 3000), driver
            rows = conn.execution_options(stream_results=True).execute(select(counts.c.word))
            assert sum(1 for _ in rows) == 3001, driver
        names = sqlalchemy.inspect(engine)
        assert "counts" in names.get_view_names("word_count"), driver
        assert names.get_pk_constraint("counts", "word_count")["constrained_columns"] == [], driver
        assert names.get_indexes("counts", "word_count"), driver


def connectorx():
    import connectorx
    for protocol in ["binary", "csv", "cursor", "simple"]:
        table = connectorx.read_sql(URI, OFTEN, return_type="arrow", protocol=protocol)
        assert table.num_rows == 1, protocol
    every = "SELECT key, small, flag, ratio, name, raw, day FROM types.samples"
    assert connectorx.read_sql(URI, every, return_type="arrow").num_rows == 300
    parts = connectorx.read_sql(URI, "SELECT key, ratio FROM types.samples", return_type="arrow",
                                partition_on="key", partition_num=3)
    assert parts.num_rows == 300


def polars():
    import polars
    frame = polars.read_database_uri(OFTEN, URI)
    assert frame["n"].to_list() == [3000]
    try:
        import adbc_driver_postgresql  # noqa: F401
    except ImportError:
        return
    frame = polars.read_database_uri("SELECT * FROM counts", URI, engine="adbc")
    assert len(frame) == 3001


def adbc_driver_postgresql():
    from adbc_driver_postgresql import dbapi
    with dbapi.connect(URI) as conn, conn.cursor() as cursor:
        cursor.execute("SELECT * FROM types.samples ORDER BY key")
        table = cursor.fetch_arrow_table()
        assert table.num_rows == 300
        cursor.execute("SELECT n FROM counts WHERE word = $1", ("often",))
        assert cursor.fetchone() == (3000,)
        assert conn.adbc_get_table_schema("counts", db_schema_filter="word_count").names == ["word", "n"]
        objects = conn.adbc_get_objects(depth="columns", db_schema_filter="word_count").read_all()
        assert objects.num_rows >= 1


def duckdb():
    import duckdb
    conn = duckdb.connect()
    try:
        conn.execute("INSTALL postgres; LOAD postgres")
    except Exception as error:
        print(f"skipped: DuckDB's postgres extension ({str(error)[:60]})")
        return
    conn.execute(f"ATTACH '{URI}' AS site (TYPE postgres, READ_ONLY)")
    assert conn.execute("SELECT n FROM site.word_count.counts WHERE word = 'often'").fetchall() == [(3000,)]
    assert conn.execute("SELECT count(*), sum(price) FROM site.types.samples").fetchone()[0] == 300


def pg8000():
    import pg8000.native
    conn = pg8000.native.Connection(os.environ["PGUSER"], host=os.environ["PGHOST"],
                                    port=int(os.environ["PGPORT"]), database=os.environ["PGDATABASE"])
    assert conn.run("SELECT n FROM counts WHERE word = :w LIMIT :m", w="often", m=1) == [[3000]]
    assert conn.run("SELECT id, id::text FROM types.by_day WHERE id = 7")[0][1] == "7"
    conn.close()


CLIENTS = [psycopg2, pandas, sqlalchemy, connectorx, polars, adbc_driver_postgresql, duckdb, pg8000]
failed = []
for client in CLIENTS:
    if sys.argv[1:] and client.__name__ not in sys.argv[1:]:
        continue
    try:
        client()
        print(f"{client.__name__}: right")
    except ImportError as missing:
        print(f"skipped: {client.__name__} ({missing})")
    except Exception as error:
        failed.append(client.__name__)
        print(f"{client.__name__}: {type(error).__name__}: {str(error)[:400]}")
sys.exit(f"wrong: {failed}" if failed else 0)
