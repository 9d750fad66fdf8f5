#!/usr/bin/env python3
"""Asks DuckDB Nexmark's questions.

    ask.py PLACE QUERIES.sql

Reads tables from the files of PLACE, and leaves an answer to each query beside them. Exits with 3
where there is no DuckDB.
"""

import os
import re
import sys

try:
    import duckdb
except ImportError:
    sys.exit(3)

place, queries = sys.argv[1:]
c = duckdb.connect()
c.execute("SET threads = 2")
for table, columns in {
    "people": "id email name credit_card city state date_time extra",
    "auctions": "id item_name description initial_bid reserve date_time expires seller category "
        "extra",
    "bids": "auction bidder price channel url date_time extra",
    "side_inputs": "key value",
}.items():
    numbers = "id initial_bid reserve date_time expires seller category auction bidder price key"
    kind = lambda name: "BIGINT" if name in numbers.split() else "VARCHAR"
    types = ", ".join(f"'{name}': '{kind(name)}'" for name in columns.split())
    file = os.path.join(place, table)
    c.execute(f"CREATE TABLE {table} AS FROM read_csv('{file}', header=false, delim='|', "
              f"quote='', escape='', auto_detect=false, columns={{{types}}})")
parts = re.split(r"^-- (setup|q\d+)$", open(queries).read(), flags=re.M)[1:]
for name, sql in zip(parts[::2], parts[1::2]):
    if name == "setup":
        c.execute(sql)
    else:
        file = os.path.join(place, name)
        c.execute(f"COPY ({sql}) TO '{file}' (FORMAT csv, HEADER false, DELIMITER '|', QUOTE '')")
