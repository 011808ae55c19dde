from __future__ import annotations

import pytest

from holdfast.errors import ConfigurationError
from holdfast.store.open import open_store


@pytest.mark.parametrize("url", ["postgresql:/ann:hunter2@host/shop", "hunter2", "mysql://ann:hunter2@host/shop"])
def test_a_url_that_names_no_store_is_refused_without_quoting_its_password(url: str) -> None:
    with pytest.raises(ConfigurationError, match="must begin with") as refused:
        open_store(url)
    assert "hunter2" not in str(refused.value)
