"""Which records of a bucket a list or watch is about."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
import orjson

from echelon.apiserver.objects import ObjectBucket, ObjectRecord
from echelon.apiserver.query import ListOptions
from echelon.apiserver.registry import Served
from echelon.apiserver.selectors import FieldSelector, LabelPredicate, parse_fields, parse_labels

_NO_FIELDS = FieldSelector()


class Selection(msgspec.Struct, frozen=True):
    """A namespace (empty: all) and what labels and fields must be."""

    namespace: str
    labels: LabelPredicate | None
    fields: FieldSelector
    served: Served

    @property
    def filters(self) -> bool:
        """Whether anything beyond the namespace is asked for."""
        return self.labels is not None or bool(self.fields.terms)

    def matches(self, record: ObjectRecord) -> bool:
        if self.namespace and record.key.namespace != self.namespace:
            return False
        if self.labels is not None and not self.labels(record.summary.labels):
            return False
        if not self.fields.terms:
            return True
        key, read = record.key, self.served.read
        return self.fields.matches(key.namespace, key.name, lambda: read(orjson.loads(record.value)))

    def pick(self, records: Iterable[ObjectRecord]) -> list[ObjectRecord]:
        return [record for record in records if self.matches(record)]

    def current(self, bucket: ObjectBucket) -> Sequence[ObjectRecord]:
        """The durable records that are selected, in order; a demanded name is looked up instead of searched."""
        namespace = self.namespace or self.fields.demanded("metadata.namespace") or ""
        name = self.fields.demanded("metadata.name")
        if name is not None and (namespace or not self.served.definition.namespaced):
            record = bucket.get(namespace, name)
            return [record] if record is not None and self.matches(record) else []
        records = bucket.list(namespace or None)
        return self.pick(records) if self.filters else records


def selection_of(options: ListOptions, served: Served, namespace: str) -> Selection:
    """What the options of a request select.

    Raises:
        StatusError: 400 when a selector cannot be read.
    """
    labels = parse_labels(options.label_selector) if options.label_selector else None
    fields = _NO_FIELDS
    if options.field_selector:
        supported = tuple(field.lstrip(".") for field in served.version.selectable_fields)
        fields = parse_fields(options.field_selector, supported, not served.definition.builtin)
    return Selection(namespace, labels, fields, served)
