"""The words of simulated headlines. Everything here is invented, and what is told of is the simulated market alone.

Each kind of story has a list of titles and two openings a tone; a feed takes one of the titles by its own draw, so that
the same story reads differently in each and shares its facts: the asset, the number and the price.
"""

from __future__ import annotations

from typing import NamedTuple


class Wording(NamedTuple):
    """Titles and opening sentences of one kind of story in one tone. Placeholders: `name`, `ticker`, `pct`, `price`,
    `amount` (millions of US dollars), `count`, `place` (who acted)."""

    titles: tuple[str, ...]
    openings: tuple[str, ...]


CARRIERS = 5
"""As many feeds at most tell one story: there are as many titles of each."""

WORDINGS: dict[str, dict[str, Wording]] = {
    "move": {
        "up": Wording(
            (
                "{name} climbs {pct} to {price} as buyers return",
                "{ticker} price gains {pct} in a day, reaching {price}",
                "{name} rallies past {price} after a {pct} advance",
                "Bulls lift {name} {pct} higher, {price} in sight",
                "Why is {name} up today? {ticker} adds {pct} to trade at {price}",
            ),
            (
                "{name} rose {pct} over the past day as spot demand outpaced sellers.",
                "Buyers stepped in across exchanges and pushed {name} up {pct}.",
            ),
        ),
        "down": Wording(
            (
                "{name} drops {pct} to {price} as sellers take over",
                "{ticker} price loses {pct} in a day, sinking to {price}",
                "{name} slides below support, down {pct} at {price}",
                "Bears push {name} {pct} lower toward {price}",
                "Why is {name} down today? {ticker} sheds {pct} to {price}",
            ),
            (
                "{name} fell {pct} over the past day as holders cut their exposure.",
                "Selling across exchanges dragged {name} down {pct}.",
            ),
        ),
        "flat": Wording(
            (
                "{name} holds near {price} as volatility fades",
                "{ticker} little changed around {price} in quiet trading",
                "{name} stays in its range at {price}, moving {pct}",
                "Traders wait while {name} hovers at {price}",
                "{name} price steady at {price} ahead of the weekly close",
            ),
            (
                "{name} moved just {pct} over the past day as traders stayed on the sidelines.",
                "Neither side took control of {name}, which moved {pct} in a day.",
            ),
        ),
    },
    "flows": {
        "up": Wording(
            (
                "{name} funds take in {amount} million as demand returns",
                "Investors pour {amount} million into {ticker} products",
                "{ticker} funds see strongest inflow of the month at {amount} million",
                "{amount} million flows into {name} investment products",
                "{name} fund inflows reach {amount} million with price at {price}",
            ),
            (
                "Investment products that hold {name} drew a net {amount} million in the latest session.",
                "Net inflows to {name} products came to {amount} million.",
            ),
        ),
        "down": Wording(
            (
                "{name} funds lose {amount} million as investors pull out",
                "Investors withdraw {amount} million from {ticker} products",
                "{ticker} funds bleed {amount} million in worst outflow of the month",
                "{amount} million leaves {name} investment products",
                "{name} fund outflows hit {amount} million with price at {price}",
            ),
            (
                "Investment products that hold {name} shed a net {amount} million in the latest session.",
                "Net outflows from {name} products came to {amount} million.",
            ),
        ),
        "flat": Wording(
            (
                "{name} fund flows even out at {amount} million each way",
                "{ticker} products see balanced flows of {amount} million",
                "Flows in and out of {name} funds match at {amount} million",
                "{name} funds end the session flat after {amount} million of trades",
                "No clear direction in {ticker} fund flows of {amount} million",
            ),
            (
                "Money in and out of {name} products cancelled out at {amount} million each way.",
                "Products that hold {name} ended the session with hardly any net flow.",
            ),
        ),
    },
    "leverage": {
        "up": Wording(
            (
                "{amount} million in {name} shorts liquidated as price jumps {pct}",
                "{ticker} short squeeze wipes out {amount} million",
                "Short sellers lose {amount} million in {name} surge to {price}",
                "{name} rally forces {amount} million of shorts to close",
                "Bears caught out: {amount} million of {ticker} shorts gone",
            ),
            (
                "Short positions worth {amount} million were closed by force as {name} gained {pct}.",
                "A {pct} jump in {name} liquidated {amount} million of bets on lower prices.",
            ),
        ),
        "down": Wording(
            (
                "{amount} million in {name} longs liquidated as price falls {pct}",
                "{ticker} sell-off wipes out {amount} million of leveraged longs",
                "Leveraged buyers lose {amount} million in {name} drop to {price}",
                "{name} slump forces {amount} million of longs to close",
                "Bulls caught out: {amount} million of {ticker} longs gone",
            ),
            (
                "Long positions worth {amount} million were closed by force as {name} lost {pct}.",
                "A {pct} drop in {name} liquidated {amount} million of bets on higher prices.",
            ),
        ),
        "flat": Wording(
            (
                "{name} open interest unchanged at {amount} million",
                "{ticker} futures positioning steady near {amount} million",
                "Derivatives traders sit tight on {name} at {amount} million",
                "{name} funding stays neutral with {amount} million at stake",
                "Little movement in {ticker} futures, open interest {amount} million",
            ),
            (
                "Open interest in {name} futures stayed near {amount} million.",
                "Funding for {name} contracts was close to zero with {amount} million open.",
            ),
        ),
    },
    "network": {
        "up": Wording(
            (
                "{name} active addresses reach {count}, highest this quarter",
                "{ticker} network activity jumps with {count} active addresses",
                "{name} usage grows to {count} daily addresses",
                "Record week for {name} as {count} addresses transact",
                "{name} upgrade goes live, {count} addresses active",
            ),
            (
                "{count} addresses were active on {name} in a day, the most this quarter.",
                "Daily activity on {name} grew to {count} addresses after its latest upgrade.",
            ),
        ),
        "down": Wording(
            (
                "{name} activity sinks to {count} addresses, lowest this quarter",
                "{ticker} network usage slumps to {count} active addresses",
                "{name} block delays hit users, {count} addresses left active",
                "Users leave {name} as active addresses fall to {count}",
                "{name} suffers outage, activity drops to {count} addresses",
            ),
            (
                "Only {count} addresses were active on {name} in a day, the fewest this quarter.",
                "Delayed blocks cut activity on {name} to {count} addresses.",
            ),
        ),
        "flat": Wording(
            (
                "{name} developers set date for next upgrade",
                "{ticker} upgrade scheduled, {count} addresses active",
                "Next {name} release enters testing",
                "{name} client teams agree on scope of the next release",
                "What is in the next {name} upgrade",
            ),
            (
                "Client teams of {name} agreed on what the next release will hold.",
                "The next {name} release moves to a test network; {count} addresses were active.",
            ),
        ),
    },
    "policy": {
        "up": Wording(
            (
                "Regulator clears the way for {name} custody by banks",
                "Banks may hold {name} for clients under new guidance",
                "New rule lets banks keep {ticker} in custody",
                "{name} custody approved for {count} lenders",
                "Green light for {name} at regulated banks",
            ),
            (
                "New guidance allows {count} regulated banks to hold {name} for their clients.",
                "The guidance on custody of {name} takes effect for {count} lenders.",
            ),
        ),
        "down": Wording(
            (
                "Regulator fines {name} brokers {amount} million over disclosures",
                "{ticker} brokers to pay {amount} million in penalty",
                "Penalty of {amount} million for firms that sold {name}",
                "Brokers charged over {name} sales, {amount} million sought",
                "Crackdown on {name} sales ends in {amount} million fine",
            ),
            (
                "Firms that sold {name} without proper disclosures will pay {amount} million.",
                "The order names {name} products and imposes {amount} million in penalties.",
            ),
        ),
        "flat": Wording(
            (
                "Regulator asks for comments on {name} reporting",
                "Consultation opens on how firms report {ticker} holdings",
                "Proposed rule on {name} reporting open for comment",
                "Agency to hold a round table on {name} market structure",
                "Firms have {count} days to comment on {ticker} rule",
            ),
            (
                "The proposal on reporting {name} holdings is open for comment for {count} days.",
                "A consultation on {name} reporting runs for {count} days.",
            ),
        ),
    },
}

CLOSINGS: tuple[str, ...] = (
    "{ticker} traded at {price}, a change of {sign}{pct} in 24 hours.",
    "At the time of writing {name} stood at {price} ({sign}{pct} on the day).",
    "{name} last changed hands at {price}, {sign}{pct} from a day earlier.",
    "The price of {ticker} was {price}, {sign}{pct} against yesterday.",
)
AUTHORS: tuple[str, ...] = (
    "Mara Lindqvist", "Tobias Okoye", "Ines Carvalho", "Jonah Pratt", "Sunita Rao", "Felix Arendt", "Noor Haddad",
    "Elena Brandt", "Kofi Mensah", "Yuki Tanabe",
)  # fmt: skip
