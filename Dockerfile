# One image, one role for each container: web, worker, beat, migrate, manage (memory_layer/serve.py).
#   docker build -t ai-memory-layer .
# Everything that is installed is locked by hash; the embedded servers of `make run` are not in it.

FROM python:3.11.14-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv --without-pip /opt/venv
WORKDIR /app
COPY requirements/base.txt requirements/local.txt requirements/tracing.txt requirements/
# Wheels only: nothing is compiled, so no compiler is needed. pip stays outside.
RUN python -m pip --python /opt/venv/bin/python install --require-hashes --only-binary :all: \
    -r requirements/base.txt -r requirements/local.txt -r requirements/tracing.txt
ENV PATH=/opt/venv/bin:$PATH
COPY manage.py ./
COPY templates templates
COPY tenants tenants
COPY memories memories
COPY retention retention
COPY memory_layer memory_layer
# Production's static files carry their hash in their names. The values are needed to load the settings, and stay here.
RUN MEMORY_ENV=production MEMORY_SECRET_KEY=for-this-step-only MEMORY_API_KEYS=for-this-step-only \
    python manage.py collectstatic --noinput \
    && python -m compileall -q /app /opt/venv

FROM python:3.11.14-slim-bookworm
# pip installs; nothing is installed from here on.
RUN python -m pip uninstall --yes --quiet pip setuptools wheel \
    && useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin memory
COPY --from=build /opt/venv /opt/venv
COPY --from=build /app /app
WORKDIR /app
# Outside a container 127.0.0.1 is the safe address to listen on; inside one nobody would reach it. One thread for each
# process in NumPy and the tokenizer: the processes are the parallelism. All that is written is the metrics of the
# processes. HOME, for libraries that ask for one where the user has no name: OpenShift gives each container a number of
# its own.
ENV PATH=/opt/venv/bin:$PATH \
    HOME=/tmp PYTHONUTF8=1 PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 TOKENIZERS_PARALLELISM=false \
    MEMORY_ENV=production MEMORY_HOST=0.0.0.0 MEMORY_PORT=8000 \
    PROMETHEUS_MULTIPROC_DIR=/tmp/metrics
USER 10001:10001
EXPOSE 8000
ENTRYPOINT ["python", "-m", "memory_layer.serve"]
CMD ["web"]
# Of the web; a compose file names the role for the others: python -m memory_layer.probe worker
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s --start-interval=2s --retries=3 \
    CMD ["python", "-m", "memory_layer.probe", "web"]
