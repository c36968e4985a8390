# The review service. Everything is fetched while the image is built; at run time it needs no network but its
# database, and may run with a read-only root file system. See docs/operations.md.
FROM python:3.11-slim AS build
WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE NOTICE ./
COPY coder_assist coder_assist
COPY models models
# What builds the package is held to its version too; newer pips take that from the second name.
ENV PIP_CONSTRAINT=/src/constraints.txt PIP_BUILD_CONSTRAINT=/src/constraints.txt
RUN python -m venv /opt/coder-assist \
 && /opt/coder-assist/bin/pip install --no-cache-dir -c constraints.txt '.[postgres,batch]' \
 && CODER_ASSIST_CACHE_DIR=/opt/coder-assist/cache /opt/coder-assist/bin/coder-assist codes compile

FROM python:3.11-slim
RUN useradd --uid 10001 --create-home --shell /usr/sbin/nologin coder-assist \
 && install -d -o coder-assist -g coder-assist /var/lib/coder-assist
COPY --from=build --chown=10001:10001 /opt/coder-assist /opt/coder-assist
ENV PATH=/opt/coder-assist/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    OMP_NUM_THREADS=1 \
    CODER_ASSIST_CACHE_DIR=/opt/coder-assist/cache \
    CODER_ASSIST_DATA_DIR=/var/lib/coder-assist \
    CODER_ASSIST_DEMO=false \
    CODER_ASSIST_HOST=0.0.0.0
USER 10001:10001
VOLUME /var/lib/coder-assist
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/readyz', timeout=2)"]
ENTRYPOINT ["coder-assist"]
CMD ["serve"]
