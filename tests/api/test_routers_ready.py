"""Every route is complete when the application is: no request has to wait until routes are built, nor the loop."""

from __future__ import annotations

from starlette.routing import Route

from crypto_dt_source.api.app import ROUTERS, create_app


def test_the_routes_of_an_application_are_those_its_routers_made_on_import() -> None:
    found = create_app().router.routes
    assert [type(route).__name__ for route in found if not isinstance(route, Route)] == []
    of_routers = [route for module in ROUTERS for route in module.router.routes]
    # `include_router` would put a stand-in here that builds them again when the first request comes by.
    assert [id(route) for route in found[-len(of_routers) :]] == [id(route) for route in of_routers]
