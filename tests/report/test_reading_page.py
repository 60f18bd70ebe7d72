from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from osteon.errors import GeometryError
from osteon.geometry import Grid
from osteon.records import Finding, Patient
from osteon.report.reading_page import MOST_KEY_IMAGES, reading_page, write_reading_page
from tests.readings import Example, make_example, make_grid

if TYPE_CHECKING:
    from pathlib import Path

VOID = {"meta", "br", "image", "rect", "path", "polygon", "circle", "line"}


class _Page(HTMLParser):
    """Text, ids, links and attributes of a page; refuses tags that are not closed."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.text, self.ids, self.links, self.tags = "", [], [], []  # type: str, list[str], list[str], list[tuple[str, dict[str, str | None]]]
        self._open: list[str] = []
        self.feed(source)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.tags.append((tag, values))
        self.ids += [values["id"]] if values.get("id") else []  # type: ignore[list-item]
        self.links += [values["href"]] if values.get("href") else []  # type: ignore[list-item]
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] != "style":
            self.text += data


def _page(example: Example, **changes: Any) -> str:
    values = {
        "reading": example.reading,
        "volume": example.volume,
        "bone_mask": example.bone,
        "lesion_labels": example.labels,
    }
    return reading_page(**(values | changes))


def test_every_number_is_on_the_page() -> None:
    example = make_example(3)
    page = _Page(_page(example, series_description="Low dose Br64"))
    text = " ".join(page.text.split())
    assert "3 findings at or above the operating point" in text
    assert "61 years, female" in text
    assert "Low dose Br64" in text
    assert text.count("Research software. Not a medical device.") == 2
    for finding in example.reading.findings:
        assert f"{finding.score:.2f}" in text
        assert f"{finding.longest_diameter_mm:.0f} × {finding.short_diameter_mm:.0f}" in text
        assert f"{finding.volume_mm3 / 1000:.2f}" in text
        assert f"{finding.mean_value:.0f}" in text
        assert f"slice {finding.key_slice + 1} of 12" in text
        assert finding.tracking_uid in text
    for fact in ("lytic-small", "0123456789abcdef", "isotonic on 12 phantom patients", "detect 20.5 s", "1.2.3.4"):
        assert fact in text


def test_every_link_leads_somewhere_on_the_page_and_every_picture_has_words() -> None:
    page = _Page(_page(make_example(3)))
    anchors = [link for link in page.links if link.startswith("#")]
    assert set(anchors) == {"#finding-1", "#finding-2", "#finding-3"}
    assert {anchor[1:] for anchor in anchors} <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))
    drawings = [values for tag, values in page.tags if tag == "svg"]
    assert len(drawings) == 2 + 3 * 5
    assert all(values.get("aria-label") and values.get("role") in ("img", "group") for values in drawings)


def test_nothing_is_fetched_or_run() -> None:
    source = _page(make_example(2))
    page = _Page(source)
    assert not {"script", "link", "iframe", "object", "form"} & {tag for tag, _ in page.tags}
    assert all(link.startswith(("#finding-", "data:image/jpeg;base64,")) for link in page.links)
    assert not re.search(r"https?://|url\(|@import|javascript:", source)
    assert not any(name.startswith("on") for _, values in page.tags for name in values)


def test_hostile_text_stays_text() -> None:
    evil = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)> {{ 7 * 7 }}"
    example = make_example(1)
    finding = replace(example.reading.findings[0], kind=evil, site=evil, tracking_uid=evil)
    reading = replace(
        example.reading,
        system=evil,
        study_uid=evil,
        findings=(finding,),
        warnings=(evil,),
        verdicts={evil: evil, "nested": {evil: [evil]}},
        operating_point={evil: evil},
        patient=Patient(sex=evil),
        provenance=replace(example.reading.provenance, model_name=evil, device=evil, timings_s={evil: 1.0}),
    )
    source = _page(replace(example, reading=reading), series_description=evil)
    page = _Page(source)
    assert not {"script", "img"} & {tag for tag, _ in page.tags}
    assert "{{ 7 * 7 }}" in page.text
    assert evil in page.text
    assert not any(name.startswith("on") for _, values in page.tags for name in values)


def test_records_of_the_whole_patient_stand_in_tables() -> None:
    example = make_example(0)
    verdicts = {
        "diagnosis": "benign tumour",
        "sequences": [{"series": f"1.2.{k}", "kind": kind, "fused_mean": 0.25} for k, kind in enumerate(("T1", "T2"))],
        "strategies": {"Det": {"answer": "benign"}, "Seq-Age": {"answer": "malignant"}},
    }
    source = _page(replace(example, reading=replace(example.reading, verdicts=verdicts)))
    rows = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in re.findall(r"<tr>.*?</tr>", source)]
    assert [row for row in rows if row[0] in ("Kind", "T1", "T2")] == [
        ["Kind", "Fused mean"], ["T1", "0.25"], ["T2", "0.25"],
    ]  # fmt: skip
    assert ["Seq-Age", "malignant"] in rows
    assert "1.2.0" not in source
    assert "<dd>benign tumour</dd>" in source


def test_no_findings() -> None:
    text = _Page(_page(make_example(0))).text
    assert "No finding at or above the operating point" in text
    assert "does not exclude disease" in text
    assert "Key images" not in text


def test_many_findings_are_all_listed_and_the_best_are_shown() -> None:
    example = make_example(6, grid=make_grid((12, 64, 64)))
    count = 200
    findings = tuple(
        replace(example.reading.findings[k % 6], number=k + 1, score=1 - k / 250, tracking_uid=f"2.25.{k + 1}")
        for k in range(count)
    )
    source = _page(example, reading=replace(example.reading, findings=findings))
    page = _Page(source)
    assert sum(name.startswith("finding-") for name in page.ids) == MOST_KEY_IMAGES == 40
    assert sum(tag == "tr" for tag, _ in page.tags) == count + 1
    assert "those of the other 160 are not shown" in " ".join(page.text.split())
    assert len(source) < 15_000_000


def test_a_page_of_noise_stays_below_15_megabytes() -> None:
    example = make_example(1, grid=make_grid((4, 512, 512)))
    noise = np.random.default_rng(0).integers(-450, 1050, (4, 512, 512), dtype=np.int16)
    volume = replace(example.volume, array=noise)
    findings = tuple(replace(example.reading.findings[0], number=k + 1) for k in range(50))
    source = _page(replace(example, volume=volume), reading=replace(example.reading, findings=findings))
    assert len(source) < 15_000_000


@pytest.mark.parametrize(
    "grid",
    [
        make_grid(oblique=True),
        make_grid((1, 40, 48)),
        make_grid((2, 40, 48)),
        Grid(shape=(12, 40, 48), direction=((0.0, 0.0, -1.0), (1.0, 0.0, 0.0), (0.0, -1.0, 0.0))),
    ],
    ids=["oblique", "one slice", "two slices", "sagittal"],
)
def test_any_grid(grid: Grid) -> None:
    example = make_example(2, grid=grid)
    page = _Page(_page(example))
    text = " ".join(page.text.split())
    assert "2 findings" in text
    assert ("oblique" in text) == (grid.direction == make_grid(oblique=True).direction)
    drawings = sum(tag == "svg" for tag, _ in page.tags)
    assert drawings == (2 * 3 if min(grid.shape) < 3 else 2 + 2 * 5)


def test_unknown_values_and_other_modalities() -> None:
    example = make_example(1)
    finding: Finding = replace(example.reading.findings[0], mean_value=None, site=None)
    reading = replace(example.reading, findings=(finding,), patient=Patient(), verdicts={}, operating_point={})
    volume = replace(example.volume, modality="MR")
    text = " ".join(_Page(_page(example, reading=reading, volume=volume, bone_mask=None)).text.split())
    assert "age and sex not stated" in text
    assert "no description" in text
    assert "percentile" in text
    assert " HU" not in text


def test_findings_without_voxels_are_shown_by_their_box() -> None:
    example = make_example(2)
    page = _Page(_page(example, lesion_labels=np.zeros_like(example.labels)))
    classes = [values.get("class") for tag, values in page.tags if tag in ("rect", "polygon")]
    assert "outline" not in classes
    assert classes.count("box main") == 2 * 4


def test_box_and_outline_lie_on_the_lesion() -> None:
    example = make_example(1)
    source = _page(example)
    finding = example.reading.findings[0]
    svg = source[source.index('class="full"') :]
    width, height = map(int, re.search(r'viewBox="0 0 (\d+) (\d+)"', svg).groups())  # type: ignore[union-attr]
    x, y, w, h = (float(v) for v in re.search(r'main" x="(.*?)" y="(.*?)" width="(.*?)" height="(.*?)"', svg).groups())  # type: ignore[union-attr]
    points = np.array([p.split(",") for p in re.search(r'points="(.*?)"', svg).group(1).split()], float)  # type: ignore[union-attr]
    # The block fills the picture except for the air that body_spans would remove; here nothing is air.
    columns, rows = width / 48, height / 40
    assert [x / columns, y / rows, (x + w) / columns, (y + h) / rows] == pytest.approx(
        [finding.box.x0, finding.box.y0, finding.box.x1, finding.box.y1], abs=0.02
    )
    assert points.min(axis=0) == pytest.approx([x, y], abs=1.5)
    assert points.max(axis=0) == pytest.approx([x + w, y + h], abs=1.5)


def test_writes_one_file_whole_or_not_at_all(tmp_path: Path) -> None:
    example = make_example(1)
    path = tmp_path / "out" / "report.html"
    write_reading_page(
        path,
        reading=example.reading,
        volume=example.volume,
        bone_mask=example.bone,
        lesion_labels=example.labels,
    )
    assert [entry.name for entry in path.parent.iterdir()] == ["report.html"]
    assert path.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    with pytest.raises(GeometryError):
        write_reading_page(
            tmp_path / "bad.html",
            reading=example.reading,
            volume=example.volume,
            bone_mask=None,
            lesion_labels=example.labels[1:],
        )
    assert [entry.name for entry in tmp_path.iterdir()] == ["out"]
