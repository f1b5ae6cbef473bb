"""The least that a sink can do, as a measure for Kaiser: one process, MQTT to COPY, acknowledged after the commit.

No log, no validation, no rollups, no identity: whoever kills it stores messages twice. Run by ``throughput.py``; it
prints ``ready`` once it is subscribed.

    python tests/bench/reference_sink.py HOST PORT USER PASSWORD CONNINFO
"""

import sys

import msgspec
import psycopg
import uvloop

from kaiser.mqtt import QoS, Session, topic_filter


class Reading(msgspec.Struct):
    esp_id: str
    gpio: int
    sensor_type: str
    raw: float
    value: float
    ts: int


TABLE = """
CREATE TABLE IF NOT EXISTS reference (
    esp_id text, gpio int, sensor_type text, raw float8, value float8, ts int8, stored_at timestamptz DEFAULT now()
)
"""
COPY = "COPY reference (esp_id, gpio, sensor_type, raw, value, ts) FROM STDIN"


async def main(host: str, port: str, user: str, password: str, conninfo: str) -> None:
    decode = msgspec.json.Decoder(Reading).decode
    readings = topic_filter("kaiser/+/esp/+/sensor/+/data", max_qos=QoS.AT_LEAST_ONCE)
    async with (
        await psycopg.AsyncConnection.connect(conninfo) as database,
        Session(
            host=host,
            port=int(port),
            client_id="reference-sink",
            username=user,
            password=password,
            subscriptions=[readings],
            session_expiry_s=3600,
        ) as session,
    ):
        await database.execute(TABLE)
        await database.commit()
        await session.wait_connected()
        print("ready", flush=True)
        async for batch in session.batches():
            rows = [decode(message.payload) for message in batch]
            lines = [f"{r.esp_id}\t{r.gpio}\t{r.sensor_type}\t{r.raw}\t{r.value}\t{r.ts}\n" for r in rows]
            async with database.cursor() as cursor, cursor.copy(COPY) as copy:
                await copy.write("".join(lines))
            await database.commit()
            session.acknowledge(batch)


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:]))
