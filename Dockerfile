# The page, on the CPU or with --gpus all; docs/systems.md has the commands.
FROM --platform=linux/amd64 python:3.12-slim-bookworm
RUN apt-get update \
    && apt-get install -y --no-install-recommends git libgl1 libegl1 libgles2 libglib2.0-0 \
    && rm -rf /var/lib/apt/lists/* \
    && pip install --no-cache-dir uv \
    && git config --system --add safe.directory /project
ENV UV_PROJECT_ENVIRONMENT=/opt/venv UV_LINK_MODE=copy UV_NO_CACHE=1 PATH=/opt/venv/bin:$PATH DVC_NO_ANALYTICS=1
WORKDIR /project
COPY pyproject.toml README.md LICENSE ./
RUN uv sync --no-group dev --extra app --no-install-project
COPY . .
RUN uv sync --no-group dev --extra app && dvc config --local core.no_scm true
EXPOSE 7860
CMD ["motiontransfer", "app", "--no-open", "--host", "0.0.0.0"]
