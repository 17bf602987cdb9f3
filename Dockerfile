# The service in an image: a virtual environment is built in the first stage, the second holds nothing else. docs/deploy.md
# says how to run it; `python -m bench.image` carries these steps out without an engine.
ARG PYTHON=3.12

FROM python:${PYTHON}-slim AS builder
# Extras of pyproject.toml. `transformers` would bring torch, some gigabytes; the packaged model needs neither.
ARG EXTRAS=exchanges,redis,s3
WORKDIR /build
# The environment holds no pip: the base image's installs into it.
RUN python -m venv --without-pip /opt/cdts
COPY pyproject.toml constraints.txt hatch_build.py README.md ./
COPY docs docs
COPY src src
RUN python -m pip --python /opt/cdts/bin/python install --no-cache-dir --disable-pip-version-check -c constraints.txt ".[${EXTRAS}]"

FROM python:${PYTHON}-slim
LABEL org.opencontainers.image.title="Crypto-DT-Source" \
      org.opencontainers.image.description="Self-hosted server of cryptocurrency data"
# /data belongs to the user already, so that a volume mounted there for the first time does too.
RUN useradd --uid 1000 --user-group --create-home --home-dir /var/lib/cdts --shell /usr/sbin/nologin cdts \
 && install -d -o cdts -g cdts -m 0700 /data
# Owned by root: the service cannot change what it runs.
COPY --from=builder /opt/cdts /opt/cdts
ENV PATH=/opt/cdts/bin:/usr/local/bin:/usr/bin:/bin \
    HOME=/var/lib/cdts \
    HF_HOME=/tmp/huggingface \
    HOST=0.0.0.0 \
    PORT=7860 \
    DATA_DIR=auto \
    LOG_FORMAT=json \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
WORKDIR /var/lib/cdts
USER 1000:1000
EXPOSE 7860
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-I", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ['PORT'] + '/api/health/live', timeout=4)"]
CMD ["cdts", "serve"]
