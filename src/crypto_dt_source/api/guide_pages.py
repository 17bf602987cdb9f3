"""What the guide consists of: the pages of docs/, in the order in which they are read. The navigation, the front page and
`/llms.txt` are all made from this one list."""

from __future__ import annotations

from typing import NamedTuple


class Page(NamedTuple):
    """A page by its file in docs/ without `.md`: what the navigation calls it, and what it is about in one line."""

    name: str
    title: str
    about: str


class Group(NamedTuple):
    """Pages that belong together. `optional`: a reader in a hurry needs none of them."""

    title: str
    pages: tuple[Page, ...]
    optional: bool = False


GROUPS = (
    Group(
        "Start",
        (
            Page(
                "quick-start",
                "Quick start",
                "from an empty folder to prices in a terminal and a chart in a browser",
            ),
            Page("dashboard", "The dashboard", "its pages, its keys, and how it is made"),
            Page(
                "faq", "Questions", "where a number comes from, why it is null or stale, limits, keys, terms"
            ),
        ),
    ),
    Group(
        "Concepts",
        (
            Page("concepts", "Concepts", "consensus, provenance, staleness: what every answer promises"),
            Page("pricing", "The consensus price", "how the price is decided, and what it cannot know"),
            Page("normal-form", "Normal form", "what each field of each record means"),
            Page("failover", "Failover", "what happens when an upstream fails"),
            Page("pools", "Pools", "who is asked first, and how to change it"),
            Page(
                "news-and-sentiment",
                "News and sentiment",
                "from a feed to a scored story; the aggregate; models",
            ),
            Page("sentiment-model", "The packaged model", "how it was made, how good it is"),
        ),
    ),
    Group(
        "API",
        (
            Page("examples/market", "Examples: market", "prices, candles, order books, coins, derivatives"),
            Page("examples/defi", "Examples: DeFi", "protocols, chains, TVL, yields, stablecoins"),
            Page(
                "examples/news-and-sentiment", "Examples: news", "news, sentiment, texts of your own, models"
            ),
            Page("examples/on-chain", "Examples: on-chain", "fees and statistics of chains"),
            Page("examples/providers", "Examples: providers", "upstreams, the catalogue, pools, discovery"),
            Page("examples/auth", "Examples: keys", "tokens, usage, keys, the audit log"),
            Page("examples/stream", "Examples: stream", "live connections, and a notice to all of them"),
            Page("examples/system", "Examples: system", "health, statistics, logs, jobs, diagnoses"),
            Page(
                "stream", "The stream", "WebSocket and server-sent events; clients in Python and JavaScript"
            ),
            Page(
                "access", "Access", "keys, tokens, tiers, limits; behind a proxy, from a browser, with Redis"
            ),
            Page("reference/routes", "Routes", "every route with its parameters and statuses"),
            Page("reference/errors", "Errors", "every error code and what it means"),
        ),
    ),
    Group(
        "Operating",
        (
            Page("deploy", "Deploying", "running it as a service, what survives a restart"),
            Page("reference/settings", "Settings", "every setting with its default"),
            Page("operations", "Operations", "health, metrics with a dashboard and alert rules, logs"),
            Page("timetable", "The timetable", "what runs by itself, when, and which process runs it"),
            Page("backup", "Backups", "backups that prove themselves, hosts without a lasting disk"),
            Page("diagnostics", "Diagnoses", "what the service finds when it examines itself"),
            Page(
                "providers", "The catalogue", "adding sources without code, export and import, the scoreboard"
            ),
            Page("reference/providers", "Providers", "every provider with its limits and terms"),
            Page("exchanges", "More exchanges", "the long tail of exchanges through ccxt"),
            Page("discovery", "Discovery", "how new sources are found, tried and admitted"),
            Page("outbound-guard", "Outbound guard", "which addresses the service may be made to ask"),
            Page("THREAT_MODEL", "Threat model", "who might attack, what, and what stands against it"),
            Page("security", "Security checks", "each known class of attack and the test that covers it"),
        ),
    ),
    Group(
        "Contributing",
        (
            Page("architecture", "Architecture", "the layers, the way of a price, where a feature lives"),
            Page(
                "add-a-provider", "Add a provider", "one more upstream, from its documentation to its tests"
            ),
            Page("add-an-endpoint", "Add an endpoint", "one more question that can be asked"),
            Page("add-a-job", "Add a job", "something done regularly"),
            Page("adr/README", "Decisions", "what was decided and why"),
        ),
        optional=True,
    ),
)
PAGES = tuple(page for group in GROUPS for page in group.pages)
SUMMARY = (
    "A self-hosted server of cryptocurrency data: one consensus price an asset from all venues that quote it, candles, order "
    "books, derivatives, DeFi, chain fees, and news read by a sentiment model, over HTTP and a live stream. Every answer names "
    "its sources and its age; a value that no upstream delivered is null."
)
MACHINE = (
    Page(
        "openapi.json", "OpenAPI document", "every route, parameter, schema and error, with recorded answers"
    ),
    Page("asyncapi.json", "AsyncAPI document", "the stream: channels, messages of the client, frames"),
)
"""What programs read, by its address."""
FILES = {"grafana-dashboard.json": "application/json", "prometheus-alerts.yml": "application/yaml"}
"""Files of docs/ that are used as they are, with their types."""


def llms_txt() -> str:
    """The guide for language models (https://llmstxt.org): every page as Markdown, in the order of the navigation. Links
    are relative: the server does not know what it is called outside."""
    lines = ["# Crypto-DT-Source", "", f"> {SUMMARY}", ""]
    lines += [
        "Nobody needs a key to read; `GET /api/prices?symbols=BTC,ETH` is a first question. Errors are JSON with `error`, "
        "`code` and `details`.",
        "",
        "## For programs",
        "",
        *(f"- [{page.title}]({page.name}): {page.about}" for page in MACHINE),
        "",
    ]
    for group in GROUPS:
        lines += [f"## {'Optional' if group.optional else group.title}", ""]
        lines += [f"- [{page.title}](guide/{page.name}.md): {page.about}" for page in group.pages]
        lines.append("")
    return "\n".join(lines)
