#!/usr/bin/env python3
"""The views of the `tweets` dataflow, computed without Diptych.

    tweets.py FILE.csv[.zst]      or      tweets.py < FILE.csv

Prints one JSON object per row: the view's name under "view", then its columns.
A hashtag is "#" and one or more of Unicode L*, Nd or "_", lower-cased; every occurrence counts.
"""

import csv
import io
import json
import subprocess
import sys
import unicodedata
from collections import Counter, defaultdict


def open_text(path):
    if path is None:
        return io.TextIOWrapper(sys.stdin.buffer, encoding="utf-8", newline="")
    if not path.endswith(".zst"):
        return open(path, encoding="utf-8", newline="")
    try:
        import zstandard
    except ImportError:
        command = subprocess.Popen(["zstd", "-dcq", path], stdout=subprocess.PIPE)
        return io.TextIOWrapper(command.stdout, encoding="utf-8", newline="")
    reader = zstandard.ZstdDecompressor().stream_reader(open(path, "rb"))
    return io.TextIOWrapper(reader, encoding="utf-8", newline="")


def is_tag_char(char):
    category = unicodedata.category(char)
    return category.startswith("L") or category == "Nd" or char == "_"


def hashtags(text):
    tag = None
    for char in text + " ":
        if tag is not None and is_tag_char(char):
            tag += char
            continue
        if tag:
            yield tag.lower()
        tag = "" if char == "#" else None


def hour(at):
    """2016-10-01 00:31 or 2016-10-01T00:31:07Z -> 2016-10-01T00:00:00Z"""
    return f"{at[:10]}T{at[11:13]}:00:00Z"


def emit(view, **row):
    print(json.dumps({"view": view, **row}, ensure_ascii=False))


def main():
    csv.field_size_limit(1 << 30)
    by_hour = defaultdict(Counter)
    authors = defaultdict(set)
    for row in csv.DictReader(open_text(sys.argv[1] if len(sys.argv) > 1 else None)):
        for tag in hashtags(row["content"]):
            by_hour[hour(row["publish_date"])][tag] += 1
            authors[tag].add(row["author_id"])
    for at, tags in by_hour.items():
        for tag, n in tags.items():
            emit("tags_by_hour", hour=at, tag=tag, n=n)
        # Ties are broken by the bytes of the tag, which for UTF-8 is the order of code points.
        best = sorted(tags.items(), key=lambda item: (-item[1], item[0]))[:10]
        for rank, (tag, n) in enumerate(best, start=1):
            emit("top_tags", hour=at, rank=rank, tag=tag, n=n)
    for tag, who in authors.items():
        emit("tag_authors", tag=tag, authors=len(who))


if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8")
    main()
