#!/usr/bin/env python3
"""Asks DuckDB for views of a real file.

    ask.py FILE.csv.zst VIEWS.sql ROWS...

For each ROWS: the statements for this file over its first ROWS rows. Prints a line per row: ROWS,
the view's name, the columns, between tabs. Exits with 3 where there is no DuckDB.
"""

import re
import sys

try:
    import duckdb
except ImportError:
    sys.exit(3)

sys.stdout.reconfigure(encoding="utf-8")
file, views, *counts = sys.argv[1:]
statements = [s.strip() for s in re.split(r"^(?=-- of )", open(views).read(), flags=re.M)[1:]]
for rows in counts:
    db = duckdb.connect()
    db.execute(
        f"CREATE TABLE file AS SELECT * FROM read_csv('{file}', header = true, "
        f"all_varchar = true, quote = '\"', escape = '\"') LIMIT {int(rows)}"
    )
    for statement in statements:
        of, _, view = statement.splitlines()[0].removeprefix("-- of ").partition(", view ")
        if not file.rpartition("/")[2].startswith(of):
            continue
        answer = db.execute(statement)
        for row in answer.fetchall() if view else []:
            print(rows, view, *row, sep="\t")
