"""What `cascade plan` reads: usage logs of several makers, and prompts."""

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cascade import ConfigError
from cascade.app.usage_log import holds_prompts, read_uses
from cascade.reports.planning import Use
from cascade.types import Usage


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "usage.jsonl"


def read(path: Path, text: str | bytes) -> list[Use | ConfigError]:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return list(read_uses(path, 300))


def one(path: Path, text: str | bytes) -> Use:
    (found,) = read(path, text)
    assert isinstance(found, Use), found
    return found


def refused(path: Path, text: str | bytes) -> str:
    with pytest.raises(ConfigError) as caught:
        read(path, text)
    return str(caught.value)


class TestCsv:
    @pytest.fixture
    def file(self, tmp_path: Path) -> Path:
        return tmp_path / "usage.csv"

    def test_has_a_row_for_many_requests(self, file: Path) -> None:
        text = "model,task,input_tokens,output_tokens,count\nlarge,faq,1000,200,10\n"
        assert one(file, text) == Use("faq", "large", 10, Usage(100, 20))

    def test_whose_tokens_are_of_one_request_each_is_told_so(self, file: Path) -> None:
        (found,) = read(file, "model,input_tokens,output_tokens,count\nlarge,350,120,9000\n")
        assert isinstance(found, ConfigError)
        assert "350 input tokens for 9,000 requests: tokens and cost are those of all" in str(found)

    def test_may_have_other_names_for_its_columns(self, file: Path) -> None:
        heading = "Feature, Model, Num Model Requests, Prompt Tokens, Completion Tokens, Spend\n"
        assert one(file, heading + "faq, large, 2, 20, 10, 0.5\n") == Use(
            "faq", "large", 2, Usage(10, 5), 0.5
        )

    def test_may_begin_with_a_byte_order_mark(self, file: Path) -> None:
        text = b"\xef\xbb\xbfmodel,input_tokens,output_tokens\nlarge,1,2\n"
        assert one(file, text) == Use(None, "large", 1, Usage(1, 2))

    def test_may_be_compressed(self, tmp_path: Path) -> None:
        text = gzip.compress(b"model,input_tokens,output_tokens\nlarge,1,2\n")
        assert one(tmp_path / "usage.csv.gz", text).model == "large"

    def test_counts_cached_tokens_as_part_of_the_input(self, file: Path) -> None:
        text = "input_tokens,output_tokens,cached_tokens,count\n100,10,40,2\n100,10,400,2\n"
        usages = [each.usage for each in read(file, text) if isinstance(each, Use)]
        assert usages == [Usage(50, 5, 20), Usage(50, 5, 50)]

    def test_leaves_out_rows_of_no_request(self, file: Path) -> None:
        assert read(file, "input_tokens,output_tokens,count\n0,0,0\n") == []

    def test_without_rows_is_of_nothing(self, file: Path) -> None:
        assert read(file, "input_tokens,output_tokens\n") == []
        assert not holds_prompts(file)

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            pytest.param(
                "model,output_tokens\nlarge,1\n",
                "line 2: has no input_tokens; there are model, output_tokens",
                id="no input",
            ),
            pytest.param(
                "input_tokens,output_tokens\n1,x\n",
                "line 2: output_tokens is no number: 'x'",
                id="no number",
            ),
            pytest.param("input_tokens,output_tokens\n1,-3\n", "is 0 or more, got -3", id="less"),
            pytest.param("input_tokens,output_tokens\n1,nan\n", "is 0 or more, got nan", id="nan"),
            pytest.param("input_tokens,output_tokens\n1,1e15\n", "tokens must be", id="too many"),
        ],
    )
    def test_tells_of_a_broken_row_and_goes_on(self, file: Path, text: str, words: str) -> None:
        mistake, more = read(file, text + text.splitlines()[1] + "\n")
        assert words in str(mistake)
        assert isinstance(more, ConfigError)
        assert "line 3" in str(more)

    def test_that_is_none_is_told(self, file: Path) -> None:
        assert "no CSV" in refused(file, "input_tokens,output_tokens\n" + "9" * 200_000 + ",1\n")

    def test_in_another_encoding_is_told(self, file: Path) -> None:
        assert "must be UTF-8 text" in refused(file, "modèle,input_tokens".encode("latin-1"))


class TestJsonLines:
    def test_have_what_csv_has(self, file: Path) -> None:
        row = {"model": "large", "task": "faq", "input_tokens": 10, "output_tokens": 4, "cost": 0.1}
        assert one(file, json.dumps(row)) == Use("faq", "large", 1, Usage(10, 4), 0.1)

    def test_may_have_usage_as_endpoints_report_it(self, file: Path) -> None:
        row = {"model": "large", "usage": {"prompt_tokens": 10, "completion_tokens": 4}}
        assert one(file, json.dumps(row)) == Use(None, "large", 1, Usage(10, 4))

    def test_with_tokens_are_a_log_though_they_have_prompts(self, file: Path) -> None:
        row = {"messages": [], "input_tokens": 10, "output_tokens": 4}
        assert one(file, json.dumps(row)) == Use(None, None, 1, Usage(10, 4))
        assert not holds_prompts(file)

    def test_tell_of_a_broken_line_and_go_on(self, file: Path) -> None:
        lines = '\n{"a"\n[]\n{"input_tokens": 1, "output_tokens": 2}\n'
        first, second, good = read(file, lines)
        assert "line 2: must be a JSON object" in str(first)
        assert "line 3: must be a JSON object" in str(second)
        assert good == Use(None, None, 1, Usage(1, 2))

    def test_nested_too_deeply_are_broken(self, file: Path) -> None:
        (found,) = read(file, "[" * 100_000)
        assert isinstance(found, ConfigError)

    def test_that_cannot_be_read_are_told(self, file: Path, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="No such file"):
            list(read_uses(file, 300))
        assert "not a gzipped file" in refused(tmp_path / "u.jsonl.gz", b"plain").lower()


class TestPrompts:
    def test_are_counted_by_their_text(self, file: Path) -> None:
        text = '{"prompt": "What is the capital of France?", "task": "faq"}\n'
        assert one(file, text) == Use("faq", None, 1, Usage(7, 300, estimated=True))
        assert holds_prompts(file)

    def test_may_be_conversations(self, file: Path) -> None:
        messages = [{"role": "user", "content": "x" * 40}, {"role": "user", "content": "y" * 40}]
        assert one(file, json.dumps({"messages": messages})).usage.input_tokens == 20

    def test_tell_of_a_broken_line_and_go_on(self, file: Path) -> None:
        broken, good = read(file, '{"prompt": 3}\n{"prompt": "yes?"}\n')
        assert isinstance(broken, ConfigError)
        assert isinstance(good, Use)


@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(["model", "input_tokens", "output_tokens", "count", "cost", "usage"]),
            st.none() | st.integers() | st.floats() | st.text(max_size=5) | st.just({"a": 1}),
        ),
        min_size=1,
        max_size=5,
    )
)
def test_any_row_is_read_refused_or_of_nothing(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, object]]
) -> None:
    path = tmp_path_factory.mktemp("log") / "usage.jsonl"
    found = read(path, "\n".join(map(json.dumps, rows)))
    assert len(found) <= len(rows)
    assert all(each.requests >= 1 for each in found if isinstance(each, Use))
