"""The catalogue on the wire, and what a change of it answers."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from .common import ListMeta, Meta, Page

Origin = Literal["package", "settings", "admin", "import", "discovery"]


class ResourceLimit(BaseModel):
    amount: int
    per_seconds: int


class Resource(BaseModel):
    """One entry of the catalogue."""

    id: str = Field(examples=["binance"])
    category: str = Field(examples=["exchange"])
    name: str
    kind: Literal["venue", "aggregator", "feed", "data"]
    source: str = Field(description="Entries of one source count once in a price and share their limits.")
    adapter: str = Field(description="What reads it; `json_table`: the entry itself says how.")
    base_url: str = Field(description="Of a feed of the settings only its site.")
    docs: str | None = Field(description="The upstream's documentation, with its terms.")
    status: Literal["live", "keyed", "off", "gone"]
    in_use: bool = Field(description="Whether it is called; a keyed one is once its key is set.")
    origin: Origin = Field(description="Who brought it.")
    capabilities: dict[str, int] = Field(
        description="What it offers, each with its rank: lower is asked first."
    )
    chains: list[str]
    limits: list[ResourceLimit] = Field(description="Published limits, which are kept to.")
    key: str | None = Field(description="Environment variable of its key; null for none.")
    attribution: str | None = Field(description="What its terms want shown.")
    reason: str | None = Field(description="Why it is off or gone.")
    since: str | None


class ResourceCounts(ListMeta):
    in_use_by_category: dict[str, int] = Field(
        description="Of the whole catalogue: entries that can be called."
    )


class ResourceList(BaseModel):
    data: list[Resource]
    page: Page
    meta: ResourceCounts


class ResourcePage(BaseModel):
    data: Resource
    meta: Meta


class EntryLimit(BaseModel):
    amount: int
    per_s: int


class EntryAuth(BaseModel):
    env: str
    place: Literal["header", "query", "bearer"]
    name: str
    prefix: str = ""


class EntryOffer(BaseModel):
    rank: int
    page_limit: int = 1
    chains: list[str] = []


class EntryFields(BaseModel):
    """Fields of a catalogue file (docs/add-a-provider.md); those that hold what is usual are left out."""

    name: str
    kind: Literal["venue", "aggregator", "feed", "data"] = "venue"
    source: str | None = None
    adapter: str | None = None
    base_url: str
    docs: str = ""
    status: Literal["live", "keyed", "off", "gone"] = "live"
    attribution: str = ""
    reason: str = ""
    since: str = ""
    poll_s: int = 60
    stream: str = ""
    ws_url: str = ""
    library_id: str = ""
    quotes_in: list[str] = []
    chains: list[str] = []
    refuses: list[str] = Field(default=[], description="Countries (ISO 3166) whose addresses it refuses.")
    limits: list[EntryLimit] = []
    auth: EntryAuth | None = None
    offers: dict[str, EntryOffer] = {}
    tickers: dict[str, str] = {}
    listed_as: dict[str, str] = {}
    tables: dict[str, dict[str, Any]] = Field(default={}, description="By capability: where values stand.")


class ExportedEntry(BaseModel):
    id: str
    category: str
    fields: EntryFields


class Exported(BaseModel):
    """The whole catalogue, as POST /api/resources/import/json takes it."""

    format: Literal["crypto-dt-source catalogue"]
    version: Literal[1]
    generated_at: str
    entries: list[ExportedEntry]


class ImportResult(BaseModel):
    added: list[str] = Field(description="Ids that were not there before.")
    replaced: list[str] = Field(description="Ids that were there and are another entry now.")
    unchanged: int


class ImportPage(BaseModel):
    data: ImportResult
    meta: Meta


class RemovedResource(BaseModel):
    id: str
    removed: Literal[True]


class RemovedPage(BaseModel):
    data: RemovedResource
    meta: Meta


class CatalogueCopy(BaseModel):
    file: str = Field(description="Its name in the folder `catalogue` under DATA_DIR.")
    entries: int
    size_bytes: int
    sha256: str


class CopyPage(BaseModel):
    data: CatalogueCopy
    meta: Meta
