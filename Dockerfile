# One image for every process of Waybill: web, worker, beat, migrate. It holds no secret.

FROM python:3.12-slim AS dependencies

COPY requirements.lock .
# Wheels only, each with the hash that the lock file has: nothing is built, nothing is newer.
RUN python -m venv /opt/venv \
    && /opt/venv/bin/pip install --no-cache-dir --require-hashes --only-binary :all: \
        --requirement requirements.lock


FROM python:3.12-slim

ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1

WORKDIR /app
# What these processes write: beat its schedule in var, workers files on the volume. A new
# volume takes over the owner of the directory that it is mounted on.
RUN useradd --uid 10001 --no-create-home waybill \
    && install --directory --owner waybill /app/var /srv/waybill

COPY --from=dependencies /opt/venv /opt/venv
COPY . .

# The settings ask for these. What they are does not matter here, and is not kept.
RUN DEBUG=0 SECRET_KEY=for-this-command-only ALLOWED_HOSTS=localhost \
    python manage.py collectstatic --no-input

USER waybill
EXPOSE 8000
CMD ["daphne", "--bind", "0.0.0.0", "--port", "8000", "config.asgi:application"]
