# The image of hubs and of agents: make image

FROM python:3.13-slim AS build
RUN pip install --no-cache-dir uv==0.13.*
WORKDIR /build
ENV UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never UV_PROJECT_ENVIRONMENT=/opt/echelon
COPY pyproject.toml uv.lock README.md LICENSE ./
RUN uv sync --frozen --no-dev --all-extras --no-install-project
COPY src src
RUN uv sync --frozen --no-dev --all-extras --no-editable

FROM python:3.13-slim
RUN groupadd --gid 65532 echelon && useradd --uid 65532 --gid 65532 --no-create-home --shell /usr/sbin/nologin echelon
COPY --from=build /opt/echelon /opt/echelon
ENV PATH=/opt/echelon/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 HOME=/tmp
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["echelon"]
