"""Describes columns by the texts in ``catalog/glossary.toml``."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict
from pydantic import Field as Setting

from stripe_sync.catalog.fields import Field, FieldKind
from stripe_sync.catalog.model import Collection
from stripe_sync.errors import CatalogError

Pattern = Annotated[re.Pattern[str], BeforeValidator(re.compile)]


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Family(_Entry):
    objects: tuple[str, ...]
    kind: FieldKind
    excluded: tuple[str, ...] = Setting(default=(), alias="except")
    text: str


class _Rule(_Entry):
    match: Pattern
    kind: FieldKind | None = None
    text: str


class _Money(_Entry):
    match: Pattern
    excluded: tuple[str, ...] = Setting(alias="except")


class Glossary(_Entry):
    """What fields mean, by collection, by name and by pattern.

    Attributes:
        money: Which whole numbers are amounts of money.
        nouns: Noun for an object in a sentence, by object name.
        fields: Descriptions by field name.
        collections: Descriptions by collection or object name, then field name.
        families: Descriptions for many fields of few objects.
        patterns: Descriptions of last resort; the first one that fits is taken.
    """

    money: _Money
    nouns: dict[str, str]
    fields: dict[str, str]
    collections: dict[str, dict[str, str]]
    families: tuple[_Family, ...]
    patterns: tuple[_Rule, ...]

    def noun(self, object_name: str) -> str:
        """Noun for an object in a sentence, ``invoice item``."""
        return self.nouns.get(object_name) or re.sub(r"[._]", " ", object_name)

    def describe(self, collection: Collection, name: str, field: Field) -> str:
        """What a field means, as one or two sentences without units.

        Raises:
            CatalogError: No entry and no pattern fits.
        """
        text = (
            self._for_collection(collection, name)
            or self._by_family(collection, name, field)
            or self.fields.get(name)
            or self._by_pattern(name, field)
        )
        if text is None:
            msg = f"the glossary has no words for {collection.id}.{name}"
            raise CatalogError(msg)
        return text.replace("{it}", self.noun(collection.object)).replace("{field}", name)

    def is_money(self, name: str, field: Field) -> bool:
        """Whether a field is an amount in the minor unit of a currency."""
        return (
            field.kind is FieldKind.INTEGER
            and name not in self.money.excluded
            and self.money.match.search(name) is not None
        )

    def _for_collection(self, collection: Collection, name: str) -> str | None:
        own = self.collections.get(collection.name, {}).get(name)
        return own or self.collections.get(collection.object, {}).get(name)

    def _by_family(self, collection: Collection, name: str, field: Field) -> str | None:
        for family in self.families:
            fits = collection.object in family.objects and field.kind is family.kind
            if fits and name not in family.excluded:
                return family.text
        return None

    def _by_pattern(self, name: str, field: Field) -> str | None:
        for rule in self.patterns:
            if rule.kind in {None, field.kind} and (match := rule.match.search(name)):
                return rule.text.replace("{what}", match["what"].replace("_", " "))
        return None


def read_glossary(path: Path) -> Glossary:
    """The glossary in a TOML file."""
    return Glossary.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
