"""``FakeModelLoader`` of odoo-test-helper for Odoo 19.0.

Upstream 2.1.3 does not import on 19, and with its names merely aliased it would
leave the registry broken.  Here only what Odoo itself does to load a module is
called (``add_to_registry``, ``_setup_models__``, ``init_models``).  Restoring
puts back what ``add_to_registry`` changed on classes that stay, then lets Odoo
set everything up again: no derived structure is patched by hand.

Limits: the tables exist only in the test's transaction, and creating them locks
the tables they refer to or extend until its end, so nothing here works for tests
that need a second connection or a commit.  A fake ``fields.Properties`` on a real
definition stays listed in its ``properties_fields``, which Odoo never empties.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from unittest import mock

from odoo.models import MetaModel
from odoo.orm.model_classes import add_to_registry
from odoo.sql_db import Savepoint
from odoo.tools import OrderedSet

# Upstream reads the old name of this attribute once, while it is imported.
with mock.patch.object(MetaModel, "module_to_models", MetaModel._module_to_models__, create=True):
    from odoo_test_helper import FakeModelLoader as _FakeModelLoader

if TYPE_CHECKING:
    from collections.abc import Iterable

    from odoo.models import BaseModel

# Attributes that add_to_registry() writes on classes other than the new one.
_METADATA = (
    *("_base_classes__", "_inherit_children", "_inherits_children", "_inherit_module"),
    *("_inherits", "_depends", "_description", "_table", "_log_access"),
)
_MUTABLE = (OrderedSet, set, dict)  # changed in place, so a copy has to be kept


def _metadata(model_cls: type[BaseModel]) -> dict[str, Any]:
    own = {name: vars(model_cls)[name] for name in _METADATA if name in vars(model_cls)}
    return {k: type(v)(v) if type(v) in _MUTABLE else v for k, v in own.items()}


class FakeModelLoader(_FakeModelLoader):
    """Upstream's three calls; give ``restore_registry`` to ``addClassCleanup``."""

    def backup_registry(self) -> None:
        # A fake model imported together with the test module becomes real, without
        # a table, whenever a registry is built (by pytest-odoo: always).  Upstream
        # only warns about it; it cannot be undone here, so refuse it.
        definitions = MetaModel._module_to_models__.get(self._module_name, ())
        if wrong := [cls for cls in definitions if ".tests." in cls.__module__]:
            raise ImportError(f"Import fake models after backup_registry(): {wrong}")
        registry = self.env.registry
        self._original_registry = {name: _metadata(cls) for name, cls in registry.items()}
        queued = MetaModel._module_to_models__
        self._original_module_to_models = {key: [*value] for key, value in queued.items()}
        self._original_xmlids = set(registry.loaded_xmlids)
        self.env.flush_all()  # pending values are keyed by fields about to be replaced
        self._savepoint = Savepoint(self.env.cr)

    def update_registry(self, odoo_models: Iterable[MetaModel]) -> None:
        registry = self.env.registry
        self._clean_module_to_model()  # the import queued them for every later registry
        self.env.flush_all()
        names = [add_to_registry(registry, model)._name for model in odoo_models]
        self._setup()
        registry.init_models(self.env.cr, names, {"module": self._module_name})
        self._refresh_not_null()

    def restore_registry(self) -> None:
        registry = self.env.registry
        # Whatever the tests left (pending values, a failed transaction) must not
        # stop the clean-up, and the tables are to be gone before the setup.
        self.env.transaction.clear()
        self._savepoint.close()
        self._clean_module_to_model()
        for name in set(registry) - set(self._original_registry):
            del registry[name]
        for name, original in self._original_registry.items():
            for attribute in _metadata(registry[name]).keys() - original:
                delattr(registry[name], attribute)
            for attribute, value in original.items():
                setattr(registry[name], attribute, value)
        registry.loaded_xmlids &= self._original_xmlids
        registry._ordinary_tables = None  # cached table names; init_models() drops them too
        self._setup()
        self._refresh_not_null()

    def _setup(self) -> None:
        # The flag makes other processes reload: they cannot see these models.  Its
        # previous value is kept for whatever else the test has changed; when the
        # setup fails it stays set, and Odoo's own clean-up rebuilds once more.
        invalidated = self.env.registry.registry_invalidated
        self.env.registry._setup_models__(self.env.cr)
        self.env.registry.registry_invalidated = invalidated

    def _refresh_not_null(self) -> None:
        # A set of field objects, which the setup has replaced by equal ones.
        if self.env.registry.not_null_fields:
            self.env.registry.check_null_constraints(self.env.cr)
