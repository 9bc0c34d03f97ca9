# The image of all processes of Waybill: web, worker, beat and migrate. It contains no secrets.

FROM python:3.12-slim AS dependencies

COPY requirements.lock .
# pip installs only wheels, and only with the hashes in the lock file. It builds nothing.
RUN python -m venv /opt/venv \
    && /opt/venv/bin/pip install --no-cache-dir --require-hashes --only-binary :all: \
        --requirement requirements.lock


FROM python:3.12-slim

# With DEBUG=0, a container refuses to start without the required settings, and names them.
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    DEBUG=0

WORKDIR /app
# beat writes its schedule to /app/var, and workers write files to /srv/waybill, where a volume is
# mounted. A new volume gets the owner of this directory.
RUN useradd --uid 10001 --no-create-home waybill \
    && install --directory --owner waybill --mode 0700 /app/var /srv/waybill

COPY --from=dependencies /opt/venv /opt/venv
COPY . .

# Files are private to their owner (config/private.py), so all processes need the same user.
USER waybill
# The settings require these variables. Their values have no effect here, and are not stored.
RUN SECRET_KEY=for-this-command-only-and-as-long-as-a-real-one-has-to-be ALLOWED_HOSTS=localhost \
    python manage.py collectstatic --no-input

EXPOSE 8000
# Verbosity 0 turns off Daphne's access log, which does not escape control characters.
CMD ["daphne", "--bind", "0.0.0.0", "--port", "8000", "--verbosity", "0", "config.asgi:application"]
