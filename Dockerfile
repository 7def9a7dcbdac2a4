# The server with the included gallery, PyTorch for the processor alone; docs/deploy.md says how to run it.
FROM python:3.11-slim-bookworm

ENV PYTHONUNBUFFERED=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_ROOT_USER_ACTION=ignore

RUN useradd --uid 1000 --create-home ris \
    && install --directory --owner=ris --group=ris /data

WORKDIR /opt/reverse-image-search

# What changes least comes first, so that a change of the code makes a few small layers anew.
COPY requirements.txt ./
RUN pip install --extra-index-url https://download.pytorch.org/whl/cpu --requirement requirements.txt

COPY features/caltech101-efficientnet_lite0 features/caltech101-efficientnet_lite0
COPY indexes/caltech101-efficientnet_lite0 indexes/caltech101-efficientnet_lite0
COPY features/wordnet-nouns features/wordnet-nouns
COPY indexes/wordnet-nouns indexes/wordnet-nouns
COPY app app
COPY lab lab
COPY pyproject.toml create_index.py data_download.sh docker-entrypoint.sh ./
# Installed where it lies, for what packages offer to each other: the command ris, numpy: indexes.
RUN pip install --no-deps --editable . \
    && python -m compileall -q app lab

# Everything that is kept lies in /data: galleries, data sets, converted networks.
ENV HOST=0.0.0.0 \
    PORT=7860 \
    RIS_HOME=/data \
    RIS_CACHE_DIR=/data/cache
USER 1000
VOLUME /data
EXPOSE 7860
HEALTHCHECK --interval=30s --timeout=10s --start-period=90s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen('http://127.0.0.1:' + os.environ['PORT'] + '/healthz', timeout=8)"]
ENTRYPOINT ["sh", "/opt/reverse-image-search/docker-entrypoint.sh"]
CMD ["python", "-m", "app", "serve"]
