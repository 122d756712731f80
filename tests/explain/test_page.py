"""The skeleton of HTML pages."""

from __future__ import annotations

import json
import re

import pytest

from pellucid.explain.page import data, escape, fold, fragment, page, table


def test_a_page_holds_its_parts_and_no_address() -> None:
    made = page("A & <B>", "<p>body</p>", script="let x = 1", style=".mine{color:red}")
    assert "<title>A &amp; &lt;B&gt;</title>" in made
    assert '<main class="pellucid">\n<p>body</p>' in made
    assert "let x = 1" in made
    assert ".mine{color:red}" in made
    assert "default-src 'none'" in made
    assert not re.search(r"https?:|\bsrc=|\bhref=|url\(|@import", made)


def test_a_script_cannot_be_ended_from_inside() -> None:
    made = page("t", "", script='let text = "</script><img>"')
    assert made.count("</script>") == 1
    assert data("d", {"text": "</script><!--"}).count("</script>") == 1


def test_data_reads_back() -> None:
    value = {"text": "</b> é ½ <!-- x", "numbers": [1, 2.5]}
    found = re.search(r">(.*)</script>", data("d", value))
    assert found
    assert json.loads(found[1]) == value
    with pytest.raises(ValueError, match="JSON"):
        data("d", float("nan"))


def test_pieces() -> None:
    assert escape('<"&') == "&lt;&quot;&amp;"
    assert fold("s", "b").startswith("<details><summary>s</summary>")
    assert fold("s", "b", opened=True).startswith("<details open>")
    made = table([["a", "1"]], ["name", "value"])
    assert '<th class="left">name</th><th>value</th>' in made
    assert '<td class="left">a</td><td>1</td>' in made
    assert fragment("<p>x</p>").endswith('<div class="pellucid">\n<p>x</p>\n</div>\n')
