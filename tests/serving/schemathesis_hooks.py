"""How schemathesis writes the bodies, and reads the answers, that are not JSON."""

import json

import schemathesis


@schemathesis.serializer("application/x-ndjson", "text/csv")
def text(context, value):
    if isinstance(value, bytes):
        return value
    return (value if isinstance(value, str) else json.dumps(value)).encode("utf-8", "replace")


@schemathesis.deserializer("application/x-ndjson", "text/csv", "text/plain",
                           "text/event-stream", "application/vnd.apache.arrow.stream")
def anything(context, response):
    return response.content.decode("utf-8", "replace")
