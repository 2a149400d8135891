# A real model server (MLServer with scikit-learn), from the demo's own lock, so that the
# compose file runs without an image of somebody else's.  The model's folder is mounted.

FROM python:3.11-slim
COPY requirements/mlserver.txt /tmp/mlserver.txt
RUN pip install --no-cache-dir --require-hashes --requirement /tmp/mlserver.txt
ENV MLSERVER_HTTP_PORT=8080 \
    MLSERVER_PARALLEL_WORKERS=0 \
    OMP_NUM_THREADS=1
USER 10002:10002
WORKDIR /models
EXPOSE 8080
CMD ["mlserver", "start", "/models"]
