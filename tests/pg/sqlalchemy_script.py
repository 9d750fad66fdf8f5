"""SQLAlchemy: reflection and a query, over psycopg."""
import os

import sqlalchemy as sa

url = sa.URL.create("postgresql+psycopg", username=os.environ["PGUSER"], host=os.environ["PGHOST"],
                    port=int(os.environ["PGPORT"]), database=os.environ["PGDATABASE"])
engine = sa.create_engine(url)
inspector = sa.inspect(engine)
assert "word_count" in inspector.get_schema_names(), inspector.get_schema_names()
assert "counts" in inspector.get_view_names("word_count")
assert "lines" in inspector.get_table_names("streams")
columns = inspector.get_columns("counts", schema="word_count")
assert [(c["name"], str(c["type"])) for c in columns] == [("word", "TEXT"), ("n", "BIGINT")], columns
assert inspector.get_pk_constraint("counts", schema="word_count")["constrained_columns"] == []
assert inspector.get_foreign_keys("counts", schema="word_count") == []
assert inspector.has_table("counts", schema="word_count")
assert not inspector.has_table("nothing", schema="word_count")
counts = sa.Table("counts", sa.MetaData(), schema="word_count", autoload_with=engine)
with engine.connect() as conn:
    found = conn.execute(sa.select(counts.c.n).where(counts.c.word == "often")).scalar_one()
    assert found == 3000
    total = conn.execute(sa.select(sa.func.count()).select_from(counts)).scalar_one()
    assert total == 3001
print("sqlalchemy", sa.__version__)
