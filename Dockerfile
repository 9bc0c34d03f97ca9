# One image for every process of Waybill: web, worker, beat, migrate. It holds no secret.

FROM python:3.12-slim AS dependencies

COPY requirements.lock .
# Wheels only, each with the hash that the lock file has: nothing is built, nothing is newer.
RUN python -m venv /opt/venv \
    && /opt/venv/bin/pip install --no-cache-dir --require-hashes --only-binary :all: \
        --requirement requirements.lock


FROM python:3.12-slim

# DEBUG=0: whoever runs this image without settings is told which are missing.
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    DEBUG=0

WORKDIR /app
# What these processes write: beat its schedule in var, workers files on the volume. A new
# volume takes over the owner of the directory that it is mounted on.
RUN useradd --uid 10001 --no-create-home waybill \
    && install --directory --owner waybill --mode 0700 /app/var /srv/waybill

COPY --from=dependencies /opt/venv /opt/venv
COPY . .

# As who reads them: nobody else may (config/private.py).
USER waybill
# The settings ask for these. What they are does not matter here, and is not kept.
RUN SECRET_KEY=for-this-command-only-and-as-long-as-a-real-one-has-to-be ALLOWED_HOSTS=localhost \
    python manage.py collectstatic --no-input

EXPOSE 8000
# Verbosity 0: Daphne's log of requests writes paths as they come, with control characters.
CMD ["daphne", "--bind", "0.0.0.0", "--port", "8000", "--verbosity", "0", "config.asgi:application"]
