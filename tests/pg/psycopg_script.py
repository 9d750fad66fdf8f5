"""psycopg 3: parameters, both formats, prepared statements, cursors, errors, COPY."""
import datetime
import decimal
import math

import psycopg

with psycopg.connect(autocommit=True) as conn:
    # Every value is the same in text and in binary.
    def rows(binary, sql, *parameters):
        with conn.cursor(binary=binary) as cursor:
            return cursor.execute(sql, parameters).fetchall()

    def same(a, b):
        # A real of four bytes is written with the digits that tell it apart from its neighbours.
        return a == b or (isinstance(a, float) and (
            math.isnan(a) and math.isnan(b) or math.isclose(a, b, rel_tol=1e-6)))

    for sql in ["SELECT * FROM types.samples ORDER BY key", "SELECT * FROM types.by_at",
                "SELECT oid, typname, typlen, typbyval, typinput::text, typtype FROM pg_type", "SELECT array_agg(word) FROM counts WHERE n > 1",
                "SELECT make_array(1, 2, NULL), make_array('a', 'b,c', '')"]:
        text, binary = rows(False, sql), rows(True, sql)
        assert len(text) == len(binary)
        for one, other in zip(text, binary):
            assert all(map(same, one, other)), (sql, one, other)
    first = rows(True, "SELECT price, day, at, raw, flag, name FROM types.samples WHERE key = %s", 6)[0]
    assert isinstance(first[0], decimal.Decimal) and first[0] == decimal.Decimal("-17776.80")
    assert isinstance(first[1], datetime.date) and isinstance(first[3], bytes)
    assert first[2] is None, first[2]

    # Parameters find rows by keys of every type, also prepared.
    for key, value, expected in [
        ("samples WHERE key", 7, 1),
        ("by_day WHERE day", datetime.date(2026, 1, 1), 1),
        ("by_price WHERE price", decimal.Decimal("-18518.50"), 0),
        ("by_price WHERE price", decimal.Decimal("0"), 1),
        ("by_raw WHERE raw", b"\x00\x00\x07", 1),
        ("often WHERE tiny", -3, 14),
    ]:
        for binary in [False, True]:
            for _ in range(3):
                found = conn.execute(f"SELECT * FROM types.{key} = %s", [value], prepare=True,
                                     binary=binary).fetchall()
                assert len(found) == expected, (key, value, len(found))
    at = conn.execute("SELECT at FROM types.by_at WHERE at IS NOT NULL LIMIT 1").fetchone()[0]
    assert at.tzinfo is not None
    assert conn.execute("SELECT id FROM types.by_at WHERE at = %s", [at]).fetchone()
    words = conn.execute("SELECT count(*) FROM counts WHERE word = ANY(%s)", [["w1", "w2", "no"]])
    assert words.fetchone() == (2,)

    # Errors.
    for sql, state in [("SELECT nope FROM counts", "42703"), ("DROP TABLE counts", "25006"),
                       ("SELECT * FROM nope", "42P01")]:
        try:
            conn.execute(sql)
        except psycopg.Error as error:
            assert error.sqlstate == state, (sql, error.sqlstate, str(error))
        else:
            raise AssertionError(sql)

    # A transaction, a cursor of the server, COPY, pipelines.
    with conn.transaction():
        for binary in [False, True]:
            with conn.cursor(name=f"c{binary}", binary=binary) as cursor:
                cursor.itersize = 700
                cursor.execute("SELECT word, n FROM counts")
                assert len(list(cursor)) == 3001
        try:
            with conn.transaction():
                conn.execute("SELECT nope FROM counts")
        except psycopg.Error:
            pass
        assert conn.execute("SELECT 1").fetchone() == (1,)
    with conn.cursor().copy("COPY (SELECT word FROM counts) TO STDOUT") as copy:
        assert len(list(copy.rows())) == 3001
    with conn.pipeline():
        cursors = [conn.execute("SELECT n FROM counts WHERE word = %s", [f"w{n}"])
                   for n in range(100)]
    assert all(cursor.fetchall() == [(1,)] for cursor in cursors)
print("psycopg", psycopg.__version__)
