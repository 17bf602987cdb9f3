"""The hot price route built the usual way, as a server of its own: what `bench.access_cost` compares with.

`python -m bench.usual_route BODY SECRET FOLDER`: a FastAPI app with the parts that its documentation and those of the
packages show: `slowapi`'s decorator, `HTTPBearer` and a PyJWT dependency, a SQLAlchemy session a request by `yield`, one
ORM read of the price, and a `response_model`. Listener, loop and server settings are those of the service, its bounds on
what a client may send left out.
(https://fastapi.tiangolo.com/tutorial/sql-databases/, https://fastapi.tiangolo.com/tutorial/security/oauth2-jwt/,
https://slowapi.readthedocs.io/en/latest/)
"""

# Annotations stay objects here: FastAPI could not find names of `made` in their text.
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import jwt
import msgspec
from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from slowapi import Limiter, _rate_limit_exceeded_handler
from slowapi.errors import RateLimitExceeded
from slowapi.util import get_remote_address
from sqlalchemy import JSON, create_engine, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker

from crypto_dt_source.api.schemas.prices import OnePrice

from .issued import USUAL_AUDIENCE

LIMIT = "1000000/minute"


class Base(DeclarativeBase):
    """The tables of this server."""


class PriceRow(Base):
    """A price as it is answered."""

    __tablename__ = "prices"
    symbol: Mapped[str] = mapped_column(primary_key=True)
    data: Mapped[dict[str, Any]] = mapped_column(JSON)
    meta: Mapped[dict[str, Any]] = mapped_column(JSON)


def made(body: bytes, secret: str, folder: Path) -> FastAPI:
    """The application, its database filled."""
    engine = create_engine(f"sqlite:///{folder / 'usual.db'}", connect_args={"check_same_thread": False})
    Base.metadata.create_all(engine)
    sessions = sessionmaker(engine)
    answer = msgspec.json.decode(body)
    with sessions() as session:
        session.add(PriceRow(symbol="BTC", data=answer["data"], meta=answer["meta"]))
        session.commit()

    limiter = Limiter(key_func=get_remote_address, headers_enabled=True)
    app = FastAPI()
    app.state.limiter = limiter
    app.add_exception_handler(RateLimitExceeded, _rate_limit_exceeded_handler)  # type: ignore[arg-type]
    bearer = HTTPBearer()

    def database() -> Iterator[Session]:
        with sessions() as session:
            yield session

    def caller(credentials: Annotated[HTTPAuthorizationCredentials, Depends(bearer)]) -> str:
        try:
            claims = jwt.decode(
                credentials.credentials, secret, algorithms=["HS256"], audience=USUAL_AUDIENCE
            )
        except jwt.PyJWTError:
            raise HTTPException(401, "not valid") from None
        return str(claims["sub"])

    @app.get("/api/prices/{symbol}", response_model=OnePrice)
    @limiter.limit(LIMIT)
    def price(
        request: Request,
        response: Response,
        symbol: str,
        _: Annotated[str, Depends(caller)],
        session: Annotated[Session, Depends(database)],
    ) -> Any:
        row = session.scalars(select(PriceRow).where(PriceRow.symbol == symbol)).first()
        if row is None:
            raise HTTPException(404, "no such symbol")
        return {"data": row.data, "meta": row.meta}

    return app


def serve(body: Path, secret: str, folder: Path) -> int:
    """Serve until stopped; prints the address."""
    import uvloop

    from crypto_dt_source.cli.running import Server, Stop, listen, run_until_stopped, url_of

    app, listener = made(body.read_bytes(), secret, folder), listen("127.0.0.1", 0)

    async def work(stop: Stop) -> int:
        def ready() -> None:
            print("serving", url_of(listener), flush=True)

        await stop.serve(Server(app, ready, graceful_s=1, lifespan="off"), listener)
        return 0

    return run_until_stopped(work, uvloop.Loop)


if __name__ == "__main__":
    sys.exit(serve(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])))
