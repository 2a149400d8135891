# The proxy's image:  docker build --tag pointsman .
# tests/deploy/test_deploy_image.py runs these steps in a clean folder.

FROM python:3.13-slim AS build
WORKDIR /build

# Wheels from the lock and nothing else; what its hashes do not name is refused.
COPY requirements/build.txt requirements/runtime.txt requirements/
RUN pip install --no-cache-dir --require-hashes --requirement requirements/build.txt
RUN pip wheel --no-cache-dir --require-hashes --requirement requirements/runtime.txt \
        --wheel-dir wheels

COPY pyproject.toml README.md LICENSE ./
COPY proxy/ proxy/
RUN pip wheel --no-deps --no-build-isolation --wheel-dir wheels .

# An environment without pip: nothing can be installed into a running container.
RUN python -m venv --without-pip /opt/pointsman
RUN pip --python /opt/pointsman/bin/python install --no-index --no-deps wheels/*.whl


FROM python:3.13-slim
RUN groupadd --gid 10001 pointsman \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent \
        --shell /usr/sbin/nologin pointsman \
    && install --directory --owner=10001 --group=10001 /var/lib/pointsman
COPY --from=build /opt/pointsman /opt/pointsman

# The root file system may be read-only: all that is ever written is the state directory.
ENV PATH=/opt/pointsman/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    POINTSMAN_CONFIG=/etc/pointsman/pointsman.yaml
VOLUME /var/lib/pointsman
EXPOSE 8080 9901

# By number, so that an orchestrator can see that it is not root.
USER 10001:10001

# Asks the default admin port; POINTSMAN_ADMIN=host:port names another, for every command as
# well.  Slower than the parent's own replacement of a hung desk (10 s), which goes first.
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=4 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen('http://' + os.environ.get('POINTSMAN_ADMIN', '127.0.0.1:9901') + '/healthz', timeout=2)"]

STOPSIGNAL SIGTERM
ENTRYPOINT ["pointsman"]
CMD ["serve", "--config", "/etc/pointsman/pointsman.yaml"]
